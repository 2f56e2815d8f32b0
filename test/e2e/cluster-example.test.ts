// examples/cluster/: its configuration as real servers use it, and the files that go with it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import {
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { connect, type NatsConnection, nkeyAuthenticator, nkeys } from '@nats-io/transport-node';
import {
  type ExampleCluster,
  example,
  kill,
  makeCluster,
  nodeNames,
  startExampleCluster,
  whenAvailable,
} from '../support/nats/example-cluster.ts';
import { natsMissing } from '../support/nats/nats-server.ts';
import { makeHome } from '../support/places.ts';

const server = { skip: natsMissing };
const streamName = 'ipc-19901';

test(
  'a member writes a stream with three replicas and reads it back after a node is killed',
  server,
  async (context) => {
    const cluster = await startExampleCluster(context);
    const ann = await cluster.connect('ann');
    const manager = await managerOf(ann);
    await addStream(manager);
    const stream = jetstream(ann);
    const first = { expect: { lastSequence: 0 } };
    assert.equal((await stream.publish('ipc.19901.claim', 'ann', first)).seq, 1);
    await assert.rejects(stream.publish('ipc.19901.claim', 'bob', first), (error) => {
      return error instanceof JetStreamApiError && error.code === 10071;
    });
    const body = Buffer.alloc(1_000_000, 'x');
    await stream.publish('ipc.19901.f.journal', body, { expect: { lastSequence: 1 } });

    const { cluster: placed } = await manager.streams.info(streamName);
    const leader = cluster.nodes.find(({ name }) => name === placed?.leader);
    assert(leader);
    await kill(leader.child);
    const bob = await cluster.connect('bob');
    const found = await whenAvailable(async () =>
      (await managerOf(bob)).streams.getMessage(streamName, { seq: 2 }),
    );
    assert.equal(found?.data.length, 1_000_000);
  },
);

test('a member answers requests of another through a second node', server, async (context) => {
  const cluster = await startExampleCluster(context);
  const ann = await cluster.connect('ann', cluster.nodes[0]);
  const bob = await cluster.connect('bob', cluster.nodes[1]);
  ann.subscribe('ipcwire.19901.owner', {
    callback: (_error, message) => {
      message.respond(`${message.string()} is here`);
    },
  });
  await ann.flush();
  // The second node hears of the subscription a moment after the first.
  const response = await whenAvailable(() => bob.request('ipcwire.19901.owner', 'mail'));
  assert.equal(response.string(), 'mail is here');
});

test(
  'without a key of the team, with another key or without TLS there is no connection',
  server,
  async (context) => {
    const cluster = await startExampleCluster(context);
    const { port, clusterPort } = cluster.nodes[0] ?? assert.fail();
    const servers = `localhost:${port}`;
    const tls = { caFile: cluster.ca };
    await assert.rejects(connect({ servers, tls }), /Authorization Violation/);
    const other = nkeyAuthenticator(nkeys.createUser().getSeed());
    await assert.rejects(
      connect({ servers, tls, authenticator: other }),
      /Authorization Violation/,
    );
    const authenticator = nkeyAuthenticator(seed(cluster, 'ann'));
    await assert.rejects(connect({ servers, authenticator }), /certificate/);
    await assert.rejects(connect({ servers, authenticator, tls: null }), /tls/i);

    const plain = connectSocket(port, '127.0.0.1');
    plain.write('CONNECT {"verbose":false}\r\nPING\r\n');
    let answer = '';
    plain.on('data', (chunk) => {
      answer += chunk;
    });
    await once(plain, 'close');
    assert.match(answer, /^INFO [^\n]*"tls_required":true[^\n]*\n/);
    assert.doesNotMatch(answer, /PONG/);

    const noNode = connectTls({
      port: clusterPort,
      host: '127.0.0.1',
      ca: readFileSync(cluster.ca),
    });
    await assert.rejects(once(noNode.resume(), 'end'), /certificate required|bad certificate/);
  },
);

