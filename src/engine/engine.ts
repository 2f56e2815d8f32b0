// The engine: a function of (command, instant). It returns what must be written down and what may
// then be said, and touches nothing else: no socket, no file, no clock.
//
// The life of a message:
// 1. post() gives it a number and puts it in its mailbox, which is ordered by number.
// 2. The lowest ready number is offered to the wait that was parked first, or to a fetch; that
//    session holds it. No lease: settle, release or the loss of the connection ends the offer.
// 3. settle() ends it for good. release() puts it back to its place, attempt + 1 unless unread.
// 4. After its last attempt it moves to `dead-letters`; a retry moves it back, with new attempts.
import assert from 'node:assert/strict';
import { type ErrorCode, unreachable } from '../base/errors.ts';
import * as limits from '../base/limits.ts';
import {
  deadLetterMailbox,
  type Hold,
  type MessageId,
  type Name,
  type SessionId,
} from '../model/message.ts';
import type { CopiedRecord, JournalRecord } from '../model/records.ts';
import type {
  FetchRequest,
  Hello,
  PostRequest,
  ReleaseRequest,
  RequestNumber,
  Response,
  RetryRequest,
  SettleRequest,
  StatusResponse,
  WaitRequest,
} from '../model/requests.ts';
import type {
  Command,
  ConnectionId,
  EngineLimits,
  Identity,
  Instant,
  Outcome,
  PostCommand,
  Reply,
} from './commands.ts';
import { isRequestOpen, type SessionConnection } from './connections.ts';
import { retryDeadLetters } from './dead-letters.ts';
import {
  type AddressedMessage,
  addressedMessages,
  envelopesFor,
  numberedFrom,
  storedBefore,
} from './fan-out.ts';
import { Holds } from './holds.ts';
import { quotaRefusal } from './quota.ts';
import { type LiveMessage, State } from './state.ts';
import { statusOf } from './status.ts';
import { type Waiter, Waiters } from './waiters.ts';

export class Engine {
  #identity: Identity | undefined;
  readonly #limits: EngineLimits;
  readonly #state: State;
  readonly #holds: Holds;
  readonly #waiters = new Waiters<SessionConnection>();
  readonly #connections = new Map<ConnectionId, SessionConnection>();
  readonly #connectionOf = new Map<SessionId, SessionConnection>();
  /** Holders that the last owner knew and that have not said hello to this one. */
  readonly #absent = new Set<SessionId>();
  #graceUntil = 0;

  /** Of the step that runs. */
  #records: JournalRecord[] = [];
  #replies: Reply[] = [];

  constructor(given: Partial<EngineLimits> = {}) {
    this.#limits = { ...limits, ...given };
    this.#state = new State(this.#limits);
    this.#holds = new Holds(this.#state, this.#limits);
  }

  get nextNumber(): number {
    return this.#state.nextNumber;
  }

  /** Unsettled messages. */
  get size(): number {
    return this.#state.size;
  }

  /** Sessions that would take over, but for the one named. */
  standbys(own: SessionId): number {
    let count = 0;
    for (const { session, standby } of this.#connections.values()) {
      if (standby && session !== own) count++;
    }
    return count;
  }

