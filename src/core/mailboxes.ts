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
import { type Connection, isOpen } from './connection.ts';
import { retryDeadLetters } from './dead-letters.ts';
import { type ErrorCode, unreachable } from './errors.ts';
import { Holds } from './holds.ts';
import { Ledger, type LiveMessage } from './ledger.ts';
import * as limits from './limits.ts';
import {
  deadLetterMailbox,
  type Hold,
  type MessageId,
  type Name,
  type SessionId,
} from './message.ts';
import { type Addressed, envelopesFor, messagesOf, numberedFrom, storedBefore } from './post.ts';
import type {
  Answer,
  CopiedRecord,
  Fetch,
  Hello,
  JournalRecord,
  Post,
  Release,
  RequestNumber,
  Retry,
  Settle,
  StatusAnswer,
  Wait,
} from './requests.ts';
import { refusalOf } from './room.ts';
import { statusOf } from './status.ts';
import type {
  Command,
  ConnectionId,
  EngineLimits,
  Identity,
  Instant,
  Outcome,
  PostCommand,
  Reply,
} from './step.ts';
import { type Waiter, Waits } from './waits.ts';

export class Mailboxes {
  #identity: Identity | undefined;
  readonly #limits: EngineLimits;
  readonly #ledger: Ledger;
  readonly #holds: Holds;
  readonly #waits = new Waits<Connection>();
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #connectionOf = new Map<SessionId, Connection>();
  /** Holders that the last owner knew and that have not said hello to this one. */
  readonly #absent = new Set<SessionId>();
  #graceUntil = 0;

  /** Of the step that runs. */
  #records: JournalRecord[] = [];
  #replies: Reply[] = [];

  constructor(given: Partial<EngineLimits> = {}) {
    this.#limits = { ...limits, ...given };
    this.#ledger = new Ledger(this.#limits);
    this.#holds = new Holds(this.#ledger, this.#limits);
  }

  get nextNumber(): number {
    return this.#ledger.nextNumber;
  }

  /** Unsettled messages. */
  get size(): number {
    return this.#ledger.size;
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
    this.#ledger.apply(record);
  }

  /** Numbers below this one were given before, whatever became of their messages. */
  reserveNumbersBelow(number: number): void {
    this.#ledger.reserveNumbersBelow(number);
  }