test(
  'a member has no other subjects, the operator sees no mail, and the admin may delete a stream',
  server,
  async (context) => {
    const cluster = await startExampleCluster(context);
    const [ann, admin] = [await cluster.connect('ann'), await cluster.connect('admin')];
    const operator = await cluster.connect('operator');
    await addStream(await managerOf(ann));
    const response = await operator.request('$SYS.REQ.SERVER.PING', '');
    assert.match(response.string(), /"name":"nats-\d"/);

    const apiCalls = ['STREAM.DELETE', 'STREAM.UPDATE', 'STREAM.SNAPSHOT', 'STREAM.RESTORE'];
    const ofStream = apiCalls.map((call) => `$JS.API.${call}.${streamName}`);
    const ofNobody = ['other', 'ipc', 'ipcwirex.19901', '$JS.API.STREAM.NAMES'];
    for (const [connection, subjects] of [
      [ann, [...ofNobody, ...ofStream, '$SYS.REQ.SERVER.PING', '$JS.API.SERVER.REMOVE']],
      [operator, [...ofNobody, ...ofStream, '$NRG.AE.x', 'ipc.19901.claim', 'ipcwire.19901']],
    ] as const) {
      for (const subject of subjects) {
        const refused = nextError(connection);
        connection.publish(subject, 'x');
        assert.match(await refused, /^Permissions Violation for Publish to/, subject);
      }
    }
    for (const [connection, subjects] of [
      [ann, ['>', 'other', '$JS.API.>', '$SYS.>', '$NRG.>']],
      [operator, ['>', 'ipc.>', 'ipcwire.>', '$JS.API.>', '$NRG.>', '_R_.>']],
    ] as const) {
      for (const subject of subjects) {
        const refused = new Promise<string>((resolve) => {
          connection.subscribe(subject, { callback: (error) => resolve(`${error?.message}`) });
        });
        assert.match(await refused, /^Permissions Violation for Subscription to/, subject);
      }
    }
    assert.equal(await (await managerOf(admin)).streams.delete(streamName), true);
  },
);

test(
  'a lost node is replaced by one with a new name, and the stream has three replicas again',
  server,
  async (context) => {
    const cluster = await startExampleCluster(context);
    const ann = await cluster.connect('ann');
    const manager = await managerOf(ann);
    await addStream(manager);
    await jetstream(ann).publish('ipc.19901.claim', 'ann');
    await kill(cluster.nodes[2]?.child ?? assert.fail());

    const nodes = ['nats-1', 'nats-2', 'nats-4'];
    makeCluster(cluster.folder, nodes);
    for (const name of nodes) cluster.localize(name);
    for (const { child } of cluster.nodes) child.kill('SIGHUP');
    await cluster.start('nats-4');
    const operator = await cluster.connect('operator');
    await whenAvailable(async () => {
      const request = JSON.stringify({ peer: 'nats-3' });
      const response = await operator.request('$JS.API.SERVER.REMOVE', request);
      assert.equal(response.json<{ success?: boolean }>().success, true, response.string());
    });
    await whenAvailable(async () => {
      const { cluster: placed, state } = await manager.streams.info(streamName);
      const replicas = placed?.replicas?.filter(({ current }) => current).map(({ name }) => name);
      assert.deepEqual([...(replicas ?? []), placed?.leader].sort(), nodes);
      assert.equal(state.messages, 1);
    });
  },
);

test(
  'a member whose name is left out is disconnected when the nodes reload, and the others are not',
  server,
  async (context) => {
    const cluster = await startExampleCluster(context);
    const [ann, bob] = [await cluster.connect('ann'), await cluster.connect('bob')];
    makeCluster(cluster.folder, nodeNames, ['ann']);
    for (const name of nodeNames) cluster.localize(name);
    for (const { child } of cluster.nodes) child.kill('SIGHUP');
    const error = await bob.closed();
    assert.match(`${error}`, /Authorization Violation/);
    await ann.flush();
    assert.equal(ann.isClosed(), false);
  },
);

