import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerInfo } from '@nats-io/transport-node';
import { serverWarnings } from '../../../src/nats/server-warnings.ts';

function weaknesses(version: string, replicas: number): string[] {
  const found = { name: 'ipc-19901', replicas, bytesMax: 1, isInMemory: false };
  const texts = serverWarnings({ version } as ServerInfo, found);
  return ['2 minutes', 'lose all mail', 'has lost', 'one copy'].filter((words) =>
    texts.some((text) => text.includes(words)),
  );
}

const expected: readonly [version: string, replicas: number, weaknesses: readonly string[]][] = [
  ['2.9.10', 1, ['2 minutes', 'one copy']],
  ['2.9.17', 3, ['2 minutes', 'lose all mail']],
  ['2.9.18', 3, ['2 minutes']],
  ['2.10.0', 3, ['has lost']],
  ['2.12.6', 3, ['has lost']],
  ['2.12.7', 3, []],
  ['2.12.7-RC.1', 1, ['one copy']],
  ['2.13.1', 3, ['has lost']],
  ['2.14.0', 3, []],
  ['3.0.0', 3, []],
];

for (const [version, replicas, weak] of expected) {
  test(`a warning of ${version} with ${replicas} copies: ${weak.join(', ') || 'none'}`, () => {
    assert.deepEqual(weaknesses(version, replicas), weak);
  });
}

test('a stream in memory, or without a limit, is a warning', () => {
  const found = { name: 'ipc-7', replicas: 3, bytesMax: 1, isInMemory: false };
  const sound = { version: '2.14.0' } as ServerInfo;
  assert.match(serverWarnings(sound, { ...found, isInMemory: true }).join(), /ipc-7 is in memory/);
  const unlimited = { ...found, bytesMax: Number.POSITIVE_INFINITY };
  assert.match(serverWarnings(sound, unlimited).join(), /ipc-7 has no limit/);
});

test('while there is no connection, no warning is about the version of the server', () => {
  const found = { name: 'ipc-7', replicas: 3, bytesMax: 1, isInMemory: false };
  assert.deepEqual(serverWarnings(undefined, found), []);
});
