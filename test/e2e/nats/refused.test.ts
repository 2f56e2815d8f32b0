// A NATS server that lets a session not in, or is not there: the error's code, what to do, and no password anywhere.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { after, type TestContext, test } from 'node:test';
import { open } from '../../../src/index.ts';
import { hostPlace } from '../../support/mcp-host.ts';
import { makeCertificates, opensslMissing } from '../../support/nats/certificates.ts';
import { natsMissing, startNats } from '../../support/nats/nats-server.ts';
import {
  assertKept,
  password,
  type TeamServer,
  teamServer,
  withLogin,
} from '../../support/nats/team-server.ts';
import { freePort } from '../../support/places.ts';
import { shell } from '../../support/processes/shell.ts';

const skip = { skip: natsMissing };
/** A call that finds no server ends within this time, also on a busy machine. */
const endMsMax = 20_000;

const started = natsMissing ? undefined : teamServer({ after });
const server = () => started as Promise<TeamServer>;

type Variables = Readonly<Record<string, string>>;

interface Expected {
  readonly code: string;
  readonly what: RegExp;
  readonly hint: RegExp;
}

/** Each face reports it: the program in text and JSON, the tool, the library. */
async function refused(context: TestContext, env: Variables, expected: Expected) {
  const { run } = await shell(context, env);
  const json = await run(['post', 'ann', 'hello', '--json']);
  const { error } = JSON.parse(json.errors);
  assert.equal(error.code, expected.code, json.errors);
  assert.match(error.message, expected.what);
  assert.match(error.hint, expected.hint);
  const status = await run(['status']);
  assert.deepEqual([status.code, status.text], [json.code, '']);
  assert.match(status.errors, new RegExp(`^ipc: ${expected.code}: `));
  const place = await hostPlace(context, env);
  const host = await place.host();
  const { isError, text } = await host.call({ operation: 'broker_status' });
  assert.equal(isError, true);
  assert.match(text, new RegExp(`^${expected.code}: `));
  let reported = '';
  try {
    const { home, port } = place;
    await using mail = await open({ home, port, env });
    await mail.status();
  } catch (fault) {
    const { code, message, hint } = fault as { code: string; message: string; hint: string };
    assert.equal(code, expected.code);
    reported = `${message} ${hint}`;
  }
  assert.notEqual(reported, '');
  assertKept(json.text, json.errors, status.errors, text, reported);
}

test('an address that cannot be read', skip, async (context) => {
  for (const address of [`nats://team:${password}@`, `tls://team:${password}@host:port`]) {
    const expected = {
      code: 'bad_host',
      what: /^IPC_BROKER cannot be used$/,
      hint: /^write nats:/,
    };
    await refused(context, { IPC_BROKER: address }, expected);
  }
});

test('an address of another kind, or where only HOST:PORT will do', async (context) => {
  const { run } = await shell(context);
  const address = withLogin('redis://127.0.0.1');
  for (const args of [
    ['post', 'ann', 'hello', '--host', address],
    ['ping', withLogin('nats://127.0.0.1')],
    ['send', withLogin('nats://127.0.0.1'), 'hello'],
  ]) {
    const { code, errors } = await run(args);
    assert.equal(code, 2, errors);
    assert.match(errors, /^ipc: bad_host: host is a URL with a login; it must be HOST/);
    assertKept(errors);
  }
});

test('a wrong password, and none', skip, async (context) => {
  const { url } = await server();
  for (const address of [withLogin(url, `team:not-${password}`), url]) {
    await refused(
      context,
      { IPC_BROKER: address },
      {
        code: 'not_authorized',
        what: new RegExp(`^${url} refuses the credentials: `),
        hint: /IPC_BROKER/,
      },
    );
  }
});

test('no server, within seconds', skip, async (context) => {
  const url = `nats://127.0.0.1:${await freePort()}`;
  const began = performance.now();
  await refused(
    context,
    { IPC_BROKER: withLogin(url) },
    { code: 'unreachable', what: new RegExp(`^${url}: connection refused$`), hint: /JetStream/ },
  );
  assert.ok(performance.now() - began < 4 * endMsMax);
});

test(
  'a program that says nothing at the port of the server: a post, and a wait of seconds, end with an error',
  skip,
  async (context) => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    context.after(() => silent.close());
    const { port } = silent.address() as { port: number };
    const { run } = await shell(context, { IPC_BROKER: withLogin(`nats://127.0.0.1:${port}`) });
    const began = performance.now();
    const { code, errors } = await run(['post', 'ann', 'hello']);
    assert.deepEqual(
      [code, /^ipc: unreachable: nats:.*: timeout\. /.test(errors)],
      [1, true],
      errors,
    );
    assert.ok(performance.now() - began < endMsMax);
    const waited = await run(['wait', 'ann', '--timeout', '2']);
    assert.deepEqual([waited.code, waited.text], [1, '']);
    assert.match(waited.errors, /^ipc: unreachable: nats:.* has not answered: for 3 s\. /);
    assertKept(errors, waited.errors);
  },
);

test('a server without JetStream', skip, async (context) => {
  const node = await startNats(context, { settings: { jetstream: false } });
  await refused(
    context,
    { IPC_BROKER: node.url },
    { code: 'unreachable', what: /has no JetStream now$/, hint: /nats-server -js/ },
  );
});