test('a second run of make-cluster.js keeps keys and certificates, and its keys are private', async (context) => {
  const folder = join(await makeHome(context), 'team');
  makeCluster(folder);
  const before = filesOf(folder);
  makeCluster(folder, ['nats-1', 'nats-2', 'nats-4'], ['ann', 'cy']);
  const after = filesOf(folder);
  const isKept = (file: string) => /\.(?:seed|pem)$/.test(file);
  for (const [file, text] of before) if (isKept(file)) assert.equal(after.get(file), text, file);
  const more = [...after.keys()].filter((file) => !before.has(file) && isKept(file));
  const tls = ['ca.pem', 'node-key.pem', 'node.pem'].map((file) => `nodes/nats-4/tls/${file}`);
  assert.deepEqual(more.sort(), [...tls, 'users/cy.seed']);
  const users = after.get('nodes/nats-1/users.conf') ?? '';
  assert.match(users, / # ann$/m);
  assert.match(users, / # cy$/m);
  assert.doesNotMatch(users, /bob/);
  for (const file of after.keys()) {
    if (!/\.seed$|-key\.pem$/.test(file)) continue;
    assert.equal(statSync(join(folder, file)).mode & 0o077, 0, file);
  }
  for (const user of ['ann', 'cy']) {
    const key = nkeys.fromSeed(Buffer.from((after.get(`users/${user}.seed`) ?? '').trim()));
    assert.ok(users.includes(`{ nkey: ${key.getPublicKey()} }`), user);
  }
});

test('make-cluster.js refuses two nodes, and names that are none', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(example, 'make-cluster.js'), ...args], { encoding: 'utf8' });
  for (const [args, why] of [
    [['x', '--nodes', 'a,b', '--users', 'ann'], /at least three nodes/],
    [['x', '--nodes', 'a,b,../c', '--users', 'ann'], /--nodes: "..\/c" is no name/],
    [['x', '--nodes', 'a,b,c', '--users', 'an/n'], /--users: "an\/n" is no name/],
    [['x', '--nodes', 'a,b,c'], /--users is missing/],
    [['--nodes', 'a,b,c', '--users', 'ann'], /make-cluster.js FOLDER/],
  ] as const) {
    const { status, stderr } = run(...args);
    assert.equal(status, 2);
    assert.match(stderr, why);
  }
});

test('the compose file has the three nodes, with the folders that make-cluster.js writes', async (context) => {
  const folder = join(await makeHome(context), 'team');
  makeCluster(folder);
  const text = readFileSync(join(folder, 'compose.yaml'), 'utf8');
  assert.equal(text, readFileSync(join(example, 'compose.yaml'), 'utf8'));
  const services = Array.from(
    text.matchAll(/^ {2}(nats-\d):$\n {4}<<: \*node$/gm),
    ([, name]) => name,
  );
  assert.deepEqual(services, nodeNames);
  const mounted = Array.from(
    text.matchAll(/"\.\/(nodes\/[^:]+):\/etc\/nats:ro", "([^:]+):\/var\/lib\/nats"/g),
  );
  assert.deepEqual(
    mounted.map(([, path, volume]) => [path, volume]),
    nodeNames.map((name) => [`nodes/${name}`, name]),
  );
  const files = [
    'nats-server.conf',
    'node.conf',
    'users.conf',
    'tls/ca.pem',
    'tls/node.pem',
    'tls/node-key.pem',
  ];
  for (const [, path = ''] of mounted) {
    for (const file of files) assert.ok(statSync(join(folder, path, file)).isFile(), file);
  }
  assert.match(text, /^ {2}image: nats:2\.(?:12\.(?:[7-9]|\d\d)|1[4-9]\.\d+)-alpine$/m);
  assert.match(text, /"--config", "\/etc\/nats\/nats-server\.conf"/);
  const configuration = readFileSync(join(example, 'nats-server.conf'), 'utf8');
  const named = Array.from(configuration.matchAll(/\/etc\/nats\/(tls\/\S+)|^include \.\/(\S+)/gm));
  for (const [, tls, included] of named) assert.ok(files.includes(tls ?? included ?? ''));
  assert.match(configuration, /store_dir: \/var\/lib\/nats$/m);
});

/** Without the request for the state of the account, which a member may not make. */
function managerOf(connection: NatsConnection): Promise<JetStreamManager> {
  return jetstreamManager(connection, { checkAPI: false });
}

function addStream(manager: JetStreamManager): Promise<unknown> {
  return manager.streams.add({
    name: streamName,
    subjects: ['ipc.19901.>'],
    num_replicas: 3,
    discard: 'new',
  });
}

function seed({ seedFile }: ExampleCluster, user: string): Buffer {
  return Buffer.from(readFileSync(seedFile(user), 'utf8').trim());
}

/** The next error that the server reports to this connection. */
async function nextError(connection: NatsConnection): Promise<string> {
  for await (const event of connection.status()) {
    if (event.type === 'error') return event.error.message;
  }
  return 'closed';
}

/** The text of each file by its path below `folder`. */
function filesOf(folder: string): Map<string, string> {
  const paths = readdirSync(folder, { encoding: 'utf8', recursive: true });
  const files = paths.filter((path) => statSync(join(folder, path)).isFile());
  return new Map(files.map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
}
