// `ipc doctor` with mail on a NATS server: each check, and what to do. It makes nothing there.
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { natsMissing, startNats } from '../../support/nats/nats-server.ts';
import {
  assertKept,
  password,
  type TeamServer,
  teamServer,
  withLogin,
} from '../../support/nats/team-server.ts';
import { freePort } from '../../support/places.ts';
import { type Reported, reported } from '../../support/processes/doctor.ts';
import { type Ended, nextLine, shell } from '../../support/processes/shell.ts';

const skip = { skip: natsMissing };
const started = natsMissing ? undefined : teamServer({ after });
const server = () => started as Promise<TeamServer>;

function about(subject: string, ended: Ended): Reported[] {
  assertKept(ended.text, ended.errors);
  return reported(ended).filter((each) => each.about === subject);
}

test('it says what a server is, and what its stream is, but makes none', skip, async (context) => {
  const { url, login } = await server();
  const { run, begin, port } = await shell(context, { IPC_BROKER: login });
  for (let times = 0; times < 2; times++) {
    const ended = await run(['doctor', '--json']);
    const [found, ...weak] = about('NATS server', ended);
    assert.ok(found?.ok);
    assert.match(found.what, new RegExp(`^${url}: nats-server \\d\\S+ with JetStream$`));
    for (const { what, hint } of weak) {
      assert.match(what, /^nats-server /);
      assert.match(hint ?? '', /^use /);
    }
    const [stream] = about('NATS stream', ended);
    assert.deepEqual(
      [stream?.ok, stream?.what],
      [true, `ipc-${port} is not there; the first session makes it`],
    );
    const [broker] = about('broker', ended);
    assert.deepEqual(
      [broker?.ok, broker?.what],
      [true, 'no session owns the broker now: the first one that uses mail does'],
    );
    assert.deepEqual(about('port', ended), []);
    assert.deepEqual(about('store', ended), []);
  }
  const owner = begin(['broker']);
  await nextLine(owner);
  await run(['post', 'ann', 'hello']);
  const ended = await run(['doctor', '--json']);
  assert.equal(about('NATS stream', ended)[0]?.what, `ipc-${port}, 1 copy`);
  const one = about('NATS server', ended).find(({ what }) => what.includes('has one copy'));
  assert.deepEqual([one?.ok, one?.hint?.includes('--replicas 3')], [true, true]);
  assert.deepEqual(
    about('broker', ended).map(({ what }) => what),
    [`pid ${owner.pid} owns the broker, and 1 unsettled message is there`],
  );
});

test(
  'an address, a login and permissions that do not do are bad, and the exit code is 1',
  skip,
  async (context) => {
    const { url } = await server();
    const permissions = { publish: { deny: ['$JS.API.STREAM.CREATE.>'] } };
    const limited = await startNats(context, {
      authorization: { users: [{ user: 'team', password, permissions }] },
    });
    const gone = `nats://127.0.0.1:${await freePort()}`;
    for (const [address, subject, what] of [
      [`nats://team:${password}@`, 'variables', /^bad_host: IPC_BROKER cannot be used$/],
      [
        withLogin(url, `team:not-${password}`),
        'NATS server',
        /^not_authorized: .* refuses the cred/,
      ],
      [withLogin(gone), 'NATS server', /^unreachable: nats:\S+ connection refused$/],
      [
        withLogin(limited.url),
        'NATS server',
        /Permissions Violation for Publish to "\$JS\.API\.STREAM\.CREATE/,
      ],
    ] as const) {
      const { run } = await shell(context, { IPC_BROKER: address });
      const ended = await run(['doctor', '--json']);
      assert.equal(ended.code, 1);
      const [first] = about(subject, ended);
      assert.equal(first?.ok, false);
      assert.match(first.what, what);
      assert.ok(first.hint);
    }
  },
);

test('without JetStream it says how to start it', skip, async (context) => {
  const node = await startNats(context, { settings: { jetstream: false } });
  const { run } = await shell(context, { IPC_BROKER: node.url });
  const [found] = about('NATS server', await run(['doctor', '--json']));
  assert.equal(found?.ok, false);
  assert.match(found.what, /has no JetStream now$/);
  assert.match(found.hint ?? '', /nats-server -js/);
});

test('files that cannot be used, and credentials that others can read', skip, async (context) => {
  const seed = 'SUAJ2NOVZQS7JRLKSMGLVVSM2ADGRB7DFOTOOJS7V2WLU77NGP2TMTD6JI';
  const nkey = 'UA7UL2NY4ZCZU3FWEANG4SO6G2OUFFXZ55TNH6JP42VUUA22JOXXNFDG';
  const node = await startNats(context, { authorization: { users: [{ nkey }] } });
  const { home, line } = await shell(context, { IPC_BROKER: node.url });
  await mkdir(home, { mode: 0o700 });
  const creds = join(home, 'team.nk');
  writeFileSync(creds, seed, { mode: 0o600 });
  const doctor = (env: Readonly<Record<string, string>>) => line('"$@" doctor --json', env);
  const fine = await doctor({ IPC_NATS_CREDS: creds });
  assert.deepEqual(
    about('NATS credentials', fine).map(({ ok, what }) => [ok, what]),
    [[true, creds]],
  );
  assert.equal(about('NATS server', fine)[0]?.ok, true);
  chmodSync(creds, 0o644);
  const [open] = about('NATS credentials', await doctor({ IPC_NATS_CREDS: creds }));
  assert.deepEqual(
    [open?.ok, open?.what, open?.hint],
    [false, `${creds} can be read by other users`, `chmod 600 '${creds}'`],
  );
  const [missing] = about('NATS credentials', await doctor({ IPC_NATS_CREDS: `${creds}.no` }));
  assert.match(missing?.what ?? '', /^key_unusable: IPC_NATS_CREDS: ENOENT/);
  const authority = { IPC_NATS_CREDS: creds, IPC_NATS_CA: creds };
  const [none] = about('NATS CA', await doctor(authority));
  assert.match(none?.what ?? '', /has no certificate$/);
});
