// Peers that have the key and mean harm, against a broker that runs in its own process with a store on disk,
// beside two honest sessions. 30,000 frames, a million with --long.
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { open } from '../../src/index.ts';
import { residentMiB } from '../support/memory.ts';
import type { HostileReport } from '../support/processes/hostile-peers-process.ts';
import { Remote } from '../support/processes/remote.ts';
import { nextLine, shell } from '../support/processes/shell.ts';
import { seedFromEnvironment } from '../support/random.ts';

const isLong = process.env.IPC_TEST_LONG === '1';
const frames = isLong ? 1_000_000 : 30_000;
const seed = seedFromEnvironment();
/**
 * Growth of memory after the first half, mail that nobody reads aside: what the body cache has not filled yet
 * (64 MiB at most), ids that deduplication remembers, and garbage that V8 has not collected. Before that, V8 makes its
 * heap as large as it likes: in Node 24 three times as large as in Node 20.
 */
const allowedGrowthMiB = 96;
/** Whenever that many frames were sent, the mail of the hostile peers is dropped. */
const framesPerClearing = 10_000;
/** What a broker answers to requests that are allowed, and errors that need hostile ones. */
const expectedResponses = [
  ...['welcome', 'stored', 'offer', 'end', 'settled', 'released', 'status', 'retried', 'peeked'],
  ...['notice', 'dropped', 'found', 'listening', 'compacted', 'pong'],
  ...['error bad_frame', 'error replaced'],
  ...['error bad_name', 'error bad_parameter', 'error bad_timeout', 'error id_conflict'],
  'error wrong_service',
];
const hostileProgram = fileURLToPath(
  new URL('../support/processes/hostile-peers-process.js', import.meta.url),
);

test(`${frames} frames of hostile peers that have the key cost no honest message, no memory and no store (SEED=${seed})`, async (context) => {
  const { home, port, begin, run } = await shell(context);
  const broker = begin(['broker']);
  const errors = buffer(broker.stderr as NodeJS.ReadableStream);
  await nextLine(broker);
  const session = () => {
    const remote = new Remote(home, port);
    context.after(() => remote.kill());
    return remote;
  };
  const [poster, reader] = [session(), session()];

  const hostile = startHostile(context, home, port);
  const clearing = clearMail(context, home, port);
  const pair = exchange(poster, reader, hostile.isOver);
  const { report, sizes, dropped } = await hostile.run(broker.pid ?? 0, clearing);
  const { exchanged, slowestMs } = await pair;
  const isAlive = broker.exitCode === null && (await poster.status()).pid === broker.pid;

  await poster.post('honest', 'for the next owner');
  for (const remote of [poster, reader]) await remote.kill();
  broker.kill('SIGTERM');
  await once(broker, 'exit');
  const check = await run(['store', 'check']);
  const { deliveries } = await session().fetch('honest');

  context.diagnostic(
    JSON.stringify({ ...report, exchanged, slowestMs, dropped, sizes: sizes.map(Math.round) }),
  );
  assert.ok(isAlive, 'the broker lives and owns the store');
  assert.deepEqual(unexpectedLines(String(await errors)), []);
  assert.ok(report.frames >= frames);
  assert.deepEqual(
    expectedResponses.filter((kind) => !report.responses[kind]),
    [],
  );
  assert.ok(exchanged > 0 && dropped > 0);
  const early = sizes[Math.floor(sizes.length / 2)] ?? 0;
  const grown = (sizes.at(-1) ?? 0) - early;
  assert.ok(grown < allowedGrowthMiB, `grown by ${Math.round(grown)} MiB`);
  assert.equal(check.code, 0, check.text + check.errors);
  assert.deepEqual(
    deliveries.map(({ body }) => body),
    ['for the next owner'],
  );
});

/** The broker reports addresses that a hostile peer had it listen on. */
function unexpectedLines(errors: string): string[] {
  const isExpected = (line: string) => line === '' || line.startsWith('The next owner listens on ');
  return errors.split('\n').filter((line) => !isExpected(line));
}

/** Posts and reads until the hostile peers end. Every message arrives, in order. */
async function exchange(
  poster: Remote,
  reader: Remote,
  isOver: () => boolean,
): Promise<{ exchanged: number; slowestMs: number }> {
  let slowestMs = 0;
  for (let count = 1; ; count++) {
    const began = performance.now();
    const waiting = reader.wait('honest');
    const { duplicate } = await poster.post('honest', `message ${count}`);
    assert.equal(duplicate, false);
    const delivery = await waiting;
    assert.equal(delivery?.body, `message ${count}`);
    assert.equal(await reader.settle(delivery.number), 0);
    slowestMs = Math.max(slowestMs, Math.round(performance.now() - began));
    if (isOver()) return { exchanged: count, slowestMs };
  }
}

/** Returns a function that drops all mail but that of the honest sessions, and resolves to how many messages went. */
function clearMail(context: TestContext, home: string, port: number): () => Promise<number> {
  const mail = open({ home, port, env: {}, program: 'clearing' });
  context.after(async () => (await mail).close());
  return async () => {
    const session = await mail;
    let count = 0;
    for (const { mailbox } of (await session.status()).mailboxes) {
      if (mailbox !== 'honest') count += (await session.drop(mailbox)).dropped.length;
    }
    return count;
  };
}

interface Hostile {
  isOver(): boolean;
  /**
   * Resolves at the end. `sizes`: MiB of the process with this pid, each time that a part of the frames was sent.
   * `dropped`: the sum of what `clear` resolved to.
   */
  run(
    pid: number,
    clear: () => Promise<number>,
  ): Promise<{ report: HostileReport; sizes: number[]; dropped: number }>;
}

function startHostile(context: TestContext, home: string, port: number): Hostile {
  const args = [home, String(port), String(seed), String(frames)];
  const child: ChildProcess = fork(hostileProgram, args);
  context.after(() => child.kill('SIGKILL'));
  let isOver = false;
  child.once('exit', () => {
    isOver = true;
  });
  const run = async (pid: number, clear: () => Promise<number>) => {
    const sizes: number[] = [];
    const clearings: Promise<number>[] = [];
    let report: HostileReport | undefined;
    child.on('message', (message: HostileReport) => {
      report = message;
      void residentMiB(pid).then((size) => sizes.push(size));
      const due = Math.floor(message.frames / framesPerClearing);
      if (clearings.length < due) clearings.push(clear());
    });
    const [code] = await once(child, 'exit');
    assert.equal(code, 0, 'a hostile peer understood every response');
    assert.ok(report?.isOver);
    const dropped = (await Promise.all(clearings)).reduce((sum, count) => sum + count, 0);
    return { report, sizes, dropped };
  };
  return { isOver: () => isOver, run };
}
