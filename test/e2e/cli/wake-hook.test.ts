// `ipc wake` with real processes: what its host sees of it, when it ends, and that it never owns the broker.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { identify, isRunning } from '../../../src/app/process-identity.ts';
import { findTarget, perform } from '../../../src/hosts/installer.ts';
import { configFolders } from '../../../src/hosts/targets.ts';
import { planWake } from '../../../src/hosts/wake/hooks.ts';
import { parseName } from '../../../src/model/message.ts';
import { findPortOwner } from '../../../src/session/port-owner.ts';
import { Inbox } from '../../support/inbox.ts';
import { program } from '../../support/mcp-host.ts';
import { assertRuns, type HookPlace, hookPlace } from '../../support/processes/hooks.ts';
import { nextErrorLine, nextLine } from '../../support/processes/shell.ts';

const silent = { code: 0, text: '', errors: '' };

test('mail wakes Claude Code: a notice on stderr, nothing on stdout, exit code 2', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  await brokerOf(place);
  place.opensSession(host);
  const hook = place.claude(host);
  await place.watching('ann');
  await place.run(['post', 'ann', 'the text', '--from', 'ben']);
  const { code, text, errors } = await hook.ended;
  assert.deepEqual([code, text], [2, '']);
  assert.equal(
    errors,
    '[ipc] Automatic notice, not from your user: 1 message waits in mailbox "ann" (notice 1). Read it with the ipc tool: wait on "ann".\n',
  );
  const { bodies } = await fetched(place, 'ann');
  assert.deepEqual(bodies, ['the text']);
});

test('an agent that asks to be woken is woken by the hook where its host has no better way', async (context) => {
  const place = await hookPlace(context);
  await installHook(place);
  await brokerOf(place);
  const host = await place.startServer();
  const { text } = await host.call({ operation: 'watch', mailbox: 'ann' });
  assert.match(text, /^You will be woken /);
  // This process is the one that has started the server.
  const hook = place.claude(process);
  await place.watching('ann');
  await place.run(['post', 'ann', 'x', '--from', 'ben']);
  assert.equal((await hook.ended).code, 2);
  await host.end();
  assert.equal((await place.claude(process).ended).code, 0);
});

test('the hook leaves a session to its server where that has a way to wake it', async (context) => {
  const place = await hookPlace(context);
  await installHook(place);
  await brokerOf(place);
  const { home } = place;
  const { env } = await Inbox.open(context);
  const host = await place.startServer(env);
  await host.call({ operation: 'watch', mailbox: 'ann' });
  const file = join(home, 'sessions', `${process.pid}.json`);
  const { byHook } = JSON.parse(await readFile(file, 'utf8'));
  assert.equal(byHook, false);
  assert.equal((await place.claude(process).ended).code, 0);
});

test('the hook ends at once, without a word, where there is nothing to wait for', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  const asked = { IPC_WAKE: 'ann' };
  const cases = {
    'it is in another host': place.claude(host, { CLAUDE_PID: '', ...asked }),
    'its host has ended': place.claude({ ...host, pid: 2 ** 22 + 1 }, asked),
    'no mailbox is known': place.claude(host),
    // `claude -p TEXT` waits until its hooks have ended.
    'nobody attends the session': place.claude(host, { CLAUDE_CODE_SESSION_ATTENDED: '0' }),
  };
  for (const [why, hook] of Object.entries(cases)) {
    const { code, text, errors } = await hook.ended;
    assert.deepEqual({ code, text, errors }, silent, why);
  }
  place.opensSession(host, { byHook: false });
  const served = await place.claude(host, asked).ended;
  assert.deepEqual([served.code, served.text, served.errors], [0, '', ''], 'the server wakes it');
  place.opensSession(host);
  const unattended = place.claude(host, { CLAUDE_CODE_SESSION_ATTENDED: '0' });
  assert.equal((await unattended.ended).code, 0, 'nobody attends the session, which watches');
});

test('IPC_WAKE asks for it without a word of the agent, also where nobody attends', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  await brokerOf(place);
  const hook = place.claude(host, {
    CLAUDE_CODE_SESSION_ATTENDED: '0',
    IPC_WAKE: 'team,ann',
  });
  await place.watching('team');
  await place.run(['post', 'ann', 'x', '--from', 'ben']);
  const { code, errors } = await hook.ended;
  assert.equal(code, 2);
  assert.match(errors, /wait on "ann"\.\n$/);
});

