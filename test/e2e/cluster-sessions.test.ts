// Sessions of a team whose mail is on the cluster of examples/cluster/, with the permissions that it gives.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { IpcError } from '../../src/base/errors.ts';
import { libraryPlace } from '../support/library.ts';
import {
  example,
  kill,
  startExampleCluster,
  whenAvailable,
} from '../support/nats/example-cluster.ts';
import { natsMissing, natsProgram } from '../support/nats/nats-server.ts';
import { reported } from '../support/processes/doctor.ts';
import { shell } from '../support/processes/shell.ts';

const server = { skip: natsMissing };

test(
  'two sessions exchange mail and take over from each other, with all permissions of a member',
  server,
  async (context) => {
    const { cluster, session } = await teamPlace(context);
    const used = new Set<string>();
    const admin = await cluster.connect('admin');
    // Not to `ipcwire.*.d.*`: while somebody listens there, the server does not say that an owner is gone.
    for (const subject of ['$JS.API.>', 'ipc.>', 'ipcwire.*.c.>']) {
      admin.subscribe(subject, {
        callback: (_error, message) => {
          used.add(message.subject);
        },
      });
    }
    await admin.flush();

    const [ann, bob] = [await session('ann'), await session('bob')];
    await ann.post('bob', 'hello');
    const greeting = await bob.wait('bob');
    assert.equal(greeting?.text, 'hello');
    await greeting?.settle();
    const body = 'x'.repeat(1_048_576);
    await bob.post('ann', body);
    await ann.close();
    const again = await session('ann');
    const kept = await again.wait('ann');
    assert.equal(kept?.text, body);
    await bob.close();
    await kept?.settle();
    assert.equal((await again.status()).messages, 0);

    const output = cluster.nodes.flatMap(({ lines }) => lines);
    assert.deepEqual(
      output.filter((line) => line.includes('Violation')),
      [],
    );
    // Only a connection that is lost needs the rest.
    const unused = memberMayPublish().filter((pattern) => ![...used].some(matcher(pattern)));
    assert.deepEqual(unused, ['$JS.API.CONSUMER.INFO.*.*']);
  },
);

test(
  'while a node is down the first session makes no stream; then it has three replicas',
  server,
  async (context) => {
    const { cluster, session, port } = await teamPlace(context);
    const third = cluster.nodes[2] ?? assert.fail();
    const admin = await cluster.connect('admin', cluster.nodes[0]);
    third.child.kill('SIGTERM');
    await once(third.child, 'exit');
    const post = async () => (await session('ann')).post('bob', 'hello');
    await assert.rejects(post(), (error) => {
      return error instanceof IpcError && /no suitable peers/.test(error.message);
    });
    await cluster.start(third.name);
    await whenAvailable(post);
    const manager = await jetstreamManager(admin);
    assert.equal((await manager.streams.info(`ipc-${port}`)).config.num_replicas, 3);
  },
);

test(
  'a session that begins while its cluster has no leader asks until it has one',
  server,
  async (context) => {
    const { cluster, session } = await teamPlace(context);
    const [first = assert.fail(), second = assert.fail(), third = assert.fail()] = cluster.nodes;
    const before = await session('ann');
    await before.post('bob', 'hello');
    await before.close();
    const admin = await cluster.connect('admin', first);
    const askedTwice = new Promise<string>((resolve) => {
      let count = 0;
      const callback = () => {
        if (++count === 2) resolve('asked twice');
      };
      admin.subscribe('$JS.API.STREAM.INFO.*', { callback });
    });
    await admin.flush();
    await Promise.all([second, third].map(({ child }) => kill(child)));

    const late = session('ann');
    const post = late.then((ann) => ann.post('bob', 'hello again'));
    const ended = post.then(() => 'ended', String);
    assert.equal(await Promise.race([askedTwice, ended]), 'asked twice');
    await cluster.start(second.name);
    // The servers may need longer for the election than a session waits.
    await post.catch(() =>
      whenAvailable(async () => (await session('ann')).post('bob', 'hello again')),
    );
  },
);

test('a member runs `ipc doctor`, and no permission is missing', server, async (context) => {
  const cluster = await startExampleCluster(context);
  const { run, port } = await shell(context, {
    IPC_BROKER: cluster.url,
    IPC_NATS_CREDS: cluster.seedFile('ann'),
    IPC_NATS_CA: cluster.ca,
  });
  const version = versionInstalled();
  const expected = (stream: string) => [
    ['NATS credentials', true, cluster.seedFile('ann')],
    ['NATS CA', true, cluster.ca],
    ['NATS server', true, `${cluster.url}: nats-server ${version} with JetStream`],
    ['NATS stream', true, stream],
    ...weaknessesOf(version).map((what) => ['NATS server', false, what]),
  ];
  const found = async () =>
    reported(await run(['doctor', '--json']))
      .filter(({ about }) => about.startsWith('NATS'))
      .map(({ about, ok, what }) => [about, ok, what]);
  const none = `ipc-${port} is not there; the first session makes it`;
  assert.deepEqual(await found(), expected(none));
  assert.equal((await run(['post', 'bob', 'hello'])).code, 0);
  assert.deepEqual(await found(), expected(`ipc-${port}, 3 copies`));
});

/** Of the server that is installed: "nats-server: v2.9.10". */
function versionInstalled(): string {
  const { stdout } = spawnSync(natsProgram, ['--version'], { encoding: 'utf8' });
  return /v(\d\S+)/.exec(stdout)?.[1] ?? assert.fail(stdout);
}

/** The warnings about a version of the server when it runs in a cluster. */
function weaknessesOf(version: string): string[] {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  const number = major * 1_000_000 + minor * 1_000 + patch;
  if (number >= 2_014_000 || (number >= 2_012_007 && number < 2_013_000)) return [];
  const lost = 'has lost stored messages in known cases';
  const syncs = 'syncs its files every 2 minutes only: what it stored last is lost with its power';
  const purges = 'may lose all mail when the nodes of its cluster restart one after the other';
  const what = number >= 2_010_000 ? [lost] : number >= 2_009_018 ? [syncs] : [syncs, purges];
  return what.map((each) => `nats-server ${version} ${each}`);
}

async function teamPlace(context: TestContext) {
  const { port, session: open } = await libraryPlace(context);
  const cluster = await startExampleCluster(context);
  const session = (user: string) =>
    open({
      port: undefined,
      env: {
        IPC_PORT: `${port}`,
        IPC_BROKER: cluster.url,
        IPC_NATS_CREDS: cluster.seedFile(user),
        IPC_NATS_CA: cluster.ca,
      },
    });
  return { cluster, session, port };
}

/** The subjects of the example's configuration. */
function memberMayPublish(): string[] {
  const text = readFileSync(join(example, 'nats-server.conf'), 'utf8');
  const [, list = ''] = /publish \{\s+allow: \[([^\]]+)\]/.exec(text) ?? [];
  return Array.from(list.matchAll(/^ +"([^"]+)"/gm), ([, subject = '']) => subject);
}

/** Whether a subject is one of a pattern. */
function matcher(pattern: string): (subject: string) => boolean {
  const tokens = pattern.split('.').map((token) => {
    if (token === '*') return '[^.]+';
    return token === '>' ? '.+' : token.replace('$', '\\$');
  });
  const form = new RegExp(`^${tokens.join('\\.')}$`);
  return (subject) => form.test(subject);
}
