// `ipc doctor` and a port that is held by a program it cannot look into, or by none.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { program } from '../../support/mcp-host.ts';
import { reported, reportedAbout } from '../../support/processes/doctor.ts';
import { networkApart } from '../../support/processes/network-apart.ts';
import { type Ended, ended, nextLine, type Shell, shell } from '../../support/processes/shell.ts';

const nobody = 65_534;

/** Runs the program as another user, with a home of that user. */
async function otherUser(context: TestContext, { port }: Shell) {
  const home = await mkdtemp(join(tmpdir(), 'ipc-user-'));
  context.after(() => rm(home, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    IPC_HOME: join(home, 'state'),
    IPC_PORT: `${port}`,
  };
  const start = (...args: string[]): Promise<Ended> => {
    const words = ['--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups'];
    const command = [...words, process.execPath, program, ...args];
    return ended(spawn('setpriv', command, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] }));
  };
  if (process.getuid?.() !== 0) return 'only root can become another user';
  await chown(home, nobody, nobody);
  const run = Object.assign(start, { home: env.IPC_HOME });
  const able = await run('--version').catch((error: Error) => error);
  if (able instanceof Error) return `no setpriv: ${able.message}`;
  return able.code === 0 ? run : `another user cannot run the program: ${able.errors}`;
}

test("a port that another user's broker holds is not free: the user is named, by doctor and by a call", async (context) => {
  const place = await shell(context);
  const other = await otherUser(context, place);
  if (typeof other === 'string') return context.skip(other);
  await nextLine(place.begin(['broker']));
  const doctor = await other('doctor', '--json');
  const { ok, what, hint } = reportedAbout('port', doctor);
  assert.deepEqual([doctor.code, ok], [1, false]);
  assert.equal(
    what,
    `key_mismatch: ${place.port} is held by a program of user root (0), a broker with a key that is not here`,
  );
  assert.match(hint ?? '', /IPC_KEY_FILE.* or set another port in IPC_PORT$/);
  const { errors } = await other('post', 'ann', 'hi');
  assert.match(
    errors,
    new RegExp(
      `^ipc: key_mismatch: port ${place.port} is held by a program of user root \\(0\\) with another key`,
    ),
  );
});

test("a port that another user's program holds, which is no broker, is not free, and calls name the user, too", async (context) => {
  const place = await shell(context);
  const other = await otherUser(context, place);
  if (typeof other === 'string') return context.skip(other);
  const sockets: Socket[] = [];
  const squatter = createServer((socket) => sockets.push(socket)).listen(place.port, '127.0.0.1');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    squatter.close();
  });
  await once(squatter, 'listening');
  const { ok, what } = reportedAbout('port', await other('doctor', '--json'));
  assert.equal(ok, false);
  assert.equal(
    what,
    `${place.port} is held by a program of user root (0), which does not answer as a broker`,
  );
  const held = `port ${place.port} is held by a program of user root (0)`;
  const post = await other('post', 'ann', 'hi');
  assert.ok(post.errors.startsWith(`ipc: port_taken: ${held}, which does not answer as a broker`));
  const receive = await other('receive', '--port', `${place.port}`);
  assert.ok(receive.errors.startsWith(`ipc: port_taken: ${held}`), receive.errors);
});

test('an owner in another pid namespace is found, though its process cannot be seen', async (context) => {
  const { begin, line, port } = await shell(context);
  const apart = ['unshare', '--pid', '--fork', '--mount-proc'];
  const { status, stderr, error } = spawnSync('unshare', [...apart.slice(1), 'true'], {
    encoding: 'utf8',
  });
  if (status !== 0)
    return context.skip(`no pid namespaces here: ${error?.message ?? stderr.trim()}`);
  const broker = begin(['broker']);
  await nextLine(broker);
  const doctor = await line(`${apart.join(' ')} "$@" doctor --json`);
  assert.deepEqual(
    [doctor.code, reportedAbout('port', doctor).what],
    [0, `${port}: pid ${broker.pid}, which cannot be seen from here, owns the broker`],
  );
  const strange = await line(`${apart.join(' ')} "$@" doctor --json`, { IPC_KEY: '00'.repeat(32) });
  assert.equal(strange.code, 1);
  assert.match(
    reportedAbout('port', strange).what,
    /^key_mismatch: \d+ is held by a program of user .*, which cannot be seen from here, as in another container, a broker with another key than the one here$/,
  );
});

test('a user that has no id in the user namespace of doctor is not called nobody', async (context) => {
  const { status, stderr, error } = spawnSync('unshare', ['--user', 'true'], { encoding: 'utf8' });
  if (status !== 0)
    return context.skip(`no user namespaces here: ${error?.message ?? stderr.trim()}`);
  const { begin, line, port } = await shell(context);
  await nextLine(begin(['broker']));
  const doctor = await line('unshare --user "$@" doctor --json', { IPC_KEY: '00'.repeat(32) });
  assert.equal(doctor.code, 1);
  assert.ok(
    reportedAbout('port', doctor).what.startsWith(
      `key_mismatch: ${port} is held by a program of a user outside this container`,
    ),
    doctor.text,
  );
});

test('an owner in another network namespace is found through the socket of the store', async (context) => {
  const { prefix, why } = networkApart();
  if (!prefix) return context.skip(why);
  const { begin, other, home, port } = await shell(context);
  const broker = begin(['broker']);
  await nextLine(broker);
  const doctor = await ended(
    other(prefix[0] ?? '', [...prefix.slice(1), process.execPath, program, 'doctor', '--json']),
  );
  assert.deepEqual(
    [doctor.code, reportedAbout('port', doctor).what],
    [
      0,
      `${port}: pid ${broker.pid} owns the broker, in another network namespace; calls reach it through the socket in ${join(home, `broker-${port}`)}`,
    ],
  );
});

