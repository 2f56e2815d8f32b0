// The segment prologue is written with each segment, so all that deduplication remembers has one bound:
// hostile and honest histories of the engine, and the bytes of its encoded snapshot. SEED=N repeats them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as limits from '../../src/base/limits.ts';
import type { Command, Outcome } from '../../src/engine/commands.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { encodeRecord } from '../../src/journal/record-codec.ts';
import { segmentSeed } from '../../src/journal/record-framing.ts';
import {
  bodyChecksum,
  type Hold,
  type MessageId,
  type Name,
  type SessionId,
  sessionMessageId,
} from '../../src/model/message.ts';
import type { JournalRecord } from '../../src/model/records.ts';
import type { Response } from '../../src/model/requests.ts';
import { identity, instantAt, origin, replayed, sentAny } from '../support/model/engine.ts';
import { pick, Random, seedFromEnvironment } from '../support/random.ts';

const { connectionsMax, guaranteedPosts, idBytesMax, mailboxesPerPostMax } = limits;
const { prologueBytesMax, segmentBytesMax, sessionPostsBytesMax, unacknowledgedPostsMax } = limits;
const seedOfSegment = segmentSeed({ epoch: 1, segment: 1 });
const mailboxes = Array.from({ length: mailboxesPerPostMax }, (_, index) => `box ${index}` as Name);
const body = Buffer.from('x');
const checksum = bodyChecksum(body);

class Peer {
  readonly session: SessionId;
  readonly #connection: number;
  readonly #peers: Peers;
  #count = 0;

  constructor(peers: Peers, number: number, session: SessionId, held: readonly Hold[] = []) {
    this.session = session;
    this.#connection = number;
    this.#peers = peers;
    this.#step({
      kind: 'hello',
      request: 1,
      session,
      origin,
      standby: false,
      sentUpTo: sentAny,
      held,
    });
  }

  /** Posts to as many mailboxes as there are counts, and settles the messages unread. */
  post(counts: number, { count = this.#count + 1, ackedUpTo = 0, id = '' } = {}): Response {
    const [to, ...alsoTo] = mailboxes.slice(0, counts) as [Name, ...Name[]];
    const post = { kind: 'post', request: 2, count: id ? 0 : count, id: id as MessageId } as const;
    const content = { from: '', answers: '', settles: [], checksum, body } as const;
    const response = this.#step({ ...post, ackedUpTo, to, alsoTo, ...content });
    if (response?.kind !== 'stored') return response as Response;
    if (!id && !response.duplicate) this.#count = count + alsoTo.length;
    this.settle([response, ...response.also].map(({ id, number }) => ({ id, number })));
    return response;
  }

  postAll(counts: number): void {
    for (let left = counts; left > 0; left -= mailboxesPerPostMax) {
      this.post(Math.min(left, mailboxesPerPostMax));
    }
  }

  settle(holds: readonly Hold[]): void {
    this.#step({ kind: 'settle', request: 3, holds });
  }

  end(): void {
    this.#step({ kind: 'disconnect' });
  }

  #step(command: Command): Response | undefined {
    const { replies } = this.#peers.step(command, this.#connection);
    return replies.find(({ to }) => to === this.#connection)?.response;
  }
}

class Peers {
  readonly #engine: Engine;
  #count = 0;

  constructor(records: readonly JournalRecord[] = []) {
    this.#engine = replayed(records, {}, 1);
    this.#engine.begin(identity, instantAt(0));
  }

  step(command: Command, connection: number): Outcome {
    return this.#engine.step(command, connection, instantAt(0));
  }

