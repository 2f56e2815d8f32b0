// The oracle of the engine tests. It states what the engine promises, simply and without indexes, and
// shares no code with src/engine: a rule that both have was written twice. 1. check() gets a command
// with the outcome that the engine produced.  2. #expectedError() and #expectedEffects() derive from
// the state and the command what must happen.  3. Each record is applied when a reply depends on it, so
// that a record that is late, missing or repeated is detected.  4. Each reply is compared with the
// state at that point. 5. In the end everything expected must have happened, and no ready message may
// be left with a parked wait.
import assert from 'node:assert/strict';
import { indexBytesPerMessage, pastHoldBytes, readMailboxesMax } from '../../../src/base/limits.ts';
import type { Instant, Outcome, Reply } from '../../../src/engine/commands.ts';
import type { EngineLimits } from '../../../src/engine/engine-limits.ts';
import type { MailboxStatus } from '../../../src/model/look-results.ts';
import type {
  MailElsewhere,
  StoredMessage as PostedMessage,
} from '../../../src/model/mail-ahead.ts';
import {
  deadLetterMailbox,
  type Envelope,
  type Hold,
  type MailboxList,
  type MessageId,
  type Name,
  type Origin,
  type PastHold,
  type SessionId,
  sessionMessageId,
  splitId,
} from '../../../src/model/message.ts';
import type {
  JournalRecord,
  MovedRecord,
  OfferedRecord,
  PausedRecord,
  PostedRecord,
  ReleasedRecord,
} from '../../../src/model/records.ts';
import type {
  EndResponse,
  Hello,
  Offer,
  PostRequest,
  RetryRequest,
  WatchRequest,
} from '../../../src/model/requests.ts';
import type { SentCommand } from './engine.ts';
import { PauseOracle } from './pause-oracle.ts';
import { checkFound, checkSessions } from './presence-oracle.ts';
import { checkPeek, droppable } from './reads-oracle.ts';
import { type OpenWatch, WatchOracle } from './watch-oracle.ts';

export interface StoredMessage {
  readonly envelope: Envelope;
  readonly mailbox: Name;
  readonly attempt: number;
  readonly holder: SessionId | undefined;
  readonly heldSince: number | undefined;
  readonly lastHold: PastHold | undefined;
  readonly wasOffered: boolean;
}

type Indexed = Pick<Envelope, 'id' | 'to' | 'from' | 'answers' | 'origin' | 'bodyBytes'>;

/** A wait or fetch that has not ended. */
interface OpenCall {
  readonly kind: 'wait' | 'fetch';
  readonly connection: number;
  readonly session: SessionId;
  readonly request: number;
  /** In the order in which those with mail are served. */
  readonly mailboxes: MailboxList;
  /** The message whose answer a wait is for; empty for a wait for any message. */
  readonly answers: MessageId | '';
  /** When a wait times out. */
  readonly deadline: number;
  /** How much a fetch may still deliver. */
  bytesLeft: number;
  messagesLeft: number;
  offers: number;
}

/** The expected effects of one command that have not happened yet. */
interface ExpectedEffects {
  readonly posted: boolean;
  readonly settles: Set<number>;
  /** Ids to be settled that no stored message has. */
  readonly settlesUnstored: Map<MessageId, number>;
  /** Messages to be settled that another session holds. */
  readonly notHeld: readonly Hold[];
  /**
   * Messages of a post that were held or released before they were undone: they become held or released
   * again.
   */
  readonly restored: Map<MessageId, SessionId | undefined>;
  /** Messages to be released, with the attempt of their next delivery. */
  readonly released: Map<number, number>;
  /** Those of them that move to `dead-letters`, whatever their attempts. */
  readonly rejected: Set<number>;
  /** Messages that the session of a hello reclaims. */
  readonly reclaimed: Set<number>;
  readonly forgotten: SessionId | undefined;
  /** Dead letters that fit into their original mailbox, in this order. */
  readonly retried: StoredMessage[];
  /** In this order. */
  readonly pauses: PausedRecord[];
}

/** Bytes in a prologue: of a session, of a stored post above its count, of an id beside its text. */
const [sessionBytes, postBytes, namedBytes, unstoredBytes] = [49, 28, 21, 9];

/** The newest ids, at most so many and so many bytes. */
function newest(
  ids: readonly [MessageId, number][],
  sizeMax: number,
  bytesMax: number,
  bytesEach: number,
): [MessageId, number][] {
  let kept = ids.slice(-sizeMax);
  const bytes = () => kept.reduce((sum, [id]) => sum + Buffer.byteLength(id) + bytesEach, 0);
  while (bytes() > bytesMax) kept = kept.slice(1);
  return kept;
}

/** The deduplication table of the oracle. Its sessions are in the order of their last post. */
export class KnownIds {
  /** The newest live message of each id; after an id was forgotten, two messages may have it. */
  readonly #live: Map<MessageId, number>;
  readonly #sessions: Map<SessionId, { ackedUpTo: number; numbers: Map<number, number> }>;
  #named: [MessageId, number][];
  /** Ids that were settled without being stored. */
  #settled: [MessageId, number][];

  constructor(other?: KnownIds) {
    const sessions = other ? [...other.#sessions] : [];
    this.#sessions = new Map(
      sessions.map(([session, { ackedUpTo, numbers }]) => [
        session,
        { ackedUpTo, numbers: new Map(numbers) },
      ]),
    );
    this.#named = other ? [...other.#named] : [];
    this.#settled = other ? [...other.#settled] : [];
    this.#live = new Map(other ? other.#live : []);
  }

  live(id: MessageId): number | undefined {
    return this.#live.get(id);
  }

  end({ id, number }: Envelope): void {
    if (this.#live.get(id) === number) this.#live.delete(id);
  }

  /** Rebuilds the live ids from copies of these messages. */
  liveAgain(messages: Iterable<StoredMessage>): void {
    this.#live.clear();
    for (const { envelope } of messages) this.#live.set(envelope.id, envelope.number);
  }

  post({ id, number }: Envelope, ackedUpTo: number, limits: EngineLimits): void {
    this.#live.set(id, number);
    const own = splitId(id);
    if (!own) {
      const { namedIdsMax, namedIdsBytesMax } = limits;
      const named = [...this.#named, [id, number] as [MessageId, number]];
      this.#named = newest(named, namedIdsMax, namedIdsBytesMax, namedBytes);
      return;
    }
    const known = this.#sessions.get(own.session) ?? { ackedUpTo: 0, numbers: new Map() };
    this.#sessions.delete(own.session);
    this.#sessions.set(own.session, known);
    known.ackedUpTo = Math.max(known.ackedUpTo, ackedUpTo);
    known.numbers.set(own.count, number);
    for (const count of known.numbers.keys())
      if (count <= known.ackedUpTo) known.numbers.delete(count);
  }

  settle(id: MessageId, number: number, limits: EngineLimits): void {
    const { unstoredIdsMax, unstoredIdsBytesMax } = limits;
    const others = this.#settled.filter(([other]) => other !== id);
    const settled = [...others, [id, number] as [MessageId, number]];
    this.#settled = newest(settled, unstoredIdsMax, unstoredIdsBytesMax, unstoredBytes);
  }

  numberOf(id: MessageId): number | undefined {
    const own = splitId(id);
    if (own) return this.#sessions.get(own.session)?.numbers.get(own.count);
    return this.#named.find(([named]) => named === id)?.[1];
  }

  /** The number under which an id was settled that no stored message has. */
  settledAs(id: MessageId): number | undefined {
    return this.isAnswered(id) ? undefined : this.#settled.find(([other]) => other === id)?.[1];
  }

  /** Whether a post with this id may still arrive. */
  mayBePosted(id: MessageId): boolean {
    const isKnown =
      this.numberOf(id) !== undefined || this.#settled.some(([other]) => other === id);
    return !isKnown && !this.isAnswered(id);
  }

  /** The session says in a hello that it has never sent a post with a higher count. */
  forgetUnsent(session: SessionId, sentUpTo: number): void {
    this.#settled = this.#settled.filter(([id]) => {
      const own = splitId(id);
      return own?.session !== session || own.count <= sentUpTo;
    });
  }