  /** From now on commands come; holders that the last owner knew have a short while to be back. */
  begin(identity: Identity, instant: Instant): void {
    this.#identity = identity;
    this.#ledger.endReplay();
    for (const session of this.#ledger.holders()) this.#absent.add(session);
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
    for (let waiter = this.#waits.next; waiter; waiter = this.#waits.next) {
      if (waiter.deadline > instant.now) break;
      this.#unpark(waiter);
      this.#replyEnd(waiter.owner.id, waiter.request, waiter.mailbox);
    }
    if (this.#absent.size > 0 && this.#graceUntil <= instant.now) {
      const absent = [...this.#absent];
      this.#absent.clear();
      const held = absent.flatMap((session) => this.#ledger.heldBy(session));
      this.#putBackAll(held, false);
      this.#fetchAgain();
    }
    return this.#takeOutcome();
  }

  /** When tick() has something to do, on the clock of Instant.now. */
  nextDeadline(): number | undefined {
    const wait = this.#waits.next?.deadline;
    if (this.#absent.size === 0) return wait;
    return Math.min(wait ?? Number.POSITIVE_INFINITY, this.#graceUntil);
  }

  /** What each segment's head repeats: the ids of posts. */
  head(): JournalRecord[] {
    this.#ledger.ids.shrink((session) => this.#connectionOf.has(session));
    this.#ledger.ids.forgetAnswered();
    return this.#ledger.ids.records();
  }

  /** A live message as it stands, for writing it again at the tail; its body is the journal's. */
  copyOf(number: number): Omit<CopiedRecord, 'body'> | undefined {
    return this.#ledger.copyOf(number);
  }

  #dispatch(
    command: Exclude<Command, { kind: 'hello' }>,
    connection: Connection,
    instant: Instant,
  ): void {
    switch (command.kind) {
      case 'post':
        return this.#post(command, connection, instant);
      case 'wait':
      case 'fetch':
        if (isOpen(command.request, connection)) {
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
    const lost = this.#reconcile(session, hello.held);
    this.#reply(id, { ...identity, kind: 'welcome', request, lost, messages: this.size });
    this.#fetchAgain();
  }

  /**
   * Makes the offers of the session what its hello says: what it does not list never reached it;
   * what it lists is held again, unless another session holds it by now.
   */
  #reconcile(session: SessionId, listed: readonly Hold[]): Hold[] {
    this.#putBackAll(this.#holds.releaseUnlisted(session, listed), true);
    const { free, lost } = this.#holds.regain(session, listed);
    for (const message of free) this.#offer(message, session);
    return lost;
  }

  #post(post: PostCommand, connection: Connection, instant: Instant): void {
    const { session, id: to } = connection;
    const { ids } = this.#ledger;
    const messages = messagesOf(post, session, ids);
    const again = messages.find(({ storedAs }) => storedAs !== undefined);
    const isSettled = messages.every(({ settledAs }) => settledAs !== undefined);
    if (again || isSettled) return this.#postAgain(post, messages, connection);
    const refusal = refusalOf(post, session, this.#ledger, this.#limits);
    if (refusal) return this.#fail(to, post.request, refusal.code, refusal.message);

    const { settles, unstored, notHeld } = this.#holds.settle(post.settles, session);
    const { body, mark } = post;
    const numbered = numberedFrom(this.#ledger.nextNumber, messages);
    const toStore = numbered.filter(({ settledAs }) => settledAs === undefined);
    const { time } = instant;
    const [envelope, ...also] = envelopesFor(post, toStore, { time, origin: connection.origin });
    assert(envelope, 'a post names a mailbox');
    this.#write({ kind: 'posted', envelope, also, mark, settles, body });
    if (unstored.length > 0) this.#write({ kind: 'settledById', holds: unstored });
    ids.shrink((other) => this.#connectionOf.has(other));
    for (const { number } of toStore) this.#adopt(this.#ledger.live(number));
    for (const { number } of toStore) this.#match(this.#ledger.live(number).mailbox);
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
  #postAgain(post: Post, messages: readonly Addressed[], connection: Connection): void {
    const stored = storedBefore(post, messages, this.#ledger);
    if (!stored) {
      const id = messages.find(({ storedAs }) => storedAs !== undefined)?.id;
      const what = `id ${id} was stored before with another body or address`;
      return this.#fail(connection.id, post.request, 'id_conflict', what);
    }
    const notHeld = this.#settleAll(post.settles, connection.session);
    this.#replyStored(connection.id, post.request, stored, { duplicate: true, notHeld });
  }

  #wait(wait: Wait, connection: Connection, instant: Instant): void {
    const { request, mailbox, answers, waitMs } = wait;
    if (this.#waits.size >= this.#limits.waitsMax) {
      const what = `${this.#limits.waitsMax} waits are parked, the limit`;
      return this.#fail(connection.id, request, 'too_many_waits', what);
    }
    if (this.#hasManyParked(connection)) return this.#failMany(connection, request);
    const deadline = instant.now + waitMs;
    const { session } = connection;
    const call = { session, request, mailbox, answers, deadline };
    const waiter = { owner: connection, ...call, place: 0 };
    connection.waiters.set(request, waiter);
    this.#waits.park(waiter);
    this.#match(mailbox);
  }

  #fetch(fetch: Fetch, connection: Connection): void {
    if (this.#isAwaited(fetch.mailbox) || !this.#mayOffer(connection)) {
      if (this.#hasManyParked(connection)) return this.#failMany(connection, fetch.request);
      connection.fetches.set(fetch.request, fetch);
      return;
    }
    let bytesLeft = fetch.bytesMax;
    for (let count = 0; count < fetch.messagesMax; count++) {
      const message = this.#ledger.firstReady(fetch.mailbox);
      if (!message) break;
      bytesLeft -= message.envelope.bodyBytes;
      if (bytesLeft < 0 && count > 0) break;
      this.#offer(message, connection.session);
      this.#replyOffer(message, connection, fetch.request);
    }
    this.#replyEnd(connection.id, fetch.request, fetch.mailbox);
  }

  /** A cancel that comes too late, after the offer, finds nothing: the client releases. */
  #cancel(request: RequestNumber, connection: Connection): void {
    const parked = connection.waiters.get(request);
    if (parked) this.#unpark(parked);
    const mailbox = (parked ?? connection.fetches.get(request))?.mailbox;
    connection.fetches.delete(request);
    if (mailbox !== undefined) this.#replyEnd(connection.id, request, mailbox);
  }

  #settle(settle: Settle, connection: Connection): void {
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

  #release(release: Release, { id, session }: Connection): void {
    this.#reply(id, { kind: 'released', request: release.request });
    this.#putBackAll(this.#holds.release(release, session), release.unread);
  }

  #retry(retry: Retry, connection: Connection): void {
    const result = retryDeadLetters(retry, this.#ledger, this.#limits, (move) => this.#write(move));
    for (const mailbox of new Set(result.moved.map(({ to }) => to))) this.#match(mailbox);
    this.#replySynced(connection.id, { kind: 'retried', request: retry.request, ...result });
  }

  #goodbye({ session }: Connection): void {
    if (this.#ledger.ids.knows(session)) this.#write({ kind: 'forgotten', session });
  }

  #disconnect(connection: Connection): void {
    this.#forgetConnection(connection);
    this.#putBackAll(this.#holds.releaseAll(connection.session), false);
  }

  /** A peer that reads again gets what it was not offered meanwhile. */
  #left(bytes: number, connection: Connection): void {
    const wasBehind = !this.#mayOffer(connection);
    connection.unreadBytes -= bytes;
    assert(connection.unreadBytes >= 0, 'what leaves was offered before');
    if (!wasBehind || !this.#mayOffer(connection)) return;
    const waiters = [...connection.waiters.values()];
    for (const mailbox of new Set(waiters.map((waiter) => waiter.mailbox))) this.#match(mailbox);
    this.#fetchParked(connection);
  }

  /** What one peer leaves unread is bounded; beyond, others get the mail. */
  #mayOffer = (connection: Connection): boolean =>
    connection.unreadBytes < this.#limits.unreadBytesMax;

  #hasManyParked({ waiters, fetches }: Connection): boolean {
    return waiters.size + fetches.size >= this.#limits.waitsPerConnectionMax;
  }

  #failMany({ id }: Connection, request: RequestNumber): void {
    const what = `${this.#limits.waitsPerConnectionMax} calls of the connection wait, the limit`;
    this.#fail(id, request, 'too_many_waits', what);
  }

  #forgetConnection(connection: Connection): void {
    this.#connections.delete(connection.id);
    this.#connectionOf.delete(connection.session);
    for (const waiter of connection.waiters.values()) this.#waits.unpark(waiter);
  }

  /** All go back before any is offered again, so that the lowest number goes out first. */
  #putBackAll(messages: readonly LiveMessage[], unread: boolean): void {
    const mailboxes = new Set<Name>();
    for (const message of messages) {
      this.#putBack(message, unread);
      mailboxes.add(message.mailbox);
    }
    for (const mailbox of mailboxes) this.#match(mailbox);
  }

  #putBack(message: LiveMessage, unread: boolean): void {
    const { number } = message.envelope;
    const attempt = unread ? message.attempt : message.attempt + 1;
    if (attempt > this.#limits.attemptsMax && message.mailbox !== deadLetterMailbox) {
      this.#write({ kind: 'moved', number, mailbox: deadLetterMailbox, attempt });
    } else this.#write({ kind: 'released', number, attempt });
  }

