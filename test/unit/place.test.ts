// What a process takes from its environment.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Environment, Place } from '../../src/place.ts';

function portOf(env: Environment): Promise<number> {
  return new Place({ env, program: 'test' }).port({});
}

test('the port is that of IPC_BROKER, of IPC_PORT, or the default', async () => {
  assert.equal(await portOf({ IPC_BROKER: '127.0.0.1:7', IPC_PORT: '8' }), 7);
  assert.equal(await portOf({ IPC_PORT: '8' }), 8);
  assert.equal(await portOf({}), 19_901);
});

test('a wrong variable is named; its value may be a secret', async () => {
  const wrong = { name: 'IpcError', message: 'IPC_BROKER cannot be used' };
  const refused = (value: string) => portOf({ IPC_BROKER: value });
  await assert.rejects(refused('nats://user:secret@host'), { ...wrong, code: 'bad_host' });
  await assert.rejects(refused('secret:70000'), { ...wrong, code: 'bad_port' });
  await assert.rejects(refused('192.0.2.1:7'), { ...wrong, code: 'not_loopback' });
  const message = 'IPC_PORT cannot be used';
  await assert.rejects(portOf({ IPC_PORT: 'secret' }), { code: 'bad_port', message });
});