test('the hook ends within 3 s of the end of its host, also after kill -9', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  await brokerOf(place);
  place.opensSession(host);
  const hook = place.claude(host);
  await place.watching('ann');
  host.child.kill('SIGKILL');
  await once(host.child, 'exit');
  const since = performance.now();
  const { code, text, errors } = await hook.ended;
  assert.deepEqual({ code, text, errors }, silent);
  assert.ok(performance.now() - since < 3_000);
});

test('four ends of turns leave one hook', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  await brokerOf(place);
  place.opensSession(host);
  const first = place.claude(host);
  await place.watching('ann');
  const later = [place.claude(host), place.claude(host), place.claude(host)];
  for (const hook of later) assert.equal((await hook.ended).code, 0);
  assertRuns(first);
  await place.watching('ann', 1);
});

test('of four hooks that begin at the same moment one is left', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  await brokerOf(place);
  place.opensSession(host);
  const hooks = Array.from({ length: 4 }, () => place.claude(host));
  let left = hooks.length;
  const three = new Promise<void>((resolve) => {
    for (const { child } of hooks) child.once('exit', () => --left === 1 && resolve());
  });
  await three;
  const [last] = hooks.filter(({ child }) => child.exitCode === null);
  assert(last);
  await place.watching('ann', 1);
  await place.run(['post', 'ann', 'x', '--from', 'ben']);
  assert.equal((await last.ended).code, 2);
  assert.deepEqual(hooks.map(({ child }) => child.exitCode).sort(), [0, 0, 0, 2]);
});

test('a takeover does not end the watch', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  const owner = await brokerOf(place);
  await nextErrorLine(place.begin(['broker']));
  place.opensSession(host);
  const hook = place.claude(host);
  await place.watching('ann');
  owner.kill('SIGKILL');
  await place.watching('ann');
  await place.run(['post', 'ann', 'x', '--from', 'ben']);
  assert.equal((await hook.ended).code, 2);
});

test('the hook owns no broker and makes no key, and finds the broker that is started later', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  place.opensSession(host);
  const hook = place.claude(host);
  const file = join(place.home, 'wake', `${host.pid}.json`);
  while (!existsSync(file)) await pause(10);
  const owner = await brokerOf(place);
  assert.equal((await findPortOwner(place.port))?.pid, owner.pid);
  await place.watching('ann');
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  await assert.rejects(place.guest.status(), { code: 'no_broker' });
  assertRuns(hook);
  await brokerOf(place);
  await place.watching('ann');
  await place.run(['post', 'ann', 'x', '--from', 'ben']);
  assert.equal((await hook.ended).code, 2);
});

test('the next hook does not ring again for a message that was left unread, but does for the one behind it', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  await brokerOf(place);
  place.opensSession(host);
  await place.run(['post', 'ann', 'first', '--from', 'ben']);
  await place.run(['post', 'ann', 'second', '--from', 'ben']);
  const first = await place.claude(host).ended;
  assert.match(first.errors, /2 messages wait in mailbox "ann" \(notice 1\)/);
  const hook = place.claude(host);
  await place.watching('ann');
  await place.run(['fetch', 'ann', '--max', '1']);
  const { code, errors } = await hook.ended;
  assert.equal(code, 2);
  assert.match(errors, /1 message waits in mailbox "ann" \(notice 2\)/);
});

test('the hook follows its session: to other mailboxes, and to its end', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  await brokerOf(place);
  const session = place.opensSession(host);
  const hook = place.claude(host);
  await place.watching('ann');
  place.opensSession(host, { mailboxes: [parseName('team')] });
  await place.watching('team');
  await place.watching('ann', 0);
  session.remove();
  const { code, text, errors } = await hook.ended;
  assert.deepEqual({ code, text, errors }, silent);
});

test('exit code 2 is mail alone: a wrong line, a wrong variable and a wrong key end with 1 and a sentence', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHost();
  await brokerOf(place);
  const lines = [['wake'], ['wake', '--for', 'emacs'], ['wake', '--for', 'claude', '--what']];
  for (const line of [...lines, ['wake', 'x'], ['wake', '--for', 'gemini', '--timeout', '0']]) {
    const { code, text, errors } = await place.run(line);
    assert.deepEqual([code, text], [1, ''], line.join(' '));
    assert.match(errors, /^ipc: \w+: /);
  }
  const bare = "ipc: missing_parameter: required option '--for <host>' not specified. ";
  assert.ok((await place.run(['wake'])).errors.startsWith(bare));
  for (const [env, sentence] of [
    [{ IPC_WAKE: ' ' }, /^ipc: bad_name: IPC_WAKE cannot be used/],
    [{ IPC_WAKE: 'ann', IPC_PORT: 'x' }, /^ipc: bad_port: IPC_PORT cannot be used/],
    [{ IPC_WAKE: 'ann', IPC_KEY: 'f'.repeat(64) }, /^ipc: key_mismatch: /],
  ] as const) {
    const { code, text, errors } = await place.claude(host, env).ended;
    assert.deepEqual([code, text], [1, ''], errors);
    assert.match(errors, sentence);
  }
});

