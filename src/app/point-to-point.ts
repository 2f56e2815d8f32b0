// Point to point, with the key and the origin of this process. Where a port is taken, or nothing answers,
// the error names the process that holds the port, as far as that can be found out.
import { IpcError } from '../base/errors.ts';
import { type ReceiveArguments, type ReceivedMessage, receive } from '../direct/receive.ts';
import { type PingArguments, ping, type SendArguments, send } from '../direct/send.ts';
import { readOwner } from '../journal/paths.ts';
import type { Origin } from '../model/message.ts';
import { loadKeys, watchKeys } from '../net/keys.ts';
import { isLoopback, resolveHost } from '../net/tls.ts';
import type { Keys } from '../protocol/handshake.ts';
import { continueHint, describeHolder, findPortOwner, isStopped } from '../session/port-owner.ts';
import type { Environment } from './environment.ts';
import { type Address, shown } from './parameters.ts';

interface PointToPointOptions {
  readonly home: string;
  readonly env: Environment;
  readonly origin: Origin;
  /** The store of the broker of a port. */
  readonly storeFolder: (port: number) => string;
  /** Throws when the session has ended. */
  readonly checkOpen: () => void;
}

/** A receiving session of ours answers a ping within this time. */
const pingMsMax = 500;

export class PointToPoint {
  readonly #options: PointToPointOptions;

  constructor(options: PointToPointOptions) {
    this.#options = options;
  }

  async send(call: Omit<SendArguments, 'origin' | 'keys'>): Promise<void> {
    const keys = await this.#loadKeysFor(call.host);
    const { origin } = this.#options;
    await explainStopped(call, () => send({ ...call, origin, keys }));
  }

  async ping(call: Omit<PingArguments, 'keys'>): Promise<{ readonly ms: number }> {
    const keys = await this.#loadKeysFor(call.host);
    return explainStopped(call, () => ping({ ...call, keys }));
  }

  async receive(
    call: Omit<ReceiveArguments, 'keys'> & { readonly bind: string },
  ): Promise<ReceivedMessage | undefined> {
    requireOneAddress(call.bind);
    const keys = await this.#loadKeysFor(call.bind, 'bind');
    const { home, env } = this.#options;
    try {
      return await receive({ ...call, keys: watchKeys(home, env, keys) });
    } catch (error) {
      if (!(error instanceof IpcError && error.code === 'port_taken')) throw error;
      throw await this.#explainTaken(call, keys, error);
    }
  }

  /** An unknown host leaves no key file behind. */
  async #loadKeysFor(host: string, parameter = 'host'): Promise<Keys> {
    this.#options.checkOpen();
    await resolveHost(host, parameter);
    return loadKeys(this.#options.home, this.#options.env);
  }

  /** The same error, with what holds the port where that can be found out. */
  async #explainTaken(
    { bind, port }: { bind: string; port: number },
    keys: Keys,
    error: IpcError,
  ): Promise<IpcError> {
    const portOwner = await findPortOwner(port);
    const taken = (what: string) =>
      new IpcError('port_taken', what, { cause: error, hint: 'use another port' });
    if (portOwner?.pid === process.pid) return taken(`this session itself has port ${port}`);
    const pid = portOwner ? ` (pid ${portOwner.pid})` : '';
    if (portOwner && readOwner(this.#options.storeFolder(port))?.pid === portOwner.pid) {
      return taken(`an ipc broker owns port ${port}${pid}`);
    }
    const call = { host: bind, port, keys, timeoutMs: pingMsMax };
    const answers = await ping(call).catch(() => undefined);
    if (answers) return taken(`another ipc session receives on port ${port}${pid}`);
    const holder = await describeHolder(port);
    if (holder === undefined) return error;
    const what = `port ${port} is held by ${holder}`;
    return new IpcError('port_taken', what, { cause: error });
  }
}

/** A broker listens on several, and takes them in the same form. */
function requireOneAddress(bind: string): void {
  if (!bind.includes(',')) return;
  const what = `bind is ${shown(bind)}; a receive listens on one address`;
  throw new IpcError('bad_parameter', what, { hint: 'name one; 0.0.0.0 is all of IPv4' });
}

/** A process of this machine that does not answer may be stopped. */
async function explainStopped<T>({ host, port }: Address, dial: () => Promise<T>): Promise<T> {
  try {
    return await dial();
  } catch (error) {
    if (!(error instanceof IpcError && error.code === 'unreachable')) throw error;
    const isHere = (await resolveHost(host)).every(isLoopback);
    const portOwner = isHere ? await findPortOwner(port) : undefined;
    if (!portOwner || !isStopped(portOwner)) throw error;
    const what = `pid ${portOwner.pid} (${portOwner.program}) has port ${port}, but is stopped`;
    throw new IpcError('unreachable', what, { cause: error, hint: continueHint(portOwner) });
  }
}
