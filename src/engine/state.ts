// The durable state of the engine: the fold of all records, both in operation and in replay. Only `apply`
// changes it, so a replay cannot lead to another state.
import { notLive, unreachable } from '../base/errors.ts';
import type { MailboxStatus } from '../model/look-results.ts';
import {
  type Envelope,
  type Hold,
  isDeadLetter,
  type MessageId,
  type Name,
  type SessionId,
} from '../model/message.ts';
import type { PlainPost } from '../model/plain-post.ts';
import type { CopiedRecord, JournalRecord, OfferedRecord, PostedRecord } from '../model/records.ts';
import { AnswerIndex } from './answer-index.ts';
import { Deduplication, type DeduplicationLimits } from './deduplication.ts';
import { indexBytesOf, pastHoldBytesOf, plainIndexBytes } from './index-bytes.ts';
import {
  emptyMailbox,
  enterReady,
  leaveReady,
  type MailboxSize,
  type MailboxState,
} from './mailbox-state.ts';
import { asPosted, type LiveMessage, MessageTable, type MutableMessage } from './message-table.ts';
import { NameMap } from './name-map.ts';
import { NameUnion } from './name-union.ts';
import { NumberSet } from './number-set.ts';
import { PausedMailboxes } from './paused-mailboxes.ts';
import { ReadyChanges } from './ready-changes.ts';
import type { KnownMail } from './record-events.ts';
import { ReplayBatch } from './replay-batch.ts';

export type { LiveMessage } from './message-table.ts';

/** The holds of one session. */
interface HeldMail {
  readonly numbers: Set<number>;
  /** The name of the session; '' when that is not known. */
  name: Name | '';
}

const empty: MailboxSize = { messages: 0, bytes: 0, indexBytes: 0 };
const noAnswers = new AnswerIndex();

export class State {
  readonly deduplication: Deduplication;
  readonly pausedMailboxes = new PausedMailboxes();
  readonly paused: KnownMail['paused'] = this.pausedMailboxes.names;
  readonly #messages = new MessageTable();
  /** Only mailboxes that have messages. */
  readonly #mailboxes: NameMap<MailboxState>;
  readonly #holds = new Map<SessionId, HeldMail>();
  readonly #deadLetters = new Map<Name, number>();
  #deadLetterCount = 0;
  readonly #names: NameUnion;
  readonly #changes: ReadyChanges;
  #nextNumber = 1;
  #bytes = 0;
  #indexBytes = 0;
  /** Numbers settled so far in the replay, where records may come twice and out of order. */
  #settledInReplay: NumberSet | undefined = new NumberSet();

  /** Plain posts of the replay, which are to enter their mailboxes before any other record is applied. */
  #batch: ReplayBatch | undefined;

  /** `names` also counts the mailboxes that have messages; `changes` learns which ready mail changes. */
  constructor(limits: DeduplicationLimits, names = new NameUnion(), changes = new ReadyChanges()) {
    this.deduplication = new Deduplication(limits);
    this.#names = names;
    this.#mailboxes = new NameMap(names);
    this.#changes = changes;
  }

  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** Unsettled messages. */
  get size(): number {
    return this.#messages.size;
  }

  /** Bytes of unsettled bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Memory that unsettled messages take beside their bodies. */
  get indexBytes(): number {
    return this.#indexBytes;
  }

  /** Numbers below this one have been used, even if no message has them any more. */
  reserveNumbersBelow(number: number): void {
    this.#nextNumber = Math.max(this.#nextNumber, number);
  }

  endReplay(): void {
    this.#batch?.enterAll();
    this.#batch = undefined;
    this.#settledInReplay = undefined;
    this.deduplication.endReplay();
  }

