// Real nats-servers with JetStream for tests: one, or a cluster of three on the loopback interface. A node can be
// killed, suspended, continued and started again; it keeps its ports and its folder. All of them end with the test, or
// with the process that runs it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../places.ts';
import type { Host } from '../processes/network-namespaces.ts';

/** A test, or a file of tests: it ends the servers. */
export interface Owner {
  after(end: () => Promise<void>): void;
}

export interface NatsOptions {
  /** The largest message that the server takes, in bytes; 1 MB by default. Headers count. */
  readonly maxPayload?: number;
  /** The store's limit in bytes; by default the server chooses it. */
  readonly storeBytesMax?: number;
  /** The block `authorization` of the server's configuration, for example `{ user, password }`. */
  readonly authorization?: Readonly<Record<string, unknown>>;
  /** Further settings of the server's configuration, for example `tls`. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Another host that it runs on, and the address there that it listens on for clients. */
  readonly host?: Host;
}

/** How long a server may take until it serves. A cluster elects a leader after 4 to 10 s. */
const readyMsMax = 40_000;
const retryMs = 20;

const installed = findProgram();
export const natsProgram = installed ?? 'nats-server';

/** The reason for skipping a test that needs a nats-server; false if there is one. */
export const natsMissing = installed === undefined ? 'no nats-server is installed' : false;

/** Starts a server that ends with the test; undefined, after a skip of the test, where none is installed. */
export async function natsServer(
  context: TestContext,
  options: NatsOptions = {},
): Promise<NatsNode | undefined> {
  if (natsMissing) return skipped(context, natsMissing);
  return startNats(context, options);
}

/** The same with three servers, of which one leads. */
export async function natsCluster(
  context: TestContext,
  options: NatsOptions = {},
): Promise<NatsCluster | undefined> {
  if (natsMissing) return skipped(context, natsMissing);
  return startCluster(context, options);
}

function skipped(context: TestContext, reason: string): undefined {
  context.skip(reason);
  return undefined;
}

/** Starts a server without asking whether one is installed. */
export async function startNats(owner: Owner, options: NatsOptions = {}): Promise<NatsNode> {
  const folder = await makeFolder(owner);
  const node = await NatsNode.make('node-1', folder.path, options);
  folder.endFirst.push(() => node.kill());
  await node.start();
  return node;
}

