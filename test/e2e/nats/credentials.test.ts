// How a NATS server lets a session in: a token in its address, and a `.creds` file as `nsc` writes it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nkeys } from '@nats-io/transport-node';
import { natsServer } from '../../support/nats/nats-server.ts';
import { natsTeam, untilParked } from '../../support/nats/nats-team.ts';
import { makeHome } from '../../support/places.ts';
import { nextLine, shell } from '../../support/processes/shell.ts';

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** What an issuer says of a key, signed. */
function signed(issuer: KeyPair, subject: KeyPair, nats: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const [iss, sub] = [issuer.getPublicKey(), subject.getPublicKey()];
  const claims = { jti: sub, iat: 1_700_000_000, iss, sub, name: 'test', nats };
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(claims)}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`;
}

const unlimited = {
  ...{ subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1 },
  ...{ leaf: -1, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 },
};

test('a token before the host lets a session in, and another one does not', async (context) => {
  const server = await natsServer(context, { authorization: { token: 'a-token' } });
  if (!server) return;
  const at = (token: string) => ({ IPC_BROKER: server.url.replace('://', `://${token}@`) });
  const { run } = await shell(context, at('a-token'));
  assert.equal((await run(['post', 'ann', 'hello'])).code, 0);
  const other = await shell(context, at('another-token'));
  const { code, errors } = await other.run(['post', 'ann', 'hello']);
  assert.deepEqual([code, errors.split(':')[1]], [1, ' not_authorized']);
  assert.ok(!errors.includes('another-token'), errors);
});

test('a user without permission for the subjects of connections gets not_authorized, and the owner stays', async (context) => {
  const denied = { deny: ['ipcwire.>'] };
  const users = [
    { user: 'all', password: 'p' },
    { user: 'mute', password: 'p', permissions: { publish: denied } },
    { user: 'deaf', password: 'p', permissions: { subscribe: denied } },
  ];
  const server = await natsServer(context, { authorization: { users } });
  if (!server) return;
  const at = (user: string) => server.url.replace('://', `://${user}:p@`);
  const { begin, line, run } = await shell(context, { IPC_BROKER: at('all') });
  assert.match(await nextLine(begin(['broker'])), /epoch 1\)/);
  for (const user of ['mute', 'deaf']) {
    const { code, errors } = await line('"$@" post ann hello', { IPC_BROKER: at(user) });
    assert.match(errors, /^ipc: not_authorized: .*Permissions Violation/, user);
    assert.equal(code, 1);
  }
  assert.match((await run(['status'])).text, /epoch 1\b/);
});

test('a wait of a user that the server lets in no more ends with not_authorized', async (context) => {
  const [user, other] = ['user', 'other'].map((name) => ({ user: name, password: 'p' }));
  const server = await natsServer(context, { authorization: { users: [user, other] } });
  if (!server) return;
  const { remote } = await natsTeam(context, server.url.replace('://', '://user:p@'));
  const session = remote();
  await session.start();
  const waiting = session.wait('box', 4_000);
  await untilParked(session, 'box');
  await server.reload({ authorization: { users: [other] } });
  await assert.rejects(waiting, {
    code: 'not_authorized',
    message: `${server.url} refuses the credentials: Authorization Violation`,
  });
});

test('a file of credentials, which has a JWT and a seed, lets a session in', async (context) => {
  const [operator, system] = [nkeys.createOperator(), nkeys.createAccount()];
  const [account, user] = [nkeys.createAccount(), nkeys.createUser()];
  const ofAccount = (each: KeyPair, limits: object) =>
    signed(operator, each, { type: 'account', version: 2, limits });
  const server = await natsServer(context, {
    settings: {
      operator: signed(operator, operator, { type: 'operator', version: 2 }),
      system_account: system.getPublicKey(),
      resolver: 'MEMORY',
      resolver_preload: {
        [system.getPublicKey()]: ofAccount(system, {
          ...unlimited,
          disk_storage: 0,
          mem_storage: 0,
        }),
        [account.getPublicKey()]: ofAccount(account, unlimited),
      },
    },
  });
  if (!server) return;
  const limits = { subs: -1, data: -1, payload: -1 };
  const jwt = signed(account, user, { type: 'user', version: 2, ...limits });
  const file = join(await makeHome(context), 'ann.creds');
  const seed = Buffer.from(user.getSeed()).toString();
  writeFileSync(
    file,
    `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n` +
      `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
    { mode: 0o600 },
  );
  const { run } = await shell(context, { IPC_BROKER: server.url, IPC_NATS_CREDS: file });
  const posted = await run(['post', 'ann', 'hello']);
  assert.equal(posted.code, 0, posted.errors);
  const other = await shell(context, { IPC_BROKER: server.url });
  const { errors } = await other.run(['post', 'ann', 'hello']);
  assert.match(errors, /^ipc: not_authorized: /);
});
