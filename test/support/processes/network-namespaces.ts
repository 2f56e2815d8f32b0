// Two hosts joined by a wire: network namespaces and a veth pair. They need no privileges where the
// kernel allows unprivileged user namespaces.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeHome } from '../places.ts';
import type { RelayReport } from './relay-process.ts';

export interface Host {
  readonly address: string;
  /** The words before a command that make it run on the host. */
  readonly prefix: readonly string[];
}

/** The reason why this machine does not allow it, if so. */
export async function twoHosts(context: TestContext): Promise<[Host, Host] | string> {
  const inside = ['--user', '--net'];
  const keepers: ChildProcess[] = [];
  context.after(() => {
    for (const keeper of keepers) keeper.kill('SIGKILL');
  });
  const first = await keep(keepers, ['unshare', ...inside, '--map-root-user']);
  if (typeof first === 'string') return first;
  const enter = (pid: number) => ['nsenter', '-t', `${pid}`, ...inside, '--preserve-credentials'];
  const second = await keep(keepers, [...enter(first), 'unshare', '--net']);
  if (typeof second === 'string') return second;
  const one = { address: '10.77.0.1', prefix: enter(first) };
  const other = { address: '10.77.0.2', prefix: enter(second) };
  const fault =
    ip(one, `link add wire type veth peer name wire netns ${second}`) ??
    [one, other]
      .flatMap((host) => [
        ip(host, `addr add ${host.address}/24 dev wire`),
        ip(host, 'link set wire up'),
        ip(host, 'link set lo up'),
      ])
      .find((each) => each !== undefined);
  return fault ?? [one, other];
}

/**
 * Starts a process that keeps its namespaces alive while this process lives. Returns its pid or an
 * error text.
 */
async function keep(
  keepers: ChildProcess[],
  [command = '', ...words]: readonly string[],
): Promise<number | string> {
  const keeper = spawn(command, [...words, 'sh', '-c', 'echo ready; exec cat']);
  keepers.push(keeper);
  const errors: string[] = [];
  keeper.stderr.on('data', (chunk) => errors.push(String(chunk)));
  const isReady = await new Promise((resolve) => {
    keeper.stdout.once('data', () => resolve(true));
    keeper.once('error', (error) => {
      errors.push(error.message);
      resolve(false);
    });
    keeper.once('close', () => resolve(false));
  });
  return isReady && keeper.pid !== undefined ? keeper.pid : errors.join('') || 'no namespaces';
}

/** Returns an error text if it fails. */
function ip({ prefix }: Host, words: string): string | undefined {
  const [command = '', ...rest] = prefix;
  const { status, stderr, error } = spawnSync(command, [...rest, 'ip', ...words.split(' ')]);
  return status === 0 ? undefined : `ip ${words}: ${error?.message ?? stderr}`;
}

/** Starts a test program on a host. */
export function start(
  context: TestContext,
  { prefix }: Host,
  words: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  const [command = '', ...rest] = [...prefix, process.execPath, ...words];
  const child = spawn(command, rest, { env, stdio: ['pipe', 'pipe', 'pipe', 'ipc'] });
  context.after(() => child.kill('SIGKILL'));
  return child;
}

const relayProgram = fileURLToPath(new URL('./relay-process.js', import.meta.url));

/**
 * A man in the middle that sees all bytes, and flips a bit on demand. With `splice` it has the key and opens a
 * separate TLS channel to each side, which only the channel binding of the handshake detects.
 */
export class Relay {
  readonly #child: ChildProcess;

  static async start(
    context: TestContext,
    on: Host,
    to: Host,
    port: number,
    manner: 'changes' | 'splices',
    key = '',
  ): Promise<Relay> {
    const [from, onward] = [`${on.address}:${port}`, `${to.address}:${port}`];
    return Relay.#run(context, on, [from, onward, manner], key);
  }

  /**
   * From a port on 127.0.0.1 of one host to the same port on 127.0.0.1 of the other, as `ssh -L` does it: a process
   * on each, and a Unix socket between them.
   */
  static async tunnel(
    context: TestContext,
    on: Host,
    to: Host,
    port: number,
    manner: 'forwards' | 'changes' = 'forwards',
  ): Promise<Relay> {
    const path = join(await makeHome(context), 'tunnel.sock');
    await Relay.#run(context, to, [path, `127.0.0.1:${port}`, 'forwards']);
    return Relay.#run(context, on, [`127.0.0.1:${port}`, path, manner]);
  }

  static async #run(
    context: TestContext,
    on: Host,
    words: readonly string[],
    key = '',
  ): Promise<Relay> {
    const child = start(context, on, [relayProgram, ...words], { ...process.env, IPC_KEY: key });
    await once(child, 'message');
    return new Relay(child);
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  async report(): Promise<{ wire: Buffer; connections: number; changed: number }> {
    this.#child.send('report');
    const [{ wire, ...rest }] = (await once(this.#child, 'message')) as [RelayReport];
    return { wire: Buffer.from(wire, 'base64'), ...rest };
  }
}
