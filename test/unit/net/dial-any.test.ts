// Several addresses of one program: the next is dialled when the one before it takes long, not only when it fails.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { accept, dialAny } from '../../../src/net/connect.ts';
import { freePort } from '../../support/places.ts';
import { keys } from '../../support/sockets.ts';

const host = '127.0.0.1';

/** A program that accepts connections and does nothing with them, as if it had not got to them yet. */
async function silentPort(context: TestContext, events: string[]): Promise<number> {
  const server = createServer((socket) => {
    events.push('the first is connected');
    socket.on('error', () => {}).on('close', () => events.push('the first is closed'));
    socket.resume();
    context.after(() => socket.destroy());
  });
  context.after(() => server.close());
  const port = await freePort();
  await once(server.listen(port, host), 'listening');
  return port;
}

async function goodPort(context: TestContext, events: string[]): Promise<number> {
  const server = createServer(async (socket) => {
    events.push('the second is connected');
    const connection = await accept(socket, keys);
    context.after(() => connection.destroy());
  });
  context.after(() => server.close());
  const port = await freePort();
  await once(server.listen(port, host), 'listening');
  return port;
}

test('the next address is dialled while the first has not shaken hands yet, and the first is given up', async (context) => {
  const events: string[] = [];
  const ports = [await silentPort(context, events), await goodPort(context, events)];
  const connection = await dialAny(
    ports.map((port) => ({ host, port })),
    keys,
  );
  context.after(() => connection.destroy());
  while (events.length < 3) await new Promise(setImmediate);
  assert.deepEqual(events, [
    'the first is connected',
    'the second is connected',
    'the first is closed',
  ]);
});

test('when none of the addresses answers, the error of the first is thrown', async () => {
  const ports = [await freePort(), await freePort()];
  const dialling = dialAny(
    ports.map((port) => ({ host, port })),
    keys,
  );
  await assert.rejects(dialling, {
    code: 'unreachable',
    message: `${host}:${ports[0]}: no program answers (ECONNREFUSED)`,
  });
});

test('when neither a Unix socket nor a port answers, the error of the port is thrown', async () => {
  const port = await freePort();
  const path = join(tmpdir(), 'no-such.sock');
  await assert.rejects(dialAny([{ path }, { host, port }], keys), {
    message: `${host}:${port}: no program answers (ECONNREFUSED)`,
  });
  await assert.rejects(dialAny([{ path }], keys), {
    message: `${path}: no program answers (ENOENT)`,
  });
});
