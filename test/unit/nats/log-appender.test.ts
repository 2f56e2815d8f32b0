// The messages of an owner in its stream: each once and in order, whatever happens to those on their way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpcError } from '../../../src/base/errors.ts';
import { makeClaim } from '../../../src/nats/claim.ts';
import { LogAppender } from '../../../src/nats/log-appender.ts';
import { decodeLogMessage, type LogMessage } from '../../../src/nats/log-message.ts';
import {
  type AppendedMessage,
  claimFile,
  type StreamMessage,
} from '../../../src/nats/log-stream.ts';
import { FakeServer, FakeStream, turns } from '../../support/nats/fake-stream.ts';
import { pick, Random, seedFromEnvironment } from '../../support/random.ts';

const histories = process.env.IPC_TEST_LONG === '1' ? 3_000 : 150;
const claims = ['a', 'b', 'c'].map((letter) => letter.repeat(22));
const [claimA = '', claimB = ''] = claims;

interface Owner {
  readonly appender: LogAppender;
  readonly lost: IpcError[];
}

async function own(
  server: FakeServer,
  stream: FakeStream,
  claim: string,
  againMsMax = 60_000,
): Promise<Owner> {
  const after = server.lastSequence;
  const data = { claim, pid: 1, program: 'test', machine: 'here' };
  const sequence = await makeClaim(new FakeStream(server, new Random(1)), data, after);
  assert(sequence, 'nobody else has written');
  const lost: IpcError[] = [];
  const times = { pauseMsMin: 1, pauseMsMax: 4, againMsMax };
  const appender = new LogAppender(stream, claim, sequence, (error) => lost.push(error), times);
  return { appender, lost };
}

function change(text: string) {
  const bytes = Buffer.from(text);
  return { file: 'f', path: 'file', change: { kind: 'write', at: 0 }, bytes } as const;
}

function decoded(messages: readonly StreamMessage[]): LogMessage[] {
  return messages
    .filter(({ file }) => file !== claimFile)
    .map(({ data }) => decodeLogMessage(data));
}

function textsOf(server: FakeServer, claim: string): string[] {
  const own = decoded(server.messages).filter((each) => each.claim === claim);
  return own.map(({ bytes }) => bytes.toString());
}

test('messages are stored once and in order, whatever is lost, late or answered to nobody', async () => {
  const first = seedFromEnvironment();
  await Promise.all(
    Array.from({ length: histories }, async (_, index) => {
      const seed = first + index;
      const random = new Random(seed);
      const server = new FakeServer();
      server.idsMax = pick(random, [0, 3, 1_000]);
      const chances = [0, 4, 20];
      const stream = new FakeStream(server, random, {
        lost: pick(random, chances),
        silent: pick(random, chances),
        late: pick(random, chances),
        failed: pick(random, [0, 0, 9]),
      });
      const { appender, lost } = await own(server, stream, claimA);
      const texts: string[] = [];
      const done: string[] = [];
      const waits: Promise<void>[] = [];
      for (let count = 1; count <= 15; count++) {
        const text = String(count);
        texts.push(text);
        appender.add(change(text), () => done.push(text));
        if (random.oneIn(3)) {
          const wait = appender.stored().then(() => {
            assert.deepEqual(textsOf(server, claimA).slice(0, count), texts.slice(0, count));
          });
          waits.push(wait);
        }
        if (random.oneIn(3)) await turns(random.below(6));
      }
      await appender.stored();
      await Promise.all(waits);
      const label = `SEED=${seed}`;
      assert.deepEqual(textsOf(server, claimA), texts, label);
      assert.deepEqual(done, texts, label);
      assert.deepEqual(lost, [], label);
      assert.equal(appender.trouble, undefined, label);
    }),
  );
});