  apply(record: JournalRecord | PlainPost): void {
    if (record.kind !== 'plain') this.#batch?.enterAll();
    switch (record.kind) {
      case 'plain':
        this.deduplication.rememberPlain(record);
        this.deduplication.sessions.shrinkInReplay();
        return this.#addPlain(record);
      case 'posted':
        this.#addPosted(record.envelope, record);
        for (const envelope of record.also) this.#addPosted(envelope, record);
        return this.#settle(record.settles);
      case 'copied':
        if (this.#add(record.envelope, record.mailbox, record.attempt) && isReady(record)) return;
        this.#change(record.envelope.number, {
          mailbox: record.mailbox,
          attempt: record.attempt,
          lastHold: record.lastHold,
          ...holderOf(record),
        });
        return this.#nameHolder(record);
      case 'offered':
        this.#offer(record);
        return this.#nameHolder(record);
      case 'released':
        return this.#change(record.number, { attempt: record.attempt, ...heldNoMore(record) });
      case 'moved':
        return this.#change(record.number, {
          mailbox: record.mailbox,
          attempt: record.attempt,
          ...heldNoMore(record),
        });
      case 'settled':
        return this.#settle(record.numbers);
      case 'session':
        this.deduplication.restoreSession(record);
        return this.deduplication.sessions.shrinkInReplay();
      case 'forgotten':
        return this.deduplication.forget(record.session);
      case 'named':
        return this.deduplication.restoreNamed(record);
      case 'fingerprints':
        return this.deduplication.restoreFingerprints(record.fingerprints);
      case 'settledById':
        for (const hold of record.holds) this.deduplication.settle(hold);
        return;
      case 'paused':
        this.pausedMailboxes.apply(record);
        return this.#changes.paused(record.mailbox);
      default:
        return unreachable(record);
    }
  }

  message(number: number): LiveMessage | undefined {
    return this.#messages.get(number);
  }

  /**
   * Finds a message by its id, whatever number the hold has. A crash that undoes a message frees its number
   * for another one. Posted again, the message gets a new number, while older holds have the old one.
   */
  find({ number, id }: Hold): LiveMessage | undefined {
    const message = this.#messages.get(number);
    if (message?.envelope.id === id) return message;
    return this.withId(id);
  }

  withId(id: MessageId): LiveMessage | undefined {
    const number = this.#messages.numberOf(id);
    return number === undefined ? undefined : this.live(number);
  }

  /** The depth of an answer to that message. When the message is settled already, the count begins again. */
  depthOfAnswer(answered: MessageId | ''): number {
    if (answered === '') return 0;
    const number = this.#messages.numberOf(answered);
    return 1 + (number === undefined ? 0 : this.look(number).envelope.depth);
  }

  /** The ready message with the lowest number. */
  firstReady(mailbox: Name): LiveMessage | undefined {
    const first = this.#mailboxes.get(mailbox)?.ready.first;
    return first === undefined ? undefined : this.live(first);
  }

  /** The ready message with the lowest number that answers `question`. */
  answerTo(question: MessageId, mailbox: Name): LiveMessage | undefined {
    const first = this.#mailboxes.get(mailbox)?.answers.first(question);
    return first === undefined ? undefined : this.live(first);
  }

  answersIn(mailbox: Name): Pick<AnswerIndex, 'size' | 'questions'> {
    return this.#mailboxes.get(mailbox)?.answers ?? noAnswers;
  }

  isPaused(mailbox: Name): boolean {
    return this.pausedMailboxes.has(mailbox);
  }

  /** The next message to be delivered: an answer to that message, or any message if no answer is waited for. */
  nextFor(mailbox: Name, answers: MessageId | ''): LiveMessage | undefined {
    if (this.isPaused(mailbox)) return undefined;
    return answers ? this.answerTo(answers, mailbox) : this.firstReady(mailbox);
  }

  /** The first messages with numbers above `after`, ready or held, at most `max`. */
  above(mailbox: Name, after: number, max: number): LiveMessage[] {
    const found = this.#mailboxes.get(mailbox);
    if (!found) return [];
    const numbers = [...found.ready.above(after, max), ...found.held.above(after, max)];
    const first = numbers.sort((one, other) => one - other).slice(0, max);
    return first.map((number) => this.look(number));
  }

  /** The mailbox, if it has messages. Its numbers change with them. */
  mailbox(name: Name): Pick<MailboxState, 'ready' | 'held'> | undefined {
    return this.#mailboxes.get(name);
  }

  countAbove(mailbox: Name, after: number): number {
    const found = this.#mailboxes.get(mailbox);
    return found ? found.ready.countAbove(after) + found.held.countAbove(after) : 0;
  }

  /** How many dead letters were posted to each mailbox. */
  get deadLetters(): ReadonlyMap<Name, number> {
    return this.#deadLetters;
  }

  get deadLetterCount(): number {
    return this.#deadLetterCount;
  }

  /** Messages of the mailbox that no session holds. */
  readyCount(mailbox: Name): number {
    return this.#mailboxes.get(mailbox)?.ready.size ?? 0;
  }

  sizeOf(mailbox: Name): MailboxSize {
    const found = this.#mailboxes.get(mailbox);
    if (!found) return empty;
    const { ready, held, bytes, indexBytes } = found;
    return { messages: ready.size + held.size, bytes, indexBytes };
  }

  /** Mailboxes that have messages. */
  get mailboxCount(): number {
    return this.#mailboxes.size;
  }

  /** Mailboxes that a status lists: those that have a message or a parked wait. */
  get listedCount(): number {
    return this.#names.size;
  }

  /** Of the first mailboxes that have messages, at most `max`. `oldestTime`: of the lowest numbers. */
  mailboxes(max: number): Pick<MailboxStatus, 'mailbox' | 'ready' | 'held' | 'oldestTime'>[] {
    const mailboxes = [];
    for (const [mailbox, { ready, held }] of this.#mailboxes.entries()) {
      if (mailboxes.length === max) break;
      const oldestTime = Math.min(this.#timeOf(ready.first), this.#timeOf(held.first));
      mailboxes.push({ mailbox, ready: ready.size, held: held.size, oldestTime });
    }
    return mailboxes;
  }

  holders(): IterableIterator<SessionId> {
    return this.#holds.keys();
  }

  holdsAny(session: SessionId): boolean {
    return this.#holds.has(session);
  }

  heldBy(session: SessionId): LiveMessage[] {
    return [...(this.#holds.get(session)?.numbers ?? [])].map((number) => this.live(number));
  }

  /** The name of a session that holds messages; '' when that is not known. */
  holderName(session: SessionId): Name | '' {
    return this.#holds.get(session)?.name ?? '';
  }

  /** Any of the messages that the session holds. */
  anyHeldBy(session: SessionId): LiveMessage | undefined {
    const [number] = this.#holds.get(session)?.numbers ?? [];
    return number === undefined ? undefined : this.live(number);
  }

  /** How many messages the session holds. */
  heldCount(session: SessionId): number {
    return this.#holds.get(session)?.numbers.size ?? 0;
  }

  /** At most `max` of them. */
  someHeldBy(session: SessionId, max: number): LiveMessage[] {
    const found: LiveMessage[] = [];
    for (const number of this.#holds.get(session)?.numbers ?? []) {
      if (found.length === max) break;
      found.push(this.live(number));
    }
    return found;
  }

  copyOf(number: number): Omit<CopiedRecord, 'body'> | undefined {
    const message = this.#messages.read(number);
    if (!message) return undefined;
    const { envelope, mailbox, attempt, holder = '', heldSince: since, lastHold } = message;
    const copy = { kind: 'copied', envelope, mailbox, attempt, holder, lastHold } as const;
    if (holder === '' || since === undefined) return copy;
    return { ...copy, holding: { name: this.holderName(holder), since } };
  }

  /** Infinite without a number. */
  #timeOf(number: number | undefined): number {
    return number === undefined ? Number.POSITIVE_INFINITY : this.look(number).envelope.time;
  }

  #addPosted(envelope: Envelope, record: PostedRecord): void {
    this.deduplication.remember(envelope, record);
    if (this.#settledInReplay) this.deduplication.sessions.shrinkInReplay();
    this.#add(envelope, envelope.to, 1);
  }

  /** False if it was there before, or was settled behind this record. */
  #add(envelope: Envelope, mailbox: Name, attempt: number): boolean {
    const { number } = envelope;
    this.reserveNumbersBelow(number + 1);
    if (this.#messages.has(number) || this.#settledInReplay?.has(number)) return false;
    const message = asPosted(envelope, mailbox, attempt);
    this.#enter(message);
    // Each decoded record has a string of its own. Those of a mailbox share one.
    if (envelope.to === message.mailbox) (envelope as { to: Name }).to = message.mailbox;
    if (this.#settledInReplay) this.#messages.addReplayed(message);
    else this.#messages.add(message);
    this.#bytes += envelope.bodyBytes;
    return true;
  }

  /** In a replay. The same as #add() for a message of which there is no object. */
  #addPlain(post: PlainPost): void {
    const { number, bodyBytes, session, count } = post;
    this.reserveNumbersBelow(number + 1);
    if (this.#messages.has(number) || this.#settledInReplay?.has(number)) return;
    const indexBytes = plainIndexBytes(post);
    this.#batch ??= new ReplayBatch((name) => this.#mailbox(name));
    post.to = this.#batch.add(post, indexBytes);
    this.#indexBytes += indexBytes;
    if (!this.#messages.pack(post, session, count)) this.#messages.add(asPosted(post.envelope()));
    this.#bytes += bodyBytes;
  }

  #settle(numbers: readonly number[]): void {
    for (const number of numbers) {
      this.#settledInReplay?.add(number);
      const message = this.#messages.get(number);
      if (!message) continue;
      this.#leave(message);
      this.#messages.delete(number);
      this.#bytes -= message.envelope.bodyBytes;
    }
  }

  #change(number: number, change: Partial<LiveMessage>): void {
    const message = this.#messages.get(number);
    if (!message) return;
    this.#leave(message);
    Object.assign(message, change);
    this.#enter(message);
  }

  /** A delivery changes neither the mailbox of the message nor what it takes there. */
  #offer({ number, attempt, holder, holding }: OfferedRecord): void {
    const message = this.#messages.get(number);
    if (!message) return;
    const mailbox = this.#mailbox(message.mailbox);
    this.#leaveOrder(message, mailbox);
    message.attempt = attempt;
    message.holder = holder;
    message.heldSince = holding?.since;
    this.#enterOrder(message, mailbox);
  }

  #enter(entering: MutableMessage): void {
    const { envelope } = entering;
    const mailbox = this.#mailbox(entering.mailbox);
    const { name } = mailbox;
    entering.mailbox = name;
    if (isDeadLetter(name, envelope.to)) this.#countDeadLetter(envelope.to, 1);
    this.#count(mailbox, envelope.bodyBytes, liveIndexBytes(entering));
    this.#enterOrder(entering, mailbox);
  }

  #leave(leaving: LiveMessage): void {
    const { envelope, mailbox: name } = leaving;
    if (isDeadLetter(name, envelope.to)) this.#countDeadLetter(envelope.to, -1);
    const mailbox = this.#mailbox(name);
    this.#count(mailbox, -envelope.bodyBytes, -liveIndexBytes(leaving));
    this.#leaveOrder(leaving, mailbox);
    if (mailbox.ready.size + mailbox.held.size === 0) this.#mailboxes.delete(name);
  }

  /** A ready message enters the order of its mailbox, a held one the holds of its session. */
  #enterOrder({ envelope, holder }: LiveMessage, mailbox: MailboxState): void {
    const { number } = envelope;
    if (holder === undefined) return this.#enterReady(mailbox, number, envelope.answers);
    mailbox.held.add(number);
    const holds = this.#holds.get(holder);
    if (holds) holds.numbers.add(number);
    else this.#holds.set(holder, { numbers: new Set<number>().add(number), name: '' });
  }

  #enterReady(mailbox: MailboxState, number: number, question: MessageId | ''): void {
    this.#changes.entered(mailbox.name);
    enterReady(mailbox, number, question);
  }

  #leaveOrder({ envelope, holder }: LiveMessage, mailbox: MailboxState): void {
    const { number } = envelope;
    if (holder === undefined) {
      this.#changes.left(mailbox.name, number);
      return leaveReady(mailbox, number, envelope.answers);
    }
    mailbox.held.delete(number);
    const holds = this.#holds.get(holder);
    // A Set that loses its last number gets another table.
    if (holds?.numbers.size === 1) this.#holds.delete(holder);
    else holds?.numbers.delete(number);
  }

  /** The newest record says what a session is called, for all that it holds. */
  #nameHolder({ holder, holding }: Pick<CopiedRecord, 'holder' | 'holding'>): void {
    const held = holder === '' ? undefined : this.#holds.get(holder);
    if (held && holding) held.name = holding.name;
  }

  #count(mailbox: MailboxState, bodyBytes: number, indexBytes: number): void {
    mailbox.bytes += bodyBytes;
    mailbox.indexBytes += indexBytes;
    this.#indexBytes += indexBytes;
  }

  #countDeadLetter(to: Name, change: 1 | -1): void {
    this.#deadLetterCount += change;
    const count = (this.#deadLetters.get(to) ?? 0) + change;
    if (count > 0) this.#deadLetters.set(to, count);
    else this.#deadLetters.delete(to);
  }

  live(number: number): LiveMessage {
    return found(this.#messages.get(number), number);
  }

  /** The message as it is now, for those that look at many. It may be a copy that later changes do not reach. */
  look(number: number): LiveMessage {
    return found(this.#messages.read(number), number);
  }

  #mailbox(name: Name): MailboxState {
    const there = this.#mailboxes.get(name);
    if (there) return there;
    const mailbox = emptyMailbox(name);
    this.#mailboxes.set(name, mailbox);
    return mailbox;
  }
}

function found(message: LiveMessage | undefined, number: number): LiveMessage {
  if (!message) throw notLive(number);
  return message;
}

function liveIndexBytes({ envelope, lastHold }: LiveMessage): number {
  return indexBytesOf(envelope) + pastHoldBytesOf(lastHold);
}

/** A copy of a message that nobody holds, or held before. */
function isReady({ holder, lastHold }: CopiedRecord): boolean {
  return holder === '' && lastHold === undefined;
}

function holderOf({ holder, holding }: Pick<CopiedRecord, 'holder' | 'holding'>) {
  return { holder: holder || undefined, heldSince: holding?.since };
}

/** A release that does not count leaves the past hold as it was. */
function heldNoMore({ lastHold }: Pick<CopiedRecord, 'lastHold'>) {
  return { holder: undefined, heldSince: undefined, ...(lastHold && { lastHold }) };
}