export async function startCluster(owner: Owner, options: NatsOptions = {}): Promise<NatsCluster> {
  const folder = await makeFolder(owner);
  const routePorts = [await freePort(), await freePort(), await freePort()];
  const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`);
  const nodes = await Promise.all(
    routePorts.map((port, index) => {
      const cluster = { name: 'test', listen: `127.0.0.1:${port}`, routes };
      return NatsNode.make(`node-${index + 1}`, folder.path, options, cluster);
    }),
  );
  folder.endFirst.push(...nodes.map((node) => () => node.kill()));
  await Promise.all(nodes.map((node) => node.start()));
  return new NatsCluster(nodes);
}

/** What a server says of its JetStream at /jsz. */
interface JetStreamReport {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string;
      readonly cluster?: { readonly leader?: string };
    }[];
  }[];
}

export class NatsNode {
  readonly name: string;
  /** For clients. */
  readonly port: number;
  /** 127.0.0.1, if it runs on no other host. */
  readonly address: string;
  /** For the server's own reports over HTTP. */
  readonly monitorPort: number;
  /** The file that the server logs to. */
  readonly logPath: string;
  readonly #config: string;
  readonly #prefix: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(
    name: string,
    folder: string,
    ports: { readonly client: number; readonly monitor: number },
    { address, prefix }: Host,
  ) {
    this.name = name;
    this.port = ports.client;
    this.address = address;
    this.#prefix = prefix;
    this.monitorPort = ports.monitor;
    this.logPath = join(folder, `${name}.log`);
    this.#config = join(folder, `${name}.conf`);
  }

  static async make(
    name: string,
    folder: string,
    options: NatsOptions,
    cluster?: object,
  ): Promise<NatsNode> {
    const { maxPayload = 1_048_576, storeBytesMax, authorization, settings } = options;
    const { host = { address: '127.0.0.1', prefix: [] } } = options;
    const ports = { client: await freePort(), monitor: await freePort() };
    const node = new NatsNode(name, folder, ports, host);
    const config = {
      server_name: name,
      listen: `${host.address}:${ports.client}`,
      http: `127.0.0.1:${ports.monitor}`,
      jetstream: {
        store_dir: join(folder, name),
        ...(storeBytesMax !== undefined && { max_file_store: storeBytesMax }),
      },
      max_payload: maxPayload,
      log_file: node.logPath,
      ...(authorization && { authorization }),
      ...(cluster && { cluster }),
      ...settings,
    };
    await writeFile(node.#config, JSON.stringify(config));
    return node;
  }

  get url(): string {
    return `nats://${this.address}:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Starts the server, also one that was killed, and returns when it serves. */
  async start(): Promise<void> {
    this.begin();
    await this.ready();
  }

  /** Starts the process alone, for a node whose cluster has no majority yet. */
  begin(): void {
    const words = [...this.#prefix, natsProgram, '-c', this.#config];
    const child = spawn(words[0] ?? '', words.slice(1), { stdio: 'ignore' });
    this.#child = child;
    // A file of tests that exceeds its time exits without its hooks.
    const end = () => child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => process.off('exit', end));
  }

  /** Returns when clients can connect and JetStream is up; of a cluster, when it has a leader and this node is current. */
  async ready(): Promise<void> {
    const late = AbortSignal.timeout(readyMsMax);
    while (!(await this.#isHealthy())) {
      if (this.isRunning && !late.aborted) await sleep(retryMs);
      else throw new Error(`${this.name} does not serve: ${await this.#lastLines()}`);
    }
  }

  async #isHealthy(): Promise<boolean> {
    if (this.#prefix.length > 0) return this.#isHealthyThere();
    const report = (await this.#report('healthz')) as { status?: string } | undefined;
    return report?.status === 'ok' && (await connects(this.port));
  }

  /** kill -9, also of a suspended server; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    this.#child?.kill('SIGKILL');
    await once(this.#child as ChildProcess, 'exit');
  }

  /** SIGSTOP: its sockets stay open and say nothing. Returns when no thread of it runs, where the kernel says so. */
  stop(): void {
    process.kill(this.pid, 'SIGSTOP');
    while (runs(this.pid));
  }

  continue(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** Changes settings of a server that runs; those of clients count for connections that are there, too. */
  async reload(settings: Readonly<Record<string, unknown>>): Promise<void> {
    const config = JSON.parse(await readFile(this.#config, 'utf8'));
    await writeFile(this.#config, JSON.stringify({ ...config, ...settings }));
    process.kill(this.pid, 'SIGHUP');
  }

  /** What the node says of JetStream; undefined while it does not answer. */
  async jetStream(): Promise<JetStreamReport | undefined> {
    return this.#report('jsz?streams=1') as Promise<JetStreamReport | undefined>;
  }

  /** On another host, where a process must ask. */
  async #isHealthyThere(): Promise<boolean> {
    const script = `
      fetch('http://127.0.0.1:${this.monitorPort}/healthz').then((response) => response.json()).then(({ status }) => {
        const socket = require('net').connect(${this.port}, '${this.address}');
        socket.once('data', () => process.exit(status === 'ok' ? 0 : 1));
      });`;
    const words = [...this.#prefix, process.execPath, '-e', script];
    const child = spawn(words[0] ?? '', words.slice(1), { stdio: 'ignore', timeout: 5_000 });
    const [status] = await once(child, 'exit');
    return status === 0;
  }

  async #report(path: string): Promise<unknown> {
    try {
      const url = `http://127.0.0.1:${this.monitorPort}/${path}`;
      const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
      return await response.json();
    } catch {
      return undefined;
    }
  }

  async #lastLines(): Promise<string> {
    const log = await readFile(this.logPath, 'utf8').catch(() => 'it wrote no log');
    return log.trim().split('\n').slice(-5).join('\n');
  }
}

export class NatsCluster {
  readonly nodes: readonly NatsNode[];

  constructor(nodes: readonly NatsNode[]) {
    this.nodes = nodes;
  }

  /** All nodes, with commas between them. */
  get url(): string {
    return `nats://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** The node that leads a stream, once two nodes name the same one that runs. */
  async streamLeader(stream: string): Promise<NatsNode> {
    const late = AbortSignal.timeout(readyMsMax);
    while (!late.aborted) {
      const named = await Promise.all(
        this.nodes.map(async (node) => {
          const report = node.isRunning ? await node.jetStream() : undefined;
          const details = report?.account_details ?? [];
          const streams = details.flatMap((each) => each.stream_detail ?? []);
          return streams.find(({ name }) => name === stream)?.cluster?.leader;
        }),
      );
      const leader = this.nodes.find(
        ({ name, isRunning }) => isRunning && named.filter((each) => each === name).length >= 2,
      );
      if (leader) return leader;
      await sleep(retryMs);
    }
    throw new Error(`no node leads ${stream} within ${readyMsMax} ms`);
  }
}

/** A folder that is removed when all that runs in it was ended. */
async function makeFolder(owner: Owner) {
  const path = await mkdtemp(join(tmpdir(), 'ipc-nats-'));
  const endFirst: (() => Promise<void>)[] = [];
  owner.after(async () => {
    await Promise.all(endFirst.map((end) => end()));
    await rm(path, { recursive: true, force: true });
  });
  return { path, endFirst };
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (isConnected: boolean) => {
      socket.destroy();
      resolve(isConnected);
    };
    socket.once('error', () => end(false));
    // The server speaks first.
    socket.once('data', () => end(true));
    socket.setTimeout(1_000, () => end(false));
  });
}

/** Whether a thread of the process is not stopped; false where there is no /proc. */
function runs(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return false;
  return readdirSync(tasks).some((task) => {
    const stat = readFileSync(join(tasks, task, 'stat'), 'utf8');
    // Behind the name of the thread, which may contain anything.
    return !stat.slice(stat.lastIndexOf(')')).startsWith(') T');
  });
}

/** Debian keeps it where the PATH of a user does not lead. */
function findProgram(): string | undefined {
  if (existsSync('/usr/sbin/nats-server')) return '/usr/sbin/nats-server';
  return spawnSync('nats-server', ['--version']).error ? undefined : 'nats-server';
}