for (const [name, output] of [
  ['gemini', (reason: string) => ({ decision: 'deny', reason })],
  ['cursor', (text: string) => ({ followup_message: text })],
] as const) {
  test(`mail ends the turn that the hook of ${name} holds open, with the JSON that it wants`, async (context) => {
    const place = await hookPlace(context);
    const host = place.startHolder(name);
    await brokerOf(place);
    place.opensSession(host);
    const lines = linesOf(host.child);
    host.child.stdin?.write('\n');
    await place.watching('ann');
    await place.run(['post', 'ann', 'x', '--from', 'ben']);
    const notice =
      '[ipc] Automatic notice, not from your user: 1 message waits in mailbox "ann" (notice 1). Read it with the ipc tool: wait on "ann".';
    assert.deepEqual(JSON.parse(await lines()), output(notice));
    assert.equal(await lines(), 'exit 0');
  });
}

test('a hook whose state folder is opened to others while it waits ends with 1 and a sentence', async (context) => {
  const place = await hookPlace(context);
  await brokerOf(place);
  const host = place.startHost();
  const hook = place.claude(host, { IPC_WAKE: 'ann' });
  await place.watching('ann');
  await chmod(place.home, 0o777);
  const { code, text, errors } = await hook.ended;
  await chmod(place.home, 0o700);
  assert.deepEqual([code, text], [1, '']);
  assert.match(errors, /^ipc: home_unusable: .* can be written by all users.* To do: .*\n$/);
});

test('a hook that holds the turn open ends silently when its time is over, or when the next one begins', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHolder('gemini', '--timeout 600');
  await brokerOf(place);
  place.opensSession(host);
  const lines = linesOf(host.child);
  host.child.stdin?.write('\n');
  await place.watching('ann');
  const first = await hookOf(place, host.pid);
  // The user has ended the turn with Esc, and Gemini CLI has left the first one running.
  host.child.stdin?.write('\n');
  assert.equal(await lines(), 'exit 0');
  await place.watching('ann');
  assert.notDeepEqual(await hookOf(place, host.pid), first);
  assert.equal(isRunning(first), false);

  const short = place.startHolder('gemini', '--timeout 1');
  place.opensSession(short);
  short.child.stdin?.write('\n');
  assert.equal(await linesOf(short.child)(), 'exit 0');
});

test('a hook that holds the turn open ends with its host', async (context) => {
  const place = await hookPlace(context);
  const host = place.startHolder('gemini');
  await brokerOf(place);
  place.opensSession(host);
  host.child.stdin?.write('\n');
  await place.watching('ann');
  const hook = await hookOf(place, host.pid);
  const since = performance.now();
  host.child.kill('SIGKILL');
  while (isRunning(hook)) await pause(10);
  assert.ok(performance.now() - since < 3_000);
});

test('a host inside of another one does not wake for the mail of the outer one', async (context) => {
  const place = await hookPlace(context);
  const outer = place.startHost();
  place.opensSession(outer);
  const inner = place.startHolder('gemini');
  inner.child.stdin?.write('\n');
  assert.equal(await linesOf(inner.child)(), 'exit 0');
});

/** In the settings of Claude Code. */
async function installHook({ home }: HookPlace): Promise<void> {
  const server = { command: process.execPath, args: [program, 'mcp'] };
  const folders = { ...configFolders({}), home, claude: home };
  const step = await planWake('install', findTarget('claude'), server, folders);
  assert(step);
  await perform(step);
}

/** Resolves when it serves. */
async function brokerOf(place: HookPlace) {
  const broker = place.begin(['broker']);
  await nextLine(broker);
  return broker;
}

async function fetched({ run }: HookPlace, mailbox: string): Promise<{ bodies: string[] }> {
  const { text } = await run(['fetch', mailbox, '--json']);
  return {
    bodies: text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).body),
  };
}

async function hookOf({ home }: HookPlace, pid: number) {
  const { hook } = JSON.parse(await readFile(join(home, 'wake', `${pid}.json`), 'utf8'));
  assert.deepEqual(identify(hook.pid), hook);
  return hook;
}

/** Each call returns the next line of stdout. */
function linesOf({ stdout }: { stdout: NodeJS.ReadableStream | null }): () => Promise<string> {
  assert(stdout);
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return async () => (await lines.next()).value ?? 'the end';
}
