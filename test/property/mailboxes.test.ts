// Random histories of one engine, with lost connections and lost records, checked by the oracle of its
// promises, support/model/engine-oracle.ts. SEED=N repeats a history.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as limitsInForce from '../../src/base/limits.ts';
import type { Outcome, Reply } from '../../src/engine/commands.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { EngineLimits } from '../../src/engine/engine-limits.ts';
import {
  bodyChecksum,
  type Hold,
  type MailboxList,
  type MessageId,
  type Name,
  type SessionId,
} from '../../src/model/message.ts';
import type { JournalRecord } from '../../src/model/records.ts';
import type { BrokerRequest, PostRequest, Told } from '../../src/model/requests.ts';
import {
  durableOf,
  identity,
  instantAt,
  liveMessages,
  origin,
  replayed,
  type SentCommand,
  sentAny,
  stepOf,
} from '../support/model/engine.ts';
import { byName, EngineOracle, type WrittenState } from '../support/model/engine-oracle.ts';
import { pick, Random, seedFromEnvironment } from '../support/random.ts';

const long = process.env.IPC_TEST_LONG === '1';
const histories = long ? 200 : 10;
const steps = long ? 10_000 : 3_000;

const mailboxes = ['A', 'B', 'dead-letters'] as Name[];
const sessionsAtOnce = 5;

const roomy: EngineLimits = {
  ...limitsInForce,
  attemptsMax: 3,
  messagesMax: 30,
  storeBytesMax: 600,
  indexBytesMax: 16_000,
  unacknowledgedPostsMax: 6,
  waitsMax: 8,
  watchesMax: 12,
  watchesPerConnectionMax: 5,
  watchQuietMs: 700,
  watchTurnMs: 3_000,
  mailboxMessagesMax: 14,
  mailboxBytesMax: 300,
  mailboxIndexBytesMax: 7_200,
  mailboxesMax: 2,
  unreadBytesMax: Number.POSITIVE_INFINITY,
  pausedMailboxesMax: 2,
};
const forgetful: EngineLimits = { ...roomy, sessionsMax: 3, namedIdsMax: 4, unstoredIdsMax: 3 };
/** Nine shared posts of sessions that are connected, and two guaranteed to each. */
const crowded: EngineLimits = {
  ...roomy,
  sharedPostsBytesMax: 2 * 49 + 9 * 28,
  guaranteedPosts: 2,
  sessionPostsBytesMax: 2 * 49 + 9 * 28 + sessionsAtOnce * (49 + 2 * 28),
  namedIdsBytesMax: 100,
  unstoredIdsBytesMax: 70,
};

const variants: [[string, EngineLimits], ...[string, EngineLimits][]] = [
  ['with large limits', roomy],
  ['with few remembered ids', forgetful],
  ['with few bytes of remembered ids', crowded],
];

/** A session, with the state that it keeps itself. */
interface Client {
  readonly session: SessionId;
  connection: number | undefined;
  readonly held: Map<number, Hold>;
  readonly posts: PostRequest[];
  /** The count of its last post. */
  count: number;
  /** Counts of posts without a response. */
  readonly unanswered: Set<number>;
  readonly requests: number[];
  /** Its last notice. */
  told: Told | undefined;
}

class History {
  readonly #random: Random;
  readonly #limits: EngineLimits;
  readonly #oracle: EngineOracle;
  #engine: Engine;
  #now = 0;

  #records: JournalRecord[] = [];
  /** Numbers below this one are used, even if no record has them. */
  #numbersBelow = 1;
  /** The states after each record since the last sync; a crash may leave any of them. */
  #states: { records: number; written: WrittenState }[] = [];
  #afterSync: Reply[] = [];

  #clients: Client[] = [];
  #sessionCount = 0;
  #connectionCount = 0;
  #requestCount = 0;
  /** Varies, so that sometimes the mailboxes fill up and sometimes most waits time out. */
  #postPercent = 15;
  #trace: string[] = [];

