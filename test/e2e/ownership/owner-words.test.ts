// The session that owns the broker, in the error of one that does not: its program, its name and its process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPlace } from '../../support/mcp-host.ts';

test('a session that cannot stop the broker learns the program, name and pid of its owner, and what to have it do', async (context) => {
  const place = await hostPlace(context);
  const owner = await place.host({ name: 'claude-code', env: { IPC_NAME: 'boss' } });
  await owner.call({ operation: 'broker_start' });
  const other = await place.host({ name: 'codex' });
  const { text, isError } = await other.call({ operation: 'broker_stop' });
  const session = `pid ${owner.child.pid} (claude-code, "boss")`;
  assert.equal(isError, true);
  assert.equal(
    text,
    `not_owner: the broker of port ${place.port} is owned by ${session}. To do: have ${session} call broker_stop, or end that process.`,
  );
  await owner.end();
  const unnamed = await place.host({ name: 'gemini' });
  await other.call({ operation: 'broker_start' });
  const again = await unnamed.call({ operation: 'broker_stop' });
  assert.match(again.text, new RegExp(`is owned by pid ${other.child.pid} \\(codex\\)\\. `));
});

test('a session that has given the broker up is not named as its owner', async (context) => {
  const place = await hostPlace(context);
  const owner = await place.host({ name: 'claude-code' });
  await owner.call({ operation: 'broker_start' });
  await owner.call({ operation: 'broker_stop' });
  const other = await place.host({ name: 'codex' });
  assert.equal(
    (await other.call({ operation: 'broker_stop' })).text,
    `not_owner: this session does not own the broker of port ${place.port}. To do: do this in the session that owns the broker.`,
  );
});
