// `ipc broker` as a service: it stays, as the owner or as a standby.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { freePort } from '../../support/places.ts';
import { ended, shell } from '../../support/processes/shell.ts';

/** The next lines of a command, of stdout and of stderr together. */
function linesOf(child: ChildProcess): () => Promise<string> {
  const lines: string[] = [];
  let wake = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    assert(stream);
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      wake();
    });
  }
  return async () => {
    for (;;) {
      const line = lines.shift();
      if (line !== undefined) return line;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

test('a broker stands by while a wait owns the store, and takes over within a second of its end', async (context) => {
  const { port, begin, run } = await shell(context);
  const first = begin(['wait', 'someone', '--timeout', '5']);
  while ((await run(['ping', `127.0.0.1:${port}`])).code !== 0);
  const service = begin(['broker']);
  const next = linesOf(service);
  const where = `on port ${port} (127.0.0.1; epoch 1)`;
  const standby = `Standby: pid ${first.pid} owns the broker ${where}, and this session takes over when it ends.`;
  assert.equal(await next(), standby);
  assert.equal(await exitCode(first), 124);
  const freed = performance.now();
  const owner = `This session owns the broker on port ${port} (127.0.0.1; pid ${service.pid}, epoch 2); 0 messages in it.`;
  assert.equal(await next(), owner);
  assert.ok(performance.now() - freed < 1_000);
  assert.equal((await run(['ping', `127.0.0.1:${port}`])).code, 0);
});

test('SIGTERM ends an owner and a standby with exit code 0, and hands the broker over', async (context) => {
  const { port, begin } = await shell(context);
  const [first, second, third] = [begin(['broker']), undefined, undefined] as const;
  assert.match(await linesOf(first)(), /^This session owns the broker/);
  const standbys = [second, third].map(() => begin(['broker']));
  const nexts = standbys.map(linesOf);
  for (const next of nexts) assert.match(await next(), new RegExp(`^Standby: pid ${first.pid} `));
  first.kill('SIGTERM');
  assert.equal(await exitCode(first), 0);
  const said = await Promise.all(nexts.map((next) => next()));
  const owns = said.findIndex((line) => line.startsWith('This session owns'));
  const [owner, standby] = owns === 0 ? standbys : standbys.toReversed();
  assert(owner && standby);
  assert.match(
    said[1 - owns] ?? '',
    new RegExp(`^Standby: pid ${owner.pid} owns .* on port ${port}`),
  );
  standby.kill('SIGTERM');
  assert.equal(await exitCode(standby), 0);
  owner.kill('SIGINT');
  assert.equal(await exitCode(owner), 0);
});

test('a broker takes over from an owner that is killed', async (context) => {
  const { begin } = await shell(context);
  const first = begin(['broker']);
  assert.match(await linesOf(first)(), /^This session owns/);
  const next = linesOf(begin(['broker']));
  assert.match(await next(), /^Standby: /);
  first.kill('SIGKILL');
  assert.match(
    await next(),
    /^This session owns the broker on port \d+ \(127\.0\.0\.1; .*epoch 2\)/,
  );
});

test('the line that closes the network, or retries dead letters, names the port that was named', async (context) => {
  const { run, port } = await shell(context, { IPC_PORT: `${await freePort()}` });
  const other = ['--port', `${port}`];
  const opened = await run(['broker', ...other, '--bind', '0.0.0.0', '--once']);
  const [, line = ''] = /^The next owner .*\(`(ipc .*)`\)\.$/m.exec(opened.text) ?? [];
  assert.equal(line, `ipc broker --port ${port} --bind 127.0.0.1 --once`);
  assert.match((await run(line.split(' ').slice(1))).text, /\(127\.0\.0\.1; pid/);
  await run(['post', 'work', 'hi', ...other]);
  await run(['work', 'work', ...other, '--attempts', '1', '--', 'sh', '-c', 'kill $PPID; exit 3']);
  const status = await run(['status', ...other]);
  assert.match(status.text, new RegExp(`\`ipc store retry --port ${port}\` moves them back`));
});

test('a broker that ends says which addresses the next owner opens, also if another session owns it', async (context) => {
  const { begin, run } = await shell(context);
  const open =
    'The next owner listens on 0.0.0.0, too, until a session binds 127.0.0.1 (`ipc broker --bind 127.0.0.1 --once`).';
  const owner = begin(['broker', '--bind', '0.0.0.0']);
  const ownerSays = linesOf(owner);
  assert.match(await ownerSays(), /^This session owns .*\(0\.0\.0\.0;/);
  assert.equal(await ownerSays(), open);
  const standby = begin(['broker']);
  const standbySays = linesOf(standby);
  assert.match(await standbySays(), /^Standby: /);
  assert.equal(await standbySays(), open);
  standby.kill('SIGINT');
  assert.equal(await standbySays(), open);
  assert.equal(await exitCode(standby), 0);
  owner.kill('SIGINT');
  assert.equal(await ownerSays(), open);
  assert.equal(await exitCode(owner), 0);

  const status = await run(['status']);
  assert.ok((status.text + status.errors).includes(open));
  const closed = ended(begin(['broker', '--bind', '127.0.0.1', '--once']));
  assert.equal((await closed).code, 0);
  const after = await run(['status']);
  assert.doesNotMatch(after.text + after.errors, /next owner/);
});

test('with --once a broker says which session owns it, and exits; with --json it prints each role', async (context) => {
  const { port, begin, run } = await shell(context);
  const service = begin(['broker', '--json']);
  const next = linesOf(service);
  const { pid } = service;
  const mail = { messages: 0, warnings: [], server: null };
  const fields = { port, pid, epoch: 1, addresses: ['127.0.0.1'], ...mail };
  assert.deepEqual(JSON.parse(await next()), { ...fields, role: 'owner' });
  const brief = await run(['broker', '--once', '--json']);
  assert.deepEqual([brief.code, JSON.parse(brief.text)], [0, { ...fields, role: 'client' }]);
  const standby = begin(['broker', '--json']);
  const standbySays = linesOf(standby);
  assert.deepEqual(JSON.parse(await standbySays()), { ...fields, role: 'client' });
  service.kill('SIGTERM');
  const own = { ...fields, pid: standby.pid, epoch: 2, role: 'owner' };
  assert.deepEqual(JSON.parse(await standbySays()), own);
});

test('a broker that can never own this port says why, and exits', async (context) => {
  const one = await shell(context);
  const other = await shell(context);
  const owner = one.begin(['broker']);
  assert.match(await linesOf(owner)(), /^This session owns/);
  const { text: key } = await one.run(['key', 'show']);
  const env = { IPC_PORT: `${one.port}`, IPC_KEY: key.trim() };
  const { code, errors } = await other.line('exec "$@" broker', env);
  assert.equal(code, 1);
  assert.match(errors, new RegExp(`^ipc: not_owner: pid ${owner.pid} owns the broker of port`));
  const far = await one.line('exec "$@" broker --bind 127.0.0.2', {
    IPC_BROKER: '192.0.2.1:19901',
  });
  assert.equal(far.code, 2);
  assert.equal(
    far.errors,
    'ipc: bad_parameter: bind: the broker is on 192.0.2.1 port 19901. To do: do it on that machine, or leave bind out.\n',
  );
});
