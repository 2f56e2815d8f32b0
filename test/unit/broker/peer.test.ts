// One connection's share of a turn of the event loop, and the order in which others are served.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { Peer, type PeerLimits, peerLimits, type Turn } from '../../../src/broker/peer.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import type { PostRequest } from '../../../src/model/requests.ts';
import { decodeRequest, encodeRequest, type RequestToSend } from '../../../src/protocol/codec.ts';
import { connectedPair } from '../../support/sockets.ts';

/** Counts the turns of the loop. The clock stands still but for the time that a request is said to take. */
class Turns {
  now = 0;
  timeMs = 0;
  readonly shared: Turn = { peers: 0 };
  readonly runtime = { now: () => this.timeMs, defer: systemRuntime.defer };
}

function startTurns(context: TestContext): Turns {
  const turns = new Turns();
  let next: NodeJS.Immediate;
  const turn = (): void => {
    turns.now += 1;
    next = setImmediate(turn);
  };
  turn();
  context.after(() => clearImmediate(next));
  return turns;
}

type Kind = 'status' | 'goodbye' | 'post' | 'settle' | 'wait' | 'watch' | 'fetch' | 'find';

const mailboxes = ['A', 'B', 'C'] as [Name, Name, Name];

/** To three mailboxes. */
const post: Omit<PostRequest, 'kind' | 'request'> = {
  ...{ count: 1, id: '', ackedUpTo: 0, from: '', answers: '', settles: [], checksum: 0 },
  ...{ to: 'A' as Name, alsoTo: ['B', 'C'] as Name[], body: Buffer.alloc(0) },
};

const hold = { number: 1, id: 'a' as MessageId };

function requestOf(kind: Kind, request: number): RequestToSend {
  if (kind === 'post') return { kind, request, ...post };
  if (kind === 'settle') return { kind, request, holds: [hold, hold, hold] };
  if (kind === 'wait') return { kind, request, mailboxes, answers: '', waitMs: 1_000 };
  if (kind === 'watch') return { kind, request, mailboxes, waitMs: 0, told: undefined, path: '' };
  if (kind === 'fetch') return { kind, request, mailboxes, bytesMax: 1, messagesMax: 1 };
  if (kind === 'find') return { kind, request, ids: [hold.id, hold.id, hold.id], answersIn: '' };
  return { kind, request };
}

/** A peer, its client, and the turns in which its requests were taken. Each of them takes `requestMs`. */
async function startPeer(
  context: TestContext,
  turns: Turns,
  limits: Partial<PeerLimits>,
  requestMs = 0,
) {
  const { client, server } = await connectedPair();
  context.after(() => {
    client.destroy();
    server.destroy();
  });
  const peer = new Peer(server, { ...peerLimits, ...limits }, turns.runtime, turns.shared);
  const taken: number[] = [];
  let wanted = 0;
  let resolve: () => void = () => {};
  peer.serve((frame) => {
    peer.check(decodeRequest(frame));
    turns.timeMs += requestMs;
    taken.push(turns.now);
    if (taken.length >= wanted) resolve();
  });
  const say = (kind: Kind, count: number): Promise<void> => {
    for (let request = 1; request <= count; request++)
      client.send(encodeRequest(requestOf(kind, request)));
    wanted = taken.length + count;
    return new Promise((done) => {
      resolve = done;
    });
  };
  return { taken, say };
}

/** How many in each turn. */
function perTurn(taken: readonly number[]): number[] {
  return [...new Set(taken)].map((turn) => taken.filter((each) => each === turn).length);
}

test('a connection gets its share of requests in each turn, and the rest in the next turns', async (context) => {
  const { taken, say } = await startPeer(context, startTurns(context), { turnRequestsMax: 3 });
  await say('goodbye', 10);
  assert.deepEqual(perTurn(taken), [3, 3, 3, 1]);
});

test('a post counts for each of its mailboxes', async (context) => {
  const { taken, say } = await startPeer(context, startTurns(context), { turnRequestsMax: 6 });
  await say('post', 5);
  assert.deepEqual(perTurn(taken), [2, 2, 1]);
});

test('a settle counts for each of its messages', async (context) => {
  const { taken, say } = await startPeer(context, startTurns(context), { turnRequestsMax: 6 });
  await say('settle', 5);
  assert.deepEqual(perTurn(taken), [2, 2, 1]);
});

test('a wait, a watch and a fetch count for each of their mailboxes, and a find for each of its ids', async (context) => {
  for (const kind of ['wait', 'watch', 'fetch', 'find'] as const) {
    const { taken, say } = await startPeer(context, startTurns(context), { turnRequestsMax: 6 });
    await say(kind, 5);
    assert.deepEqual(perTurn(taken), [2, 2, 1], kind);
  }
});

test('one status is served in a turn, because it looks at every mailbox', async (context) => {
  const { taken, say } = await startPeer(context, startTurns(context), {});
  await say('status', 4);
  assert.deepEqual(perTurn(taken), [1, 1, 1, 1]);
});

test('a connection whose requests take long gets its share of time in each turn, and at least one request', async (context) => {
  const turns = startTurns(context);
  const long = await startPeer(context, turns, { turnTimeMsMax: 10 }, 4);
  await long.say('goodbye', 7);
  assert.deepEqual(perTurn(long.taken), [3, 3, 1]);
  const longer = await startPeer(context, turns, { turnTimeMsMax: 10 }, 100);
  await longer.say('goodbye', 3);
  assert.deepEqual(perTurn(longer.taken), [1, 1, 1]);
});

test('connections whose requests take long divide the time of a turn', async (context) => {
  const turns = startTurns(context);
  const limits = { turnTimeMsMax: 10 };
  const floods = await Promise.all([1, 2, 3, 4, 5].map(() => startPeer(context, turns, limits, 1)));
  await Promise.all(floods.map((flood) => flood.say('goodbye', 40)));
  for (const { taken } of floods) {
    const inMiddle = perTurn(taken).slice(3, -3);
    assert.deepEqual(new Set(inMiddle), new Set([2]));
  }
});

test('a connection is served between the requests of one whose requests take long', async (context) => {
  const turns = startTurns(context);
  const flood = await startPeer(context, turns, { turnTimeMsMax: 10 }, 10);
  const quiet = await startPeer(context, turns, { turnTimeMsMax: 10 });
  const flooded = flood.say('goodbye', 200);
  while (flood.taken.length === 0) await new Promise(setImmediate);
  await quiet.say('goodbye', 1);
  assert.ok(flood.taken.length <= 20, `${flood.taken.length} came first`);
  await flooded;
});

test('a connection with few requests is served between those of one that floods', async (context) => {
  const turns = startTurns(context);
  const flood = await startPeer(context, turns, { turnRequestsMax: 3 });
  const quiet = await startPeer(context, turns, { turnRequestsMax: 3 });
  const flooded = flood.say('goodbye', 1_000);
  while (flood.taken.length === 0) await new Promise(setImmediate);
  await quiet.say('goodbye', 1);
  assert.ok(flood.taken.length <= 60, `${flood.taken.length} came first`);
  await flooded;
});