  /** Takes a record of an earlier owner. Records may come twice and out of order. */
  restore(record: JournalRecord): void {
    assert(!this.#identity, 'records are restored before begin()');
    this.#state.apply(record);
  }

  /** Numbers below this one were given before, whatever became of their messages. */
  reserveNumbersBelow(number: number): void {
    this.#state.reserveNumbersBelow(number);
  }

  /** From now on commands come; holders that the last owner knew have a short while to be back. */
  begin(identity: Identity, instant: Instant): void {
    this.#identity = identity;
    this.#state.endReplay();
    for (const session of this.#state.holders()) this.#absent.add(session);
    this.#graceUntil = instant.now + this.#limits.holderGraceMs;
  }

  step(command: Command, instant: Instant): Outcome {
    assert(this.#identity, 'begin() comes before the first command');
    const connection = this.#connections.get(command.connection);
    if (command.kind === 'hello') this.#hello(command, this.#identity);
    else if (connection) this.#dispatch(command, connection, instant);
    else if (command.kind !== 'disconnect' && command.kind !== 'left') {
      this.#fail(command.connection, command.request, 'bad_frame', 'a hello comes first');
    }
    return this.#takeOutcome();
  }

  /** Answers waits whose time is over, and ends the holders' grace. */
  tick(instant: Instant): Outcome {
    for (let waiter = this.#waiters.next; waiter; waiter = this.#waiters.next) {
      if (waiter.deadline > instant.now) break;
      this.#unpark(waiter);
      this.#replyEnd(waiter.owner.id, waiter.request, waiter.mailbox);
    }
    if (this.#absent.size > 0 && this.#graceUntil <= instant.now) {
      const absent = [...this.#absent];
      this.#absent.clear();
      const held = absent.flatMap((session) => this.#state.heldBy(session));
      this.#putBackAll(held, false);
      this.#fetchAgain();
    }
    return this.#takeOutcome();
  }

  /** When tick() has something to do, on the clock of Instant.now. */
  nextDeadline(): number | undefined {
    const wait = this.#waiters.next?.deadline;
    if (this.#absent.size === 0) return wait;
    return Math.min(wait ?? Number.POSITIVE_INFINITY, this.#graceUntil);
  }

  /** What each segment's head repeats: the ids of posts. */
  head(): JournalRecord[] {
    this.#state.deduplication.shrink((session) => this.#connectionOf.has(session));
    this.#state.deduplication.forgetAnswered();
    return this.#state.deduplication.records();
  }

  /** A live message as it stands, for writing it again at the tail; its body is the journal's. */
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
      case 'wait':
      case 'fetch':
        if (isRequestOpen(command.request, connection)) {
          const what = 'the request is still open';
          return this.#fail(connection.id, command.request, 'bad_frame', what);
        }
        if (command.kind === 'fetch') return this.#fetch(command, connection);
        return this.#wait(command, connection, instant);
      case 'cancel':
        return this.#cancel(command.request, connection);
      case 'settle':
        return this.#settle(command, connection);
      case 'release':
        return this.#release(command, connection);
      case 'retry':
        return this.#retry(command, connection);
      case 'status':
        return this.#reply(connection.id, this.#status(command.request));
      case 'goodbye':
        return this.#goodbye(connection);
      case 'disconnect':
        return this.#disconnect(connection);
      case 'left':
        return this.#left(command.bytes, connection);
      default:
        return unreachable(command);
    }
  }

  #hello(hello: Hello & { connection: ConnectionId }, identity: Identity): void {
    const { session, connection: id, request, origin, standby } = hello;
    if (this.#connections.has(id)) return this.#fail(id, request, 'bad_frame', 'a second hello');
    const older = this.#connectionOf.get(session);
    if (older) {
      this.#forgetConnection(older);
      this.#fail(older.id, 0, 'replaced', 'the session said hello on a newer connection');
    }
    const parked = { waiters: new Map(), fetches: new Map() };
    const connection = { id, session, origin, standby, ...parked, unreadBytes: 0 };
    this.#connections.set(id, connection);
    this.#connectionOf.set(session, connection);
    this.#absent.delete(session);
    const revoked = this.#reconcile(session, hello.held);
    this.#reply(id, { ...identity, kind: 'welcome', request, revoked, messages: this.size });
    this.#fetchAgain();
  }

  /**
   * Makes the offers of the session what its hello says: what it does not list never reached it;
   * what it lists is held again, unless another session holds it by now.
   */
  #reconcile(session: SessionId, listed: readonly Hold[]): Hold[] {
    this.#putBackAll(this.#holds.releaseUnlisted(session, listed), true);
    const { free, revoked } = this.#holds.regain(session, listed);
    for (const message of free) this.#offer(message, session);
    return revoked;
  }

  #post(post: PostCommand, connection: SessionConnection, instant: Instant): void {
    const { session, id: to } = connection;
    const { deduplication } = this.#state;
    const messages = addressedMessages(post, session, deduplication);
    const again = messages.find(({ storedAs }) => storedAs !== undefined);
    const isSettled = messages.every(({ settledAs }) => settledAs !== undefined);
    if (again || isSettled) return this.#postAgain(post, messages, connection);
    const refusal = quotaRefusal(post, session, this.#state, this.#limits);
    if (refusal) return this.#fail(to, post.request, refusal.code, refusal.message);

    const { settles, unstored, notHeld } = this.#holds.settle(post.settles, session);
    const { body, ackedUpTo } = post;
    const numbered = numberedFrom(this.#state.nextNumber, messages);
    const toStore = numbered.filter(({ settledAs }) => settledAs === undefined);
    const { time } = instant;
    const [envelope, ...also] = envelopesFor(post, toStore, { time, origin: connection.origin });
    assert(envelope, 'a post names a mailbox');
    this.#write({ kind: 'posted', envelope, also, ackedUpTo, settles, body });
    if (unstored.length > 0) this.#write({ kind: 'settledById', holds: unstored });
    deduplication.shrink((other) => this.#connectionOf.has(other));
    for (const { number } of toStore) this.#adopt(this.#state.live(number));
    const { answers } = post;
    this.#match(
      toStore.map(({ number }) => ({ mailbox: this.#state.live(number).mailbox, answers })),
    );
    this.#replyStored(to, post.request, numbered, { duplicate: false, notHeld });
  }

  /** A session had it in hand before it was posted again. */
  #adopt(message: LiveMessage): void {
    const orphan = this.#holds.takeOrphan(message.envelope.id);
    if (orphan?.holder !== undefined) this.#offer(message, orphan.holder);
    else if (orphan) this.#putBack(message, false);
  }

  /**
   * A post that was stored before, or settled without being stored, gets the first answer; what it
   * settles is settled all the same.
   */
  #postAgain(
    post: PostRequest,
    messages: readonly AddressedMessage[],
    connection: SessionConnection,
  ): void {
    const stored = storedBefore(post, messages, this.#state);
    if (!stored) {
      const taken = messages.find(({ storedAs }) => storedAs !== undefined);
      const what = 'another body or address, or as the answer to another message';
      const stored = `id ${taken?.id} was stored before with ${what}`;
      return this.#fail(connection.id, post.request, 'id_conflict', stored);
    }
    const notHeld = this.#settleAll(post.settles, connection.session);
    this.#replyStored(connection.id, post.request, stored, { duplicate: true, notHeld });
  }

  #wait(wait: WaitRequest, connection: SessionConnection, instant: Instant): void {
    const { request, mailbox, answers, waitMs } = wait;
    if (this.#waiters.size >= this.#limits.waitsMax) {
      const what = `${this.#limits.waitsMax} waits are parked, the limit`;
      return this.#fail(connection.id, request, 'too_many_waits', what);
    }
    if (this.#hasManyParked(connection)) return this.#failMany(connection, request);
    const deadline = instant.now + waitMs;
    const { session } = connection;
    const call = { session, request, mailbox, answers, deadline };
    const waiter = { owner: connection, ...call, place: 0 };
    connection.waiters.set(request, waiter);
    this.#waiters.park(waiter);
    this.#match([waiter]);
  }

  #fetch(fetch: FetchRequest, connection: SessionConnection): void {
    if (this.#isAwaited(fetch.mailbox) || !this.#mayOffer(connection)) {
      if (this.#hasManyParked(connection)) return this.#failMany(connection, fetch.request);
      connection.fetches.set(fetch.request, fetch);
      return;
    }
    let bytesLeft = fetch.bytesMax;
    for (let count = 0; count < fetch.messagesMax; count++) {
      const message = this.#state.firstReady(fetch.mailbox);
      if (!message) break;
      bytesLeft -= message.envelope.bodyBytes;
      if (bytesLeft < 0 && count > 0) break;
      this.#offer(message, connection.session);
      this.#replyOffer(message, connection, fetch.request);
    }
    this.#replyEnd(connection.id, fetch.request, fetch.mailbox);
  }

  /** A cancel that comes too late, after the offer, finds nothing: the client releases. */
  #cancel(request: RequestNumber, connection: SessionConnection): void {
    const parked = connection.waiters.get(request);
    if (parked) this.#unpark(parked);
    const mailbox = (parked ?? connection.fetches.get(request))?.mailbox;
    connection.fetches.delete(request);
    if (mailbox !== undefined) this.#replyEnd(connection.id, request, mailbox);
  }

  #settle(settle: SettleRequest, connection: SessionConnection): void {
    const { request } = settle;
    const notHeld = this.#settleAll(settle.holds, connection.session);
    this.#replySynced(connection.id, { kind: 'settled', request, notHeld });
  }

  /** Returns what another session holds: that is not settled. */
  #settleAll(holds: readonly Hold[], session: SessionId): Hold[] {
    const { settles, unstored, notHeld } = this.#holds.settle(holds, session);
    if (settles.length > 0) this.#write({ kind: 'settled', numbers: settles });
    if (unstored.length > 0) this.#write({ kind: 'settledById', holds: unstored });
    return notHeld;
  }

  #release(release: ReleaseRequest, { id, session }: SessionConnection): void {
    this.#reply(id, { kind: 'released', request: release.request });
    this.#putBackAll(this.#holds.release(release, session), release.unread);
  }

  #retry(retry: RetryRequest, connection: SessionConnection): void {
    const result = retryDeadLetters(retry, this.#state, this.#limits, (move) => this.#write(move));
    this.#match(result.moved.map(({ to: mailbox, answers }) => ({ mailbox, answers })));
    this.#replySynced(connection.id, { kind: 'retried', request: retry.request, ...result });
  }

  #goodbye({ session }: SessionConnection): void {
    if (this.#state.deduplication.knows(session)) this.#write({ kind: 'forgotten', session });
  }

  #disconnect(connection: SessionConnection): void {
    this.#forgetConnection(connection);
    this.#putBackAll(this.#holds.releaseAll(connection.session), false);
  }

  /** A peer that reads again gets what it was not offered meanwhile. */
  #left(bytes: number, connection: SessionConnection): void {
    const wasBehind = !this.#mayOffer(connection);
    connection.unreadBytes -= bytes;
    assert(connection.unreadBytes >= 0, 'what leaves was offered before');
    if (!wasBehind || !this.#mayOffer(connection)) return;
    this.#match([...connection.waiters.values()]);
    this.#fetchParked(connection);
  }

  /** What one peer leaves unread is bounded; beyond, others get the mail. */
  #mayOffer = (connection: SessionConnection): boolean =>
    connection.unreadBytes < this.#limits.unreadBytesMax;

  #hasManyParked({ waiters, fetches }: SessionConnection): boolean {
    return waiters.size + fetches.size >= this.#limits.waitsPerConnectionMax;
  }

  #failMany({ id }: SessionConnection, request: RequestNumber): void {
    const what = `${this.#limits.waitsPerConnectionMax} calls of the connection wait, the limit`;
    this.#fail(id, request, 'too_many_waits', what);
  }

