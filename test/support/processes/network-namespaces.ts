// Hosts joined by wires: network namespaces and veth pairs. They need no privileges where the kernel allows unprivileged
// user namespaces.
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
  const made = await hosts(context, ['10.77.0.1', '10.77.0.2']);
  if (typeof made === 'string') return made;
  const [one, other] = made as [NamedHost, NamedHost];
  const fault = firstFault([
    () => ip(one, `link add wire type veth peer name wire netns ${other.pid}`),
    ...[one, other].flatMap((host) => [
      () => ip(host, `addr add ${host.address}/24 dev wire`),
      () => ip(host, 'link set wire up'),
    ]),
  ]);
  return fault ?? [one, other];
}

/** Of the host in the middle. */
export const hubAddress = '10.77.0.1';

/**
 * Two hosts, each with a wire to a third one, which is the first of the result. It has one address for both and passes
 * nothing on, and they have no route to each other.
 */
export async function hostsOfServer(context: TestContext): Promise<[Host, Host, Host] | string> {
  const made = await hosts(context, [hubAddress, '10.77.0.2', '10.77.0.3']);
  if (typeof made === 'string') return made;
  const [server, ...ends] = made as [NamedHost, NamedHost, NamedHost];
  const fault = firstFault(
    ends.flatMap((host, index) => [
      () => ip(server, `link add wire${index} type veth peer name wire netns ${host.pid}`),
      () => ip(server, `addr add ${server.address} peer ${host.address} dev wire${index}`),
      () => ip(server, `link set wire${index} up`),
      () => ip(host, `addr add ${host.address} peer ${server.address} dev wire`),
      () => ip(host, 'link set wire up'),
    ]),
  );
  return fault ?? [server, ...(ends as [Host, Host])];
}

/** Cuts the wire of a host at its end, or joins it again. No connection is closed by that. */
export function setWire(host: Host, state: 'up' | 'down'): void {
  const fault = ip(host, `link set wire ${state}`);
  if (fault !== undefined) throw new Error(fault);
}

interface NamedHost extends Host {
  /** Of the process that keeps its namespace. */
  readonly pid: number;
}

/** Hosts without wires. */
async function hosts(
  context: TestContext,
  addresses: readonly string[],
): Promise<readonly NamedHost[] | string> {
  const inside = ['--user', '--net'];
  const keepers: ChildProcess[] = [];
  context.after(() => {
    for (const keeper of keepers) keeper.kill('SIGKILL');
  });
  const enter = (pid: number) => ['nsenter', '-t', `${pid}`, ...inside, '--preserve-credentials'];
  const made: NamedHost[] = [];
  for (const address of addresses) {
    // The first one makes the user namespace, in which the others may make theirs.
    const [first] = made;
    const pid = await keep(
      keepers,
      first ? [...first.prefix, 'unshare', '--net'] : ['unshare', ...inside, '--map-root-user'],
    );
    if (typeof pid === 'string') return pid;
    made.push({ address, pid, prefix: enter(pid) });
  }
  return firstFault(made.map((host) => () => ip(host, 'link set lo up'))) ?? made;
}

function firstFault(steps: readonly (() => string | undefined)[]): string | undefined {
  for (const step of steps) {
    const fault = step();
    if (fault !== undefined) return fault;
  }
  return undefined;
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
