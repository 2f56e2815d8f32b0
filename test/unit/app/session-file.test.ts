// The file with which a session tells the hook of its host what it watches.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { identify, type ProcessIdentity } from '../../../src/app/process-identity.ts';
import { SessionFile, sessionForHook } from '../../../src/app/session-file.ts';
import { parseName } from '../../../src/model/message.ts';
import { makeHome } from '../../support/places.ts';

const watching = {
  mailboxes: [parseName('ann'), parseName('team')],
  port: 19901,
  brokerHost: undefined,
  byHook: true,
} as const;

test("a hook finds what its host's session watches, until the session ends", async (context) => {
  const { home, host } = await place(context);
  const file = new SessionFile(home, host);
  assert.equal(sessionForHook(home, host), undefined);
  file.write(watching);
  assert.deepEqual(sessionForHook(home, host), watching);
  file.write({ ...watching, brokerHost: 'one.lan' });
  assert.deepEqual(sessionForHook(home, host), { ...watching, brokerHost: 'one.lan' });
  const natsFiles = { credentials: '/etc/team.creds', authorities: undefined };
  const onNats = { ...watching, brokerHost: 'nats://nats.lan:4222', natsFiles };
  file.write(onNats);
  assert.deepEqual(sessionForHook(home, host), onNats);
  file.remove();
  assert.equal(sessionForHook(home, host), undefined);
  assert.deepEqual(await readdir(join(home, 'sessions')), []);
});

test('only its user can read it, whatever the umask', async (context) => {
  const { home, host } = await place(context);
  const before = process.umask(0);
  context.after(() => process.umask(before));
  new SessionFile(home, host).write(watching);
  const path = join(home, 'sessions', `${host.pid}.json`);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(home, 'sessions'))).mode & 0o777, 0o700);
});

test('a session that is woken by its own server is none for the hook, unless that server was killed', async (context) => {
  const { home, host, other } = await place(context);
  const file = new SessionFile(home, host);
  file.write({ ...watching, byHook: false });
  assert.equal(sessionForHook(home, host), 'served');
  const path = join(home, 'sessions', `${host.pid}.json`);
  const content = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...content, server: other }));
  assert.deepEqual(sessionForHook(home, host), 'served');
  await end(other);
  assert.deepEqual(sessionForHook(home, host), { ...watching, byHook: false });
});

test('the file of a host whose process id is used again does not count, and the next session removes it', async (context) => {
  const { home, host, other } = await place(context);
  new SessionFile(home, host).write(watching);
  const again = { ...host, start: `${host.start}0` };
  assert.equal(sessionForHook(home, again), undefined);
  await end(host);
  new SessionFile(home, other).write(watching);
  assert.deepEqual(await readdir(join(home, 'sessions')), [`${other.pid}.json`]);
});

test('what cannot be removed among the files does not disturb a session', async (context) => {
  const { home, host, other } = await place(context);
  for (const name of ['999999999.json', `${other.pid}.json`]) {
    await mkdir(join(home, 'sessions', name), { recursive: true, mode: 0o700 });
  }
  await chmod(home, 0o700);
  const file = new SessionFile(home, host);
  file.write(watching);
  assert.deepEqual(sessionForHook(home, host), watching);
  assert.equal(sessionForHook(home, other), undefined);
});

test('a server removes only its own file', async (context) => {
  const { home, host, other } = await place(context);
  const file = new SessionFile(home, host);
  file.write(watching);
  const path = join(home, 'sessions', `${host.pid}.json`);
  const content = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...content, server: other }));
  file.remove();
  assert.deepEqual(sessionForHook(home, host), watching);
});

test('a file that was written by something else counts as none', async (context) => {
  const { home, host } = await place(context);
  await mkdir(join(home, 'sessions'), { recursive: true });
  const path = join(home, 'sessions', `${host.pid}.json`);
  const whole = { host, server: host, ...watching };
  await writeFile(path, JSON.stringify(whole));
  assert.deepEqual(sessionForHook(home, host), watching);
  for (const wrong of [
    'x',
    '[]',
    'null',
    '{}',
    JSON.stringify({ ...whole, host: undefined }),
    JSON.stringify({ ...whole, mailboxes: [] }),
    JSON.stringify({ ...whole, mailboxes: ['\u001b[2J'] }),
    JSON.stringify({ ...whole, port: 0 }),
    JSON.stringify({ ...whole, byHook: 'yes' }),
  ]) {
    await writeFile(path, wrong);
    assert.equal(sessionForHook(home, host), undefined, wrong);
  }
});

interface Place {
  readonly home: string;
  /** Two processes that run until the test ends them. */
  readonly host: ProcessIdentity;
  readonly other: ProcessIdentity;
}

const children = new Map<number, ChildProcess>();

async function place(context: TestContext): Promise<Place> {
  const start = () => {
    const child = spawn('sleep', ['60']);
    context.after(() => child.kill('SIGKILL'));
    const identity = identify(child.pid as number);
    assert(identity);
    children.set(identity.pid, child);
    return identity;
  };
  return { home: join(await makeHome(context), 'home'), host: start(), other: start() };
}

async function end({ pid }: ProcessIdentity): Promise<void> {
  const child = children.get(pid) as ChildProcess;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
