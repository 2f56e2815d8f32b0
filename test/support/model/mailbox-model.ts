// A model of what the engine promises, without its indexes: it is shown every command with its
// outcome, and holds the outcome against what it knows. It carries records out one by one, at the
// moment when the replies need them, so a record that comes too late, or twice, is found.
import assert from 'node:assert/strict';
import type {
  Command,
  EngineLimits,
  Instant,
  Outcome,
  Reply,
} from '../../../src/engine/commands.ts';
import {
  deadLetterMailbox,
  type Envelope,
  type Hold,
  type MessageId,
  type Name,
  type SessionId,
  sessionMessageId,
  splitId,
} from '../../../src/model/message.ts';
import type {
  JournalRecord,
  MovedRecord,
  PostedRecord,
  ReleasedRecord,
} from '../../../src/model/records.ts';
import type {
  EndResponse,
  Hello,
  MailboxStatus,
  Offer,
  PostRequest,
  RetryRequest,
} from '../../../src/model/requests.ts';
import { origin } from './engine.ts';

export interface ModelMessage {
  readonly envelope: Envelope;
  readonly mailbox: Name;
  readonly attempt: number;
  readonly holder: SessionId | undefined;
  readonly wasOffered: boolean;
}

/** An open wait or fetch. */
interface Open {
  readonly kind: 'wait' | 'fetch';
  readonly connection: number;
  readonly session: SessionId;
  readonly request: number;
  readonly mailbox: Name;
  /** Of a wait for an answer alone. */
  readonly answers: MessageId | '';
  /** Of a wait. */
  readonly deadline: number;
  /** What a fetch may still give. */
  bytesLeft: number;
  messagesLeft: number;
  offers: number;
}

/** What one command may bring about, and what of that has not happened yet. */
interface Expected {
  readonly posted: boolean;
  readonly settles: Set<number>;
  /** Ids that are settled though no message has them. */
  readonly settlesUnstored: Map<MessageId, number>;
  /** What the command names to settle, and another session holds. */
  readonly notHeld: readonly Hold[];
  /** Messages of a post that a session held, or gave back, before: they are held, or go back. */
  readonly adopted: Map<MessageId, SessionId | undefined>;
  /** Messages that go back, each with the attempt that its next offer will be. */
  readonly released: Map<number, number>;
  /** Messages that the session of a hello holds again. */
  readonly regained: Set<number>;
  readonly forgotten: SessionId | undefined;
  /** Dead letters that find room where they were meant to go, in this order. */
  readonly retried: ModelMessage[];
}

/** Ids of posts. Its order is the one in which sessions were last heard of. */
class Memory {
  /** The newest live message of each id; an id that was forgotten can be there twice. */
  readonly #live: Map<MessageId, number>;
  readonly #sessions: Map<SessionId, { mark: number; numbers: Map<number, number> }>;
  #named: [MessageId, number][];
  /** Settled, and never stored. */
  #settled: [MessageId, number][];

