// How long a call may take, for each host that sends its name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectiveSeconds, findProfile } from '../../../src/hosts/profiles.ts';

const rows: [name: string | undefined, asked: number, effective: number][] = [
  ['claude-code', 300, 300],
  ['claude-code', 60, 60],
  ['codex-mcp-client', 300, 290],
  ['codex-mcp-client', 60, 60],
  ['gemini-cli-mcp-client', 300, 300],
  ['claude-ai', 300, 230],
  ['claude-ai', 60, 60],
  ['opencode', 300, 55],
  ['opencode', 10, 10],
  // The SDK gives up at 60 s; a host that asks for longer has set its own limit.
  ['unknown', 54, 54],
  ['unknown', 55, 55],
  ['unknown', 56, 55],
  ['unknown', 60, 55],
  ['unknown', 61, 61],
  ['unknown', 300, 300],
  [undefined, 60, 55],
];

for (const [name, asked, effective] of rows) {
  test(`${name ?? 'a host without a name'} that asks for ${asked} s gets ${effective} s`, () => {
    assert.equal(effectiveSeconds(asked, findProfile(name), {}), effective);
  });
}

test('IPC_MAX_WAIT overrides the limit of a host, and must be a timeout', () => {
  const of = (name: string, asked: number, seconds: string) =>
    effectiveSeconds(asked, findProfile(name), { IPC_MAX_WAIT: seconds });
  assert.equal(of('codex-mcp-client', 300, '300'), 300);
  assert.equal(of('claude-code', 300, '100'), 100);
  assert.equal(of('unknown', 60, '300'), 60);
  assert.equal(of('unknown', 10, '100'), 10);
  assert.throws(() => of('unknown', 10, 'long'), {
    message: 'IPC_MAX_WAIT cannot be used; it needs whole seconds from 1 to 300',
  });
});

test('the hosts that drop calls silently, and those that make one at a time', () => {
  const facts = ['claude-code', 'codex-mcp-client', 'gemini-cli-mcp-client'].map((name) => {
    const host = findProfile(name);
    return [host?.drops, host?.isSerial, host?.wantsProgress];
  });
  assert.deepEqual(facts, [
    [false, false, false],
    [true, true, false],
    [true, false, false],
  ]);
  assert.equal(findProfile('opencode')?.wantsProgress, true);
  assert.equal(findProfile('zed'), undefined);
});
