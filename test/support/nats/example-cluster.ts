// Starts the cluster of examples/cluster/ with the nats-server that is installed, on loopback.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type NatsConnection, nkeyAuthenticator } from '@nats-io/transport-node';
import { freePort, makeHome } from '../places.ts';
import { natsProgram } from './nats-server.ts';

export const example = fileURLToPath(new URL('../../../../examples/cluster/', import.meta.url));

export const nodeNames = ['nats-1', 'nats-2', 'nats-3'];
export const members = ['ann', 'bob'];

const tried = spawnSync(natsProgram, ['--version'], { encoding: 'utf8' });
const [, major = 0, minor = 0] = /v(\d+)\.(\d+)/.exec(tried.stdout ?? '')?.map(Number) ?? [];

/** The one line of the example that is left out, and only for a server that does not know it. */
const syncLine = 'sync_interval: always';
const knowsSync = major > 2 || (major === 2 && minor >= 10);

export interface ExampleNode {
  readonly name: string;
  readonly port: number;
  readonly clusterPort: number;
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly lines: readonly string[];
  /** Returns when the node has written a line with this text. */
  says(text: string): Promise<void>;
}

export interface ExampleCluster {
  /** What make-cluster.js wrote. */
  readonly folder: string;
  readonly ca: string;
  readonly nodes: readonly ExampleNode[];
  /** Gives the files of a node, as make-cluster.js wrote them, paths and ports of this machine. */
  localize(name: string): void;
  /** Returns when the node accepts connections. */
  start(name: string): Promise<ExampleNode>;
  /** For IPC_BROKER. */
  readonly url: string;
  /** The file with the seed of a member, of `admin` or of `operator`. */
  seedFile(user: string): string;
  /** A connection with the key of this user, to any of the nodes or to one, which is closed after the test. */
  connect(user: string, node?: ExampleNode): Promise<NatsConnection>;
}

/** Runs make-cluster.js. */
export function makeCluster(folder: string, nodes = nodeNames, users = members): void {
  const lists = ['--nodes', nodes.join(), '--users', users.join(), '--also', 'localhost,127.0.0.1'];
  execFileSync(process.execPath, [join(example, 'make-cluster.js'), folder, ...lists]);
}

export async function startExampleCluster(context: TestContext): Promise<ExampleCluster> {
  const children: ChildProcess[] = [];
  const connections: NatsConnection[] = [];
  // Hooks run in the order of their registration, so the folder is removed last.
  context.after(async () => {
    await Promise.all(connections.map((connection) => connection.close()));
    await Promise.all(children.map(kill));
  });
  const folder = join(await makeHome(context), 'team');
  makeCluster(folder);
  const places = new Map<string, { port: number; clusterPort: number; httpPort: number }>();
  for (const name of [...nodeNames, 'nats-4']) {
    const [port, clusterPort, httpPort] = [await freePort(), await freePort(), await freePort()];
    places.set(name, { port, clusterPort, httpPort });
  }
  const localize = (name: string) => {
    const home = join(folder, 'nodes', name);
    const { port, clusterPort, httpPort } = places.get(name) ?? assert.fail();
    const file = join(home, 'nats-server.conf');
    replaceOnce(file, 'listen: 0.0.0.0:4222', `listen: 127.0.0.1:${port}`);
    replaceOnce(file, 'listen: 0.0.0.0:6222', `listen: 127.0.0.1:${clusterPort}`);
    replaceOnce(file, 'http: 127.0.0.1:8222', `http: 127.0.0.1:${httpPort}`);
    replaceOnce(file, 'store_dir: /var/lib/nats', `store_dir: ${join(home, 'data')}`);
    if (!knowsSync) replaceOnce(file, syncLine, '');
    replaceAll(file, '/etc/nats/', `${home}/`);
    for (const [each, { clusterPort }] of places) {
      replaceAll(join(home, 'node.conf'), `${each}:6222`, `127.0.0.1:${clusterPort}`);
    }
  };
  const start = async (name: string): Promise<ExampleNode> => {
    const { port, clusterPort } = places.get(name) ?? assert.fail();
    const file = join(folder, 'nodes', name, 'nats-server.conf');
    const child = spawn(natsProgram, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(child);
    const node = { name, port, clusterPort, child, ...outputOf(child) };
    await node.says('Server is ready');
    return node;
  };
  for (const name of nodeNames) localize(name);
  const nodes = await Promise.all(nodeNames.map(start));
  await whenAvailable(() => joined(nodes.map(({ name }) => places.get(name)?.httpPort ?? 0)));

  const ca = join(folder, 'ca.pem');
  const servers = nodes.map(({ port }) => `localhost:${port}`);
  const seedFile = (user: string) =>
    join(folder, members.includes(user) ? `users/${user}.seed` : `${user}.seed`);
  return {
    folder,
    ca,
    nodes,
    localize,
    start,
    url: `tls://${servers.join()}`,
    seedFile,
    connect: async (user, node) => {
      const authenticator = nkeyAuthenticator(
        Buffer.from(readFileSync(seedFile(user), 'utf8').trim()),
      );
      const tls = { caFile: ca };
      const some = node ? [`localhost:${node.port}`] : servers;
      const connection = await connect({
        servers: some,
        authenticator,
        tls,
        inboxPrefix: '_INBOX',
      });
      connections.push(connection);
      return connection;
    },
  };
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) {
    await once(child, 'exit');
  }
}

/** Repeats a request while the stream has no leader. Each attempt waits for the servers. */
export async function whenAvailable<Result>(request: () => Promise<Result>): Promise<Result> {
  const end = performance.now() + 30_000;
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (performance.now() > end) throw error;
      await setTimeout(100);
    }
  }
}

/** What a node reports of the cluster of JetStream. */
interface MetaCluster {
  readonly leader?: string;
  readonly replicas?: readonly { readonly current: boolean; readonly offline?: boolean }[];
}

/** Throws unless the node that leads JetStream has the others as followers, and each knows it. */
async function joined(httpPorts: readonly number[]): Promise<void> {
  const reports = httpPorts.map(async (port) => {
    const response = await fetch(`http://127.0.0.1:${port}/jsz`);
    const { meta_cluster } = (await response.json()) as { readonly meta_cluster: MetaCluster };
    return meta_cluster;
  });
  const seen = await Promise.all(reports);
  const [leader] = new Set(seen.map((report) => report.leader));
  assert.ok(leader !== undefined && seen.every((report) => report.leader === leader));
  const followers = seen.flatMap(({ replicas = [] }) => replicas);
  assert.equal(followers.filter(({ current, offline }) => current && !offline).length, 2);
}

function outputOf(child: ChildProcess): Pick<ExampleNode, 'lines' | 'says'> {
  assert(child.stderr);
  const lines: string[] = [];
  const output = createInterface(child.stderr).on('line', (line) => lines.push(line));
  let isOver = false;
  output.once('close', () => {
    isOver = true;
  });
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (lines.some((line) => line.includes(text))) resolve();
        else if (isOver) reject(new Error(lines.join('\n')));
        else return;
        output.off('line', look).off('close', look);
      };
      output.on('line', look).on('close', look);
      look();
    });
  return { lines, says };
}

function replaceOnce(file: string, text: string, by: string): void {
  assert.equal(readFileSync(file, 'utf8').split(text).length, 2, `${file} has once: ${text}`);
  replaceAll(file, text, by);
}

function replaceAll(file: string, text: string, by: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(text, by));
}
