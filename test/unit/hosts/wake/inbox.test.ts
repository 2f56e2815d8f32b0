// The inbox of Claude Code and of Qwen Code, by a real Unix socket that stands in for it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chownSync, linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { IpcError } from '../../../../src/base/errors.ts';
import { inbox } from '../../../../src/hosts/wake/inbox.ts';
import type { RingWaker } from '../../../../src/hosts/wake/wake-path.ts';
import { makeHome } from '../../../support/places.ts';

const notice = '[ipc] Automatic notice: 1 message waits in mailbox "ann" (notice 1).';

interface Inbox {
  readonly path: string;
  readonly server: Server;
  /** The lines of the next connection. */
  lines(): Promise<Record<string, unknown>[]>;
}

async function listen(context: TestContext, options = {}): Promise<Inbox> {
  const path = join(await makeHome(context), 'inbox.sock');
  const server = createServer(options).listen(path);
  context.after(() => server.close());
  await once(server, 'listening');
  const lines = async () => {
    const [socket] = (await once(server, 'connection')) as [Socket];
    const all = await readAll(socket);
    return all
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  };
  return { path, server, lines };
}

async function wakerOf(host: string, variables: string, path: string): Promise<RingWaker> {
  const env = { [`${variables}_SOCKET`]: path, [`${variables}_TOKEN`]: 'secret' };
  const waker = await inbox.find({ host, env, thread: '' });
  assert.equal(waker?.kind, 'rings');
  return waker;
}

const ofClaude = (path: string) => wakerOf('claude-code', 'CLAUDE_CODE_MESSAGING', path);
const ofQwen = (path: string) => wakerOf('qwen-cli-mcp-client-ipc', 'QWEN_CODE_MESSAGING', path);

function fails(what: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof IpcError);
    assert.equal(error.code, 'unreachable');
    assert.match(error.message, what);
    return true;
  };
}

test('Claude Code gets the token, and then the text as a message of a user', async (context) => {
  const { path, lines } = await listen(context);
  const got = lines();
  const waker = await ofClaude(path);
  await waker.ring(notice);
  assert.deepEqual(await got, [
    { type: 'auth', token: 'secret' },
    { type: 'user', message: { role: 'user', content: notice } },
  ]);
});

test('Qwen Code gets its own frames, with a new id each time, since it takes an id once', async (context) => {
  const { path, lines } = await listen(context);
  const waker = await ofQwen(path);
  const ids: unknown[] = [];
  for (let rings = 0; rings < 2; rings++) {
    const got = lines();
    await waker.ring(notice);
    const [auth, { msgId, ...user } = {}] = await got;
    assert.deepEqual(auth, { msgV: 1, type: 'auth', token: 'secret' });
    const message = { role: 'user', content: notice };
    assert.deepEqual(user, { msgV: 1, type: 'user', priority: 'next', message });
    ids.push(msgId);
  }
  assert.match(`${ids[0]}`, /^[0-9a-f-]{36}$/);
  assert.notEqual(ids[0], ids[1]);
});

test('a host uses its own inbox, and not that of a host in which it was started', async () => {
  const env = { CLAUDE_CODE_MESSAGING_SOCKET: '/outer', CLAUDE_CODE_MESSAGING_TOKEN: 'secret' };
  for (const host of ['qwen-cli-mcp-client-ipc', 'opencode', 'codex-mcp-client', undefined]) {
    assert.equal(await inbox.find({ host, env, thread: '' }), undefined, host);
  }
});

test('there is no such path where the user has messages from outside held back or refused', async (context) => {
  const { path } = await listen(context);
  const folder = await makeHome(context);
  const env = {
    CLAUDE_CODE_MESSAGING_SOCKET: path,
    QWEN_CODE_MESSAGING_SOCKET: path,
    CLAUDE_CONFIG_DIR: join(folder, 'claude'),
  };
  const { HOME = '' } = process.env;
  process.env.HOME = folder;
  context.after(() => {
    process.env.HOME = HOME;
  });
  for (const name of ['.qwen', 'claude']) mkdirSync(join(folder, name));
  for (const [policy, isOpen] of [
    ['accept', true],
    ['hold', false],
    ['refuse', false],
  ] as const) {
    writeFileSync(join(folder, 'claude/settings.json'), `{"crossSessionInbound":"${policy}"}`);
    const agents = { crossSessionInbound: policy };
    writeFileSync(join(folder, '.qwen/settings.json'), JSON.stringify({ agents }));
    for (const host of ['claude-code', 'qwen-cli-mcp-client-ipc']) {
      const waker = await inbox.find({ host, env, thread: '' });
      assert.equal(waker !== undefined, isOpen, `${host}, ${policy}`);
    }
  }
});

test('without an inbox there is no such path', async () => {
  assert.equal(await inbox.find({ host: 'claude-code', env: {}, thread: '' }), undefined);
});

test('a file that is no socket, or is gone, is no inbox', async (context) => {
  const folder = await makeHome(context);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  for (const path of [file, folder, '/dev/null', join(folder, 'gone.sock')]) {
    const env = { CLAUDE_CODE_MESSAGING_SOCKET: path };
    assert.equal(await inbox.find({ host: 'claude-code', env, thread: '' }), undefined, path);
  }
});

test('an inbox that is gone, or no socket any more, is an error that names it', async (context) => {
  const { path, server } = await listen(context);
  const waker = await ofClaude(path);
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(waker.ring(notice), fails(/inbox\.sock: ENOENT$/));
  writeFileSync(path, '');
  await assert.rejects(waker.ring(notice), fails(/inbox\.sock is not a socket$/));
});

test('a host that ended without removing its socket is an error', async (context) => {
  const { path, server } = await listen(context);
  // Node removes the socket when it closes; a host that is killed does not.
  const other = join(path, '..', 'left.sock');
  linkSync(path, other);
  server.close();
  const waker = await ofClaude(other);
  await assert.rejects(waker.ring(notice), fails(/left\.sock: ECONNREFUSED$/));
});

const isRoot = process.geteuid?.() === 0;
test('a socket of another user is refused', {
  skip: isRoot ? false : 'only root can make one',
}, async (context) => {
  const { path } = await listen(context);
  const waker = await ofClaude(path);
  chownSync(path, 65_534, 65_534);
  await assert.rejects(waker.ring(notice), fails(/belongs to another user$/));
});

test('a host that closes before it has read the lines is an error', async (context) => {
  const { path, server } = await listen(context, { pauseOnConnect: true });
  server.on('connection', (socket: Socket) => socket.destroy());
  const waker = await ofClaude(path);
  await assert.rejects(waker.ring(notice), fails(/inbox\.sock: (ECONNRESET|EPIPE)$/));
});

test('a host that is too busy to read within 2 s gets the lines later', async (context) => {
  const { path, server } = await listen(context, { pauseOnConnect: true });
  const connected = once(server, 'connection');
  const waker = await ofClaude(path);
  await waker.ring(notice);
  const [socket] = (await connected) as [Socket];
  assert.match(await readAll(socket), /"content":"\[ipc\] Automatic notice/);
});

test('what a host does not take at all within 2 s is an error', async (context) => {
  const { path } = await listen(context, { pauseOnConnect: true });
  const waker = await ofClaude(path);
  const large = 'x'.repeat(10_000_000);
  await assert.rejects(waker.ring(large), fails(/inbox\.sock was not read within 2 s$/));
});
