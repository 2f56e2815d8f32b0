// `ipc doctor`: what a machine has, what is amiss, and what to do.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from '../../../src/index.ts';
import { freePort } from '../../support/places.ts';
import { reportedAbout } from '../../support/processes/doctor.ts';
import { nextLine, shell } from '../../support/processes/shell.ts';

test('on a fresh machine all is well, and nothing is created', async (context) => {
  const { run, home, port } = await shell(context);
  const { code, text } = await run(['doctor']);
  assert.equal(code, 0);
  assert.match(text, /^ok {3}Node: v\d+\.\d+\.\d+\.\n/);
  assert.match(text, new RegExp(`\nok   port: ${port} is free: `));
  assert.match(text, /\nok {3}store: .*, created by the first post\.\n/);
  assert.equal(existsSync(home), false);
});

test('owner, key and store of a running broker are reported', async (context) => {
  const { run, begin, home, port } = await shell(context);
  const broker = begin(['broker']);
  await nextLine(broker);
  await run(['post', 'B', 'hi']);
  const { code, text } = await run(['doctor']);
  assert.equal(code, 0);
  assert.match(text, new RegExp(`\nok   key: ${join(home, 'key')}\\.\n`));
  assert.match(
    text,
    new RegExp(`\nok   port: ${port}: pid ${broker.pid} \\(.*\\) owns the broker`),
  );
  assert.match(text, /\nok {3}store: .*: 1 unsettled message\.\n/);
});

test('each problem is reported with its remedy, and the exit code is 1', async (context) => {
  const { run, home, port } = await shell(context);
  const stranger = createServer().listen(port, '127.0.0.1');
  context.after(() => stranger.close());
  await once(stranger, 'listening');
  await mkdir(home);
  await chmod(home, 0o755);
  await writeFile(join(home, 'key'), 'no key', { mode: 0o600 });
  const { code, text } = await run(['doctor', '--json']);
  assert.equal(code, 1);
  const bad = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ ok }) => !ok);
  assert.deepEqual(
    bad.map(({ about }) => about),
    ['folder', 'key', 'port'],
  );
  assert.equal(bad[0].hint, `chmod 700 '${home}'`);
  assert.match(bad[1].what, /^key_unusable: /);
  assert.match(bad[2].what, new RegExp(`^${port} is held by pid ${process.pid} `));
});

test('a wrong variable is reported once, and nothing is created', async (context) => {
  const { line, home } = await shell(context);
  const missing = join(home, 'no-key');
  for (const [variable, value, expected] of [
    ['IPC_KEY', 'zz', 'variables: key_unusable: IPC_KEY is not a key'],
    ['IPC_KEY_FILE', missing, `key: key_unusable: ${missing} \\(IPC_KEY_FILE\\) is not there`],
    ['IPC_HOME', 'relative', 'variables: bad_parameter: IPC_HOME is "relative"'],
    ['IPC_HOME', `/tmp/${'h'.repeat(100)}`, 'store: home_unusable: .* too long for a socket'],
    ['IPC_PORT', 'zz', 'variables: bad_port: IPC_PORT cannot be used; it needs a whole number'],
    [
      'IPC_BROKER',
      'zz:',
      'variables: bad_host: IPC_BROKER cannot be used; it needs HOST or HOST:PORT',
    ],
    ['IPC_BROKER', 'nowhere.invalid:1', 'broker: host_unknown: IPC_BROKER cannot be used'],
    ['IPC_NAME', '\t', 'variables: bad_name: IPC_NAME'],
    ['IPC_SENDS_PER_HOUR', 'zz', 'variables: bad_parameter: IPC_SENDS_PER_HOUR cannot be used'],
    ['IPC_HISTORY', '30 days', 'variables: bad_parameter: IPC_HISTORY cannot be used'],
    ['IPC_MAX_WAIT', 'zz', 'variables: bad_timeout: IPC_MAX_WAIT cannot be used'],
  ] as const) {
    const { code, text } = await line('"$@" doctor', { [variable]: value });
    const bad = text.split('\n').filter((each) => each.startsWith('BAD'));
    assert.match(bad[0] ?? '', new RegExp(`^BAD  ${expected}.* To do: `), text);
    assert.deepEqual([code, existsSync(home)], [1, false]);
  }
});

test("a file in place of the store's folder is reported", async (context) => {
  const { run, home, port } = await shell(context);
  await mkdir(home, { mode: 0o700 });
  await writeFile(join(home, `broker-${port}`), '');
  const { code, text } = await run(['doctor']);
  assert.equal(code, 1);
  assert.match(text, /\nBAD {2}store: home_unusable: .*broker-[0-9]+ is not a folder\. To do: /);
});

test('for a remote broker only its responses are checked', async (context) => {
  const { run, line, begin, port } = await shell(context);
  const elsewhere = await freePort();
  // Dialled, it is this machine; but it is no loopback address.
  const doctor = () =>
    line('"$@" doctor', { IPC_BROKER: `0.0.0.0:${port}`, IPC_PORT: `${elsewhere}` });
  const before = await doctor();
  assert.match(
    before.text,
    /\nBAD {2}broker: key_mismatch: there is no key here yet, .*`ipc help key import`\./,
  );
  await run(['key', 'new']);
  const silent = await doctor();
  assert.equal(silent.code, 1);
  assert.match(silent.text, /\nBAD {2}broker: unreachable: 0\.0\.0\.0:.*no program answers/);
  const broker = begin(['broker']);
  await nextLine(broker);
  const { code, text } = await doctor();
  assert.match(
    text,
    new RegExp(`\nok   broker: 0\\.0\\.0\\.0:${port}: pid ${broker.pid} there owns`),
  );
  assert.doesNotMatch(text, /port:|store:/);
  assert.equal(code, 0);
});

