// A process with few file descriptors refuses further connections, but still stores mail.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { pendingHandshakesMax } from '../../src/base/limits.ts';
import { place } from '../support/processes/remote.ts';
import { shell } from '../support/processes/shell.ts';

/** Node reads almost as many modules of the session at once. */
const filesMax = 112;
/** Descriptor limits: Node barely starts with the first, and a post succeeds with the second. */
const filesForNode = 20;
const filesForPost = 60;
const few = ['sh', '-c', `ulimit -n ${filesMax} && exec "$@"`, 'sh'];

test('an owner that is out of file descriptors keeps storing and delivering, and accepts sessions again once descriptors are free', async (context) => {
  const { port, session } = await place(context);
  const owner = session(few);
  const client = session();
  await owner.start();
  await client.status();
  const flood = new Set<Socket>();
  context.after(() => {
    for (const socket of flood) socket.destroy();
  });
  for (let count = 0; count < filesMax; count++) {
    const socket = connect(port, '127.0.0.1');
    flood.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => flood.delete(socket));
    await once(socket, 'connect').catch(() => {});
  }
  assert.ok(filesMax < pendingHandshakesMax, 'no pending handshake is evicted');
  let files = 0;
  do files = (await readdir(`/proc/${owner.pid}/fd`)).length;
  while (flood.size > 0 && files < filesMax - 8);
  context.diagnostic(`${files} of ${filesMax} files are open`);

  // More than a segment, so that files have to be opened meanwhile.
  const megabyte = 'x'.repeat(1_000_000);
  for (let count = 0; count < 20; count++) {
    const { number } = await client.post('box', megabyte);
    const delivery = await client.wait('box', 10_000);
    assert.deepEqual([delivery?.number, delivery?.attempt], [number, 1]);
    assert.equal(await client.settle(number), 0);
  }
  assert.equal((await client.status()).pid, owner.pid);

  for (const socket of flood) socket.destroy();
  const late = session();
  assert.equal((await late.status()).pid, owner.pid);
  assert.equal((await late.status()).epoch, 1);
});

test('a post with too few file descriptors fails with an error that says so, and does not blame the folder or the address', async (context) => {
  const { line } = await shell(context);
  const codes = new Set<string>();
  for (let files = filesForNode; files <= filesForPost; files += 2) {
    const { code, errors } = await line(`ulimit -n ${files}; "$@" post B hi`);
    // With this limit Node cannot even load the program.
    if (code === 0 || errors.includes('node:internal')) continue;
    const [, error = '', rest = ''] = /^ipc: (\w+): (.*)/.exec(errors) ?? [];
    codes.add(error);
    if (error === 'owner_silent') continue;
    assert.match(rest, /too many open files.* To do: .*`ulimit -n`/);
  }
  assert.ok(codes.delete('too_many_files'));
  // An owner that cannot accept its own connection only sees that it gets no response.
  for (const code of codes) assert.ok(['storage_failed', 'owner_silent'].includes(code), code);
});
