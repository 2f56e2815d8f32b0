// What each face says of a broker whose mail is on a NATS server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { libraryPlace } from '../../support/library.ts';
import { hostPlace } from '../../support/mcp-host.ts';
import { natsMissing } from '../../support/nats/nats-server.ts';
import { assertKept, type TeamServer, teamServer } from '../../support/nats/team-server.ts';
import { nextErrorLine, nextLine, shell } from '../../support/processes/shell.ts';

const skip = { skip: natsMissing };

/** Each test has a port of its own, and so a stream. */
const started = natsMissing ? undefined : teamServer({ after });
const server = () => started as Promise<TeamServer>;

const weak = /The broker warns/;

test(
  '`ipc broker` says which server and stream it found or made, once each weakness, and no password',
  skip,
  async (context) => {
    const { url, login } = await server();
    const { run, port } = await shell(context, { IPC_BROKER: login });
    const first = await run(['broker', '--once']);
    assert.equal(first.code, 0);
    const [title, ...others] = first.text.trimEnd().split('\n');
    const made = `This session owns the broker on ${url} \\(nats-server [0-9.]+, stream ipc-${port}, made now, 1 copy; pid \\d+, epoch 1\\); 0 messages in it\\.`;
    assert.match(title ?? '', new RegExp(`^${made}$`));
    assert.match(first.text, /The broker warns: "stream ipc-\d+ has one copy: /);
    assert.ok(
      others.every((line) => weak.test(line)),
      first.text,
    );
    assert.equal(new Set(others).size, others.length);
    assertKept(first.text, first.errors);
    const again = JSON.parse((await run(['broker', '--once', '--json'])).text);
    assert.deepEqual(again.addresses, []);
    const { version, ...found } = again.server;
    assert.match(version, /^\d+\.\d+\.\d+/);
    assert.deepEqual(found, { url, stream: `ipc-${port}`, replicas: 1, isNew: false });
  },
);

test(
  'a broker that stays has a standby, which takes over in the same words',
  skip,
  async (context) => {
    const { url, login } = await server();
    const { begin, port } = await shell(context, { IPC_BROKER: login });
    const owner = begin(['broker']);
    assert.match(await nextLine(owner), /^This session owns the broker on nats:/);
    const standby = begin(['broker']);
    const words = `^Standby: pid ${owner.pid} owns the broker on ${url} \\(nats-server .*, stream ipc-${port}, 1 copy; epoch 1\\), and this session takes over when it ends\\.`;
    assert.match(await nextErrorLine(standby), new RegExp(words));
    owner.kill('SIGTERM');
    assert.deepEqual(await once(owner, 'exit'), [0, null]);
    assert.match(await nextLine(standby), /^This session owns the broker on nats:.*, epoch 2\)/);
    standby.kill('SIGTERM');
    assert.deepEqual(await once(standby, 'exit'), [0, null]);
  },
);

test('`bind` is refused, and `ipc broker` has no port to open', skip, async (context) => {
  const { url, login } = await server();
  const { run } = await shell(context, { IPC_BROKER: login });
  const { code, errors } = await run(['broker', '--bind', '0.0.0.0', '--once']);
  assert.equal(code, 2);
  assert.match(errors, new RegExp(`^ipc: bad_parameter: bind: the mail is on ${url}, `));
});

test(
  '`ipc status` names the server, and only it repeats a warning: posts, waits and fetches do not',
  skip,
  async (context) => {
    const { url, login } = await server();
    const { run, begin, port } = await shell(context, { IPC_BROKER: login });
    await nextLine(begin(['broker']));
    for (const args of [
      ['post', 'ann', 'hello', '--from', 'ben'],
      ['wait', 'ann'],
      ['post', 'ann', 'hello', '--from', 'ben'],
      ['fetch', 'ann'],
      ['peek', 'ann'],
      ['log'],
      ['find', 'x.1'],
    ]) {
      const { text, errors } = await run(args);
      assert.doesNotMatch(text + errors, /warn/i, args.join(' '));
    }
    const { text } = await run(['status']);
    assert.match(
      text,
      new RegExp(`^Broker on ${url}, stream ipc-${port}: owner another session, pid `),
    );
    assert.match(text, weak);
    assert.doesNotMatch(text, /next owner listens/);
    const status = JSON.parse((await run(['status', '--json'])).text);
    assert.deepEqual([status.host, status.port, status.addresses], [url, port, []]);
    assertKept(text, JSON.stringify(status));
  },
);

test(
  'the tool starts, refuses to stop and to bind, and warns in start and status alone',
  skip,
  async (context) => {
    const { url, login } = await server();
    const place = await hostPlace(context, { IPC_BROKER: login });
    const host = await place.host();
    const start = await host.call({ operation: 'broker_start' });
    assert.match(
      start.text,
      new RegExp(
        `^This session owns the broker on ${url} \\(nats-server .*, stream ipc-${place.port}, made now, 1 copy; `,
      ),
    );
    assert.match(start.text, weak);
    assert.doesNotMatch(start.text, /next owner listens/);
    const posted = await host.call({ operation: 'post', to: 'ann', from: 'ben', message: 'hi' });
    const read = await host.call({ operation: 'wait', mailbox: 'ann' });
    const rest = await host.call({ operation: 'fetch', mailbox: 'ann', after: read.ticket });
    assert.deepEqual(read.bodies, ['hi']);
    for (const { text } of [posted, read, rest]) assert.doesNotMatch(text, /warn/i);
    const stop = await host.call({ operation: 'broker_stop' });
    assert.deepEqual(
      [stop.isError, /^not_owner: the mail is on nats:/.test(stop.text)],
      [true, true],
    );
    assert.match(stop.text, /not ours to stop/);
    const bound = await host.call({ operation: 'broker_start', bind: '0.0.0.0' });
    assert.match(bound.text, /^bad_parameter: bind: the mail is on nats:/);
    const status = await host.call({ operation: 'broker_status' });
    assert.match(
      status.text,
      new RegExp(`^Broker on ${url}, stream ipc-${place.port}: owner this session`),
    );
    assertKept(start.text, stop.text, bound.text, status.text);
  },
);

test(
  'the library starts with the facts of the server, and stop() is refused with not_owner',
  skip,
  async (context) => {
    const { url, login } = await server();
    const place = await libraryPlace(context, { env: { IPC_BROKER: login } });
    const mail = await place.session();
    const { role, addresses, server: found, messages } = await mail.start();
    assert.deepEqual([role, addresses, messages], ['owner', [], 0]);
    const { version: _any, ...facts } = found ?? {};
    assert.deepEqual(facts, { url, stream: `ipc-${place.port}`, replicas: 1, isNew: true });
    const joined = await (await place.session()).start();
    assert.deepEqual([joined.role, joined.server?.isNew], ['client', false]);
    await assert.rejects(mail.stop(), { code: 'not_owner' });
    await assert.rejects(mail.start({ bind: '0.0.0.0' }), { code: 'bad_parameter' });
  },
);

test(
  'an address without a login, given in a call, has that of IPC_BROKER',
  skip,
  async (context) => {
    const { url, login } = await server();
    const { run, begin } = await shell(context, { IPC_BROKER: login });
    await nextLine(begin(['broker']));
    assert.equal((await run(['post', 'ann', 'hello', '--host', url])).code, 0);
    assert.equal((await run(['wait', 'ann'])).text, 'hello');
  },
);