  constructor(seed: number, limits: EngineLimits) {
    this.#random = new Random(seed);
    this.#limits = limits;
    this.#oracle = new EngineOracle(limits);
    this.#engine = new Engine(limits);
    this.#engine.begin(identity, instantAt(0));
    for (let count = 0; count < sessionsAtOnce; count++) this.#clients.push(this.#newClient());
    this.#sync();
  }

  run(): void {
    try {
      for (let step = 0; step < steps; step++) this.#step();
      this.#checkReplay();
    } catch (error) {
      throw new Error(`after\n${this.#trace.slice(-25).join('\n')}`, { cause: error });
    }
  }

  #step(): void {
    this.#now += this.#random.below(200);
    const deadline = this.#engine.nextDeadline();
    assert.equal(deadline, this.#oracle.nextDeadline());
    if ((deadline ?? Number.POSITIVE_INFINITY) <= this.#now || this.#random.oneIn(30)) this.#tick();
    if (this.#random.oneIn(8)) this.#sync();
    if (this.#random.oneIn(100)) this.#postPercent = pick(this.#random, [5, 15, 40]);
    if (this.#random.oneIn(100)) this.#restart();
    if (this.#random.oneIn(200)) this.#compact();
    if (this.#random.oneIn(25)) this.#checkReplay();
    this.#act(pick(this.#random, this.#clients));
    assert.equal(this.#engine.size, this.#oracle.size);
    const [{ session }] = this.#clients as [Client];
    assert.equal(this.#engine.standbys(session), this.#oracle.standbys(session));
  }

  #act(client: Client): void {
    const random = this.#random;
    const { connection } = client;
    if (connection === undefined) return random.oneIn(2) ? this.#hello(client) : undefined;
    const mailbox = pick(random, mailboxes);
    const request = ++this.#requestCount;
    if (random.below(100) < this.#postPercent) return this.#post(client);
    if (random.oneIn(30)) return this.#peekOrDrop(client, mailbox);
    if (random.oneIn(12)) return this.#watch(client, mailbox);
    if (random.oneIn(30)) return this.#pause(client);
    const does = 28 + random.below(72);
    if (does < 33) return this.#postAgain(client);
    if (does < 36) return this.#postNamed(client);
    if (does < 56) {
      client.requests.push(request);
      const waitMs = random.below(6_000);
      const answers = random.oneIn(3) ? this.#question() : '';
      const from = answers === '' ? this.#mailboxList(mailbox) : ([mailbox] as const);
      return this.#run(client, { kind: 'wait', request, mailboxes: from, answers, waitMs });
    }
    if (does < 64) {
      client.requests.push(request);
      const bytesMax = random.below(150);
      const messagesMax = random.below(5);
      const from = this.#mailboxList(mailbox);
      return this.#run(client, { kind: 'fetch', request, mailboxes: from, bytesMax, messagesMax });
    }
    if (does < 67) {
      const cancelled = client.requests.at(-1 - random.below(3)) ?? request;
      return this.#run(client, { kind: 'cancel', request: cancelled });
    }
    if (does < 81)
      return this.#run(client, { kind: 'settle', request, holds: this.#giveUp(client) });
    if (does < 92) {
      const unread = random.oneIn(2);
      const rejected = !unread && random.oneIn(4);
      const sessionEnds = !unread && !rejected && random.oneIn(4);
      const holds = this.#giveUp(client);
      const how = { unread, rejected, sessionEnds };
      return this.#run(client, { kind: 'release', request, holds, ...how });
    }
    if (does < 93) return this.#run(client, { kind: 'status', request });
    if (does < 94) {
      const ids = [...this.#someHolds().map(({ id }) => id), this.#question()];
      const answersIn = random.oneIn(2) ? '' : mailbox;
      return this.#run(client, { kind: 'find', request, ids, answersIn });
    }
    if (does < 95) return this.#retry(client);
    if (does < 97) return this.#hello(client);
    if (does < 98) return this.#end(client);
    this.#run(client, { kind: 'disconnect' });
    client.connection = undefined;
    if (random.oneIn(4)) this.#replace(client);
  }

  /** Mostly says what it was told last. */
  #watch(client: Client, mailbox: Name): void {
    const random = this.#random;
    const request = ++this.#requestCount;
    client.requests.push(request);
    const live = [...this.#oracle.messages.values()];
    const any = live[random.below(live.length)];
    const other = any && { number: any.envelope.number, attempt: any.attempt, time: this.#now };
    const told = random.oneIn(8) ? other && { ...other, pauseMs: 0 } : client.told;
    const pauseMs = random.oneIn(6) ? 0 : random.below(pick(random, [1_000, 20_000]));
    this.#run(client, {
      ...{ kind: 'watch', request, mailboxes: this.#mailboxList(mailbox) },
      ...{ waitMs: random.below(pick(random, [1_000, 30_000])), path: pick(random, ['', 'task']) },
      told: random.oneIn(8) ? undefined : told && { ...told, pauseMs },
    });
  }

  /** Sends a hello on a new connection or, rarely and illegally, again on the current one. */
  #hello(client: Client): void {
    const older = client.connection;
    const isWrong = older !== undefined && this.#random.oneIn(5);
    if (!isWrong) client.connection = ++this.#connectionCount;
    const held = [...client.held.values()].filter(() => !this.#random.oneIn(4));
    if (this.#random.oneIn(3)) held.push(...this.#someHolds());
    for (const number of client.held.keys()) {
      if (!isWrong && !held.some((hold) => hold.number === number)) client.held.delete(number);
    }
    const request = ++this.#requestCount;
    const { session, count: sentUpTo } = client;
    const standby = this.#random.oneIn(2);
    const name = this.#random.oneIn(3) ? pick(this.#random, ['C' as Name, 'D' as Name]) : undefined;
    const reads = this.#others('A' as Name);
    const folder = pick(this.#random, ['', '~/a', '~/b']);
    const own = folder === '' ? origin : { ...origin, folder };
    const who = { session, origin: own, name, reads };
    this.#run(client, { kind: 'hello', request, ...who, standby, sentUpTo, held });
    // The server closes a connection after such an error, and a connection that was replaced.
    if (isWrong) this.#run(client, { kind: 'disconnect' });
    else if (older !== undefined) this.#command({ kind: 'disconnect', connection: older });
    if (isWrong) client.connection = undefined;
  }

  #post(client: Client): void {
    const alsoTo = this.#random.oneIn(4) ? this.#others('A' as Name) : [];
    const count = client.count + 1;
    client.count += 1 + alsoTo.length;
    const body = Buffer.from('x'.repeat(this.#random.below(50)));
    const post: PostRequest = {
      kind: 'post',
      request: ++this.#requestCount,
      count,
      id: '',
      ackedUpTo: 0,
      to: alsoTo.length > 0 ? ('A' as Name) : pick(this.#random, mailboxes),
      alsoTo,
      from: this.#random.oneIn(2) ? pick(this.#random, ['A' as Name, 'B' as Name]) : '',
      answers: this.#random.oneIn(3) ? this.#question() : '',
      settles: this.#random.oneIn(3) ? this.#giveUp(client) : [],
      checksum: bodyChecksum(body),
      body,
    };
    client.posts.push(post);
    client.unanswered.add(count);
    this.#run(client, { ...post, ackedUpTo: ackedUpToOf(client) });
  }

  /** Some of the mailboxes except one, in random order. */
  #others(to: Name | undefined): Name[] {
    const others = mailboxes.filter((name) => name !== to && !this.#random.oneIn(3));
    return this.#random.oneIn(2) ? others : others.reverse();
  }

  /** One of a few ids, so that answers and waits for them meet. */
  #question(): MessageId {
    return `name-${this.#random.below(4)}` as MessageId;
  }

  /** Repeats a post, mostly one without a response, as clients do. */
  #postAgain(client: Client): void {
    const counts = this.#random.oneIn(10) ? client.posts.map(({ count }) => count) : [];
    if (counts.length === 0) counts.push(...client.unanswered);
    const chosen = counts[this.#random.below(counts.length)];
    const post = client.posts.find(({ count }) => count === chosen);
    if (!post) return;
    const request = ++this.#requestCount;
    this.#run(client, {
      ...post,
      request,
      ackedUpTo: Math.min(ackedUpToOf(client), post.count - 1),
    });
  }

  /**
   * Posts under one of a few caller-chosen ids, sometimes with another body, mailbox or answered
   * message.
   */
  #postNamed(client: Client): void {
    const id = `name-${this.#random.below(10)}` as MessageId;
    const body = Buffer.from(this.#random.oneIn(4) ? 'other' : id);
    this.#run(client, {
      kind: 'post',
      request: ++this.#requestCount,
      count: 0,
      id,
      ackedUpTo: 0,
      to: 'A' as Name,
      alsoTo: this.#random.oneIn(3) ? this.#others('A' as Name) : [],
      from: '',
      answers: this.#random.oneIn(4) ? this.#question() : '',
      settles: [],
      checksum: bodyChecksum(body),
      body,
    });
  }

  /** A mailbox, sometimes with others. */
  #mailboxList(first: Name): MailboxList {
    const random = this.#random;
    const others = mailboxes.filter((name) => name !== first && random.oneIn(3));
    return random.oneIn(2) ? [first, ...others] : [first, ...others.toReversed()];
  }

  /** Retries mostly all dead letters, sometimes a few. */
  #retry(client: Client): void {
    const random = this.#random;
    const to = random.oneIn(3) ? pick(random, mailboxes) : '';
    const live = [...this.#oracle.messages.values()].filter(() => random.oneIn(2));
    const ids = random.oneIn(3) ? live.map(({ envelope }) => envelope.id) : [];
    const after = random.oneIn(3) ? random.below(this.#oracle.numberHighest + 1) : 0;
    this.#run(client, { kind: 'retry', request: ++this.#requestCount, to, ids, after });
  }

  /** Drops rarely all, so that there is mail for the other calls. */
  #peekOrDrop(client: Client, mailbox: Name): void {
    const random = this.#random;
    const request = ++this.#requestCount;
    const after = random.oneIn(2) ? 0 : random.below(this.#oracle.numberHighest + 1);
    if (random.oneIn(2)) {
      const [messagesMax, partBytesMax] = [random.below(10), random.below(60)];
      return this.#run(client, {
        ...{ kind: 'peek', request, mailbox, after, messagesMax, partBytesMax },
      });
    }
    const live = [...this.#oracle.messages.values()].filter(() => random.oneIn(4));
    const ids = random.oneIn(4) ? [] : live.map(({ envelope }) => envelope.id);
    const ageMsMin = random.oneIn(2) ? 0 : random.below(2_000);
    const upTo = random.oneIn(2) ? 0 : 1 + random.below(this.#oracle.numberHighest + 1);
    const dryRun = random.oneIn(4);
    this.#run(client, { kind: 'drop', request, mailbox, dryRun, ageMsMin, after, upTo, ids });
  }

  /** Mostly resumes, so that mail moves most of the time. */
  #pause(client: Client): void {
    const random = this.#random;
    const names = random.oneIn(3) ? [] : mailboxes.filter(() => random.oneIn(2));
    const request = ++this.#requestCount;
    this.#run(client, { kind: 'pause', request, isPaused: random.oneIn(3), mailboxes: names });
  }

  /** The clean end of a session that has all its responses. */
  #end(client: Client): void {
    if (client.unanswered.size > 0) return;
    this.#run(client, { kind: 'goodbye', request: ++this.#requestCount });
    this.#run(client, { kind: 'disconnect' });
    this.#replace(client);
  }

  /** Some messages that the session holds, and sometimes some that it does not. */
  #giveUp(client: Client): Hold[] {
    const holds = [...client.held.values()].filter(() => this.#random.oneIn(2));
    for (const { number } of holds) client.held.delete(number);
    if (this.#random.oneIn(8)) holds.push(...this.#someHolds());
    if (this.#random.oneIn(8)) holds.push(...holds.slice(0, 1));
    return holds;
  }

  /** The next post of a session, which was never sent, as if it had been delivered. */
  #unsentHolds(): Hold[] {
    const { session, count, connection } = pick(this.#random, this.#clients);
    // What is settled of a session that is away is forgotten at its hello, and comes back with a replay.
    if (this.#limits === roomy && connection === undefined) return [];
    const number = 1 + this.#random.below(this.#oracle.numberHighest + 2);
    return [{ number, id: `${session}.${count + 1}` as MessageId }];
  }

  #someHolds(): Hold[] {
    if (this.#random.oneIn(4)) return this.#unsentHolds();
    const live = [...this.#oracle.messages.keys()];
    const other = 1 + this.#random.below(this.#oracle.numberHighest + 2);
    const number = this.#random.oneIn(4) ? other : (live[this.#random.below(live.length)] ?? other);
    const id = this.#oracle.messages.get(number)?.envelope.id;
    return [{ number, id: id && !this.#random.oneIn(4) ? id : ('name-other' as MessageId) }];
  }

  #run(client: Client, request: BrokerRequest | { readonly kind: 'disconnect' }): void {
    assert(client.connection !== undefined);
    this.#command({ ...request, connection: client.connection });
  }

  #command(command: SentCommand): void {
    this.#note(command);
    this.#take(command, stepOf(this.#engine, command, this.#now));
  }

  #tick(): void {
    const command = { kind: 'tick' } as const;
    this.#note(command);
    this.#take(command, this.#engine.tick(instantAt(this.#now)));
  }

  #take(command: SentCommand | { readonly kind: 'tick' }, outcome: Outcome): void {
    let records = this.#records.length;
    this.#records.push(...outcome.records);
    this.#note(outcome);
    this.#oracle.check(command, instantAt(this.#now), outcome, () => {
      records++;
      this.#states.push({ records, written: this.#oracle.written() });
    });
    assert.equal(records, this.#records.length);
    for (const reply of outcome.replies) {
      if (reply.after === 'sync') this.#afterSync.push(reply);
      else this.#receive(reply);
    }
  }

  /** Applies a reply to the client that receives it. */
  #receive({ to, response }: Reply): void {
    const client = this.#clients.find(({ connection }) => connection === to);
    if (!client) return;
    if (response.kind === 'offer') {
      const { number, id } = response.envelope;
      client.held.set(number, { number, id });
    }
    if (response.kind === 'notice') {
      const { number, attempt } = response;
      client.told = { number, attempt, time: this.#now, pauseMs: 0 };
    }
    if (response.kind === 'welcome') {
      for (const { number } of response.revoked) client.held.delete(number);
    }
    if (response.kind === 'error' && response.code === 'bad_frame' && response.request !== 0) {
      // A post at or below the acknowledged count; the client of a closed connection sends a new hello.
      return;
    }
    if (response.kind === 'stored' || response.kind === 'error') {
      const post = client.posts.find(({ request }) => request === response.request);
      if (post) client.unanswered.delete(post.count);
    }
    if (response.kind === 'stored') {
      const post = client.posts.find(({ count }) => response.id === `${client.session}.${count}`);
      if (post) client.unanswered.delete(post.count);
    }
  }

  #sync(): void {
    const replies = this.#afterSync;
    this.#afterSync = [];
    for (const reply of replies) this.#receive(reply);
    this.#states = [{ records: this.#records.length, written: this.#oracle.written() }];
  }

  /** A new owner replays the records that a crash left, and sometimes writes some of them again. */
  #restart(): void {
    if (this.#random.oneIn(3)) this.#sync();
    const left = pick(this.#random, this.#states);
    this.#records.length = left.records;
    if (this.#random.oneIn(2)) {
      this.#records.push(...this.#records.slice(this.#random.below(this.#records.length + 1)));
    }
    const instant = instantAt(this.#now);
    this.#note({ restart: left.records });
    this.#engine = replayed(this.#records, this.#limits, this.#numbersBelow);
    this.#engine.begin(identity, instant);
    this.#oracle.restart(left.written, instant);
    this.#afterSync = [];
    for (const client of this.#clients) {
      client.connection = undefined;
      if (this.#random.oneIn(5)) this.#replace(client);
    }
    this.#sync();
  }

  /** Compacts the log until only the newest segment is left. */
  #compact(): void {
    const copies = liveMessages(this.#engine).map((copy) => ({ ...copy, body: Buffer.alloc(0) }));
    this.#oracle.prologueWritten();
    this.#records = [...this.#engine.snapshot(), ...copies];
    this.#numbersBelow = this.#engine.nextNumber;
    this.#oracle.compacted();
    this.#note({ compact: this.#records.length });
    this.#sync();
  }

  #checkReplay(): void {
    const engine = replayed(this.#records, this.#limits, this.#numbersBelow);
    assert.deepEqual(liveMessages(engine), liveMessages(this.#engine));
    assert.equal(engine.size, this.#oracle.size);
    if (this.#limits === roomy) {
      assert.deepEqual(durableOf(engine), durableOf(this.#engine));
      this.#checkIds();
    }
    const now = instantAt(this.#now);
    engine.begin(identity, now);
    const session = 'vvvvvvvvvvvvvvvv' as SessionId;
    const hello = {
      kind: 'hello',
      request: 1,
      session,
      origin,
      standby: false,
      sentUpTo: sentAny,
      held: [],
    } as const;
    engine.step(hello, 1, now);
    const { replies } = engine.step({ kind: 'status', request: 2 }, 1, now);
    const [status] = replies.map(({ response }) => response);
    assert(status?.kind === 'status');
    assert.deepEqual(
      { bytes: status.bytes, mailboxes: [...status.mailboxes].sort(byName) },
      {
        bytes: this.#oracle.bytes,
        mailboxes: this.#oracle.mailboxes().map(withoutWaits).filter(hasMail),
      },
    );
  }

  /** Asserts that no id was stored twice; a record that occurs twice is the same record. */
  #checkIds(): void {
    const posted = new Set(this.#records.filter((record) => record.kind === 'posted'));
    const ids = [...posted].flatMap(({ envelope, also }) =>
      [envelope, ...also].map(({ id }) => id),
    );
    assert.equal(new Set(ids).size, ids.length);
  }

  #newClient(): Client {
    const session = (++this.#sessionCount).toString(32).padStart(16, '0') as SessionId;
    return {
      session,
      connection: undefined,
      held: new Map(),
      posts: [],
      count: 0,
      unanswered: new Set(),
      requests: [],
      told: undefined,
    };
  }

  #replace(client: Client): void {
    this.#clients[this.#clients.indexOf(client)] = this.#newClient();
  }

  #note(event: object): void {
    this.#trace.push(JSON.stringify({ now: this.#now, ...event }, omitLong));
  }
}

/** The count up to which the session has all responses. */
function ackedUpToOf({ unanswered, count }: Client): number {
  return unanswered.size > 0 ? Math.min(...unanswered) - 1 : count;
}

function withoutWaits<Status extends object>(status: Status): Status & { waiting: 0; watching: 0 } {
  return { ...status, waiting: 0, watching: 0 };
}

function hasMail({ ready, held }: { ready: number; held: number }): boolean {
  return ready + held > 0;
}

function omitLong(name: string, value: unknown): unknown {
  return name === 'body' || name === 'origin' ? undefined : value;
}

const seed = seedFromEnvironment();
for (let count = 0; count < histories; count++) {
  const [name, limits] = variants[count % variants.length] ?? variants[0];
  test(`${steps} random steps violate no promise of the engine, ${name} (SEED=${seed + count})`, () => {
    new History(seed + count, limits).run();
  });
}
