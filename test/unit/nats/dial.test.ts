// Connections through a NATS server whose own connection is gone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dialOwner, WireListener } from '../../../src/nats/dial.ts';
import type { Nats } from '../../../src/nats/nats-server.ts';

const closed = () => {
  throw new Error('closed connection');
};
const nats = { connection: { subscribe: closed, publish: closed, request: closed } };

test('over a connection that is closed a dial is silent, and a claim ends with an error that may be retried', async () => {
  const over = nats as unknown as Nats;
  const unreachable = { name: 'IpcError', code: 'unreachable' };
  assert.throws(() => new WireListener(over, 7, 'claim', () => {}), unreachable);
  assert.equal(await dialOwner(over, 7, 'claim'), 'silent');
});