test('a local broker of another folder is good with the same key only', async (context) => {
  const one = await shell(context);
  const other = await shell(context);
  const broker = one.begin(['broker']);
  await nextLine(broker);
  const doctor = (env: Readonly<Record<string, string>>) =>
    other.line('"$@" doctor', { IPC_BROKER: `127.0.0.1:${one.port}`, ...env });
  const same = await doctor({ IPC_KEY_FILE: join(one.home, 'key') });
  const answer = `\nok   port: ${one.port}: pid ${broker.pid} \\(.*\\) owns the broker, of another folder\\.`;
  assert.match(same.text, new RegExp(answer));
  assert.equal(same.code, 0);
  const strange = await doctor({ IPC_KEY: '00'.repeat(32) });
  const mismatch = /\nBAD {2}port: key_mismatch: .* a broker with another key than the one here\./;
  assert.match(strange.text, mismatch);
  const mine = await one.line('"$@" doctor', { IPC_KEY: '00'.repeat(32) });
  assert.match(mine.text, /\nBAD {2}port: key_mismatch: /);
  assert.equal(existsSync(other.home), false);
});

test('for a host without ipc the command that installs it is shown', async (context) => {
  const { run, home } = await shell(context);
  await mkdir(join(home, '.cursor'), { recursive: true });
  await chmod(home, 0o700);
  assert.match(
    (await run(['doctor'])).text,
    /\nok {3}Cursor: does not have ipc yet\. To do: ipc install cursor\.\n/,
  );
  await run(['install', 'cursor', '--yes']);
  assert.match((await run(['doctor'])).text, /\nok {3}Cursor: has ipc; \/.*\/node \(v.*\)\.\n/);
});

test('dead letters are counted for each mailbox, with a broker and without', async (context) => {
  const { run, begin, home, port } = await shell(context);
  const mail = await open({ home, port, env: {} });
  context.after(() => mail.close());
  for (const box of ['ann', 'ann', 'ben']) await mail.post(box, 'too much');
  for (const box of ['ann', 'ben']) {
    for (let attempt = 1; attempt <= 20; attempt++) {
      for (const message of (await mail.fetch(box)).messages) await message.release();
    }
  }
  await mail.close();
  const expected = {
    about: 'dead letters',
    ok: false,
    what: '3 messages given up: 2 for "ann", 1 for "ben"',
    hint: `find out why their readers failed, then \`ipc store retry --port ${port}\` moves them back, or \`ipc fetch dead-letters --port ${port}\` reads and settles them`,
  };
  const without = await run(['doctor', '--json']);
  assert.deepEqual([without.code, reportedAbout('dead letters', without)], [1, expected]);
  const { deadLetters } = JSON.parse((await run(['store', 'check', '--json'])).text);
  assert.deepEqual(deadLetters, [
    { to: 'ann', messages: 2 },
    { to: 'ben', messages: 1 },
  ]);
  await nextLine(begin(['broker']));
  assert.deepEqual(reportedAbout('dead letters', await run(['doctor', '--json'])), expected);
  await run(['store', 'retry', '--to', 'ann']);
  const one = reportedAbout('dead letters', await run(['doctor', '--json']));
  assert.equal(one.what, '1 message given up: 1 for "ben"');
  await run(['store', 'retry']);
  assert.equal((await run(['doctor'])).code, 0);
});

test('addresses that other machines can reach are named, while a broker runs and after it', async (context) => {
  const { run, begin, port } = await shell(context);
  const hint = `if that is not wanted: ipc broker --port ${port} --bind 127.0.0.1 --once`;
  const broker = begin(['broker', '--bind', '0.0.0.0']);
  await nextLine(broker);
  const during = await run(['doctor', '--json']);
  const what = `on 0.0.0.0 port ${port}, which other machines can reach`;
  assert.equal(during.code, 0);
  assert.deepEqual(reportedAbout('network', during), {
    about: 'network',
    ok: true,
    what: `the broker listens ${what}`,
    hint,
  });
  broker.kill('SIGTERM');
  await once(broker, 'exit');
  assert.deepEqual(reportedAbout('network', await run(['doctor', '--json'])), {
    about: 'network',
    ok: true,
    what: `the next owner of the broker listens ${what}`,
    hint,
  });
});

test('a host that has the plugin needs no installation', async (context) => {
  const { run, home } = await shell(context);
  const plugins = (isOn: boolean) =>
    JSON.stringify({ enabledPlugins: { 'agent-ipc@agent-ipc': isOn } });
  await mkdir(join(home, '.claude'), { recursive: true, mode: 0o700 });
  await mkdir(join(home, '.codex'));
  await writeFile(join(home, '.claude.json'), '{}');
  await writeFile(join(home, '.claude', 'settings.json'), plugins(true));
  const table = '[plugins."agent-ipc@agent-ipc"]\nenabled =';
  await writeFile(join(home, '.codex', 'config.toml'), `${table} true\n`);
  const { text } = await run(['doctor']);
  assert.match(
    text,
    /\nok {3}Claude Code: has ipc, by its plugin; `node` is .*\n[\s\S]*\nok {3}Codex: has ipc, by its plugin; `node` is /,
  );
  await writeFile(join(home, '.claude', 'settings.json'), plugins(false));
  await writeFile(join(home, '.codex', 'config.toml'), `${table} false\n`);
  const off = (await run(['doctor'])).text;
  assert.match(
    off,
    /\nok {3}Claude Code: only .*\.claude\.json is here, .*\nok {3}Codex: only .*\.codex is here, and no program "codex" on this PATH\. /,
  );
});
