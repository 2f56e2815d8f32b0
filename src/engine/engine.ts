// The engine: a function of a command and an instant. It returns records to write and replies to send
// afterwards, and touches nothing else: no socket, no file, no clock.
//
// The life of a message:
// 1. A post gives it a number and puts it in its mailbox, which is ordered by number.
// 2. The ready message with the lowest number is delivered to the wait that was parked first, or to a fetch.
//    That session holds it. There is no lease: settle, release or the loss of the connection ends the hold.
// 3. A settle ends it for good. A release returns it to its place, with attempt + 1 unless it is unread.
// 4. After its last attempt it moves to `dead-letters`, and at once when it is released as rejected. A retry
//    moves it back, with attempts from 1.
// A peek changes none of this; a drop settles ready messages unread; a paused mailbox stores, and delivers nothing.
import assert from 'node:assert/strict';
import { IpcError, unreachable } from '../base/errors.ts';
import type { Hold, HoldEnd, SessionId } from '../model/message.ts';
import type { PlainPost } from '../model/plain-post.ts';
import type { CopiedRecord, JournalRecord } from '../model/records.ts';
import type {
  FetchRequest,
  PeekRequest,
  PostRequest,
  RequestNumber,
  WaitRequest,
  WatchRequest,
} from '../model/requests.ts';
import type { Command, CommandOf, ConnectionId, Identity, Instant, Outcome } from './commands.ts';
import { Connections, mailboxesRead, openRefusal, type SessionConnection } from './connections.ts';
import { putBackRecord, retryDeadLetters } from './dead-letters.ts';
import { type EngineLimits, engineLimits } from './engine-limits.ts';
import {
  type AddressedMessage,
  addressedMessages,
  idConflict,
  type MessagesOf,
  postedRecord,
  storedBefore,
  wasPosted,
} from './fan-out.ts';
import { endOf, offeredRecord, renamedRecords } from './hold-records.ts';
import { HolderGrace } from './holder-grace.ts';
import { Holds } from './holds.ts';
import { importMessage } from './imports.ts';
import { Looks } from './looks.ts';
import { droppable, fetchable, firstReadyOf } from './mailbox-reads.ts';
import { Matching } from './matching.ts';
import { NameUnion } from './name-union.ts';
import { OutcomeBuilder } from './outcome-builder.ts';
import { pauseRecords, pausingResponse, waitedFor } from './pauses.ts';
import { parkRefusal, quotaRefusal, standRefusal, watchRefusal } from './quota.ts';
import { ReadyChanges } from './ready-changes.ts';
import { Replies } from './replies.ts';
import { type LiveMessage, State } from './state.ts';
import type { Waiter } from './wait-lines.ts';
import { Waiters } from './waiters.ts';
import { Watches } from './watches.ts';

export class Engine {
  #identity: Identity | undefined;
  readonly #limits: EngineLimits;
  readonly #state: State;
  readonly #holds: Holds;
  /** The mailboxes that a status lists. */
  readonly #names = new NameUnion();
  readonly #waiters = new Waiters<SessionConnection>(this.#names);
  readonly #watches: Watches<SessionConnection>;
  readonly #connections = new Connections();
  readonly #grace: HolderGrace;
  readonly #looks: Looks;
  readonly #outcome: OutcomeBuilder;
  readonly #replies: Replies;
  readonly #matching: Matching;
  /** When the step that runs began, in milliseconds since 1970. */
  #time = 0;

