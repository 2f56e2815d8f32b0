// How a process finds its broker, from a call and from the environment.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppContext, type BrokerAddress, type BrokerSession } from '../../../src/app/context.ts';
import type { Environment } from '../../../src/app/environment.ts';
import { replaceResolver } from '../../support/resolver.ts';

async function portOf(env: Environment): Promise<number> {
  return (await brokerOf(env)).port;
}

function brokerOf(env: Environment, at: BrokerAddress = {}): Promise<BrokerSession> {
  return new AppContext({ env, program: 'test' }).broker(at);
}

test('the port is that of IPC_BROKER, of IPC_PORT, or the default', async () => {
  assert.equal(await portOf({ IPC_BROKER: '127.0.0.1:7', IPC_PORT: '8' }), 7);
  assert.equal(await portOf({ IPC_PORT: '8' }), 8);
  assert.equal(await portOf({}), 19_901);
});

test('a broker host without a port has that of the call, of IPC_PORT, or the default', async () => {
  const far = { host: { host: '192.0.2.1' } };
  assert.equal((await brokerOf({}, far)).name, '192.0.2.1:19901');
  assert.equal((await brokerOf({ IPC_PORT: '8' }, far)).name, '192.0.2.1:8');
  assert.equal((await brokerOf({ IPC_PORT: '8' }, { ...far, port: 9 })).name, '192.0.2.1:9');
  assert.equal((await brokerOf({ IPC_BROKER: '192.0.2.1' })).name, '192.0.2.1:19901');
  assert.equal((await brokerOf({ IPC_BROKER: '::1', IPC_PORT: '8' })).name, '8');
});

test('the name of a broker on another machine is its address; a loopback host is this machine', async () => {
  const env = { IPC_BROKER: '192.0.2.1:7' };
  assert.equal((await brokerOf(env)).name, '192.0.2.1:7');
  assert.equal((await brokerOf(env, { port: 8 })).name, '8');
  const host = (name: string) => ({ host: { host: name, port: 9 } });
  assert.equal((await brokerOf(env, host('127.0.0.1'))).name, '9');
  assert.equal((await brokerOf({}, host('192.0.2.2'))).name, '192.0.2.2:9');
});

test('the error of a wrong variable names it without its value, which may be a secret', async () => {
  const refused = (env: object, code: string, message: string) =>
    assert.rejects(portOf({ ...env }), { name: 'IpcError', code, message });
  const host = 'IPC_BROKER cannot be used';
  const port = 'it needs a whole number from 1 to 65535';
  await refused({ IPC_BROKER: 'redis://user:secret@host' }, 'bad_host', host);
  await refused({ IPC_BROKER: 'nats://user:secret@host:0' }, 'bad_host', host);
  await refused({ IPC_BROKER: 'secret@host' }, 'bad_host', `${host}; it needs HOST or HOST:PORT`);
  await refused({ IPC_BROKER: 'secret:70000' }, 'bad_port', `${host}; ${port}`);
  await refused({ IPC_BROKER: 'secret.invalid:7' }, 'host_unknown', host);
  await refused({ IPC_PORT: 'secret' }, 'bad_port', `IPC_PORT cannot be used; ${port}`);
});

test('a host name of this machine means its own broker, and is resolved once', async (t) => {
  const resolver = replaceResolver(t, {
    here: ['127.0.0.1', '::1'],
    one: ['192.0.2.1'],
    uno: ['192.0.2.1'],
  });
  const context = new AppContext({ env: {}, program: 'test' });
  const find = (host: string, port: number) => context.broker({ host: { host, port } });
  assert.equal((await find('here', 9)).name, '9');
  assert.equal((await find('one', 9)).name, 'one:9');
  resolver.fails = true;
  const again = await find('here', 9);
  assert.equal(again.mail, (await context.broker({ port: 9 })).mail);
  assert.equal((await find('here', 10)).name, '10');
  assert.equal((await find('one', 9)).mail, (await find('one', 9)).mail);
  await assert.rejects(find('uno', 9), { code: 'host_unknown' });
  resolver.fails = false;
  // Two names of one machine are two sessions: what they mean may change apart.
  assert.notEqual((await find('uno', 9)).mail, (await find('one', 9)).mail);
  assert.deepEqual(resolver.lookUps, ['here', 'one', 'uno', 'uno']);
});
