// A program of the library that closes its session while its NATS server is silent: the process ends within seconds.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { natsMissing, natsServer } from '../../support/nats/nats-server.ts';
import { nextLine, shell } from '../../support/processes/shell.ts';

/** The grace of a close and the drain of the connection, on a busy machine. */
const endMsMax = 6_000;
const skip = { skip: natsMissing };
const library = pathToFileURL(
  join(fileURLToPath(new URL('../../../../', import.meta.url)), 'dist/index.mjs'),
);

/** A process that opens a session, runs `work`, prints a line, and closes the session when a line comes. */
async function program(context: TestContext, address: string, work: string): Promise<ChildProcess> {
  const { other } = await shell(context, { IPC_BROKER: address });
  const script = `
    import { open } from '${library}';
    import { once } from 'node:events';
    const mail = await open({ name: 'ann' });
    ${work}
    console.log('ready');
    await once(process.stdin, 'data');
    process.stdin.destroy();
    await mail.close();
    console.log('closed');`;
  return other(process.execPath, ['--input-type=module', '-e', script], null);
}

/** Closes the session of the process, and checks that this, and its end, take few seconds. */
async function assertEnds(context: TestContext, child: ChildProcess): Promise<void> {
  const began = performance.now();
  const exit = once(child, 'exit', { signal: AbortSignal.timeout(5 * endMsMax) });
  child.stdin?.write('close\n');
  assert.equal(await nextLine(child), 'closed\n');
  const closedMs = Math.round(performance.now() - began);
  assert.deepEqual(await exit, [0, null]);
  const exitMs = Math.round(performance.now() - began);
  context.diagnostic(`closed after ${closedMs} ms, gone after ${exitMs} ms`);
  assert.ok(exitMs < endMsMax, `closed after ${closedMs} ms, gone after ${exitMs} ms`);
}

/** The address of a program that accepts connections and says nothing. */
async function silentServer(context: TestContext): Promise<string> {
  const silent = createServer((socket) => context.after(() => socket.destroy()));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  context.after(() => silent.close());
  return `127.0.0.1:${(silent.address() as { port: number }).port}`;
}

test('an owner closes while its server stands still', skip, async (context) => {
  const server = await natsServer(context);
  if (!server) return;
  const child = await program(context, server.url, `await mail.post('ben', 'hello');`);
  assert.equal(await nextLine(child), 'ready\n');
  server.stop();
  await assertEnds(context, child);
});

test(
  'an owner closes while a post of it waits for a server that stands still',
  skip,
  async (context) => {
    const server = await natsServer(context);
    if (!server) return;
    const work = `
    await mail.post('ben', 'hello');
    process.kill(${server.pid}, 'SIGSTOP');
    mail.post('ben', 'waits').catch(() => {});`;
    const child = await program(context, server.url, work);
    assert.equal(await nextLine(child), 'ready\n');
    await assertEnds(context, child);
  },
);

test(
  'a session closes while it connects again to a server that died, and a silent one is in its place',
  skip,
  async (context) => {
    const server = await natsServer(context);
    if (!server) return;
    const child = await program(context, server.url, `await mail.post('ben', 'hello');`);
    assert.equal(await nextLine(child), 'ready\n');
    await server.kill();
    const silent = createServer((socket) => context.after(() => socket.destroy()));
    silent.listen(server.port, '127.0.0.1');
    context.after(() => silent.close());
    await once(silent, 'connection');
    await assertEnds(context, child);
  },
);

test(
  'a session closes while it connects for the first time, to two silent servers',
  skip,
  async (context) => {
    const address = `nats://${await silentServer(context)},${await silentServer(context)}`;
    const child = await program(context, address, 'mail.status().catch(() => {});');
    assert.equal(await nextLine(child), 'ready\n');
    await assertEnds(context, child);
  },
);

test('a session closes after a silent server has failed its call', skip, async (context) => {
  const address = `nats://${await silentServer(context)}`;
  const child = await program(context, address, 'await mail.status().catch(() => {});');
  assert.equal(await nextLine(child), 'ready\n');
  await assertEnds(context, child);
});