  forgetAnswered(): void {
    this.#settled = this.#settled.filter(([id]) => !this.isAnswered(id));
  }

  isAnswered(id: MessageId): boolean {
    const own = splitId(id);
    return own !== undefined && own.count <= this.ackedUpTo(own.session);
  }

  ackedUpTo(session: SessionId): number {
    return this.#sessions.get(session)?.ackedUpTo ?? 0;
  }

  knows(session: SessionId): boolean {
    return (
      this.#sessions.has(session) || this.#settled.some(([id]) => splitId(id)?.session === session)
    );
  }

  forget(session: SessionId): void {
    this.#sessions.delete(session);
    this.#settled = this.#settled.filter(([id]) => splitId(id)?.session !== session);
  }

  shrink(limits: EngineLimits, connected: ReadonlySet<SessionId>): void {
    for (const session of [...this.#sessions.keys()]) {
      const isFew = this.#sessions.size <= limits.sessionsMax;
      const isSmall = this.#bytesOf() <= limits.sessionPostsBytesMax;
      if (isFew && isSmall && this.#surplus(limits) <= limits.sharedPostsBytesMax) return;
      if (!connected.has(session)) this.#sessions.delete(session);
    }
  }

  /** Whether a post that takes so many counts has room. */
  hasRoom(
    session: SessionId,
    { ackedUpTo, alsoTo }: PostRequest,
    connected: ReadonlySet<SessionId>,
    { sharedPostsBytesMax, guaranteedPosts }: EngineLimits,
  ): boolean {
    const before = this.#bytesOf(connected);
    const known = this.#sessions.get(session);
    const counts = [...(known?.numbers.keys() ?? [])];
    const left = counts.filter((count) => count > ackedUpTo).length + 1 + alsoTo.length;
    const after = before + (known ? 0 : sessionBytes) + (left - counts.length) * postBytes;
    const grown = before + (known ? 0 : sessionBytes) + (1 + alsoTo.length) * postBytes;
    if (grown <= sharedPostsBytesMax || left <= guaranteedPosts) return true;
    return after <= sharedPostsBytesMax || after <= before;
  }

  /** Bytes of the posts beyond the guaranteed ones. */
  #surplus({ guaranteedPosts }: EngineLimits): number {
    const posts = [...this.#sessions.values()].map(({ numbers }) => numbers.size);
    const surplus = posts.reduce((sum, count) => sum + Math.max(0, count - guaranteedPosts), 0);
    return surplus * postBytes;
  }

  #bytesOf(sessions?: ReadonlySet<SessionId>): number {
    let bytes = 0;
    for (const [session, { numbers }] of this.#sessions) {
      if (!sessions || sessions.has(session)) bytes += sessionBytes + numbers.size * postBytes;
    }
    return bytes;
  }
}

/** The state according to the records. */
export interface WrittenState {
  readonly messages: ReadonlyMap<number, StoredMessage>;
  readonly numberHighest: number;
  readonly memory: KnownIds;
  /** Per mailbox, the highest number that was delivered for the first time. */
  readonly firstOffers: ReadonlyMap<Name, number>;
  /** What each session was called in the last record of a delivery to it. */
  readonly holderNames: ReadonlyMap<SessionId, Name | ''>;
  readonly pauses: PauseOracle;
}

export class EngineOracle {
  readonly #limits: EngineLimits;
  #messages = new Map<number, StoredMessage>();
  /** All that were stored, also those that are settled. */
  readonly #posted = new Map<number, Envelope>();
  #numberHighest = 0;
  /** The deduplication table that a replay of the records would give, and that of the running owner. */
  #knownIdsWritten = new KnownIds();
  #knownIds = new KnownIds();
  #firstOffers = new Map<Name, number>();
  #holderNames = new Map<SessionId, Name | ''>();
  #pauses = new PauseOracle();

  readonly #connections = new Map<number, Hello>();
  /** By connection: the mailboxes that it has read, the last read last, and the name that it gave. */
  readonly #read = new Map<number, { mailboxes: Name[]; name: Name | undefined }>();
  /** In the order of arrival. */
  #open: OpenCall[] = [];
  readonly #watches: WatchOracle;
  /** The call that gets the offer which is being checked. */
  #served: OpenCall | undefined;
  readonly #absent = new Set<SessionId>();
  #graceUntil = 0;
  /** Holders of undone messages by id, oldest first; undefined if the message was released. */
  #holdersOfUndone = new Map<MessageId, SessionId | undefined>();
  /** The result of the last retry: dead letters that fit, and those that do not. */
  #retry: { moved: StoredMessage[]; stayed: StoredMessage[] } = { moved: [], stayed: [] };

  /** The result of the last drop: messages that it settles, and those that a session holds. */
  #drop: { ready: StoredMessage[]; held: StoredMessage[] } = { ready: [], held: [] };

  constructor(limits: EngineLimits) {
    this.#limits = limits;
    this.#watches = new WatchOracle(limits);
  }

  get size(): number {
    return this.#messages.size;
  }