test('a socket of the store that may not be used is reported, though the port is free', async (context) => {
  const place = await shell(context);
  const other = await otherUser(context, place);
  if (typeof other === 'string') return context.skip(other);
  assert.equal((await other('post', 'ann', 'hi')).code, 0);
  const socket = join(other.home, `broker-${place.port}`, 'owner.sock');
  // As after `sudo ipc post`.
  await chown(socket, 0, 0);
  await chmod(socket, 0o600);
  const doctor = await other('doctor', '--json');
  assert.deepEqual(
    [doctor.code, reportedAbout('port', doctor).what],
    [
      1,
      `home_unusable: ${socket} belongs to user root (0), and this process is of user nobody (65534) (EACCES)`,
    ],
  );
});

test('without a usable loopback doctor says that the port is free and connections are not, and calls work', async (context) => {
  const { prefix, why } = networkApart();
  if (!prefix) return context.skip(why);
  const { line, home, port } = await shell(context);
  const doctor = await line('unshare -n "$@" doctor --json');
  assert.equal(doctor.code, 0);
  const { what, hint } = reportedAbout('port', doctor);
  assert.equal(
    what.replace(/ENETUNREACH|EADDRNOTAVAIL/, 'CODE'),
    `${port} is free, but this process may not connect to it (CODE): calls go through the socket in ${home}/broker-${port}, to sessions with the same folder`,
  );
  assert.equal(hint, 'for send, ping and other machines run it outside the sandbox');
  const calls = '"$@" wait ann --timeout 60 & "$@" post ann hi; wait';
  const asked = await line(`unshare -n sh -c '${calls}' sh "$@"`);
  assert.deepEqual([asked.code, asked.text.includes('hi')], [0, true]);
  assert.match(
    (await line('unshare -n "$@" ping 127.0.0.1:1')).errors,
    /^ipc: network_forbidden: /,
  );
});

test('without a usable loopback doctor finds the broker that calls reach through the socket of the store', async (context) => {
  const { prefix, why } = networkApart();
  if (!prefix) return context.skip(why);
  const { line, begin, home, port } = await shell(context);
  const broker = begin(['broker']);
  await nextLine(broker);
  const doctor = await line('unshare -n "$@" doctor --json');
  const { ok, what } = reportedAbout('port', doctor);
  assert.equal(ok, true);
  assert.equal(
    what,
    `${port}: pid ${broker.pid} owns the broker, beyond the network of this process; calls reach it through the socket in ${home}/broker-${port}`,
  );
  assert.equal((await line('unshare -n "$@" post ann hi')).code, 0);
});

test('a port that is bound, but refuses connections, is not free', async (context) => {
  const { line, port } = await shell(context);
  const python = spawn('python3', [
    '-c',
    `import socket,sys; s=socket.socket(); s.bind(("127.0.0.1",${port})); print("bound",flush=True); sys.stdin.read()`,
  ]);
  context.after(() => python.kill('SIGKILL'));
  const isBound = await Promise.race([
    once(python.stdout, 'data').then(() => true),
    once(python, 'exit').then(() => false),
    once(python, 'error').then(() => false),
  ]);
  if (!isBound) return context.skip('no Python here');
  const doctor = await line('"$@" doctor --json');
  assert.equal(doctor.code, 1);
  assert.equal(
    reportedAbout('port', doctor).what,
    `${port} is held by a program that cannot be found, which does not answer as a broker`,
  );
});

test('a port that needs special rights is reported before the first call', async (context) => {
  const place = await shell(context);
  const other = await otherUser(context, place);
  if (typeof other === 'string') return context.skip(other);
  const start = await readFile('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8');
  if (Number(start) <= 81) return context.skip('every user may bind port 81 here');
  const doctor = await other('doctor', '--json', '--port', '81');
  assert.equal(doctor.code, 1);
  assert.match(
    reportedAbout('port', doctor).what,
    /^address_unusable: cannot listen on 127\.0\.0\.1:81 \(EACCES\)/,
  );
});

test('the holder of another address is not taken for the owner', async (context) => {
  const { begin, line, port } = await shell(context);
  // This process has a lower id, so it would be found first.
  const elsewhere = createServer().listen({ port, host: '127.0.0.2', exclusive: true });
  context.after(() => elsewhere.close());
  await once(elsewhere, 'listening');
  const broker = begin(['broker']);
  await nextLine(broker);
  const doctor = await line('"$@" doctor --json');
  const owner = `pid ${broker.pid} (node)`;
  assert.equal(reportedAbout('port', doctor).what, `${port}: ${owner} owns the broker`);
  const { errors } = await line('"$@" status', { IPC_KEY: '00'.repeat(32) });
  assert.ok(errors.includes(`port ${port} is held by ${owner} with another key`), errors);
});

test('a port that is held on another address only is free', async (context) => {
  const { run, port } = await shell(context);
  const elsewhere = createServer().listen({ port, host: '127.0.0.2', exclusive: true });
  context.after(() => elsewhere.close());
  await once(elsewhere, 'listening');
  const doctor = await run(['doctor', '--json']);
  assert.deepEqual([doctor.code, reported(doctor).filter(({ ok }) => !ok)], [0, []]);
  assert.match(reportedAbout('port', doctor).what, /is free: /);
  assert.equal((await run(['post', 'ann', 'hi'])).code, 0);
});