  /** Answers go to who asked; other ready messages, lowest number first, to the wait parked first. */
  #match(mailbox: Name): void {
    for (const asker of this.#waits.askers(mailbox)) {
      const answer = asker.answers && this.#ledger.answerTo(asker.answers, mailbox);
      if (answer && this.#mayOffer(asker.owner)) this.#serve(asker, answer);
    }
    for (;;) {
      const message = this.#ledger.firstReady(mailbox);
      const waiter = message && this.#waits.oldest(mailbox, this.#mayOffer);
      if (!waiter) return;
      this.#serve(waiter, message);
    }
  }

  #serve(waiter: Waiter<Connection>, message: LiveMessage): void {
    this.#unpark(waiter);
    this.#offer(message, waiter.session);
    this.#replyOffer(message, waiter.owner, waiter.request);
  }

  #offer(message: LiveMessage, holder: SessionId): void {
    const { attempt, envelope } = message;
    this.#write({ kind: 'offered', number: envelope.number, holder, attempt });
  }

  #unpark(waiter: Waiter<Connection>): void {
    this.#waits.unpark(waiter);
    waiter.owner.waiters.delete(waiter.request);
  }

  /** A holder that the last owner knew may still come back for a message of the mailbox. */
  #isAwaited(mailbox: Name): boolean {
    for (const session of this.#absent) {
      if (this.#ledger.heldBy(session).some((message) => message.mailbox === mailbox)) return true;
    }
    return false;
  }

  #fetchAgain(): void {
    for (const connection of this.#connections.values()) this.#fetchParked(connection);
  }

  #fetchParked(connection: Connection): void {
    const fetches = [...connection.fetches.values()];
    connection.fetches.clear();
    for (const fetch of fetches) this.#fetch(fetch, connection);
  }

  #status(request: RequestNumber): StatusAnswer {
    const sessions = this.#connections.size;
    return { request, sessions, ...statusOf(this.#ledger, this.#waits, this.#limits) };
  }

  #write(record: JournalRecord): void {
    this.#records.push(record);
    this.#ledger.apply(record);
  }

  #replyStored(
    to: ConnectionId,
    request: RequestNumber,
    messages: readonly { readonly id: MessageId; readonly number: number }[],
    rest: { duplicate: boolean; notHeld: readonly Hold[] },
  ): void {
    const [first, ...also] = messages.map(({ id, number }) => {
      return { id, number, reader: this.#ledger.find({ id, number })?.holder !== undefined };
    });
    assert(first, 'a post has a message');
    this.#replySynced(to, { kind: 'stored', request, ...first, also, ...rest });
  }

  #replyOffer(message: LiveMessage, connection: Connection, request: RequestNumber): void {
    const { envelope, attempt, mailbox } = message;
    const others = this.#waits.others(mailbox, connection.session);
    connection.unreadBytes += envelope.bodyBytes;
    this.#reply(connection.id, { kind: 'offer', request, envelope, mailbox, attempt, others });
  }

  #replyEnd(to: ConnectionId, request: RequestNumber, mailbox: Name): void {
    this.#reply(to, { kind: 'end', request, remaining: this.#ledger.counts(mailbox).ready });
  }

  #fail(to: ConnectionId, request: RequestNumber, code: ErrorCode, message: string): void {
    this.#reply(to, { kind: 'error', request, code, message });
  }

  #replySynced(to: ConnectionId, answer: Answer): void {
    this.#replies.push({ to, after: 'sync', answer });
  }

  #reply(to: ConnectionId, answer: Answer): void {
    this.#replies.push({ to, after: 'write', answer });
  }

  #takeOutcome(): Outcome {
    const outcome = { records: this.#records, replies: this.#replies };
    this.#records = [];
    this.#replies = [];
    return outcome;
  }
}