  connect(held?: readonly Hold[]): Peer {
    return this.connectAs(sessionOf(++this.#count), held);
  }

  connectAs(session: SessionId, held?: readonly Hold[]): Peer {
    return new Peer(this, ++this.#count, session, held);
  }

  records(): JournalRecord[] {
    return this.#engine.snapshot();
  }

  snapshotBytes(): number {
    return encodedBytes(this.records());
  }
}

function sessionOf(number: number): SessionId {
  return number.toString(32).padStart(16, '0') as SessionId;
}

function encodedBytes(records: readonly JournalRecord[]): number {
  const buffers = records.flatMap((record) => encodeRecord(record, seedOfSegment));
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}

/** Of as many earlier segments as the reader of headers expects. */
function headersBytes(): number {
  const extent = { epoch: 1, segment: 1, bytes: segmentBytesMax };
  const header = encodeRecord(
    {
      kind: 'segment',
      format: 1,
      store: identity.store,
      nextNumber: 1,
      prologueBytes: 1,
      durable: { segment: 1, offset: 1 },
      earlier: Array.from({ length: 1_000 }, () => extent),
    },
    seedOfSegment,
  );
  return 2 * header.reduce((sum, buffer) => sum + buffer.length, 0);
}

/** A different one for each number, of the longest length. */
function longId(prefix: string, number: number): MessageId {
  return `${prefix}${number}`.padEnd(idBytesMax, '.') as MessageId;
}

function assertFits(bytes: number, what: string): void {
  const whole = headersBytes() + bytes;
  assert.ok(whole <= segmentBytesMax / 4, `${whole} bytes ${what}`);
}

test('a prologue is at most a quarter of a segment, with everything that can be remembered', () => {
  const peers = new Peers();
  for (let count = 0; count < 10_000; count++) {
    const peer = peers.connect();
    peer.post(1);
    peer.end();
  }
  assertFits(peers.snapshotBytes(), 'with 10,000 sessions');
  for (let count = 0; count < 28; count++) {
    const peer = peers.connect();
    peer.postAll(unacknowledgedPostsMax);
    peer.end();
  }
  assertFits(peers.snapshotBytes(), 'with 40 sessions that end with many posts');
  for (let count = 0; count < 20; count++) peers.connect().postAll(unacknowledgedPostsMax);
  assertFits(peers.snapshotBytes(), 'with 20 sessions that stay with many posts');
  for (let count = 20; count < connectionsMax - 2; count++) {
    peers.connect().postAll(guaranteedPosts);
  }
  const poster = peers.connect();
  for (let count = 0; count < 10_000; count++) poster.post(1, { id: longId('named', count) });
  const holds = Array.from({ length: 10_000 }, (_, number) => {
    return { number: number + 1, id: longId('unstored', number) };
  });
  for (const part of [holds.slice(0, 4_096), holds.slice(4_096, 8_192), holds.slice(8_192)]) {
    const holder = peers.connect(part);
    holder.settle(part);
    holder.end();
  }
  const bytes = peers.snapshotBytes();
  assertFits(bytes, 'with all at once');
  assert.ok(bytes > 0.95 * segmentBytesMax * 0.25, `${bytes} bytes are nearly all`);
});

const seed = seedFromEnvironment();
for (let history = 0; history < 3; history++) {
  test(`a random history keeps the prologue within its bound (SEED=${seed + history})`, () => {
    const random = new Random(seed + history);
    const peers = new Peers();
    const connected: Peer[] = [];
    for (let step = 0; step < 250; step++) {
      if (connected.length < 40 && random.oneIn(2)) connected.push(peers.connect());
      if (connected.length === 0) continue;
      const peer = pick(random, connected);
      const ended = connected.indexOf(peer);
      if (random.oneIn(6)) connected.splice(ended, 1)[0]?.end();
      else if (random.oneIn(5)) peer.post(3, { id: longId('named', random.below(9_000)) });
      else peer.postAll(pick(random, [1, unacknowledgedPostsMax]));
      if (random.oneIn(20)) assertFits(peers.snapshotBytes(), `after ${step} steps`);
    }
    assertFits(peers.snapshotBytes(), 'at the end');
  });
}

test('what an old store remembers beyond the bound is replayed, and shrinks to the newest', () => {
  const records = Array.from({ length: 200 }, (_, index): JournalRecord => {
    const counts = Array.from({ length: 4_000 }, (_, count) => count + 1);
    const numbers = counts.map((count) => [count, index * 4_000 + count] as const);
    return { kind: 'session', session: sessionOf(index), ackedUpTo: 0, numbers };
  });
  assert.ok(encodedBytes(records) > 3 * prologueBytesMax);
  const peers = new Peers(records);
  assertFits(peers.snapshotBytes(), 'after the replay');
  const newest = peers.connectAs(sessionOf(199)).post(1, { count: 4_000 });
  assert.deepEqual(newest.kind === 'stored' && [newest.number, newest.duplicate], [800_000, true]);
  const again = new Peers(peers.records());
  assert.equal(again.snapshotBytes(), peers.snapshotBytes());
});

test('sixteen sessions with 4,096 posts in flight each are not refused, and none is stored twice', () => {
  const peers = new Peers();
  for (let count = 0; count < 30; count++) {
    const gone = peers.connect();
    gone.postAll(4_000);
    gone.end();
  }
  const pipelines = Array.from({ length: 16 }, () => peers.connect());
  for (let count = 1; count <= unacknowledgedPostsMax; count++) {
    for (const pipeline of pipelines) assert.equal(pipeline.post(1).kind, 'stored');
  }
  for (const pipeline of pipelines) {
    for (const count of [1, 2_000, unacknowledgedPostsMax]) {
      const again = pipeline.post(1, { count });
      assert.equal(again.kind === 'stored' && again.duplicate, true);
    }
  }
});

test('sessions that leave all their posts unacknowledged do not keep the others from posting', () => {
  const peers = new Peers();
  for (let count = 0; count < 20; count++) peers.connect().postAll(unacknowledgedPostsMax);
  const last = peers.connect();
  let refused = last.post(1);
  while (refused.kind === 'stored') refused = last.post(1);
  assert.equal(refused.kind === 'error' && refused.code, 'too_many_unanswered');
  for (let count = 21; count < connectionsMax; count++) {
    const honest = peers.connect();
    for (let own = 0; own < guaranteedPosts; own++) assert.equal(honest.post(1).kind, 'stored');
    assert.equal(honest.post(1).kind, 'error');
    assert.equal(honest.post(1, { ackedUpTo: guaranteedPosts }).kind, 'stored');
  }
  assert.ok(peers.snapshotBytes() <= sessionPostsBytesMax + 100);
});

test('a post of a session that was forgotten is stored again, not lost', () => {
  const peers = new Peers();
  const slow = peers.connect();
  slow.post(1);
  slow.end();
  for (let count = 0; count < 30; count++) {
    const flood = peers.connect();
    flood.postAll(unacknowledgedPostsMax);
    flood.end();
  }
  const again = peers.connectAs(slow.session).post(1, { count: 1 });
  assert.deepEqual(again.kind === 'stored' && [again.id, again.duplicate], [
    sessionMessageId(slow.session, 1),
    false,
  ]);
});
