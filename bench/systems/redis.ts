// Redis through ioredis: a list, RPUSH and BLPOP. BLPOP removes a message before its reader has it, so one whose reader
// dies is lost.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { freePort } from '../../test/support/places.ts';
import { makeBenchFolder } from '../support/bench-folder.ts';
import { nowUs } from '../support/measure.ts';
import { ServerProcess } from './server-process.ts';
import { Missing, type QueueSystem } from './system.ts';

/** The parts of ioredis that are used. Its types are not there to compile with. */
interface RedisClient {
  rpush(key: string, value: Buffer): Promise<number>;
  blpopBuffer(key: string, seconds: number): Promise<readonly Buffer[] | null>;
  del(key: string): Promise<number>;
  ping(): Promise<string>;
  on(event: 'error', listener: () => void): void;
  disconnect(): void;
}

/** `memory`: nothing is stored. `aof_always`: synced to disk before the response. */
export type RedisMode = 'memory' | 'aof_always';

const flags: Readonly<Record<RedisMode, readonly string[]>> = {
  memory: ['--appendonly', 'no'],
  aof_always: ['--appendonly', 'yes', '--appendfsync', 'always'],
};
const key = 'bench';
const clients = fileURLToPath(new URL('../../../.ci/clients', import.meta.url));

export class Redis implements QueueSystem {
  readonly name: string;
  readonly #server: ServerProcess;
  readonly #poster: RedisClient;
  readonly #reader: RedisClient;

  private constructor(
    mode: RedisMode,
    server: ServerProcess,
    [poster, reader]: readonly [RedisClient, RedisClient],
  ) {
    this.name = `redis_${mode}`;
    this.#server = server;
    this.#poster = poster;
    this.#reader = reader;
    for (const client of [poster, reader]) client.on('error', () => {});
  }

  static async start(mode: RedisMode): Promise<Redis> {
    const Client = await loadClient();
    const port = await freePort();
    const place = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', makeBenchFolder()];
    const args = [...place, '--save', '', ...flags[mode]];
    const server = await ServerProcess.start('redis-server', args, port);
    // Commands of one turn are written at once: with many in flight ioredis is faster like that.
    const dial = () => new Client({ host: '127.0.0.1', port, enableAutoPipelining: true });
    return new Redis(mode, server, [dial(), dial()]);
  }

  post(body: Buffer): Promise<unknown> {
    return this.#poster.rpush(key, body);
  }

  async handOver(body: Buffer): Promise<number> {
    const waiting = this.#reader.blpopBuffer(key, 0).then(() => nowUs());
    // The server reads what arrived first, and this was sent later.
    await this.#poster.ping();
    const startUs = nowUs();
    const posted = this.#poster.rpush(key, body);
    const arrivedUs = await waiting;
    await posted;
    return arrivedUs - startUs;
  }

  take(): Promise<unknown> {
    return this.#reader.blpopBuffer(key, 0);
  }

  clear(): Promise<unknown> {
    return this.#poster.del(key);
  }

  async close(): Promise<void> {
    for (const client of [this.#poster, this.#reader]) client.disconnect();
    await this.#server.end();
  }
}

/** ioredis is no dependency: it is fetched into a folder of its own, once. */
async function loadClient(): Promise<new (options: object) => RedisClient> {
  const folder = join(clients, 'node_modules/ioredis');
  if (!existsSync(folder)) {
    const args = ['install', '--prefix', clients, '--no-package-lock', '--no-fund', '--no-audit'];
    const options = { stdio: 'ignore', shell: process.platform === 'win32' } as const;
    spawnSync('npm', [...args, '--ignore-scripts'], options);
  }
  if (!existsSync(folder)) throw new Missing('ioredis could not be fetched into .ci/clients');
  const { Redis: Client } = await import(pathToFileURL(join(folder, 'built/index.js')).href);
  return Client;
}