  constructor(other?: Memory) {
    const sessions = other ? [...other.#sessions] : [];
    this.#sessions = new Map(
      sessions.map(([session, { mark, numbers }]) => [
        session,
        { mark, numbers: new Map(numbers) },
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

  /** As copies of these tell it. */
  liveAgain(messages: Iterable<ModelMessage>): void {
    this.#live.clear();
    for (const { envelope } of messages) this.#live.set(envelope.id, envelope.number);
  }

  post({ id, number }: Envelope, mark: number, namedIdsMax: number): void {
    this.#live.set(id, number);
    const own = splitId(id);
    if (!own) {
      this.#named = [...this.#named, [id, number] as [MessageId, number]].slice(-namedIdsMax);
      return;
    }
    const known = this.#sessions.get(own.session) ?? { mark: 0, numbers: new Map() };
    this.#sessions.delete(own.session);
    this.#sessions.set(own.session, known);
    known.mark = Math.max(known.mark, mark);
    known.numbers.set(own.count, number);
    for (const count of known.numbers.keys()) if (count <= known.mark) known.numbers.delete(count);
  }

  settle(id: MessageId, number: number, unstoredIdsMax: number): void {
    const others = this.#settled.filter(([other]) => other !== id);
    this.#settled = [...others, [id, number] as [MessageId, number]].slice(-unstoredIdsMax);
  }

  numberOf(id: MessageId): number | undefined {
    const own = splitId(id);
    if (own) return this.#sessions.get(own.session)?.numbers.get(own.count);
    return this.#named.find(([named]) => named === id)?.[1];
  }

  /** Of the offer that was settled, when no message has the id. */
  settledAs(id: MessageId): number | undefined {
    return this.#isAnswered(id) ? undefined : this.#settled.find(([other]) => other === id)?.[1];
  }

  /** Its poster may not have an answer yet. */
  mayBePosted(id: MessageId): boolean {
    const isKnown =
      this.numberOf(id) !== undefined || this.#settled.some(([other]) => other === id);
    return !isKnown && !this.#isAnswered(id);
  }

  forgetAnswered(): void {
    this.#settled = this.#settled.filter(([id]) => !this.#isAnswered(id));
  }

  #isAnswered(id: MessageId): boolean {
    const own = splitId(id);
    return own !== undefined && own.count <= this.markOf(own.session);
  }

  markOf(session: SessionId): number {
    return this.#sessions.get(session)?.mark ?? 0;
  }

  knows(session: SessionId): boolean {
    return this.#sessions.has(session);
  }

  forget(session: SessionId): void {
    this.#sessions.delete(session);
    this.#settled = this.#settled.filter(([id]) => splitId(id)?.session !== session);
  }

  shrink(sessionsMax: number, connected: ReadonlySet<SessionId>): void {
    const forgettable = [...this.#sessions.keys()].filter((session) => !connected.has(session));
    const excess = Math.max(0, this.#sessions.size - sessionsMax);
    for (const session of forgettable.slice(0, excess)) this.#sessions.delete(session);
  }
}

/** What the records say. */
export interface Written {
  readonly messages: ReadonlyMap<number, ModelMessage>;
  readonly numberHighest: number;
  readonly memory: Memory;
  /** Per mailbox, the highest number that was offered for the first time. */
  readonly firstOffers: ReadonlyMap<Name, number>;
}

export class MailboxModel {
  readonly #limits: EngineLimits;
  #messages = new Map<number, ModelMessage>();
  #numberHighest = 0;
  /** What a replay of the records would know of ids, and what this owner has not forgotten. */
  #memoryWritten = new Memory();
  #memory = new Memory();
  #firstOffers = new Map<Name, number>();

  readonly #connections = new Map<number, Hello>();
  /** In the order in which they came. */
  #open: Open[] = [];
  readonly #absent = new Set<SessionId>();
  #graceUntil = 0;
  /** Holders of messages that are not here; undefined when they were given back. Oldest first. */
  #orphans = new Map<MessageId, SessionId | undefined>();
  /** Of the last retry: dead letters that find room, and those that do not. */
  #retry: { moved: ModelMessage[]; stayed: ModelMessage[] } = { moved: [], stayed: [] };

  constructor(limits: EngineLimits) {
    this.#limits = limits;
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

  get messages(): ReadonlyMap<number, ModelMessage> {
    return this.#messages;
  }

  /** A copy that later steps leave alone. */
  written(): Written {
    return {
      messages: new Map(this.#messages),
      numberHighest: this.#numberHighest,
      memory: new Memory(this.#memoryWritten),
      firstOffers: new Map(this.#firstOffers),
    };
  }

  /** A new owner begins with what was written. */
  restart(written: Written, { now }: Instant): void {
    this.#messages = new Map(written.messages);
    this.#numberHighest = written.numberHighest;
    this.#memoryWritten = new Memory(written.memory);
    this.#memory = new Memory(written.memory);
    this.#firstOffers = new Map(written.firstOffers);
    this.#connections.clear();
    this.#open = [];
    this.#orphans.clear();
    this.#absent.clear();
    for (const { holder } of this.#messages.values()) if (holder) this.#absent.add(holder);
    this.#graceUntil = now + this.#limits.holderGraceMs;
  }

  /** A head is written: what is forgotten by now is not in it. */
  headWritten(): void {
    this.#memory.shrink(this.#limits.sessionsMax, this.#connectedSessions());
    this.#memory.forgetAnswered();
  }

  /** Only a head and copies are left. */
  compacted(): void {
    this.#memoryWritten = new Memory(this.#memory);
    this.#memoryWritten.liveAgain(this.#messages.values());
  }

  standbys(own: SessionId): number {
    const hellos = [...this.#connections.values()];
    return hellos.filter(({ standby, session }) => standby && session !== own).length;
  }

  nextDeadline(): number | undefined {
    const deadlines = this.#waits().map(({ deadline }) => deadline);
    if (this.#absent.size > 0) deadlines.push(this.#graceUntil);
    return deadlines.length === 0 ? undefined : Math.min(...deadlines);
  }

  mailboxes(): MailboxStatus[] {
    const names = new Set(this.#waits().map(({ mailbox }) => mailbox));
    for (const { mailbox } of this.#messages.values()) names.add(mailbox);
    return [...names].sort().map((mailbox) => {
      const messages = [...this.#messages.values()].filter((other) => other.mailbox === mailbox);
      const held = messages.filter(({ holder }) => holder !== undefined).length;
      const times = messages.map(({ envelope }) => envelope.time);
      return {
        mailbox,
        ready: messages.length - held,
        held,
        waiting: this.#waits().filter((wait) => wait.mailbox === mailbox).length,
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

  /** `onRecord` is called after each record that was carried out. */
  take(
    command: Command | { readonly kind: 'tick' },
    instant: Instant,
    outcome: Outcome,
    onRecord: () => void,
  ): void {
    for (const { after, response } of outcome.replies) {
      const isSynced = ['stored', 'settled', 'retried'].includes(response.kind);
      assert.equal(after, isSynced ? 'sync' : 'write', `${response.kind} leaves after`);
    }
    const records = [...outcome.records];
    const replies = [...outcome.replies];
    const failed = this.#failure(command);
    if (failed) {
      assert.deepEqual(records, []);
      const [{ to, response }] = replies.splice(0, 1) as [Reply];
      assert.equal(response.kind === 'error' && response.code, failed);
      assert.ok(command.kind !== 'tick' && to === command.connection);
      assert.deepEqual(replies, []);
      return;
    }
    const expected = this.#expect(command, instant);
    const applyNext = () => {
      const record = records.shift();
      assert(record, 'a reply has its record');
      this.#apply(record, command, expected, instant);
      onRecord();
      return record;
    };
    /** What goes back, or is held again, does so before any fetch goes on. */
    const applyReturns = () => {
      while (expected.released.size + expected.regained.size > 0) applyNext();
    };
    this.#begin(command, instant, replies);
    for (const reply of replies) {
      const { response } = reply;
      switch (response.kind) {
        case 'offer': {
          let applied: JournalRecord;
          do applied = applyNext();
          while (applied.kind !== 'offered' || applied.number !== response.envelope.number);
          this.#checkOffer(reply.to, response, applied.holder);
          break;
        }
        case 'end':
          if (this.#openRequest(reply.to, response.request).kind === 'fetch') applyReturns();
          this.#checkEnd(reply.to, response, command, instant);
          break;
        case 'welcome':
          applyReturns();
          this.#checkReply(reply, command, expected);
          break;
        case 'stored':
        case 'settled':
        case 'retried':
          while (records.length > 0) applyNext();
          this.#checkReply(reply, command, expected);
          break;
        default:
          this.#checkReply(reply, command, expected);
      }
    }
    while (records.length > 0) applyNext();
    assert.deepEqual([...expected.released, ...expected.regained], [], 'released or held again');
    assert.deepEqual([...expected.settles], [], 'settled');
    assert.deepEqual([...expected.settlesUnstored], [], 'settled by their ids');
    assert.deepEqual([...expected.adopted], [], 'held, or given back, as before');
    assert.deepEqual(expected.retried, [], 'back where they were meant to go');
    this.#checkNothingIsLeftLying(command, instant);
  }

  /** The refusal that the command must meet, if any. */
  #failure(command: Command | { readonly kind: 'tick' }): string | undefined {
    if (command.kind === 'tick' || !('request' in command)) return undefined;
    const hello = this.#connections.get(command.connection);
    if ((command.kind === 'hello') === (hello !== undefined)) return 'bad_frame';
    if (command.kind === 'post' && hello) return this.#postFailure(command, hello.session);
    const tooMany = command.kind === 'wait' && this.#waits().length >= this.#limits.waitsMax;
    return tooMany ? 'too_many_waits' : undefined;
  }

  #postFailure(post: PostRequest, session: SessionId): string | undefined {
    const to = mailboxesOf(post);
    const ids = idsOf(post, session);
    const known = ids.map((id) => this.#memory.numberOf(id));
    const isKnown = (id: MessageId, index: number) =>
      known[index] !== undefined || this.#memory.settledAs(id) !== undefined;
    if (known.some((number) => number !== undefined)) {
      const areSame = to.every((mailbox, index) => {
        const envelope = this.#messages.get(known[index] ?? 0)?.envelope;
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
      const mark = Math.max(post.ackedUpTo, this.#memory.markOf(session));
      if (post.count <= mark) return 'bad_frame';
      const last = post.count + to.length - 1;
      if (last > mark + this.#limits.unacknowledgedPostsMax) return 'too_many_unanswered';
    }
    const isFull =
      this.size + to.length > this.#limits.messagesMax ||
      this.bytes + to.length * post.body.length > this.#limits.storeBytesMax;
    return isFull ? 'store_full' : this.#mailboxFailure(to, post.body.length);
  }

  #mailboxFailure(to: readonly Name[], bodyBytes: number): string | undefined {
    const { mailboxesMax, mailboxMessagesMax, mailboxBytesMax } = this.#limits;
    const all = [...this.#messages.values()];
    const names = new Set(all.map(({ mailbox }) => mailbox));
    const isNew = to.some((name) => !names.has(name));
    if (isNew && new Set([...names, ...to]).size > mailboxesMax) return 'too_many_mailboxes';
    const isFull = to.some((name) => {
      const there = all.filter(({ mailbox }) => mailbox === name);
      const bytes = there.reduce((sum, { envelope }) => sum + envelope.bodyBytes, 0);
      return there.length >= mailboxMessagesMax || bytes + bodyBytes > mailboxBytesMax;
    });
    return isFull ? 'mailbox_full' : undefined;
  }

  #expect(command: Command | { readonly kind: 'tick' }, { now }: Instant): Expected {
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
        idsOf(command, session).every((id) => this.#memory.numberOf(id) === undefined) &&
        idsOf(command, session).some((id) => this.#memory.settledAs(id) === undefined),
      settles: new Set<number>(),
      settlesUnstored: new Map<MessageId, number>(),
      notHeld: session ? this.#heldByOthers(settledBy(command), session) : [],
      adopted: new Map<MessageId, SessionId | undefined>(),
      released: new Map<number, number>(),
      regained: new Set<number>(),
      forgotten:
        command.kind === 'goodbye' && session && this.#memory.knows(session) ? session : undefined,
      retried: [] as ModelMessage[],
    };
    const putBack = ({ envelope, attempt }: ModelMessage, counts: boolean) =>
      expected.released.set(envelope.number, attempt + (counts ? 1 : 0));
    switch (command.kind) {
      case 'post':
      case 'settle': {
        for (const hold of settledBy(command)) {
          if (expected.notHeld.includes(hold)) continue;
          const message = this.#find(hold);
          if (message) expected.settles.add(message.envelope.number);
          else if (this.#memory.mayBePosted(hold.id))
            expected.settlesUnstored.set(hold.id, hold.number);
        }
        for (const id of expected.settlesUnstored.keys()) this.#orphans.delete(id);
        if (!expected.posted || command.kind !== 'post' || !session) break;
        for (const id of idsOf(command, session)) {
          const isHeld = this.#orphans.has(id) && this.#memory.settledAs(id) === undefined;
          if (isHeld) expected.adopted.set(id, this.#orphans.get(id));
          this.#orphans.delete(id);
        }
        break;
      }
      case 'release':
        for (const hold of command.holds) {
          const message = this.#find(hold);
          if (this.#holderOf(hold) !== session) continue;
          if (message) putBack(message, !command.unread);
          else if (command.unread) this.#orphans.delete(hold.id);
          else this.#orphans.set(hold.id, undefined);
        }
        break;
      case 'disconnect':
        if (!session) break;
        for (const message of this.#heldBy(session)) putBack(message, true);
        for (const [id, holder] of this.#orphans) {
          if (holder === session) this.#orphans.set(id, undefined);
        }
        break;
      case 'hello': {
        const listed = command.held.map((hold) => this.#find(hold));
        for (const message of this.#heldBy(command.session)) {
          if (!listed.includes(message)) putBack(message, false);
        }
        for (const [id, holder] of this.#orphans) {
          const isListed = command.held.some((hold) => hold.id === id);
          if (holder === session && !isListed) this.#orphans.delete(id);
        }
        for (const hold of command.held) {
          const message = this.#find(hold);
          const holder = this.#holderOf(hold);
          if (message && holder === undefined) expected.regained.add(message.envelope.number);
          const isFree = holder === undefined || holder === session;
          if (message || !isFree || !this.#memory.mayBePosted(hold.id)) continue;
          this.#orphans.delete(hold.id);
          this.#orphans.set(hold.id, command.session);
          for (const oldest of this.#orphans.keys()) {
            if (this.#orphans.size > this.#limits.unstoredIdsMax) this.#orphans.delete(oldest);
          }
        }
        break;
      }
      case 'retry':
        this.#retry = this.#retryable(command);
        expected.retried.push(...this.#retry.moved);
        break;
      case 'tick':
        if (now < this.#graceUntil) break;
        for (const other of this.#absent) {
          for (const message of this.#heldBy(other)) putBack(message, true);
        }
    }
    return expected;
  }

  /** Dead letters that nobody holds: those that find room, and those that do not. */
  #retryable({ to, ids, after }: RetryRequest): { moved: ModelMessage[]; stayed: ModelMessage[] } {
    const wanted = [...this.#messages.values()]
      .filter(({ mailbox, holder }) => mailbox === deadLetterMailbox && holder === undefined)
      .filter(({ envelope }) => envelope.to !== deadLetterMailbox && envelope.number > after)
      .filter(({ envelope }) => to === '' || envelope.to === to)
      .filter(({ envelope }) => ids.length === 0 || ids.includes(envelope.id))
      .sort((one, other) => one.envelope.number - other.envelope.number);
    const moved: ModelMessage[] = [];
    const stayed: ModelMessage[] = [];
    const before = this.#messages;
    this.#messages = new Map(before);
    for (const message of wanted) {
      const { envelope } = message;
      const { number, to: mailbox, bodyBytes } = envelope;
      const hasRoom = this.#mailboxFailure([mailbox], bodyBytes) === undefined;
      (hasRoom ? moved : stayed).push(message);
      if (hasRoom) this.#messages.set(number, { ...message, mailbox });
    }
    this.#messages = before;
    return { moved, stayed };
  }

  /** What a command changes before any of its records. */
  #begin(
    command: Command | { readonly kind: 'tick' },
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
        return;
      }
      case 'disconnect':
        return this.#forget(connection);
      case 'wait':
      case 'fetch': {
        const hello = this.#connections.get(connection);
        assert(hello);
        const { kind, request, mailbox } = command;
        this.#open.push({
          kind,
          connection,
          session: hello.session,
          request,
          mailbox,
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
    command: Command | { readonly kind: 'tick' },
    expected: Expected,
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
        return this.#applyReturned(record, expected);
      case 'released':
        return this.#applyReturned(record, expected);
      case 'settledById':
        for (const { id, number } of record.holds) {
          assert.equal(number, expected.settlesUnstored.get(id));
          expected.settlesUnstored.delete(id);
          this.#memory.settle(id, number, this.#limits.unstoredIdsMax);
          this.#memoryWritten.settle(id, number, this.#limits.unstoredIdsMax);
        }
        return;
      case 'offered': {
        const { number, holder, attempt } = record;
        const message = this.#message(number);
        assert.equal(message.holder, undefined, `nobody else holds ${number}`);
        assert.equal(attempt, message.attempt);
        const { id } = message.envelope;
        const adopter = command.kind === 'post' ? expected.adopted.get(id) : undefined;
        if (adopter !== undefined) {
          expected.adopted.delete(id);
          assert.equal(holder, adopter);
        } else if (command.kind === 'hello' && expected.regained.delete(number)) {
          assert.equal(holder, command.session);
        } else this.#checkOrder(message);
        this.#messages.set(number, { ...message, holder, wasOffered: true });
        return;
      }
      case 'forgotten':
        assert.equal(record.session, expected.forgotten);
        this.#memory.forget(record.session);
        this.#memoryWritten.forget(record.session);
        return;
      default:
        assert.fail(`no command writes ${record.kind}`);
    }
  }

  #applyReturned(record: ReleasedRecord | MovedRecord, expected: Expected): void {
    const { number, attempt } = record;
    const message = this.#message(number);
    if (expected.adopted.delete(message.envelope.id)) assert.equal(attempt, 2);
    else {
      assert.equal(attempt, expected.released.get(number), `the next attempt of ${number}`);
      expected.released.delete(number);
      assert.notEqual(message.holder, undefined, `${number} was held`);
    }
    const moves = message.mailbox !== deadLetterMailbox && attempt > this.#limits.attemptsMax;
    assert.equal(record.kind, moves ? 'moved' : 'released');
    const mailbox = record.kind === 'moved' ? record.mailbox : message.mailbox;
    assert.equal(mailbox, moves ? deadLetterMailbox : message.mailbox);
    this.#messages.set(number, { ...message, mailbox, attempt, holder: undefined });
  }

  #applyRetried({ number, mailbox, attempt }: MovedRecord, expected: Expected): void {
    const message = expected.retried.shift();
    assert.equal(number, message?.envelope.number);
    assert.equal(mailbox, message?.envelope.to);
    assert.equal(attempt, 1);
    this.#messages.set(number, { ...this.#message(number), mailbox, attempt });
  }

  #applyPosted(
    record: PostedRecord,
    command: PostRequest,
    expected: Expected,
    { time }: Instant,
  ): void {
    const { ackedUpTo: mark } = record;
    const session = this.#connections.get(
      (command as PostRequest & { connection: number }).connection,
    );
    assert(session);
    const envelopes = [record.envelope, ...record.also];
    const all = idsOf(command, session.session);
    const isStored = all.map((id) => this.#memory.settledAs(id) === undefined);
    const ids = all.filter((_, index) => isStored[index]);
    const to = mailboxesOf(command).filter((_, index) => isStored[index]);
    assert.equal(envelopes.length, to.length, 'a message for each mailbox, in one record');
    assert.equal(record.body, command.body);
    const { namedIdsMax, sessionsMax } = this.#limits;
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
          origin,
          bodyBytes: command.body.length,
          checksum: command.checksum,
        },
      );
      this.#numberHighest = envelope.number;
      const { to: mailbox } = envelope;
      const message = { envelope, mailbox, attempt: 1, holder: undefined, wasOffered: false };
      this.#messages.set(envelope.number, message);
      this.#memoryWritten.post(envelope, mark, namedIdsMax);
      this.#memory.post(envelope, mark, namedIdsMax);
    }
    this.#settle(record.settles, expected);
    this.#memory.shrink(sessionsMax, this.#connectedSessions());
  }

  #settle(numbers: readonly number[], expected: Expected): void {
    for (const number of numbers) {
      assert.ok(expected.settles.delete(number), `${number} may be settled`);
      const { envelope } = this.#message(number);
      this.#messages.delete(number);
      this.#memory.end(envelope);
      this.#memoryWritten.end(envelope);
    }
  }

  /** Those who asked for just this, then those who take anything; the oldest of each first. */
  #waitsFor(envelope: Envelope, mailbox: Name): Open[] {
    const waits = this.#waits().filter((wait) => wait.mailbox === mailbox && isFor(wait, envelope));
    return [...waits.filter(isAsker), ...waits.filter((wait) => !isAsker(wait))];
  }

  /** The lowest ready number goes first, so first offers follow the numbers; but for answers. */
  #checkOrder({ envelope, mailbox, wasOffered }: ModelMessage): void {
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
    const { envelope, mailbox, attempt, others, request } = offer;
    const { number, bodyBytes } = envelope;
    const message = this.#message(number);
    assert.deepEqual({ envelope, mailbox, attempt, holder }, only(message));
    const open = this.#openRequest(to, request);
    assert.equal(open.session, holder);
    assert.equal(open.mailbox, mailbox);
    if (open.kind === 'wait') {
      const first = this.#waitsFor(envelope, mailbox)[0];
      assert.equal(first, open, 'who asked is served first, then the wait that was parked first');
      this.#close(open);
    } else {
      assert.ok(open.messagesLeft > 0);
      assert.ok(open.offers === 0 || bodyBytes <= open.bytesLeft, 'the body fits');
      open.messagesLeft--;
      open.bytesLeft -= bodyBytes;
      open.offers++;
    }
    const waiting = this.#waits().filter((wait) => wait.mailbox === mailbox);
    const sessions = new Set(waiting.map(({ session }) => session));
    sessions.delete(holder);
    assert.equal(others, sessions.size);
  }

  #checkEnd(
    to: number,
    { request, remaining }: EndResponse,
    command: Command | { readonly kind: 'tick' },
    { now }: Instant,
  ): void {
    const open = this.#openRequest(to, request);
    const { mailbox } = open;
    const ready = [...this.#messages.values()]
      .filter((message) => message.mailbox === mailbox && !message.holder)
      .sort((one, other) => one.envelope.number - other.envelope.number);
    assert.equal(remaining, ready.length);
    const isCancelled =
      command.kind === 'cancel' && command.connection === to && command.request === request;
    const first = ready[0]?.envelope;
    const isServed =
      open.messagesLeft === 0 || !first || (open.offers > 0 && first.bodyBytes > open.bytesLeft);
    if (open.kind === 'fetch') assert.ok(isCancelled || isServed, 'a fetch gives what it can');
    else assert.ok(isCancelled || (command.kind === 'tick' && open.deadline <= now));
    this.#close(open);
  }

  #checkReply(
    { to, response }: Reply,
    command: Command | { readonly kind: 'tick' },
    expected: Expected,
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
        const { id, number, reader, also, notHeld } = response;
        const stored = [{ id, number, reader }, ...also];
        const ids = idsOf(command, session);
        assert.deepEqual(
          stored.map(({ id }) => id),
          ids,
        );
        for (const { id, number, reader } of stored) {
          const stored = this.#memory.numberOf(id);
          const known = stored ?? this.#memory.settledAs(id);
          assert.equal(number, known, 'the number of the first post with this id');
          const message = this.#find({ id, number });
          assert.equal(reader, message?.holder !== undefined);
        }
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
      case 'status':
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
        return;
      default:
        assert.fail(`no engine says ${response.kind}`);
    }
  }

  #checkNothingIsLeftLying(command: Command | { readonly kind: 'tick' }, { now }: Instant): void {
    for (const wait of this.#waits()) {
      for (const [number, { mailbox, holder, envelope }] of this.#messages) {
        const isMissed = mailbox === wait.mailbox && holder === undefined && isFor(wait, envelope);
        assert.ok(!isMissed, `${number} is ready, and a wait for it is parked`);
      }
      if (command.kind === 'tick') assert.ok(wait.deadline > now, 'a wait whose time is over ends');
    }
    for (const open of this.#open) {
      if (command.kind === 'cancel') {
        const isIt = open.connection === command.connection && open.request === command.request;
        assert.ok(!isIt, 'a cancelled request ends');
      }
      if (open.kind === 'fetch') assert.ok(this.#isAwaited(open.mailbox), 'a fetch ends');
    }
  }

  #isAwaited(mailbox: Name): boolean {
    const messages = [...this.#messages.values()];
    return messages.some(
      (message) =>
        message.mailbox === mailbox && message.holder && this.#absent.has(message.holder),
    );
  }

  #forget(connection: number): void {
    this.#connections.delete(connection);
    this.#open = this.#open.filter((open) => open.connection !== connection);
  }

  #close(open: Open): void {
    this.#open = this.#open.filter((other) => other !== open);
  }

  #waits(): Open[] {
    return this.#open.filter(({ kind }) => kind === 'wait');
  }

  #openRequest(connection: number, request: number): Open {
    const found = this.#open.find(
      (open) => open.connection === connection && open.request === request,
    );
    assert(found, `request ${request} of connection ${connection} is open`);
    return found;
  }

  #message(number: number): ModelMessage {
    const message = this.#messages.get(number);
    assert(message, `message ${number} is unsettled`);
    return message;
  }

  #heldBy(session: SessionId): ModelMessage[] {
    return [...this.#messages.values()].filter(({ holder }) => holder === session);
  }

  #find({ number, id }: Hold): ModelMessage | undefined {
    const message = this.#messages.get(number);
    if (message?.envelope.id === id) return message;
    return this.#messages.get(this.#memory.live(id) ?? 0);
  }

  #holderOf(hold: Hold): SessionId | undefined {
    const message = this.#find(hold);
    return message ? message.holder : this.#orphans.get(hold.id);
  }

  #heldByOthers(holds: readonly Hold[], session: SessionId): Hold[] {
    return holds.filter((hold) => ![undefined, session].includes(this.#holderOf(hold)));
  }

  #connectedSessions(): Set<SessionId> {
    return new Set([...this.#connections.values()].map(({ session }) => session));
  }
}

export function byName(one: MailboxStatus, other: MailboxStatus): number {
  return one.mailbox < other.mailbox ? -1 : 1;
}

function mailboxesOf({ to, alsoTo }: PostRequest): readonly Name[] {
  return [to, ...alsoTo];
}

function settledBy(command: Command | { readonly kind: 'tick' }): readonly Hold[] {
  if (command.kind === 'post') return command.settles;
  return command.kind === 'settle' ? command.holds : [];
}

/** Of its messages. */
function idsOf(post: PostRequest, session: SessionId): MessageId[] {
  return mailboxesOf(post).map((_, index) => {
    if (post.id === '') return sessionMessageId(session, post.count + index);
    return index === 0 ? post.id : (`${post.id}/${index + 1}` as MessageId);
  });
}

function only({ envelope, mailbox, attempt, holder }: ModelMessage) {
  return { envelope, mailbox, attempt, holder };
}

function isAsker({ answers }: Open): boolean {
  return answers !== '';
}

function isFor({ answers }: Open, envelope: Envelope): boolean {
  return answers === '' || answers === envelope.answers;
}