test('an owner that was replaced hears of it, and what it had not stored is never reported as stored', async () => {
  const first = seedFromEnvironment();
  await Promise.all(
    Array.from({ length: histories }, async (_, index) => {
      const seed = first + index;
      const label = `SEED=${seed}`;
      const random = new Random(seed);
      const server = new FakeServer();
      const faults = { lost: 9, silent: 9, late: 9, failed: 9 };
      const replaced = await own(server, new FakeStream(server, random, faults), claimA);
      const done: string[] = [];
      let count = 0;
      const add = () => {
        const text = String(++count);
        replaced.appender.add(change(text), () => done.push(text));
      };
      for (let burst = random.below(20); burst > 0; burst--) {
        add();
        if (random.oneIn(2)) await turns(random.below(4));
      }
      const newer = await own(server, new FakeStream(server, random), claimB).catch(
        () => undefined,
      );
      if (!newer) return;
      const claimedAt = server.lastSequence;
      while (replaced.lost.length === 0) {
        add();
        const isStored = await replaced.appender.stored().then(
          () => true,
          (error: IpcError) => error.code !== 'owner_replaced',
        );
        assert(!isStored, label);
      }
      const before = decoded(server.messages.filter(({ sequence }) => sequence < claimedAt));
      assert.deepEqual(
        done,
        before.map(({ bytes }) => bytes.toString()),
        label,
      );
      assert.deepEqual(
        done,
        before.map((__, place) => String(place + 1)),
        label,
      );
      assert.throws(add, { code: 'owner_replaced' }, label);
      await assert.rejects(replaced.appender.stored(), { code: 'owner_replaced' }, label);
      newer.appender.stop(replaced.lost[0] as IpcError);
    }),
  );
});

test('a full stream takes messages again when there is room, and says meanwhile why it does not', async () => {
  const server = new FakeServer();
  const { appender } = await own(server, new FakeStream(server, new Random(1)), claimA);
  server.bytesMax = server.bytes;
  appender.add(change('waits'));
  const stored = appender.stored();
  while (appender.trouble === undefined) await turns(1);
  assert.equal(appender.trouble, 'maximum bytes exceeded');
  server.bytesMax = Number.POSITIVE_INFINITY;
  await stored;
  assert.deepEqual(textsOf(server, claimA), ['waits']);
  assert.equal(appender.trouble, undefined);
});

test('after stop() nothing is added, and nobody waits', async () => {
  const server = new FakeServer();
  const stream = new FakeStream(server, new Random(1));
  const { appender, lost } = await own(server, stream, claimA);
  stream.hold();
  appender.add(change('under way'));
  const stored = appender.stored();
  appender.stop(new IpcError('closed', 'it ends'));
  await assert.rejects(stored, { code: 'closed' });
  assert.throws(() => appender.add(change('late')), { code: 'closed' });
  assert.deepEqual(lost, []);
});

test('a server that has no room again and again ends the owner with storage_failed, and what it stored before counts', async () => {
  const server = new FakeServer();
  const stream = new FakeStream(server, new Random(1));
  const { appender, lost } = await own(server, stream, claimA, 100);
  appender.add(change('stored'));
  await appender.stored();
  const isFull = { kind: 'unknown', reason: 'insufficient resources', isFull: true } as const;
  stream.append = async () => isFull;
  appender.add(change('refused'));
  await assert.rejects(appender.stored(), { code: 'storage_failed', message: /insufficient/ });
  assert.deepEqual(
    lost.map(({ code }) => code),
    ['storage_failed'],
  );
  assert.deepEqual(textsOf(server, claimA), ['stored']);
});

test('a server that does not answer for long ends the owner with unreachable, and what it stores late is stored once', async () => {
  const server = new FakeServer();
  const stream = new FakeStream(server, new Random(1));
  const { appender, lost } = await own(server, stream, claimA, 100);
  const done: string[] = [];
  appender.add(change('stored'), () => done.push('stored'));
  await appender.stored();
  const underWay: AppendedMessage[] = [];
  stream.append = async (message) => {
    underWay.push(message);
    return { kind: 'unknown', reason: 'the server has not answered' };
  };
  appender.add(change('late'), () => done.push('late'));
  appender.add(change('behind it'), () => done.push('behind it'));
  await assert.rejects(appender.stored(), {
    code: 'unreachable',
    message: 'the mail is not stored: the server has not answered',
  });
  assert.deepEqual(
    lost.map(({ code }) => code),
    ['unreachable'],
  );
  for (const message of underWay) server.append(message);
  assert.deepEqual(textsOf(server, claimA), ['stored', 'late', 'behind it']);
  assert.deepEqual(done, ['stored']);
  assert.throws(() => appender.add(change('no more')), { code: 'unreachable' });
});

test('an owner that may not append any more ends at once with the reason', async () => {
  const server = new FakeServer();
  const stream = new FakeStream(server, new Random(1));
  const { appender, lost } = await own(server, stream, claimA);
  const forbidden = new IpcError('not_authorized', 'Permissions Violation');
  stream.append = async () => ({ kind: 'unknown', reason: forbidden.message, forbidden });
  appender.add(change('refused'));
  await assert.rejects(appender.stored(), forbidden);
  assert.deepEqual(lost, [forbidden]);
});
