// What one process uses of its machine: its folder and key, the broker session of each port, and point
// to point. Nothing is opened, made or bound before a call needs it.
import assert from 'node:assert/strict';
import { homedir, hostname, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { continueHint, findHolder, isStopped } from './broker/holder.ts';
import { Session } from './broker/session.ts';
import { IpcError } from './core/errors.ts';
import { nameBytesMax, portBrokerDefault } from './core/limits.ts';
import type { Mail } from './core/mail.ts';
import { type Name, type Origin, parseName } from './core/message.ts';
import { ping, receive, send } from './direct.ts';
import { maxWaitIn } from './hosts.ts';
import { readOwner } from './journal/folder.ts';
import type { Broker, BrokerAt, BrokerName, Context, Direct } from './operations.ts';
import { RateGuard } from './rate.ts';
import {
  type Address,
  parseHost,
  parsePort,
  parseSendsPerHour,
  parseVariable,
  shown,
  variableError,
} from './values.ts';
import { isLoopback, resolveHost } from './wire/channel.ts';
import type { Keys } from './wire/handshake.ts';
import { loadKeys, parseKey, watchKeys } from './wire/key.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface PlaceOptions {
  readonly env: Environment;
  /** What the process is called in envelopes. */
  readonly program: string;
  readonly home?: string | undefined;
  readonly name?: Name | undefined;
  readonly port?: number | undefined;
  /** The broker for calls that name none. */
  readonly host?: Address | undefined;
  /** From one sender to one mailbox; no limit unless given. */
  readonly sendsPerHour?: number | undefined;
}

/** Characters of up to four bytes: no label is longer than a name. */
const labelCharactersMax = 50;
assert(labelCharactersMax * 4 <= nameBytesMax);

/** In which one of ours answers a ping. */
const peerMs = 500;

export class Place implements Context {
  readonly home: string;
  readonly direct: Direct;
  readonly #options: PlaceOptions;
  readonly #origin: Origin;
  readonly #mails = new Map<BrokerName, Mail>();
  /**
   * Whether a host is this machine. Looked up once, so that a call needs no resolver while its session
   * has a connection; for a new one the session looks the host up anew.
   */
  readonly #isHere = new Map<string, boolean>();
  readonly #rate: RateGuard | undefined;
  #isClosed = false;

  constructor(options: PlaceOptions) {
    this.#options = options;
    const program = label(options.program);
    this.#origin = { program, pid: process.pid, machine: label(hostname()) };
    const { home } = options;
    this.home = home === undefined ? homeFolder(options.env) : absolute(home, 'home');
    this.direct = this.#makeDirect();
    const { sendsPerHour } = options;
    this.#rate = sendsPerHour ? new RateGuard(sendsPerHour, () => performance.now()) : undefined;
  }

  get name(): Name | undefined {
    const { name, env } = this.#options;
    return name ?? nameIn(env);
  }

  guarded<Result>(
    from: string,
    to: readonly string[],
    send: () => Promise<Result>,
  ): Promise<Result> {
    return this.#rate ? this.#rate.run(from, to, send) : send();
  }

  /** Opened at its first use, then the same one for the same name. A call asks for it once. */
  async broker(at: BrokerAt): Promise<Broker> {
    const { host, port } = await this.find(at);
    this.#checkOpen();
    const name = host === undefined ? String(port) : `${host}:${port}`;
    const mail = this.#mails.get(name) ?? this.#openMail(name, host, port);
    return { port, name, mail };
  }