  constructor(given: Partial<EngineLimits> = {}) {
    this.#limits = { ...engineLimits, ...given };
    const changes = new ReadyChanges();
    this.#state = new State(this.#limits, this.#names, changes);
    this.#outcome = new OutcomeBuilder(this.#state);
    this.#watches = new Watches(this.#state, changes, this.#names, this.#limits);
    this.#holds = new Holds(this.#state, this.#limits);
    this.#grace = new HolderGrace(this.#state);
    const parked = { waiters: this.#waiters, watches: this.#watches };
    this.#looks = new Looks(this.#state, parked, this.#connections, this.#limits);
    this.#replies = new Replies(this.#outcome, this.#state, this.#looks);
    this.#matching = new Matching(this.#state, this.#waiters, this.#mayDeliver, this.#serve);
  }

  get nextNumber(): number {
    return this.#state.nextNumber;
  }

  /** Unsettled messages. */
  get size(): number {
    return this.#state.size;
  }

  /** Sessions that would take over, without the one named. */
  standbys(own: SessionId): number {
    return this.#connections.standbys(own);
  }

  /** Replays a record. Records may come twice and out of order. */
  restore(record: JournalRecord | PlainPost): void {
    assert(!this.#identity, 'records are restored before begin()');
    this.#state.apply(record);
  }

  /** Numbers below this one have been used, even if no message has them any more. */
  reserveNumbersBelow(number: number): void {
    this.#state.reserveNumbersBelow(number);
  }

  /** Ends the replay. Holders that the previous owner knew have `holderGraceMs` to reconnect. */
  begin(identity: Identity, instant: Instant): void {
    this.#identity = identity;
    this.#state.endReplay();
    this.#grace.begin(instant.now + this.#limits.holderGraceMs);
  }

  /** Whether outcomes have the events of their records. */
  set areEventsWanted(areWanted: boolean) {
    this.#outcome.areEventsWanted = areWanted;
  }

  step(command: Command, from: ConnectionId, instant: Instant): Outcome {
    assert(this.#identity, 'begin() comes before the first command');
    this.#time = instant.time;
    const connection = this.#connections.get(from);
    if (command.kind === 'hello') this.#hello(command, from, this.#identity);
    else if (connection) this.#dispatch(command, connection, instant);
    else if (command.kind !== 'disconnect' && command.kind !== 'flushed') {
      const what = 'the first request of a connection must be a hello';
      this.#outcome.fail(from, command.request, 'bad_frame', what);
    }
    this.#watches.takeChanges(instant.now);
    return this.#outcome.take();
  }

  /** Ends the waits that have timed out, the holders' grace, and the watches that are due. */
  tick(instant: Instant): Outcome {
    this.#time = instant.time;
    for (let waiter = this.#waiters.next; waiter; waiter = this.#waiters.next) {
      if (waiter.deadline > instant.now) break;
      this.#unpark(waiter);
      this.#replies.end(waiter.owner, waiter.request, waiter.mailboxes);
    }
    if (this.#grace.deadline <= instant.now) {
      const { sessions, fetches } = this.#grace.end();
      this.#putBackAll(
        sessions.flatMap((each) => this.#holds.releaseAll(each)),
        'disconnected',
      );
      for (const early of fetches) this.#read(early.fetch, early.connection);
    }
    this.#watches.takeChanges(instant.now);
    for (const ended of this.#watches.tick(instant.now, instant.time)) this.#replies.watched(ended);
    return this.#outcome.take();
  }

  /** The broker's process stood still. Peers that took it for dead have `holderGraceMs` to reconnect. */
  resumed(instant: Instant): void {
    this.#grace.resumed(instant.now + this.#limits.holderGraceMs);
  }

  /** Until then holders may be absent, on the clock of Instant.now. */
  get graceEndsAt(): number {
    return this.#grace.endsAt;
  }

  /** When tick() has something to do next, on the clock of Instant.now. */
  nextDeadline(): number | undefined {
    const wait = this.#waiters.next?.deadline ?? Number.POSITIVE_INFINITY;
    const deadline = Math.min(wait, this.#grace.deadline, this.#watches.deadline);
    return Number.isFinite(deadline) ? deadline : undefined;
  }

  /** What each segment prologue repeats: the paused mailboxes, and the ids of posts, for deduplication. */
  snapshot(): JournalRecord[] {
    return [...this.#state.pausedMailboxes.records(), ...this.#state.deduplication.records()];
  }

  /** A live message as it is now, for compaction. The journal adds the body. */
  copyOf(number: number): Omit<CopiedRecord, 'body'> | undefined {
    return this.#state.copyOf(number);
  }

  #dispatch(
    command: Exclude<Command, { kind: 'hello' }>,
    connection: SessionConnection,
    instant: Instant,
  ): void {
    switch (command.kind) {
      case 'post':
        return this.#post(command, connection, instant);
      case 'import':
        return this.#import(command, connection);
      case 'wait':
      case 'watch':
      case 'fetch':
      case 'peek': {
        const refusal = openRefusal(command.request, connection);
        if (refusal) return this.#outcome.refuse(connection.id, command.request, refusal);
        if (command.kind === 'wait') return this.#wait(command, connection, instant);
        if (command.kind === 'watch') return this.#watch(command, connection, instant);
        return this.#read(command, connection);
      }
      case 'cancel':
        return this.#cancel(command.request, connection);
      case 'settle':
        return this.#settle(command, connection);
      case 'release':
        return this.#release(command, connection);
      case 'retry':
        return this.#retry(command, connection);
      case 'drop':
        return this.#drop(command, connection, instant);
      case 'pause':
        return this.#pause(command, connection);
      case 'status':
        return this.#outcome.reply(connection.id, this.#looks.status(command, connection));
      case 'find':
        return this.#outcome.reply(connection.id, this.#looks.find(command));
      case 'goodbye':
        return this.#goodbye(connection);
      case 'disconnect':
        return this.#disconnect(connection, instant);
      case 'flushed':
        return this.#flushed(command.bytes, connection);
      default:
        return unreachable(command);
    }
  }

  #hello(hello: CommandOf<'hello'>, id: ConnectionId, identity: Identity): void {
    const { session, request, sentUpTo } = hello;
    if (this.#connections.get(id)) {
      const what = 'a connection sends one hello; this is the second';
      return this.#outcome.fail(id, request, 'bad_frame', what);
    }
    const older = this.#connections.ofSession(session);
    if (older) {
      this.#removeConnection(older);
      this.#outcome.fail(older.id, 0, 'replaced', 'the session has a newer connection');
    }
    const connection = this.#connections.add(id, hello, this.#time);
    this.#state.deduplication.connect(session, sentUpTo);
    const fetches = this.#grace.reconnected(session);
    const revoked = this.#reconcile(session, hello.held);
    const { size: messages } = this;
    this.#outcome.reply(id, { ...identity, kind: 'welcome', request, revoked, messages });
    for (const early of fetches) this.#read(early.fetch, early.connection);
    for (const record of renamedRecords(connection, this.#state)) this.#write(record);
  }

  /**
   * Reconciles the session's holds with its hello. A delivery that it does not list never arrived, and is
   * released unread; a message that it lists is held again, unless another session holds it now.
   */
  #reconcile(session: SessionId, listed: readonly Hold[]): Hold[] {
    this.#putBackAll(this.#holds.releaseUnlisted(session, listed), 'unread');
    const { free, revoked } = this.#holds.regain(session, listed);
    for (const message of free) this.#offer(message, session);
    return revoked;
  }

  #post(post: CommandOf<'post'>, connection: SessionConnection, { time }: Instant): void {
    const { session, id: to } = connection;
    this.#connections.posts(connection, post.from);
    const { nextNumber, deduplication } = this.#state;
    const depth = this.#state.depthOfAnswer(post.answers);
    const origin = { session, time, origin: connection.origin, depth };
    const messages = addressedMessages(post, origin, nextNumber, deduplication);
    if (wasPosted(messages)) return this.#postAgain(post, messages, connection);
    const refusal = quotaRefusal(post, messages, session, this.#state, this.#limits);
    if (refusal) return this.#outcome.refuse(to, post.request, refusal);

    const { settles, unstored, notHeld } = this.#holds.settle(post.settles, session);
    const record = postedRecord(post, messages, settles);
    this.#write(record);
    if (unstored.length > 0) this.#write({ kind: 'settledById', holds: unstored });
    for (const record of renamedRecords(connection, this.#state)) this.#write(record);
    deduplication.sessions.shrink();
    const live = [this.#state.live(record.envelope.number)];
    for (const { number } of record.also) live.push(this.#state.live(number));
    for (const message of live) this.#adopt(message);
    this.#matching.matchReady(live);
    this.#replies.stored(post, messages, { poster: connection, duplicate: false, notHeld, time });
  }

  #import(command: CommandOf<'import'>, { id: to }: SessionConnection): void {
    const imported = importMessage(command, this.#state, this.#limits, this.#write);
    if (imported instanceof IpcError) this.#outcome.refuse(to, command.request, imported);
    else this.#outcome.replyAfterSync(to, imported);
    this.#matching.match([{ mailbox: command.mailbox, answers: command.envelope.answers }]);
  }

  /** The message was delivered before it was posted again: its holder keeps it, or has released it. */
  #adopt(message: LiveMessage): void {
    const orphan = this.#holds.takeOrphan(message.envelope.id);
    if (orphan?.holder !== undefined) {
      this.#offer(message, orphan.holder);
      this.#grace.offered(orphan.holder, message.mailbox);
    } else if (orphan) this.#putBack(message, 'released');
  }

  /**
   * A post that was stored before, or settled without being stored, gets the response of the first one. The
   * messages that it settles are settled all the same.
   */
  #postAgain(
    post: PostRequest,
    messages: MessagesOf<AddressedMessage>,
    poster: SessionConnection,
  ): void {
    const { id: to, session } = poster;
    const stored = storedBefore(post, messages, this.#state);
    if (!stored) return this.#outcome.refuse(to, post.request, idConflict(messages));
    const notHeld = this.#settleAll(post.settles, session);
    this.#replies.stored(post, stored, { poster, duplicate: true, notHeld, time: this.#time });
  }

  #wait(wait: WaitRequest, connection: SessionConnection, instant: Instant): void {
    const { request, mailboxes, answers } = wait;
    const refusal =
      parkRefusal(connection, this.#parked, this.#limits) ??
      standRefusal(mailboxes, this.#waiters.stands, connection, this.#limits);
    if (refusal) return this.#outcome.refuse(connection.id, request, refusal);
    this.#connections.reads(connection, mailboxes);
    const mayDeliver = this.#mayDeliver(connection);
    // No other wait may have it: that would have been served before.
    const ready = mayDeliver && firstReadyOf(mailboxes, answers, this.#state);
    if (ready) return this.#deliverToWait(ready, connection, request);
    connection.waiters.set(request, this.#waiters.park(connection, wait, instant.now));
    connection.waitStands += mailboxes.length;
    // If it has to leave mail that is there, it lies aside from now on.
    if (!mayDeliver) this.#matching.match(mailboxes.map((mailbox) => ({ mailbox, answers })));
  }

  #watch(watch: WatchRequest, connection: SessionConnection, { now }: Instant): void {
    const { request, mailboxes } = watch;
    const refusal = watchRefusal(mailboxes, this.#watches.stands, connection, this.#limits);
    if (refusal) return this.#outcome.refuse(connection.id, request, refusal);
    this.#connections.reads(connection, mailboxes);
    this.#watches.park(connection, watch, now);
  }

  #read(read: FetchRequest | PeekRequest, connection: SessionConnection): void {
    const isEarly = read.kind === 'fetch' && this.#grace.mayReturnTo(read.mailboxes);
    if (isEarly || !this.#mayDeliver(connection)) {
      const refusal = parkRefusal(connection, this.#parked, this.#limits);
      if (refusal) return this.#outcome.refuse(connection.id, read.request, refusal);
      if (isEarly) this.#grace.park(read, connection);
      else this.#connections.parkRead(connection, read);
    } else if (read.kind === 'fetch') this.#fetch(read, connection);
    else this.#replies.peek(read, connection);
  }

  #fetch(fetch: FetchRequest, connection: SessionConnection): void {
    this.#connections.reads(connection, fetch.mailboxes);
    for (const message of fetchable(fetch, this.#state)) {
      this.#offer(message, connection.session);
      this.#replies.offer(message, connection, fetch.request, 'fetch');
    }
    this.#replies.end(connection, fetch.request, fetch.mailboxes);
  }

  /** A cancel that arrives after the delivery finds nothing. The client then releases the message. */
  #cancel(request: RequestNumber, connection: SessionConnection): void {
    const waiter = connection.waiters.get(request);
    const watch = connection.watches.get(request);
    const fetch = connection.earlyFetches.get(request);
    const read = this.#connections.takeRead(connection, request);
    if (waiter) this.#unpark(waiter);
    if (watch) this.#watches.unpark(watch);
    if (fetch) this.#grace.unpark(fetch, connection);
    const found = waiter ?? watch ?? fetch ?? read;
    if (found) this.#replies.end(connection, request, mailboxesRead(found));
  }

  #settle({ holds, request }: CommandOf<'settle'>, connection: SessionConnection): void {
    const notHeld = this.#settleAll(holds, connection.session);
    this.#outcome.replyAfterSync(connection.id, { kind: 'settled', request, notHeld });
  }

  /** Returns the messages that were not settled, because another session holds them. */
  #settleAll(holds: readonly Hold[], session: SessionId): readonly Hold[] {
    const { settles, unstored, notHeld } = this.#holds.settle(holds, session);
    if (settles.length > 0) this.#write({ kind: 'settled', numbers: settles });
    if (unstored.length > 0) this.#write({ kind: 'settledById', holds: unstored });
    return notHeld;
  }

  #release(release: CommandOf<'release'>, { id, session }: SessionConnection): void {
    this.#outcome.reply(id, { kind: 'released', request: release.request });
    this.#putBackAll(this.#holds.release(release, session), endOf(release));
  }

  #retry(retry: CommandOf<'retry'>, connection: SessionConnection): void {
    const response = retryDeadLetters(retry, this.#state, this.#limits, this.#write);
    this.#matching.match(response.moved.map(({ to: mailbox, answers }) => ({ mailbox, answers })));
    this.#outcome.replyAfterSync(connection.id, response);
  }

  #drop(drop: CommandOf<'drop'>, connection: SessionConnection, { time }: Instant): void {
    const response = droppable(drop, this.#state, this.#limits, time);
    const numbers = response.dropped.map(({ number }) => number);
    if (drop.dryRun) return this.#outcome.reply(connection.id, response);
    if (numbers.length > 0) this.#write({ kind: 'settled', numbers });
    this.#outcome.replyAfterSync(connection.id, response);
  }

  #pause(pause: CommandOf<'pause'>, { id }: SessionConnection): void {
    const decided = pauseRecords(pause, this.#state.paused, this.#limits);
    if (decided instanceof IpcError) return this.#outcome.refuse(id, pause.request, decided);
    for (const record of decided) this.#write(record);
    if (!pause.isPaused)
      this.#matching.match(waitedFor(pause.mailboxes, this.#state, this.#waiters));
    this.#outcome.replyAfterSync(id, pausingResponse(pause, this.#state.paused));
  }

  #goodbye({ session }: SessionConnection): void {
    if (this.#state.deduplication.knows(session)) this.#write({ kind: 'forgotten', session });
  }

  #disconnect(connection: SessionConnection, { now }: Instant): void {
    const { session } = connection;
    this.#removeConnection(connection);
    if (this.#grace.keeps(session, now, now + this.#limits.holderGraceMs)) return;
    this.#putBackAll(this.#holds.releaseAll(session), 'disconnected');
  }

  /** Deliveries to a peer that has caught up resume. */
  #flushed(bytes: number, connection: SessionConnection): void {
    connection.unreadBytes -= bytes;
    assert(connection.unreadBytes >= 0, 'bytes are delivered before they are flushed');
    this.#matching.caughtUp(connection);
    for (const [request, read] of connection.reads) {
      if (!this.#mayDeliver(connection)) return;
      this.#connections.takeRead(connection, request);
      this.#read(read, connection);
    }
  }

  /** Bounds the bytes that a peer leaves unread. Beyond the limit, mail goes to other sessions. */
  #mayDeliver = (connection: SessionConnection): boolean =>
    connection.unreadBytes < this.#limits.unreadBytesMax;

  get #parked(): number {
    return this.#waiters.size + this.#connections.parkedReads + this.#grace.parkedFetches;
  }

  #removeConnection(connection: SessionConnection): void {
    this.#connections.delete(connection);
    this.#state.deduplication.sessions.disconnect(connection.session);
    for (const waiter of connection.waiters.values()) this.#waiters.unpark(waiter);
    for (const watch of connection.watches.values()) this.#watches.unpark(watch);
    for (const fetch of connection.earlyFetches.values()) this.#grace.unpark(fetch, connection);
  }

  /** All go back before any is delivered again, so that the lowest number goes out first. */
  #putBackAll(messages: readonly LiveMessage[], ended: HoldEnd | 'unread'): void {
    for (const message of messages) this.#putBack(message, ended);
    this.#matching.matchReady(messages);
  }

  #putBack(message: LiveMessage, ended: HoldEnd | 'unread'): void {
    this.#write(putBackRecord(message, this.#state, { ended, time: this.#time }, this.#limits));
  }

  #serve = (waiter: Waiter<SessionConnection>, message: LiveMessage): void => {
    this.#unpark(waiter);
    this.#deliverToWait(message, waiter.owner, waiter.request);
  };

  #deliverToWait(message: LiveMessage, to: SessionConnection, request: RequestNumber): void {
    this.#offer(message, to.session);
    this.#replies.offer(message, to, request, 'wait');
  }

  #offer(message: LiveMessage, holder: SessionId): void {
    this.#write(offeredRecord(message, holder, this.#connections, this.#state, this.#time));
  }

  #unpark(waiter: Waiter<SessionConnection>): void {
    const { owner, request, mailboxCount } = waiter;
    this.#waiters.unpark(waiter);
    owner.waiters.delete(request);
    owner.waitStands -= mailboxCount;
  }

  #write = (record: JournalRecord): void => {
    this.#outcome.add(record);
    this.#state.apply(record);
  };
}
