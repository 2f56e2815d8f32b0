// What one process uses of its machine: its folder and key, the broker session of each port, and point
// to point. Nothing is opened, made or bound before a call needs it.
import assert from 'node:assert/strict';
import { homedir, hostname, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { IpcError } from '../base/errors.ts';
import { nameBytesMax, portBrokerDefault } from '../base/limits.ts';
import { receive } from '../direct/receive.ts';
import { ping, send } from '../direct/send.ts';
import { maxWaitIn } from '../hosts/profiles.ts';
import { readOwner } from '../journal/paths.ts';
import type { MailService } from '../model/mail-service.ts';
import { type Name, type Origin, parseName } from '../model/message.ts';
import { loadKeys, parseKey, watchKeys } from '../net/keys.ts';
import { isLoopback, resolveHost } from '../net/tls.ts';
import type { Keys } from '../protocol/handshake.ts';
import { continueHint, findPortOwner, isStopped } from '../session/port-owner.ts';
import { Session } from '../session/session.ts';
import type {
  BrokerAddress,
  BrokerName,
  BrokerSession,
  Direct,
  OperationContext,
} from './operations.ts';
import {
  type Address,
  parseHost,
  parsePort,
  parseSendsPerHour,
  parseVariable,
  shown,
  variableError,
} from './parameters.ts';
import { RateGuard } from './rate-limit.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface AppContextOptions {
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

export class AppContext implements OperationContext {
  readonly home: string;
  readonly direct: Direct;
  readonly #options: AppContextOptions;
  readonly #origin: Origin;
  readonly #mails = new Map<BrokerName, MailService>();
  /**
   * Whether a host is this machine. Looked up once, so that a call needs no resolver while its session
   * has a connection; for a new one the session looks the host up anew.
   */
  readonly #isHere = new Map<string, boolean>();
  readonly #rate: RateGuard | undefined;
  #isClosed = false;

  constructor(options: AppContextOptions) {
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
  async broker(at: BrokerAddress): Promise<BrokerSession> {
    const { host, port } = await this.find(at);
    this.#checkOpen();
    const name = host === undefined ? String(port) : `${host}:${port}`;
    const mail = this.#mails.get(name) ?? this.#openMail(name, host, port);
    return { port, name, mail };
  }

  /** Where a call's broker is; a name of this machine owns or joins like no host. */
  async find(at: BrokerAddress): Promise<{ host: string | undefined; port: number }> {
    const address = this.#addressOf(at);
    if (!address) return { host: undefined, port: this.localPort(at.port) };
    const { host, port } = address;
    const isNamed = (at.host ?? this.#options.host) !== undefined;
    const isHere = this.#isHere.get(host) ?? (await isThisMachine(address, isNamed));
    this.#isHere.set(host, isHere);
    return { host: isHere ? undefined : host, port };
  }

  /** A broker as its guests see it, who never own. */
  guest(host: string, port: number): MailService {
    return this.#openMail(`${host}:${port}`, host, port);
  }

  /** Of a broker that was opened. */
  mailOf(name: BrokerName): MailService {
    const mail = this.#mails.get(name);
    assert(mail, 'a broker stays open until the place is closed');
    return mail;
  }

  /** The port of this machine's broker, for calls that name none. */
  localPort(given = this.#options.port): number {
    if (given !== undefined) return given;
    return portIn(this.#options.env) ?? portBrokerDefault;
  }

  #addressOf({ host, port }: BrokerAddress): Address | undefined {
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

  #openMail(name: BrokerName, host: string | undefined, port: number): MailService {
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
    const portOwner = await findPortOwner(port);
    const taken = (what: string) =>
      new IpcError('port_taken', what, { cause: error, hint: 'use another port' });
    if (portOwner?.pid === process.pid) return taken(`this session itself has port ${port}`);
    const pid = portOwner ? ` (pid ${portOwner.pid})` : '';
    if (portOwner && readOwner(this.storeFolder(port))?.pid === portOwner.pid) {
      return taken(`an ipc broker owns port ${port}${pid}`);
    }
    const isPeer = await ping({ host: bind, port, keys, timeoutMs: peerMs }).catch(() => undefined);
    if (isPeer) return taken(`another ipc session receives on port ${port}${pid}`);
    if (!portOwner) return error;
    const what = `port ${port} is held by pid ${portOwner.pid} (${portOwner.program})`;
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
    const portOwner = isHere ? await findPortOwner(port) : undefined;
    if (!portOwner || !isStopped(portOwner)) throw error;
    const what = `pid ${portOwner.pid} (${portOwner.program}) has port ${port}, but is stopped`;
    throw new IpcError('unreachable', what, { cause: error, hint: continueHint(portOwner) });
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
