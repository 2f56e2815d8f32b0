// Whole processes: `node -e 0`, `ipc post`, and MCP servers: ours, and one of the same SDK whose one tool does nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { McpHost, program, type ServerCommand } from '../../test/support/mcp-host.ts';
import { freePort } from '../../test/support/places.ts';
import { makeBenchFolder } from '../support/bench-folder.ts';
import { nowUs } from '../support/measure.ts';

/** A state folder and a port. */
export interface Place {
  readonly home: string;
  readonly port: number;
}

export const mailbox = 'bench';
/** After the first answer, until memory is read. */
const idleMs = 1_000;

export async function makePlace(): Promise<Place> {
  return { home: makeBenchFolder(), port: await freePort() };
}

/** The microseconds of a whole process. */
export async function runNode(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const startUs = nowUs();
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}`);
  return nowUs() - startUs;
}

export function runPost({ home, port }: Place, body: Buffer): Promise<number> {
  const env = { IPC_HOME: home, IPC_PORT: `${port}` };
  return runNode([program, 'post', 'cli', body.toString()], env);
}

/** A server of this folder with all of the SDK in one file. */
export async function bundleServer(
  file: string,
  ...args: readonly string[]
): Promise<ServerCommand> {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const outfile = join(makeBenchFolder(), 'server.mjs');
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'bench/systems', file)],
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node20.15',
    format: 'esm',
    mainFields: ['module', 'main'],
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: 'silent',
  });
  writeFileSync(outfile, outputFiles[0]?.contents ?? '');
  return { command: process.execPath, args: [outfile, ...args] };
}

/** `server`: ours by default. */
export function startHost(place: Place, server?: ServerCommand): Promise<McpHost> {
  const env = { IPC_SENDS_PER_HOUR: '0' };
  return McpHost.start({ ...place, env, ...(server && { server }) });
}

/** The microseconds from the start of an MCP server to the answer of tools/list. */
export async function startToTools(place: Place, server?: ServerCommand): Promise<number> {
  const startUs = nowUs();
  const host = await startHost(place, server);
  await host.request('tools/list', {}).answer;
  const passedUs = nowUs() - startUs;
  await host.end();
  return passedUs;
}

/** The resident megabytes of an MCP server that has answered tools/list and is idle. */
export async function idleMegabytes(place: Place, server?: ServerCommand): Promise<number> {
  const host = await startHost(place, server);
  await host.request('tools/list', {}).answer;
  await sleep(idleMs);
  const status = readFileSync(`/proc/${host.child.pid}/status`, 'utf8');
  await host.end();
  return (Number(status.match(/^VmRSS:\s+(\d+) kB$/m)?.[1]) * 1_024) / 1_000_000;
}

/** Three MCP servers: one owns the broker, one posts, and one waits. */
export class McpMail {
  readonly #owner: McpHost;
  readonly #poster: McpHost;
  readonly #reader: McpHost;
  #ticket: string | undefined;

  private constructor(owner: McpHost, poster: McpHost, reader: McpHost) {
    this.#owner = owner;
    this.#poster = poster;
    this.#reader = reader;
  }

  static async start(): Promise<McpMail> {
    const place = await makePlace();
    const owner = await startHost(place);
    await owner.call({ operation: 'broker_start' });
    return new McpMail(owner, await startHost(place), await startHost(place));
  }

  /** The microseconds from the call of the post to its result, and to that of a wait that was parked before. */
  async handOver(body: Buffer): Promise<{ readonly storedUs: number; readonly arrivedUs: number }> {
    // The last message is settled, and synced, before the next one is posted.
    const look = { operation: 'fetch', mailbox: 'empty' };
    if (this.#ticket !== undefined) await this.#reader.call({ ...look, after: this.#ticket });
    const waiting = this.#reader.begin({ operation: 'wait', mailbox });
    const arrived = waiting.answer.then((reading) => ({ reading, atUs: nowUs() }));
    // Sent later by the same session, so its answer follows the parking of the wait.
    await this.#reader.call(look);
    const message = body.toString();
    const startUs = nowUs();
    const posted = this.#poster.call({ operation: 'post', to: mailbox, from: 'poster', message });
    const stored = posted.then(() => nowUs());
    const { reading, atUs } = await arrived;
    if (reading.bodies.length !== 1) throw new Error(`no message: ${reading.text}`);
    this.#ticket = reading.ticket;
    return { storedUs: (await stored) - startUs, arrivedUs: atUs - startUs };
  }

  async close(): Promise<void> {
    for (const host of [this.#poster, this.#reader, this.#owner]) await host.end();
  }
}

/** Two MCP servers that pass their calls on to the bare queue. */
export class BareMcpMail {
  readonly #poster: McpHost;
  readonly #reader: McpHost;

  private constructor(poster: McpHost, reader: McpHost) {
    this.#poster = poster;
    this.#reader = reader;
  }

  static async start(queuePort: number): Promise<BareMcpMail> {
    const server = await bundleServer('relay-server.ts', `${queuePort}`);
    const place = await makePlace();
    return new BareMcpMail(await startHost(place, server), await startHost(place, server));
  }

  /** As of McpMail. */
  async handOver(body: Buffer): Promise<{ readonly storedUs: number; readonly arrivedUs: number }> {
    const arrived = this.#reader.begin({ operation: 'wait' }).answer.then(() => nowUs());
    await this.#reader.call({ operation: 'clear' });
    const startUs = nowUs();
    const posted = this.#poster.call({ operation: 'post', message: body.toString() });
    const stored = posted.then(() => nowUs());
    const arrivedUs = (await arrived) - startUs;
    const storedUs = (await stored) - startUs;
    await this.#reader.call({ operation: 'settle' });
    return { storedUs, arrivedUs };
  }

  async close(): Promise<void> {
    for (const host of [this.#poster, this.#reader]) await host.end();
  }
}