test('a user that may not do what is needed', skip, async (context) => {
  const permissions = { publish: { deny: ['$JS.API.>'] } };
  const users = [{ user: 'team', password, permissions }];
  const node = await startNats(context, { authorization: { users } });
  await refused(
    context,
    { IPC_BROKER: withLogin(node.url) },
    {
      code: 'not_authorized',
      what: /Permissions Violation for Publish to "\$JS\.API/,
      hint: /^give this user the permissions of /,
    },
  );
});

test(
  'a user that may not publish the mail: not_authorized at once, and the permission',
  skip,
  async (context) => {
    const users = [
      { user: 'team', password },
      { user: 'reader', password, permissions: { publish: { deny: ['ipc.>'] } } },
    ];
    const node = await startNats(context, { authorization: { users } });
    // The stream is there.
    const { run, line } = await shell(context, { IPC_BROKER: withLogin(node.url) });
    assert.equal((await run(['post', 'ann', 'hello'])).code, 0);
    const began = performance.now();
    const { code, errors } = await line('"$@" post ann hello', {
      IPC_BROKER: withLogin(node.url, `reader:${password}`),
    });
    assert.ok(performance.now() - began < 5_000, errors);
    assert.equal(code, 1);
    assert.match(
      errors,
      /^ipc: not_authorized: nats:\S+ Permissions Violation for Publish to "ipc\.\d+\.claim"\. To do: give this user the permissions of examples\/cluster\/nats-server\.conf/,
    );
    await refused(
      context,
      { IPC_BROKER: withLogin(node.url, `reader:${password}`) },
      {
        code: 'not_authorized',
        what: /Permissions Violation for Publish to "ipc\.\d+\.claim"/,
        hint: /^give this user the permissions of /,
      },
    );
  },
);

/** Of two users; the server knows the first. */
const known = {
  seed: 'SUAJ2NOVZQS7JRLKSMGLVVSM2ADGRB7DFOTOOJS7V2WLU77NGP2TMTD6JI',
  nkey: 'UA7UL2NY4ZCZU3FWEANG4SO6G2OUFFXZ55TNH6JP42VUUA22JOXXNFDG',
};
const unknownSeed = 'SUAK6N67PQQI3MGMAEOLH5CARXVNBNSUS5GCJP5HOICTGZ5ZE2ZZR4GPBU';

test(
  'an nkey lets a session in; one that the server does not know is refused, and a file that has none',
  skip,
  async (context) => {
    const node = await startNats(context, { authorization: { users: [{ nkey: known.nkey }] } });
    const folder = folderOf(context);
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return { IPC_BROKER: node.url, IPC_NATS_CREDS: join(folder, name) };
    };
    const { run } = await shell(context, file('known', `${known.seed}\n`));
    assert.equal((await run(['post', 'ann', 'hello'])).code, 0);
    await refused(context, file('unknown', unknownSeed), {
      code: 'not_authorized',
      what: /refuses the credentials/,
      hint: /IPC_NATS_CREDS/,
    });
    await refused(context, file('junk', 'no seed'), {
      code: 'key_unusable',
      what: /^IPC_NATS_CREDS: .*junk has neither credentials nor the seed/,
      hint: /nsc generate creds/,
    });
  },
);

test('a missing file of credentials, and a path that is not absolute', skip, async (context) => {
  const { url } = await server();
  await refused(
    context,
    { IPC_BROKER: url, IPC_NATS_CREDS: '/nowhere/team.creds' },
    {
      code: 'key_unusable',
      what: /^IPC_NATS_CREDS: ENOENT/,
      hint: /name a file in IPC_NATS_CREDS/,
    },
  );
  await refused(
    context,
    { IPC_BROKER: url, IPC_NATS_CREDS: 'team.creds' },
    { code: 'bad_parameter', what: /^IPC_NATS_CREDS is "team.creds"/, hint: /begins with \// },
  );
});

test('TLS with a certificate of an authority of its own: refused until IPC_NATS_CA names it', {
  skip: natsMissing || opensslMissing,
}, async (context) => {
  const folder = folderOf(context);
  const { authority, certificate, key } = makeCertificates(folder);
  const settings = { tls: { cert_file: certificate, key_file: key } };
  const { node, login } = await teamServer(context, { settings });
  await refused(
    context,
    { IPC_BROKER: login },
    { code: 'not_authorized', what: /its certificate is not trusted: /, hint: /IPC_NATS_CA/ },
  );
  const { run } = await shell(context, { IPC_BROKER: login, IPC_NATS_CA: authority });
  const { code, errors } = await run(['post', 'ann', 'hello']);
  assert.equal(code, 0, errors);
  const byName = withLogin(node.url.replace('127.0.0.1', 'localhost'));
  await refused(
    context,
    { IPC_BROKER: byName, IPC_NATS_CA: authority },
    { code: 'not_authorized', what: /altnames/, hint: /as its certificate does/ },
  );
});

test('tls:// is refused by a server that has no certificate', skip, async (context) => {
  const { login } = await server();
  await refused(
    context,
    { IPC_BROKER: login.replace('nats:', 'tls:') },
    { code: 'unreachable', what: /does not support 'tls'/, hint: /give the server a certificate/ },
  );
});

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ipc-creds-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
