// Hosts that answer one prompt and end: a process under the name of each stands in for it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeHome } from '../../../support/places.ts';
import { lookFrom } from '../../../support/waking/standing-host.ts';

const skip = process.platform === 'linux' ? false : 'only Linux shows the arguments of the host';
const thread = '01a2259e-ec13-7672-a4d7-c40a42dfa623';
/** The inbox of Claude Code and of Qwen Code, for all tests. */
const server = createServer();
const socket = join(tmpdir(), `ipc-one-shot-${process.pid}.sock`);
before(async () => {
  server.listen(socket);
  await once(server, 'listening');
});
after(() => server.close());
const claude = { CLAUDE_CODE_MESSAGING_SOCKET: socket };
const qwen = { QWEN_CODE_MESSAGING_SOCKET: socket };
/** With the socket of the plugin. */
const openCode = { OPENCODE_PID: '1' };
const queue = ['codex queue'];
const plugin = ['opencode plugin'];
const both = ['inbox', 'background command'];

const cases = [
  ['claude', 'claude-code', claude, '--model opus', both],
  ['claude', 'claude-code', claude, '-p hello', []],
  ['claude', 'claude-code', claude, 'hello --print', []],
  ['claude.exe', 'claude-code', claude, '-p --input-format stream-json', both],
  ['claude', 'claude-code', claude, '-p --input-format=stream-json', both],
  ['codex', 'codex-mcp-client', {}, '--no-daemon', queue],
  ['codex', 'codex-mcp-client', {}, 'exec hello', []],
  ['codex', 'codex-mcp-client', {}, '-c x=1 e hello', []],
  ['qwen', 'qwen-cli-mcp-client-ipc', qwen, '-i hello', both],
  ['qwen', 'qwen-cli-mcp-client-ipc', qwen, '-p hello', []],
  ['opencode', 'opencode', openCode, '--prompt hello', plugin],
  ['opencode', 'opencode', openCode, 'run hello', []],
  ['copilot', 'copilot-cli', {}, '-i hello', ['background command']],
  ['copilot', 'copilot-cli', {}, '--prompt hello', []],
] as const;

for (const [program, host, env, args, paths] of cases) {
  const can = paths.length > 0 ? 'can' : 'cannot';
  test(`the agent of \`${program} ${args}\` ${can} be woken`, { skip }, async (context) => {
    const folder = await makeHome(context);
    await mkdir(join(folder, 'wake'));
    await writeFile(join(folder, 'wake/opencode-1.sock'), '');
    const standing = { folder, program, args: args.split(' ') };
    const look = { host, thread, env: { ...env, IPC_HOME: folder } };
    assert.deepEqual(await lookFrom(standing, look), { paths });
  });
}

test('a host whose file is named by its version is known by the name of its command', {
  skip,
}, async (context) => {
  const folder = await makeHome(context);
  const standing = { folder, program: '2.1.332', alias: 'claude' };
  const look = { host: 'claude-code', env: { ...claude, HOME: folder } };
  assert.deepEqual(await lookFrom({ ...standing, args: ['-p', 'hello'] }, look), { paths: [] });
  assert.deepEqual(await lookFrom({ ...standing, args: ['--model', 'opus'] }, look), {
    paths: both,
  });
});

test('a hook wakes no agent of `claude -p hello`', { skip }, async (context) => {
  const folder = await makeHome(context);
  await mkdir(join(folder, '.claude'));
  const hook = { type: 'command', command: 'node', args: ['ipc.js', 'wake', '--for', 'claude'] };
  const settings = { hooks: { Stop: [{ hooks: [hook] }] } };
  await writeFile(join(folder, '.claude/settings.json'), JSON.stringify(settings));
  const look = { host: 'claude-code', env: { HOME: folder } };
  const pathsOf = async (args: string) =>
    (await lookFrom({ folder, program: 'claude', args: args.split(' ') }, look)).paths;
  assert.deepEqual(await pathsOf('--model opus'), ['hook', 'background command']);
  assert.deepEqual(await pathsOf('-p hello'), []);
});