  /** Where a call's broker is; a name of this machine owns or joins like no host. */
  async find(at: BrokerAt): Promise<{ host: string | undefined; port: number }> {
    const address = this.#addressOf(at);
    if (!address) return { host: undefined, port: this.localPort(at.port) };
    const { host, port } = address;
    const isNamed = (at.host ?? this.#options.host) !== undefined;
    const isHere = this.#isHere.get(host) ?? (await isThisMachine(address, isNamed));
    this.#isHere.set(host, isHere);
    return { host: isHere ? undefined : host, port };
  }

  /** A broker as its guests see it, who never own. */
  guest(host: string, port: number): Mail {
    return this.#openMail(`${host}:${port}`, host, port);
  }

  /** Of a broker that was opened. */
  mailOf(name: BrokerName): Mail {
    const mail = this.#mails.get(name);
    assert(mail, 'a broker stays open until the place is closed');
    return mail;
  }

  /** The port of this machine's broker, for calls that name none. */
  localPort(given = this.#options.port): number {
    if (given !== undefined) return given;
    return portIn(this.#options.env) ?? portBrokerDefault;
  }

  #addressOf({ host, port }: BrokerAt): Address | undefined {
    if (host !== undefined) return host;
    if (port !== undefined) return undefined;
    if (this.#options.host !== undefined) return this.#options.host;
    return this.#options.port === undefined ? brokerIn(this.#options.env) : undefined;
  }

  /** Where the session of a port keeps its mail. */
  storeFolder(port: number): string {
    return join(this.home, `broker-${port}`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#mails.values()].map((mail) => mail.close()));
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new IpcError('closed', 'this session has ended');
  }

  #openMail(name: BrokerName, host: string | undefined, port: number): Mail {
    const { env } = this.#options;
    const mail = new Session({ home: this.home, host, port, origin: this.#origin, env });
    this.#mails.set(name, mail);
    return mail;
  }

  #makeDirect(): Direct {
    const origin = this.#origin;
    return {
      send: async (call) => {
        const keys = await this.#loadKeysFor(call.host);
        return explained(call, () => send({ ...call, origin, keys }));
      },
      ping: async (call) => {
        const keys = await this.#loadKeysFor(call.host);
        return explained(call, () => ping({ ...call, keys }));
      },
      receive: async (call) => {
        const keys = await this.#loadKeysFor(call.bind, 'bind');
        const present = watchKeys(this.home, this.#options.env, keys);
        return receive({ ...call, keys: present }).catch(async (error) => {
          throw isTaken(error) ? await this.#holderOf(call, keys, error) : error;
        });
      },
    };
  }

  /** The same error, with what holds the port where that can be found out. */
  async #holderOf(
    { bind, port }: { bind: string; port: number },
    keys: Keys,
    error: IpcError,
  ): Promise<IpcError> {
    const holder = await findHolder(port);
    const taken = (what: string) =>
      new IpcError('port_taken', what, { cause: error, hint: 'use another port' });
    if (holder?.pid === process.pid) return taken(`this session itself has port ${port}`);
    const pid = holder ? ` (pid ${holder.pid})` : '';
    if (holder && readOwner(this.storeFolder(port))?.pid === holder.pid) {
      return taken(`an ipc broker owns port ${port}${pid}`);
    }
    const isPeer = await ping({ host: bind, port, keys, timeoutMs: peerMs }).catch(() => undefined);
    if (isPeer) return taken(`another ipc session receives on port ${port}${pid}`);
    if (!holder) return error;
    const what = `port ${port} is held by pid ${holder.pid} (${holder.program})`;
    return new IpcError('port_taken', what, { cause: error });
  }

  /** A host that nobody knows leaves no key file behind. */
  async #loadKeysFor(host: string, parameter = 'host'): Promise<Keys> {
    this.#checkOpen();
    await resolveHost(host, parameter);
    return loadKeys(this.home, this.#options.env);
  }
}

/** Who does not answer here may be stopped. */
async function explained<T>({ host, port }: Address, dial: () => Promise<T>): Promise<T> {
  try {
    return await dial();
  } catch (error) {
    if (!(error instanceof IpcError && error.code === 'unreachable')) throw error;
    const isHere = (await resolveHost(host)).every(isLoopback);
    const holder = isHere ? await findHolder(port) : undefined;
    if (!holder || !isStopped(holder)) throw error;
    const what = `pid ${holder.pid} (${holder.program}) has port ${port}, but is stopped`;
    throw new IpcError('unreachable', what, { cause: error, hint: continueHint(holder) });
  }
}

/** As an origin may carry it: hosts and machines call themselves as they like. */
function label(text: string): string {
  const line = text.toWellFormed().replace(/\p{Cc}/gu, ' ');
  return [...line].slice(0, labelCharactersMax).join('');
}

function nameIn({ IPC_NAME }: Environment): Name | undefined {
  return IPC_NAME ? parseName(IPC_NAME, 'IPC_NAME') : undefined;
}

function portIn({ IPC_PORT }: Environment): number | undefined {
  return IPC_PORT ? parseVariable(IPC_PORT, 'IPC_PORT', parsePort) : undefined;
}

function brokerIn({ IPC_BROKER }: Environment): Address | undefined {
  return IPC_BROKER ? parseVariable(IPC_BROKER, 'IPC_BROKER', parseHost) : undefined;
}

/** What is wrong with the variables, as far as it can be told before anything is opened. */
export function environmentFaults(env: Environment): IpcError[] {
  const { IPC_KEY } = env;
  const keyIn = () => IPC_KEY && parseKey(IPC_KEY, 'IPC_KEY');
  const readers = [homeFolder, nameIn, portIn, brokerIn, sendsPerHourIn, maxWaitIn, keyIn];
  return readers.flatMap((read) => {
    try {
      read(env);
      return [];
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      return [error];
    }
  });
}

/** What the environment says of the rate guard; 0 is no limit. */
export function sendsPerHourIn(env: Environment): number | undefined {
  const text = env.IPC_SENDS_PER_HOUR;
  return text ? parseVariable(text, 'IPC_SENDS_PER_HOUR', parseSendsPerHour) : undefined;
}

export function homeFolder(env: Environment): string {
  if (env.IPC_HOME) return absolute(env.IPC_HOME, 'IPC_HOME');
  return join(absolute(homedir() || userInfo().homedir, 'HOME'), '.agent-ipc');
}

/** What is relative would be another folder for each session. */
function absolute(path: string, variable: string): string {
  if (isAbsolute(path)) return path;
  const what = `${variable} is ${shown(path)}; it must be an absolute path`;
  throw new IpcError('home_unusable', what, { hint: `give ${variable} a path that begins with /` });
}

function isTaken(error: unknown): error is IpcError {
  return error instanceof IpcError && error.code === 'port_taken';
}

/** `isNamed`: by the caller, else by IPC_BROKER. */
async function isThisMachine({ host }: Address, isNamed: boolean): Promise<boolean> {
  try {
    return (await resolveHost(host)).every(isLoopback);
  } catch (error) {
    throw isNamed ? error : variableError(error, 'IPC_BROKER');
  }
}