  get bytes(): number {
    let bytes = 0;
    for (const { envelope } of this.#messages.values()) bytes += envelope.bodyBytes;
    return bytes;
  }

  get numberHighest(): number {
    return this.#numberHighest;
  }

  get messages(): ReadonlyMap<number, StoredMessage> {
    return this.#messages;
  }

  /** A copy of the state, which later steps do not change. */
  written(): WrittenState {
    return {
      messages: new Map(this.#messages),
      numberHighest: this.#numberHighest,
      memory: new KnownIds(this.#knownIdsWritten),
      firstOffers: new Map(this.#firstOffers),
      holderNames: new Map(this.#holderNames),
      pauses: new PauseOracle(this.#pauses),
    };
  }

  /** Continues as a new owner that has replayed the records. */
  restart(written: WrittenState, { now }: Instant): void {
    this.#messages = new Map(written.messages);
    this.#numberHighest = written.numberHighest;
    this.#knownIdsWritten = new KnownIds(written.memory);
    this.#knownIds = new KnownIds(written.memory);
    this.#firstOffers = new Map(written.firstOffers);
    this.#holderNames = new Map(written.holderNames);
    this.#pauses = new PauseOracle(written.pauses);
    this.#connections.clear();
    this.#read.clear();
    this.#open = [];
    this.#watches.restart(this.#deliverable());
    this.#holdersOfUndone.clear();
    this.#absent.clear();
    for (const { holder } of this.#messages.values()) if (holder) this.#absent.add(holder);
    this.#graceUntil = now + this.#limits.holderGraceMs;
  }

  /** A segment prologue was written; forgotten ids are not in it. */
  prologueWritten(): void {
    this.#knownIds.shrink(this.#limits, this.#connectedSessions());
    this.#knownIds.forgetAnswered();
  }

  /** Only a segment prologue and copies of the live messages are left. */
  compacted(): void {
    this.#knownIdsWritten = new KnownIds(this.#knownIds);
    this.#knownIdsWritten.liveAgain(this.#messages.values());
  }

  standbys(own: SessionId): number {
    const hellos = [...this.#connections.values()];
    return hellos.filter(({ standby, session }) => standby && session !== own).length;
  }

  nextDeadline(): number | undefined {
    const deadlines = this.#waits().map(({ deadline }) => deadline);
    if (this.#absent.size > 0) deadlines.push(this.#graceUntil);
    deadlines.push(...this.#watches.deadlines());
    return deadlines.length === 0 ? undefined : Math.min(...deadlines);
  }

  mailboxes(): MailboxStatus[] {
    const parked = [...this.#waits(), ...this.#watches.open];
    const names = new Set(parked.flatMap(({ mailboxes }) => mailboxes));
    for (const { mailbox } of this.#messages.values()) names.add(mailbox);
    return [...names].sort().map((mailbox) => {
      const messages = [...this.#messages.values()].filter((other) => other.mailbox === mailbox);
      const held = messages.filter(({ holder }) => holder !== undefined).length;
      const times = messages.map(({ envelope }) => envelope.time);
      return {
        mailbox,
        ready: messages.length - held,
        held,
        waiting: this.#waits().filter((wait) => wait.mailboxes.includes(mailbox)).length,
        watching: this.#watches.count(mailbox),
        paused: this.#pauses.has(mailbox),
        oldestTime: times.length === 0 ? 0 : Math.min(...times),
      };
    });
  }

  deadLetters(): { deadLetters: Map<Name, number>; deadLetterCount: number } {
    const all = [...this.#messages.values()]
      .filter(({ mailbox }) => mailbox === deadLetterMailbox)
      .map(({ envelope }) => envelope.to)
      .filter((to) => to !== deadLetterMailbox);
    const deadLetters = new Map<Name, number>();
    for (const to of all) deadLetters.set(to, (deadLetters.get(to) ?? 0) + 1);
    return { deadLetters, deadLetterCount: all.length };
  }

  /** Checks the outcome of a command. `onRecord` is called after each applied record. */
  check(
    command: SentCommand | { readonly kind: 'tick' },
    instant: Instant,
    outcome: Outcome,
    onRecord: () => void,
  ): void {
    for (const { after, response } of outcome.replies) {
      const synced = ['stored', 'settled', 'retried', 'dropped', 'pausing'];
      const isSynced = synced.includes(response.kind);
      if (command.kind === 'drop' && command.dryRun) continue;
      assert.equal(after, isSynced ? 'sync' : 'write', `${response.kind} leaves after`);
    }
    const records = [...outcome.records];
    const replies = [...outcome.replies];
    this.#learnName(command);
    const failed = this.#expectedError(command);
    if (failed) {
      assert.deepEqual(records, []);
      const [{ to, response }] = replies.splice(0, 1) as [Reply];
      assert.equal(response.kind === 'error' && response.code, failed);
      assert.ok(command.kind !== 'tick' && to === command.connection);
      assert.deepEqual(replies, []);
      return;
    }
    if (command.kind === 'peek') {
      assert.deepEqual(records, [], 'a peek changes nothing');
      const sessions = { connected: this.#connectedSessions(), names: this.#holderNames };
      return checkPeek(command, this.#messages.values(), sessions, replies);
    }
    const expected = this.#expectedEffects(command, instant);
    const applyNext = () => {
      const record = records.shift();
      assert(record, 'the record of a reply is present');
      this.#apply(record, command, expected, instant);
      this.#watches.changed(this.#deliverable(), instant.now);
      onRecord();
      return record;
    };
    let haveRestsEnded = false;
    /** Mail changes before any watch ends. */
    const endRests = () => {
      while (records.length > 0) applyNext();
      if (!haveRestsEnded) this.#watches.beginTick(instant.now);
      haveRestsEnded = true;
    };
    /** Releases and reclaims happen before any fetch continues. */
    const applyReturns = () => {
      while (expected.released.size + expected.reclaimed.size > 0) applyNext();
    };
    this.#begin(command, instant, replies);
    for (const reply of replies) {
      const { response } = reply;
      switch (response.kind) {
        case 'offer': {
          this.#served = this.#openRequest(reply.to, response.request);
          let applied: JournalRecord;
          do applied = applyNext();
          while (applied.kind !== 'offered' || applied.number !== response.envelope.number);
          this.#checkOffer(reply.to, response, applied.holder);
          break;
        }
        case 'notice': {
          const watch = this.#openWatch(reply.to, response.request);
          assert.ok(watch && command.kind === 'tick');
          endRests();
          this.#watches.checkNotice(watch, response, instant);
          break;
        }
        case 'end': {
          const watch = this.#openWatch(reply.to, response.request);
          if (watch) {
            if (command.kind === 'tick') endRests();
            this.#checkWatchEnd(watch, response, command, instant);
            break;
          }
          if (this.#openRequest(reply.to, response.request).kind === 'fetch') applyReturns();
          this.#checkEnd(reply.to, response, command, instant);
          break;
        }
        case 'welcome':
          applyReturns();
          this.#checkReply(reply, command, expected, instant);
          break;
        case 'stored':
        case 'settled':
        case 'retried':
        case 'dropped':
        case 'pausing':
          while (records.length > 0) applyNext();
          this.#checkReply(reply, command, expected, instant);
          break;
        default:
          this.#checkReply(reply, command, expected, instant);
      }
    }
    while (records.length > 0) applyNext();
    if (command.kind === 'tick') {
      endRests();
      this.#watches.endTick(instant.now);
    } else this.#watches.settled(instant.now);
    assert.deepEqual([...expected.released, ...expected.reclaimed], [], 'released or held again');
    assert.deepEqual([...expected.settles], [], 'settled');
    assert.deepEqual([...expected.settlesUnstored], [], 'settled by their ids');
    assert.deepEqual([...expected.restored], [], 'held or released as before');
    assert.deepEqual(expected.retried, [], 'returned to their original mailbox');
    assert.deepEqual(expected.pauses, [], 'paused or resumed');
    this.#checkNoMissedWait(command, instant);
    const isNamed = command.kind === 'hello' || (command.kind === 'post' && expected.posted);
    if (isNamed) this.#checkHolderName(command.connection);
  }

  /** The journal has the name that the session has now, if it holds anything. */
  #checkHolderName(connection: number): void {
    const { session } = this.#connections.get(connection) ?? {};
    const name = this.#nameOf(connection);
    if (!session || name === '' || this.#heldBy(session).length === 0) return;
    assert.equal(this.#holderNames.get(session), name, `the name of ${session}`);
  }

  #nameOf(connection: number): Name | '' {
    const { name, mailboxes } = this.#read.get(connection) ?? {};
    return name ?? mailboxes?.at(-1) ?? '';
  }

  /** The error with which the engine must refuse the command, if any. */
  #expectedError(command: SentCommand | { readonly kind: 'tick' }): string | undefined {
    if (command.kind === 'tick' || !('request' in command)) return undefined;
    const hello = this.#connections.get(command.connection);
    if ((command.kind === 'hello') === (hello !== undefined)) return 'bad_frame';
    if (command.kind === 'post' && hello) return this.#expectedPostError(command, hello.session);
    if (command.kind === 'watch') return this.#expectedWatchError(command);
    if (command.kind === 'pause') return this.#pauses.error(command, this.#limits);
    const parks =
      command.kind === 'wait' || (command.kind === 'fetch' && this.#areAwaited(command.mailboxes));
    const named = command.kind === 'wait' ? this.#waits().flatMap((wait) => wait.mailboxes) : [];
    const added = command.kind === 'wait' ? command.mailboxes.length : 0;
    const { waitsMax } = this.#limits;
    const isFull = this.#open.length >= waitsMax || named.length + added > waitsMax;
    return parks && isFull ? 'too_many_waits' : undefined;
  }

  #expectedWatchError({ connection, mailboxes }: ConnectedWatch): string | undefined {
    const { watchesMax, watchesPerConnectionMax } = this.#limits;
    const all = this.#watches.named() + mailboxes.length;
    const own = this.#watches.named(connection) + mailboxes.length;
    return all > watchesMax || own > watchesPerConnectionMax ? 'too_many_waits' : undefined;
  }

  #expectedPostError(post: ConnectedPost, session: SessionId): string | undefined {
    const to = mailboxesOf(post);
    const ids = idsOf(post, session);
    const known = ids.map((id) => this.#knownIds.numberOf(id));
    const isKnown = (id: MessageId, index: number) =>
      known[index] !== undefined || this.#knownIds.settledAs(id) !== undefined;
    if (known.some((number) => number !== undefined)) {
      const areSame = to.every((mailbox, index) => {
        const envelope = this.#posted.get(known[index] ?? 0);
        return (
          !envelope ||
          (envelope.to === mailbox &&
            envelope.from === post.from &&
            envelope.answers === post.answers &&
            envelope.bodyBytes === post.body.length &&
            envelope.checksum === post.checksum)
        );
      });
      return areSame && ids.every(isKnown) ? undefined : 'id_conflict';
    }
    if (ids.every(isKnown)) return undefined;
    if (post.id === '') {
      const ackedUpTo = Math.max(post.ackedUpTo, this.#knownIds.ackedUpTo(session));
      if (post.count <= ackedUpTo) return 'bad_frame';
      const last = post.count + to.length - 1;
      if (last > ackedUpTo + this.#limits.unacknowledgedPostsMax) return 'too_many_unanswered';
      const connected = this.#connectedSessions();
      const hasRoom = this.#knownIds.hasRoom(
        session,
        { ...post, ackedUpTo },
        connected,
        this.#limits,
      );
      if (!hasRoom) return 'too_many_unanswered';
    }
    const { from, answers, body } = post;
    const origin = this.#originOf(post.connection);
    const added = to.map((name, index) => {
      const id = ids[index] as MessageId;
      return { id, to: name, from, answers, origin, bodyBytes: body.length };
    });
    const present = [...this.#messages.values()];
    const isFull =
      this.size + to.length > this.#limits.messagesMax ||
      this.bytes + to.length * body.length > this.#limits.storeBytesMax ||
      indexBytesOf(added, present) > this.#limits.indexBytesMax;
    return isFull ? 'store_full' : this.#mailboxFailure(added);
  }

  #mailboxFailure(added: readonly Indexed[]): string | undefined {
    const { mailboxesMax, mailboxMessagesMax, mailboxBytesMax } = this.#limits;
    const to = added.map((message) => message.to);
    const all = [...this.#messages.values()];
    const names = new Set(all.map(({ mailbox }) => mailbox));
    const isNew = to.some((name) => !names.has(name));
    if (isNew && new Set([...names, ...to]).size > mailboxesMax) return 'too_many_mailboxes';
    const isFull = added.some((message) => {
      const there = all.filter(({ mailbox }) => mailbox === message.to);
      const bytes = there.reduce((sum, { envelope }) => sum + envelope.bodyBytes, 0);
      return (
        there.length >= mailboxMessagesMax ||
        bytes + message.bodyBytes > mailboxBytesMax ||
        indexBytesOf([message], there) > this.#limits.mailboxIndexBytesMax
      );
    });
    return isFull ? 'mailbox_full' : undefined;
  }

  #expectedEffects(
    command: SentCommand | { readonly kind: 'tick' },
    { now, time }: Instant,
  ): ExpectedEffects {
    const session =
      command.kind === 'hello'
        ? command.session
        : command.kind === 'tick'
          ? undefined
          : this.#connections.get(command.connection)?.session;
    const expected = {
      posted:
        command.kind === 'post' &&
        session !== undefined &&
        idsOf(command, session).every((id) => this.#knownIds.numberOf(id) === undefined) &&
        idsOf(command, session).some((id) => this.#knownIds.settledAs(id) === undefined),
      settles: new Set<number>(),
      settlesUnstored: new Map<MessageId, number>(),
      notHeld: session ? this.#heldByOthers(settledBy(command), session) : [],
      restored: new Map<MessageId, SessionId | undefined>(),
      released: new Map<number, number>(),
      rejected: new Set<number>(),
      reclaimed: new Set<number>(),
      forgotten:
        command.kind === 'goodbye' && session && this.#knownIds.knows(session)
          ? session
          : undefined,
      retried: [] as StoredMessage[],
      pauses: command.kind === 'pause' ? this.#pauses.expected(command) : [],
    };
    const putBack = ({ envelope, attempt }: StoredMessage, counts: boolean) =>
      expected.released.set(envelope.number, attempt + (counts ? 1 : 0));
    switch (command.kind) {
      case 'post':
      case 'settle': {
        for (const hold of settledBy(command)) {
          if (expected.notHeld.includes(hold)) continue;
          const message = this.#find(hold);
          if (message) expected.settles.add(message.envelope.number);
          else if (this.#holdersOfUndone.get(hold.id) === session && session) {
            if (this.#mayBePosted(hold.id)) expected.settlesUnstored.set(hold.id, hold.number);
          }
        }
        for (const id of expected.settlesUnstored.keys()) this.#holdersOfUndone.delete(id);
        if (!expected.posted || command.kind !== 'post' || !session) break;
        for (const id of idsOf(command, session)) {
          const isHeld =
            this.#holdersOfUndone.has(id) &&
            this.#knownIds.settledAs(id) === undefined &&
            this.#wasSent(id);
          if (isHeld) expected.restored.set(id, this.#holdersOfUndone.get(id));
          this.#holdersOfUndone.delete(id);
        }
        break;
      }
      case 'release':
        for (const hold of command.holds) {
          const message = this.#find(hold);
          if (this.#holderOf(hold) !== session) continue;
          if (message) putBack(message, !command.unread);
          if (message && command.rejected) expected.rejected.add(message.envelope.number);
          if (message) continue;
          if (command.unread) this.#holdersOfUndone.delete(hold.id);
          else this.#holdersOfUndone.set(hold.id, undefined);
        }
        break;
      case 'disconnect':
        if (!session) break;
        for (const message of this.#heldBy(session)) putBack(message, true);
        for (const [id, holder] of this.#holdersOfUndone) {
          if (holder === session) this.#holdersOfUndone.set(id, undefined);
        }
        break;
      case 'hello': {
        this.#knownIds.forgetUnsent(command.session, command.sentUpTo);
        const listed = command.held.map((hold) => this.#find(hold));
        for (const message of this.#heldBy(command.session)) {
          if (!listed.includes(message)) putBack(message, false);
        }
        for (const [id, holder] of this.#holdersOfUndone) {
          const isListed = command.held.some((hold) => hold.id === id);
          if (holder === session && !isListed) this.#holdersOfUndone.delete(id);
        }
        for (const hold of command.held) {
          const message = this.#find(hold);
          const holder = this.#holderOf(hold);
          if (message && holder === undefined) expected.reclaimed.add(message.envelope.number);
          const isFree = holder === undefined || holder === session;
          if (message || !isFree || !this.#mayBePosted(hold.id, command)) continue;
          this.#holdersOfUndone.delete(hold.id);
          this.#holdersOfUndone.set(hold.id, command.session);
          for (const oldest of this.#holdersOfUndone.keys()) {
            if (this.#holdersOfUndone.size > this.#limits.unstoredIdsMax)
              this.#holdersOfUndone.delete(oldest);
          }
        }
        break;
      }
      case 'retry':
        this.#retry = this.#retryable(command);
        expected.retried.push(...this.#retry.moved);
        break;
      case 'drop':
        this.#drop = droppable(command, this.#messages.values(), time);
        if (command.dryRun) break;
        for (const { envelope } of this.#drop.ready) expected.settles.add(envelope.number);
        break;
      case 'tick':
        if (now < this.#graceUntil) break;
        for (const other of this.#absent) {
          for (const message of this.#heldBy(other)) putBack(message, true);
        }
    }
    return expected;
  }

  /**
   * Splits the dead letters that no session holds into those that fit into their mailbox and those that
   * do not.
   */
  #retryable({ to, ids, after }: RetryRequest): {
    moved: StoredMessage[];
    stayed: StoredMessage[];
  } {
    const wanted = [...this.#messages.values()]
      .filter(({ mailbox, holder }) => mailbox === deadLetterMailbox && holder === undefined)
      .filter(({ envelope }) => envelope.to !== deadLetterMailbox && envelope.number > after)
      .filter(({ envelope }) => to === '' || envelope.to === to)
      .filter(({ envelope }) => ids.length === 0 || ids.includes(envelope.id))
      .sort((one, other) => one.envelope.number - other.envelope.number);
    const moved: StoredMessage[] = [];
    const stayed: StoredMessage[] = [];
    const before = this.#messages;
    this.#messages = new Map(before);
    for (const message of wanted) {
      const { envelope } = message;
      const { number, to: mailbox } = envelope;
      const hasRoom = this.#mailboxFailure([envelope]) === undefined;
      (hasRoom ? moved : stayed).push(message);
      if (hasRoom) this.#messages.set(number, { ...message, mailbox });
    }
    this.#messages = before;
    return { moved, stayed };
  }

  /** Applies the changes of a command that happen before its records. */
  #begin(
    command: SentCommand | { readonly kind: 'tick' },
    { now }: Instant,
    replies: readonly Reply[],
  ): void {
    if (command.kind === 'tick') {
      if (now >= this.#graceUntil) this.#absent.clear();
      return;
    }
    const { connection } = command;
    switch (command.kind) {
      case 'hello': {
        const { session } = command;
        this.#absent.delete(session);
        for (const [older, hello] of this.#connections) {
          if (hello.session !== session) continue;
          this.#forget(older);
          const last = replies.find(({ to }) => to === older)?.response;
          assert.ok(last?.kind === 'error' && last.code === 'replaced' && last.request === 0);
        }
        this.#connections.set(connection, command);
        const mailboxes = [...(command.reads ?? [])].slice(-readMailboxesMax);
        this.#read.set(connection, { mailboxes, name: command.name });
        return;
      }
      case 'disconnect':
        return this.#forget(connection);
      case 'watch':
        this.#reads(connection, command.mailboxes);
        return this.#watches.add(command, connection, now, this.#deliverable());
      case 'wait':
      case 'fetch': {
        const hello = this.#connections.get(connection);
        assert(hello);
        const { kind, request, mailboxes } = command;
        if (kind === 'wait') this.#reads(connection, mailboxes);
        this.#open.push({
          kind,
          connection,
          session: hello.session,
          request,
          mailboxes,
          answers: kind === 'wait' ? command.answers : '',
          deadline: kind === 'wait' ? now + command.waitMs : 0,
          bytesLeft: kind === 'fetch' ? command.bytesMax : 0,
          messagesLeft: kind === 'fetch' ? command.messagesMax : 1,
          offers: 0,
        });
      }
    }
  }

  #apply(
    record: JournalRecord,
    command: SentCommand | { readonly kind: 'tick' },
    expected: ExpectedEffects,
    instant: Instant,
  ): void {
    switch (record.kind) {
      case 'posted':
        assert.ok(expected.posted && command.kind === 'post');
        return this.#applyPosted(record, command, expected, instant);
      case 'settled':
        return this.#settle(record.numbers, expected);
      case 'moved':
        if (command.kind === 'retry') return this.#applyRetried(record, expected);
        return this.#applyReturned(record, command, expected, instant);
      case 'released':
        return this.#applyReturned(record, command, expected, instant);
      case 'settledById':
        for (const { id, number } of record.holds) {
          assert.equal(number, expected.settlesUnstored.get(id));
          expected.settlesUnstored.delete(id);
          this.#knownIds.settle(id, number, this.#limits);
          this.#knownIdsWritten.settle(id, number, this.#limits);
        }
        return;
      case 'offered': {
        const { number, holder, attempt, holding } = record;
        const message = this.#message(number);
        assert.equal(attempt, message.attempt);
        assert(holding, 'a delivery has the name of the holder');
        if (message.holder === holder) return this.#applyRenamed(record, message, command);
        assert.equal(message.holder, undefined, `no other session holds ${number}`);
        assert.equal(holding.since, instant.time);
        const { id } = message.envelope;
        const restoredHolder = command.kind === 'post' ? expected.restored.get(id) : undefined;
        if (restoredHolder !== undefined) {
          expected.restored.delete(id);
          assert.equal(holder, restoredHolder);
        } else if (command.kind === 'hello' && expected.reclaimed.delete(number)) {
          assert.equal(holder, command.session);
        } else {
          this.#checkOrder(message);
          this.#readsByFetch();
        }
        const known = this.#heldBy(holder).length > 0 ? this.#holderNames.get(holder) : undefined;
        const name = this.#nameOfSession(holder) || known || '';
        assert.equal(holding.name, name, `the name of ${holder}`);
        this.#holderNames.set(holder, holding.name);
        const heldSince = holding.since;
        this.#messages.set(number, { ...message, holder, heldSince, wasOffered: true });
        return;
      }
      case 'paused':
        assert.deepEqual(record, expected.pauses.shift());
        return this.#pauses.apply(record);
      case 'forgotten':
        assert.equal(record.session, expected.forgotten);
        this.#knownIds.forget(record.session);
        this.#knownIdsWritten.forget(record.session);
        return;
      default:
        assert.fail(`no command writes ${record.kind}`);
    }
  }

  /** The session has another name than when it got the messages that it holds. */
  #applyRenamed(
    { holder, holding }: OfferedRecord,
    { heldSince }: StoredMessage,
    command: SentCommand | { readonly kind: 'tick' },
  ): void {
    assert(command.kind === 'post' || command.kind === 'hello');
    assert.equal(holder, this.#connections.get(command.connection)?.session);
    assert.equal(holding?.since, heldSince);
    assert.equal(holding?.name, this.#nameOf(command.connection));
    assert.notEqual(holding?.name, this.#holderNames.get(holder), 'it has a new name');
    this.#holderNames.set(holder, holding?.name ?? '');
  }

  /** A fetch reads its mailboxes when it is served, which may be later than its command. */
  #readsByFetch(): void {
    const { kind, connection, mailboxes } = this.#served ?? {};
    if (kind === 'fetch' && connection !== undefined && mailboxes)
      this.#reads(connection, mailboxes);
  }

  #nameOfSession(session: SessionId): Name | '' {
    const [connection] =
      [...this.#connections].find(([, hello]) => hello.session === session) ?? [];
    return connection === undefined ? '' : this.#nameOf(connection);
  }

  #applyReturned(
    record: ReleasedRecord | MovedRecord,
    command: SentCommand | { readonly kind: 'tick' },
    expected: ExpectedEffects,
    { time }: Instant,
  ): void {
    const { number, attempt } = record;
    const message = this.#message(number);
    if (expected.restored.delete(message.envelope.id)) assert.equal(attempt, 2);
    else {
      assert.equal(attempt, expected.released.get(number), `the next attempt of ${number}`);
      expected.released.delete(number);
      assert.notEqual(message.holder, undefined, `${number} was held`);
    }
    const isOver = attempt > this.#limits.attemptsMax || expected.rejected.has(number);
    const moves = message.mailbox !== deadLetterMailbox && isOver;
    assert.equal(record.kind, moves ? 'moved' : 'released');
    const mailbox = record.kind === 'moved' ? record.mailbox : message.mailbox;
    assert.equal(mailbox, moves ? deadLetterMailbox : message.mailbox);
    const counts = message.holder !== undefined && attempt > message.attempt;
    const { holder, heldSince: from } = message;
    const hasRoom = indexBytesOf([], [...this.#messages.values()]) < this.#limits.indexBytesMax;
    if (counts && hasRoom && holder !== undefined && from !== undefined) {
      const name = this.#holderNames.get(holder) ?? '';
      assert.deepEqual(record.lastHold, { name, from, to: time, ended: howEnded(command) });
    } else assert.equal(record.lastHold, undefined);
    const lastHold = record.lastHold ?? message.lastHold;
    const back = { holder: undefined, heldSince: undefined, lastHold };
    this.#messages.set(number, { ...message, mailbox, attempt, ...back });
  }

  #applyRetried({ number, mailbox, attempt }: MovedRecord, expected: ExpectedEffects): void {
    const message = expected.retried.shift();
    assert.equal(number, message?.envelope.number);
    assert.equal(mailbox, message?.envelope.to);
    assert.equal(attempt, 1);
    this.#messages.set(number, { ...this.#message(number), mailbox, attempt });
  }

  #applyPosted(
    record: PostedRecord,
    command: ConnectedPost,
    expected: ExpectedEffects,
    { time }: Instant,
  ): void {
    const { ackedUpTo } = record;
    const session = this.#connections.get(command.connection);
    assert(session);
    const envelopes = [record.envelope, ...record.also];
    const all = idsOf(command, session.session);
    const isStored = all.map((id) => this.#knownIds.settledAs(id) === undefined);
    const ids = all.filter((_, index) => isStored[index]);
    const to = mailboxesOf(command).filter((_, index) => isStored[index]);
    assert.equal(envelopes.length, to.length, 'a message for each mailbox, in one record');
    assert.equal(record.body, command.body);
    const depths = this.#depthsOfAnswer(command.answers);
    for (const [index, envelope] of envelopes.entries()) {
      assert.ok(envelope.number > this.#numberHighest, 'numbers count up');
      assert.deepEqual(
        { ...envelope, number: 0 },
        {
          id: ids[index],
          number: 0,
          to: to[index],
          from: command.from,
          time,
          answers: command.answers,
          depth: depths.find((depth) => depth === envelope.depth),
          origin: this.#originOf(command.connection),
          bodyBytes: command.body.length,
          checksum: command.checksum,
        },
      );
      this.#numberHighest = envelope.number;
      const { to: mailbox } = envelope;
      const fresh = { holder: undefined, heldSince: undefined, lastHold: undefined };
      const message = { envelope, mailbox, attempt: 1, ...fresh, wasOffered: false };
      this.#messages.set(envelope.number, message);
      this.#posted.set(envelope.number, envelope);
      this.#knownIdsWritten.post(envelope, ackedUpTo, this.#limits);
      this.#knownIds.post(envelope, ackedUpTo, this.#limits);
    }
    this.#settle(record.settles, expected);
    this.#knownIds.shrink(this.#limits, this.#connectedSessions());
  }

  /**
   * More than one if its id was forgotten and used again while the first message was there. Once the second message
   * is settled, the first one is not found by its id any more.
   */
  #depthsOfAnswer(answered: MessageId | ''): number[] {
    if (answered === '') return [0];
    const depths = [...this.#messages.values()]
      .filter(({ envelope }) => envelope.id === answered)
      .map(({ envelope }) => 1 + envelope.depth);
    const isFound = this.#knownIds.live(answered) !== undefined;
    return depths.length === 1 && isFound ? depths : [...depths, 1];
  }

  #settle(numbers: readonly number[], expected: ExpectedEffects): void {
    for (const number of numbers) {
      assert.ok(expected.settles.delete(number), `${number} may be settled`);
      const { envelope } = this.#message(number);
      this.#messages.delete(number);
      this.#knownIds.end(envelope);
      this.#knownIdsWritten.end(envelope);
    }
  }

  /**
   * Parked waits for this message: first those for this very answer, then the others, the oldest first.
   */
  #waitsFor(envelope: Envelope, mailbox: Name): OpenCall[] {
    const waits = this.#waits().filter(
      (wait) => wait.mailboxes.includes(mailbox) && isFor(wait, envelope),
    );
    return [...waits.filter(isAsker), ...waits.filter((wait) => !isAsker(wait))];
  }

  /**
   * The lowest ready number is delivered first, so first deliveries follow the numbers; answers are
   * exempt.
   */
  #checkOrder({ envelope, mailbox, wasOffered }: StoredMessage): void {
    const { number } = envelope;
    const [first] = this.#waitsFor(envelope, mailbox);
    if (first && isAsker(first)) return;
    for (const [other, message] of this.#messages) {
      const isBefore = message.mailbox === mailbox && !message.holder && other < number;
      assert.ok(!isBefore, `${other} is ready, and lower than ${number}`);
    }
    if (wasOffered) return;
    const last = this.#firstOffers.get(mailbox) ?? 0;
    assert.ok(number > last, `${number} is offered first, ${last} was before it`);
    this.#firstOffers.set(mailbox, number);
  }

  #checkOffer(to: number, offer: Offer, holder: SessionId): void {
    const { envelope, mailbox, attempt, others, request, lastHold, remaining, elsewhere } = offer;
    const { number, bodyBytes } = envelope;
    const message = this.#message(number);
    assert.deepEqual({ envelope, mailbox, attempt, holder, lastHold }, comparable(message));
    const open = this.#openRequest(to, request);
    assert.equal(open.session, holder);
    assert.ok(open.mailboxes.includes(mailbox));
    assert.ok(!this.#pauses.has(mailbox), `${mailbox} is paused`);
    this.#checkListOrder(open, mailbox);
    if (open.kind === 'wait') {
      const first = this.#waitsFor(envelope, mailbox)[0];
      assert.equal(first, open, 'the asker is served first, then the wait that was parked first');
      this.#close(open);
      assert.deepEqual(elsewhere, this.#elsewhere(to, [mailbox]));
    } else {
      this.#reads(to, open.mailboxes);
      assert.deepEqual(elsewhere, []);
      assert.ok(open.messagesLeft > 0);
      assert.ok(open.offers === 0 || bodyBytes <= open.bytesLeft, 'the body fits');
      open.messagesLeft--;
      open.bytesLeft -= bodyBytes;
      open.offers++;
    }
    const waiting = this.#waits().filter((wait) => wait.mailboxes.includes(mailbox));
    const sessions = new Set(waiting.map(({ session }) => session));
    sessions.delete(holder);
    assert.equal(others, sessions.size);
    assert.equal(remaining, this.#readyIn(mailbox).length);
    this.#checkOtherFolder(to, [mailbox], offer.otherFolder);
  }

  /** The folder of a session that waits there, too. */
  #checkOtherFolder(to: number, mailboxes: MailboxList, otherFolder: string | undefined): void {
    const own = this.#connections.get(to);
    const folders = this.#waits()
      .filter((wait) => wait.mailboxes.some((mailbox) => mailboxes.includes(mailbox)))
      .filter((wait) => wait.session !== own?.session)
      .map(({ connection }) => this.#connections.get(connection)?.origin.folder)
      .filter((folder) => folder !== undefined && folder !== own?.origin.folder);
    const isTold = own?.origin.folder !== undefined && folders.length > 0;
    assert.ok(isTold ? folders.includes(otherFolder) : otherFolder === undefined);
  }

  /** No mailbox before this one in the list has a message for the call. */
  #checkListOrder(open: OpenCall, mailbox: Name): void {
    const before = open.mailboxes.slice(0, open.mailboxes.indexOf(mailbox));
    for (const { envelope, mailbox: other, holder } of this.#deliverable().values()) {
      if (holder !== undefined || !before.includes(other)) continue;
      const isItsTurn = open.kind === 'fetch' || this.#waitsFor(envelope, other)[0] === open;
      assert.ok(!isItsTurn, `${envelope.number} is ready in ${other}, which the call lists before`);
    }
  }

  #checkEnd(
    to: number,
    { request, remaining, elsewhere, otherFolder, paused }: EndResponse,
    command: SentCommand | { readonly kind: 'tick' },
    { now }: Instant,
  ): void {
    const open = this.#openRequest(to, request);
    const ready = open.mailboxes.flatMap((mailbox) => this.#readyIn(mailbox));
    assert.equal(remaining, ready.length);
    this.#checkPaused(open.mailboxes, paused);
    const isCancelled =
      command.kind === 'cancel' && command.connection === to && command.request === request;
    if (open.kind === 'fetch' && !isCancelled) this.#reads(to, open.mailboxes);
    assert.deepEqual(elsewhere, this.#elsewhere(to, open.mailboxes));
    const first = ready.find(({ mailbox }) => !this.#pauses.has(mailbox))?.envelope;
    const isServed =
      open.messagesLeft === 0 || !first || (open.offers > 0 && first.bodyBytes > open.bytesLeft);
    if (open.kind === 'fetch')
      assert.ok(isCancelled || isServed, 'a fetch delivers as much as it may');
    else assert.ok(isCancelled || (command.kind === 'tick' && open.deadline <= now));
    this.#close(open);
    this.#checkOtherFolder(to, open.mailboxes, otherFolder);
  }

  #checkWatchEnd(
    watch: OpenWatch,
    { remaining, elsewhere, otherFolder, paused }: EndResponse,
    command: SentCommand | { readonly kind: 'tick' },
    { now }: Instant,
  ): void {
    const { connection, request, mailboxes } = watch;
    assert.equal(remaining, mailboxes.flatMap((mailbox) => this.#readyIn(mailbox)).length);
    assert.deepEqual(elsewhere, this.#elsewhere(connection, mailboxes));
    this.#checkPaused(mailboxes, paused);
    this.#checkOtherFolder(connection, mailboxes, otherFolder);
    if (command.kind === 'tick') return this.#watches.checkEnd(watch, now);
    assert.ok(command.kind === 'cancel' && command.request === request);
    assert.equal(command.connection, connection);
    this.#watches.end(watch);
  }

  #checkReply(
    { to, response }: Reply,
    command: SentCommand | { readonly kind: 'tick' },
    expected: ExpectedEffects,
    { time }: Instant,
  ): void {
    assert('request' in command, `a reply: ${response.kind}`);
    if (response.kind === 'error') {
      assert.ok(command.kind === 'hello' && response.code === 'replaced');
      return;
    }
    assert.equal(to, command.connection);
    assert.equal(response.request, command.request);
    const session = this.#connections.get(to)?.session;
    assert(session);
    switch (response.kind) {
      case 'welcome':
        assert(command.kind === 'hello');
        assert.equal(response.messages, this.size);
        assert.deepEqual(response.revoked, this.#heldByOthers(command.held, session));
        return;
      case 'stored': {
        assert(command.kind === 'post');
        const { kind: _, request: __, duplicate, notHeld, elsewhere, also, ...main } = response;
        const stored = [main, ...also];
        const ids = idsOf(command, session);
        assert.deepEqual(
          stored.map(({ id }) => id),
          ids,
        );
        for (const { id, number, reader, ...ahead } of stored) {
          const stored = this.#knownIds.numberOf(id);
          const known = stored ?? this.#knownIds.settledAs(id);
          assert.equal(number, known, 'the number of the first post with this id');
          const message = this.#find({ id, number });
          assert.equal(reader, message?.holder !== undefined);
          assert.deepEqual(ahead, this.#aheadOf(message, session, duplicate, time));
        }
        assert.deepEqual(elsewhere, this.#elsewhere(to, mailboxesOf(command)));
        assert.deepEqual(notHeld, expected.notHeld);
        return;
      }
      case 'settled':
        assert(command.kind === 'settle');
        assert.deepEqual(response.notHeld, expected.notHeld);
        return;
      case 'released':
        assert.equal(command.kind, 'release');
        return;
      case 'retried': {
        const { moved, stayed, next } = response;
        assert.deepEqual(
          [moved.map(({ id }) => id), stayed.map(({ id }) => id)],
          [
            this.#retry.moved.map(({ envelope }) => envelope.id),
            this.#retry.stayed.map(({ envelope }) => envelope.id),
          ],
        );
        assert.equal(next, 0);
        return;
      }
      case 'found':
        assert(command.kind === 'find');
        return checkFound(command, response, this.#knownIds, this.#messages);
      case 'dropped': {
        assert(command.kind === 'drop');
        const { dropped, held, next, upTo } = response;
        assert.deepEqual(
          [dropped.map(({ id }) => id), held, next],
          [this.#drop.ready.map(({ envelope }) => envelope.id), this.#drop.held.length, 0],
        );
        assert.ok(command.upTo === 0 ? upTo >= this.#numberHighest : upTo === command.upTo);
        return;
      }
      case 'pausing':
        return this.#pauses.check(response);
      case 'status':
        this.#pauses.check({ mailboxes: response.paused });
        assert.deepEqual(
          {
            messages: response.messages,
            bytes: response.bytes,
            sessions: response.sessions,
            mailboxCount: response.mailboxCount,
            mailboxes: [...response.mailboxes].sort(byName),
            deadLetters: new Map(response.deadLetters.map(({ to, messages }) => [to, messages])),
            deadLetterCount: response.deadLetterCount,
          },
          {
            messages: this.size,
            bytes: this.bytes,
            sessions: this.#connections.size,
            mailboxCount: this.mailboxes().length,
            mailboxes: this.mailboxes(),
            ...this.deadLetters(),
          },
        );
        checkSessions(
          response,
          this.#connections.get(to)?.session,
          this.#connectedSessions(),
          this.#waits().flatMap(({ connection, mailboxes }) => {
            const session = this.#connections.get(connection)?.session;
            return mailboxes.map((mailbox) => ({ session, mailbox }));
          }),
          this.#watches.open.map((watch) => {
            return { ...watch, session: this.#connections.get(watch.connection)?.session };
          }),
          this.#messages,
          this.#limits,
        );
        return;
      default:
        assert.fail(`the engine never replies ${response.kind}`);
    }
  }

  /** A post names its session even when it is refused. */
  #learnName(command: SentCommand | { readonly kind: 'tick' }): void {
    const read = command.kind === 'post' ? this.#read.get(command.connection) : undefined;
    if (read && command.kind === 'post' && command.from !== '') read.name = command.from;
  }

  /** Those of the mailboxes that are paused; no field when there are none. */
  #checkPaused(mailboxes: MailboxList, paused: readonly Name[] | undefined): void {
    const expected = mailboxes.filter((mailbox) => this.#pauses.has(mailbox));
    assert.deepEqual(paused, expected.length > 0 ? expected : undefined);
  }

  /** Without those in paused mailboxes. */
  #deliverable(): Map<number, StoredMessage> {
    const all = [...this.#messages];
    return new Map(all.filter(([, { mailbox }]) => !this.#pauses.has(mailbox)));
  }

  #reads(connection: number, mailboxes: MailboxList): void {
    const read = this.#read.get(connection);
    assert(read);
    const others = read.mailboxes.filter((other) => !mailboxes.includes(other));
    read.mailboxes = [...others, ...[...mailboxes].reverse()].slice(-readMailboxesMax);
  }

  /** The first three mailboxes with unread mail: those read last first, then that of the session's name. */
  #elsewhere(connection: number, own: readonly Name[]): MailElsewhere[] {
    const read = this.#read.get(connection);
    assert(read);
    const mailboxes = new Set([...read.mailboxes.toReversed(), ...(read.name ? [read.name] : [])]);
    return [...mailboxes]
      .filter((mailbox) => !own.includes(mailbox) && !this.#pauses.has(mailbox))
      .map((mailbox) => ({ mailbox, ready: this.#readyIn(mailbox).length }))
      .filter(({ ready }) => ready > 0)
      .slice(0, 3);
  }

  /** What the poster of a message learns of its mailbox. */
  #aheadOf(
    message: StoredMessage | undefined,
    session: SessionId,
    duplicate: boolean,
    time: number,
  ): Omit<PostedMessage, 'id' | 'number' | 'reader'> {
    const ahead = { before: 0, holder: undefined, same: undefined };
    const nothing = { watched: false, paused: false, ...ahead };
    if (!message || message.mailbox !== message.envelope.to) return nothing;
    const { mailbox, envelope } = message;
    const others = [...this.#messages.values()]
      .filter((other) => other !== message && other.mailbox === mailbox)
      .sort((one, other) => one.envelope.number - other.envelope.number);
    const newest = [...others, message]
      .sort((one, other) => other.envelope.number - one.envelope.number)
      .slice(0, 16);
    const equal = newest.find(({ envelope: other }) => {
      const isSame = other.checksum === envelope.checksum && other.bodyBytes === envelope.bodyBytes;
      const answersSame = other.answers === envelope.answers || envelope.answers === '';
      return isSame && answersSame && other.from === envelope.from && other !== envelope;
    });
    const isNamed = envelope.from !== '' && !duplicate;
    const same =
      equal && isNamed
        ? {
            number: equal.envelope.number,
            ageMs: Math.max(0, time - equal.envelope.time),
            isHeld: equal.holder !== undefined,
          }
        : undefined;
    if (message.holder) return { ...nothing, same };
    const paused = this.#pauses.has(mailbox);
    const watched = this.#watches.count(mailbox) > 0 && !paused;
    const before = others.filter(
      ({ holder, envelope: { number } }) => !holder && number < envelope.number,
    ).length;
    const first = others.find(({ holder }) => holder);
    if (!first?.holder || first.holder === session) {
      return { watched, paused, before, holder: undefined, same };
    }
    const { envelope: held, heldSince = time } = first;
    const name = this.#holderNames.get(first.holder) ?? '';
    const holder = { number: held.number, name, heldMs: Math.max(0, time - heldSince) };
    return { watched, paused, before, holder, same };
  }

  /** The lowest number first. */
  #readyIn(mailbox: Name): StoredMessage[] {
    return [...this.#messages.values()]
      .filter((message) => message.mailbox === mailbox && !message.holder)
      .sort((one, other) => one.envelope.number - other.envelope.number);
  }

  #checkNoMissedWait(command: SentCommand | { readonly kind: 'tick' }, { now }: Instant): void {
    if (command.kind === 'cancel') {
      const cancelled = this.#openWatch(command.connection, command.request);
      assert.ok(!cancelled, 'a cancelled watch ends');
    }
    for (const wait of this.#waits()) {
      for (const [number, { mailbox, holder, envelope }] of this.#deliverable()) {
        const isThere = wait.mailboxes.includes(mailbox) && holder === undefined;
        const isMissed = isThere && isFor(wait, envelope);
        assert.ok(!isMissed, `${number} is ready, and a wait for it is parked`);
      }
      if (command.kind === 'tick') assert.ok(wait.deadline > now, 'a wait that timed out ends');
    }
    for (const open of this.#open) {
      if (command.kind === 'cancel') {
        const isIt = open.connection === command.connection && open.request === command.request;
        assert.ok(!isIt, 'a cancelled request ends');
      }
      if (open.kind === 'fetch') assert.ok(this.#areAwaited(open.mailboxes), 'a fetch ends');
    }
  }

  #areAwaited(mailboxes: readonly Name[]): boolean {
    const messages = [...this.#messages.values()];
    return messages.some(
      ({ mailbox, holder }) => mailboxes.includes(mailbox) && holder && this.#absent.has(holder),
    );
  }

  #forget(connection: number): void {
    this.#connections.delete(connection);
    this.#read.delete(connection);
    this.#open = this.#open.filter((open) => open.connection !== connection);
    this.#watches.endAll(connection);
  }

  #close(open: OpenCall): void {
    this.#open = this.#open.filter((other) => other !== open);
  }

  #waits(): OpenCall[] {
    return this.#open.filter(({ kind }) => kind === 'wait');
  }

  #openWatch(connection: number, request: number): OpenWatch | undefined {
    return this.#watches.open.find(
      (watch) => watch.connection === connection && watch.request === request,
    );
  }

  #openRequest(connection: number, request: number): OpenCall {
    const found = this.#open.find(
      (open) => open.connection === connection && open.request === request,
    );
    assert(found, `request ${request} of connection ${connection} is open`);
    return found;
  }

  #message(number: number): StoredMessage {
    const message = this.#messages.get(number);
    assert(message, `message ${number} is unsettled`);
    return message;
  }

  #heldBy(session: SessionId): StoredMessage[] {
    return [...this.#messages.values()].filter(({ holder }) => holder === session);
  }

  #find({ number, id }: Hold): StoredMessage | undefined {
    const message = this.#messages.get(number);
    if (message?.envelope.id === id) return message;
    return this.#messages.get(this.#knownIds.live(id) ?? 0);
  }

  #holderOf(hold: Hold): SessionId | undefined {
    const message = this.#find(hold);
    return message ? message.holder : this.#holdersOfUndone.get(hold.id);
  }

  /** Of a session that is not connected nobody knows what it has sent. */
  #wasSent(id: MessageId, hello?: Hello): boolean {
    const own = splitId(id);
    const hellos = [...(hello ? [hello] : []), ...this.#connections.values()];
    const known = hellos.find(({ session }) => session === own?.session);
    return !own || !known || own.count <= known.sentUpTo;
  }

  #mayBePosted(id: MessageId, hello?: Hello): boolean {
    return this.#knownIds.mayBePosted(id) && this.#wasSent(id, hello);
  }

  #heldByOthers(holds: readonly Hold[], session: SessionId): Hold[] {
    return holds.filter((hold) => ![undefined, session].includes(this.#holderOf(hold)));
  }

  #originOf(connection: number): Origin {
    const hello = this.#connections.get(connection);
    assert(hello, `connection ${connection} said hello`);
    return hello.origin;
  }

  #connectedSessions(): Set<SessionId> {
    return new Set([...this.#connections.values()].map(({ session }) => session));
  }
}

export function byName(one: MailboxStatus, other: MailboxStatus): number {
  return one.mailbox < other.mailbox ? -1 : 1;
}

type ConnectedPost = PostRequest & { readonly connection: number };
type ConnectedWatch = WatchRequest & { readonly connection: number };

function mailboxesOf({ to, alsoTo }: PostRequest): readonly Name[] {
  return [to, ...alsoTo];
}

function settledBy(command: SentCommand | { readonly kind: 'tick' }): readonly Hold[] {
  if (command.kind === 'post') return command.settles;
  return command.kind === 'settle' ? command.holds : [];
}

/** The ids of the messages of a post. */
function idsOf(post: PostRequest, session: SessionId): MessageId[] {
  return mailboxesOf(post).map((_, index) => {
    if (post.id === '') return sessionMessageId(session, post.count + index);
    return index === 0 ? post.id : (`${post.id}/${index + 1}` as MessageId);
  });
}

/** Names and ids of the tests are ASCII, so a character takes one byte. */
function indexBytesOf(added: readonly Indexed[], there: readonly StoredMessage[]): number {
  const messages = [...there.map(({ envelope }) => envelope), ...added];
  const pastHolds = there.flatMap(({ lastHold }) => (lastHold ? [lastHold.name] : []));
  const texts = messages.map(({ id, to, from, answers, origin }) => {
    const { program, machine, folder = '' } = origin;
    return id + to + from + answers + program + machine + folder;
  });
  const bytes = messages.length * indexBytesPerMessage + pastHolds.length * pastHoldBytes;
  return texts.join('').length + pastHolds.join('').length + bytes;
}

function comparable({ envelope, mailbox, attempt, holder, lastHold }: StoredMessage) {
  return { envelope, mailbox, attempt, holder, lastHold };
}

/** A hold that ends by this command without a settle. */
function howEnded(command: SentCommand | { readonly kind: 'tick' }): PastHold['ended'] {
  if (command.kind !== 'release') return 'disconnected';
  if (command.rejected) return 'rejected';
  return command.sessionEnds ? 'disconnected' : 'released';
}

function isAsker({ answers }: OpenCall): boolean {
  return answers !== '';
}

function isFor({ answers }: OpenCall, envelope: Envelope): boolean {
  return answers === '' || answers === envelope.answers;
}
