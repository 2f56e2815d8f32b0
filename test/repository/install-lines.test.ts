// The lines that install the program can be pasted, wherever the clone is.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { type Install, installLines } from '../../scripts/generate/install-lines.ts';

const shells = ['Claude Code', 'Codex', 'Gemini CLI'];

test('a plain path needs no quotes', () => {
  const lines = installLines('/home/ann/agent-ipc/', 'linux').map(({ line }) => line);
  assert.deepEqual(lines, [
    'claude mcp add ipc -s user -- node /home/ann/agent-ipc/dist/ipc.js mcp',
    'codex mcp add ipc -- node /home/ann/agent-ipc/dist/ipc.js mcp',
    'gemini mcp add -s user ipc node /home/ann/agent-ipc/dist/ipc.js mcp',
    '{"mcpServers":{"ipc":{"command":"node","args":["/home/ann/agent-ipc/dist/ipc.js","mcp"]}}}',
    '{"servers":{"ipc":{"type":"stdio","command":"node","args":["/home/ann/agent-ipc/dist/ipc.js","mcp"]}}}',
    '{"mcp":{"ipc":{"type":"local","command":["node","/home/ann/agent-ipc/dist/ipc.js","mcp"],"enabled":true}}}',
    '{"context_servers":{"ipc":{"command":"node","args":["/home/ann/agent-ipc/dist/ipc.js","mcp"],"env":{}}}}',
  ]);
});

test('a shell passes any path as one word', { skip: process.platform === 'win32' }, () => {
  for (const root of ['/tmp/my agents', '/tmp/ann\'s $HOME `x` \\ "y"', '/tmp/ä*', '/tmp/~']) {
    for (const install of installLines(root, 'linux')) {
      if (!shells.includes(install.host)) continue;
      assert.deepEqual(pasted(install).slice(-3), ['node', `${root}/dist/ipc.js`, 'mcp']);
    }
  }
});

test('the JSON lines carry any path', () => {
  const root = '/tmp/ann\'s "agents"';
  const [cursor, code] = installLines(root, 'linux')
    .filter(({ host }) => !shells.includes(host))
    .map(({ line }) => JSON.parse(line));
  const server = { command: 'node', args: [`${root}/dist/ipc.js`, 'mcp'] };
  assert.deepEqual(cursor, { mcpServers: { ipc: server } });
  assert.deepEqual(code, { servers: { ipc: { type: 'stdio', ...server } } });
});

test('on Windows a path with spaces is in double quotes', () => {
  const [claude] = installLines('C:\\my agents', 'win32');
  assert.equal(
    claude?.line,
    'claude mcp add ipc -s user -- node "C:\\my agents\\dist\\ipc.js" mcp',
  );
});

/** The arguments that the host's program gets from a shell. */
function pasted({ line }: Install): string[] {
  const program = line.split(' ')[0];
  const script = `${program}() { printf '%s\\0' "$@"; }\n${line}\n`;
  return execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
}