  #forgetConnection(connection: SessionConnection): void {
    this.#connections.delete(connection.id);
    this.#connectionOf.delete(connection.session);
    for (const waiter of connection.waiters.values()) this.#waiters.unpark(waiter);
  }

  /** All go back before any is offered again, so that the lowest number goes out first. */
  #putBackAll(messages: readonly LiveMessage[], unread: boolean): void {
    for (const message of messages) this.#putBack(message, unread);
    this.#match(messages.map(({ mailbox, envelope }) => ({ mailbox, answers: envelope.answers })));
  }

  #putBack(message: LiveMessage, unread: boolean): void {
    const { number } = message.envelope;
    const attempt = unread ? message.attempt : message.attempt + 1;
    if (attempt > this.#limits.attemptsMax && message.mailbox !== deadLetterMailbox) {
      this.#write({ kind: 'moved', number, mailbox: deadLetterMailbox, attempt });
    } else this.#write({ kind: 'released', number, attempt });
  }

  /**
   * Serves the waits that the changes may have matched. Answers go to the waits for them; the rest,
   * lowest number first, to the wait parked first.
   */
  #match(changes: readonly Pick<Waiter<SessionConnection>, 'mailbox' | 'answers'>[]): void {
    for (const { mailbox, answers } of changes) if (answers) this.#serveAll(mailbox, answers);
    const mailboxes = new Set(changes.map(({ mailbox }) => mailbox));
    for (const mailbox of mailboxes) this.#serveAll(mailbox, '');
  }

  #serveAll(mailbox: Name, answers: MessageId | ''): void {
    for (;;) {
      const message = answers
        ? this.#state.answerTo(answers, mailbox)
        : this.#state.firstReady(mailbox);
      const waiter = message && this.#waiters.oldest(mailbox, answers, this.#mayOffer);
      if (!waiter) return;
      this.#serve(waiter, message);
    }
  }

  #serve(waiter: Waiter<SessionConnection>, message: LiveMessage): void {
    this.#unpark(waiter);
    this.#offer(message, waiter.session);
    this.#replyOffer(message, waiter.owner, waiter.request);
  }

  #offer(message: LiveMessage, holder: SessionId): void {
    const { attempt, envelope } = message;
    this.#write({ kind: 'offered', number: envelope.number, holder, attempt });
  }

  #unpark(waiter: Waiter<SessionConnection>): void {
    this.#waiters.unpark(waiter);
    waiter.owner.waiters.delete(waiter.request);
  }

  /** A holder that the last owner knew may still come back for a message of the mailbox. */
  #isAwaited(mailbox: Name): boolean {
    for (const session of this.#absent) {
      if (this.#state.heldBy(session).some((message) => message.mailbox === mailbox)) return true;
    }
    return false;
  }

  #fetchAgain(): void {
    for (const connection of this.#connections.values()) this.#fetchParked(connection);
  }

  #fetchParked(connection: SessionConnection): void {
    const fetches = [...connection.fetches.values()];
    connection.fetches.clear();
    for (const fetch of fetches) this.#fetch(fetch, connection);
  }

  #status(request: RequestNumber): StatusResponse {
    const sessions = this.#connections.size;
    return { request, sessions, ...statusOf(this.#state, this.#waiters, this.#limits) };
  }

  #write(record: JournalRecord): void {
    this.#records.push(record);
    this.#state.apply(record);
  }

  #replyStored(
    to: ConnectionId,
    request: RequestNumber,
    messages: readonly { readonly id: MessageId; readonly number: number }[],
    rest: { duplicate: boolean; notHeld: readonly Hold[] },
  ): void {
    const [first, ...also] = messages.map(({ id, number }) => {
      return { id, number, reader: this.#state.find({ id, number })?.holder !== undefined };
    });
    assert(first, 'a post has a message');
    this.#replySynced(to, { kind: 'stored', request, ...first, also, ...rest });
  }

  #replyOffer(message: LiveMessage, connection: SessionConnection, request: RequestNumber): void {
    const { envelope, attempt, mailbox } = message;
    const others = this.#waiters.others(mailbox, connection.session);
    connection.unreadBytes += envelope.bodyBytes;
    this.#reply(connection.id, { kind: 'offer', request, envelope, mailbox, attempt, others });
  }

  #replyEnd(to: ConnectionId, request: RequestNumber, mailbox: Name): void {
    this.#reply(to, { kind: 'end', request, remaining: this.#state.counts(mailbox).ready });
  }

  #fail(to: ConnectionId, request: RequestNumber, code: ErrorCode, message: string): void {
    this.#reply(to, { kind: 'error', request, code, message });
  }

  #replySynced(to: ConnectionId, response: Response): void {
    this.#replies.push({ to, after: 'sync', response: response });
  }

  #reply(to: ConnectionId, response: Response): void {
    this.#replies.push({ to, after: 'write', response: response });
  }

  #takeOutcome(): Outcome {
    const outcome = { records: this.#records, replies: this.#replies };
    this.#records = [];
    this.#replies = [];
    return outcome;
  }
}
