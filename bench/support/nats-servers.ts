// nats-servers of a benchmark, on loopback: one, or a cluster of three. Their stores are in the folder of the
// benchmark, and each ends with close(), or with the process.
import { readdirSync, readFileSync } from 'node:fs';
import { type JetStreamManager, jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { natsMissing, startCluster, startNats } from '../../test/support/nats/nats-server.ts';

/** Headers count, so that a body of 1 MB needs more than 1 MB. */
const payloadBytesMax = 2 * 1024 ** 2;
/** With many things at a time, a server on a busy machine takes longer than the 5 s that are the default. */
const callMsMax = 30_000;

/** What servers have, on average of them. */
export interface ServerSizes {
  /** Memory in RAM. */
  readonly bytes: number;
  /** Sockets among them. */
  readonly openFiles: number;
  readonly storedFiles: number;
}

/** Ends the benchmark where no server is installed. */
export function requireNats(bench: string): void {
  if (natsMissing === false) return;
  process.stderr.write(`${bench}: left out, because ${natsMissing}\n`);
  process.exit();
}

export class NatsServers {
  readonly url: string;
  readonly version: string;
  readonly nats: NatsConnection;
  readonly manager: JetStreamManager;
  readonly #pids: readonly number[];
  readonly #folder: string;
  readonly #endings: readonly (() => Promise<void>)[];

  private constructor(
    started: { readonly url: string; readonly pids: readonly number[] },
    client: { readonly nats: NatsConnection; readonly manager: JetStreamManager },
    folder: string,
    endings: readonly (() => Promise<void>)[],
  ) {
    this.url = started.url;
    this.#pids = started.pids;
    this.nats = client.nats;
    this.version = client.nats.info?.version ?? 'unknown';
    this.manager = client.manager;
    this.#folder = folder;
    this.#endings = endings;
  }

  /** `folder`: an empty one. `count`: 1, or 3 for a cluster. */
  static async start(folder: string, count: number): Promise<NatsServers> {
    // Servers of tests have their folders there.
    process.env.TMPDIR = folder;
    const endings: (() => Promise<void>)[] = [];
    const owner = { after: (end: () => Promise<void>) => void endings.push(end) };
    const options = { maxPayload: payloadBytesMax };
    const { url, nodes } =
      count === 1 ? alone(await startNats(owner, options)) : await startCluster(owner, options);
    const nats = await connect({ servers: url.slice('nats://'.length).split(',') });
    const manager = await jetstreamManager(nats, { timeout: callMsMax });
    const pids = nodes.map(({ pid }) => pid);
    return new NatsServers({ url, pids }, { nats, manager }, folder, endings);
  }

  get sizes(): ServerSizes {
    const mean = (values: number[]) =>
      values.reduce((sum, value) => sum + value, 0) / this.#pids.length;
    const entries = readdirSync(this.#folder, { recursive: true, withFileTypes: true });
    return {
      bytes: mean(this.#pids.map(residentBytes)),
      openFiles: mean(this.#pids.map((pid) => readdirSync(`/proc/${pid}/fd`).length)),
      storedFiles: entries.filter((entry) => entry.isFile()).length / this.#pids.length,
    };
  }

  async addStream(config: Partial<StreamConfig> & { name: string }): Promise<void> {
    await this.manager.streams.add({ ...config, num_replicas: this.#pids.length });
  }

  async close(): Promise<void> {
    await this.nats.close();
    for (const end of this.#endings) await end();
  }
}

function alone(node: { readonly url: string; readonly pid: number }) {
  return { url: node.url, nodes: [node] };
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(status.match(/^VmRSS:\s+(\d+) kB$/m)?.[1]) * 1024;
}
