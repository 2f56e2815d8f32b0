// What one process uses of its machine: its folder and key, the broker session of each port, and point
// to point. Nothing is opened, made or bound before a call needs it.
import assert from 'node:assert/strict';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { findHolder } from './broker/holder.ts';
import { Session } from './broker/session.ts';
import { IpcError } from './core/errors.ts';
import { nameBytesMax, portBrokerDefault } from './core/limits.ts';
import type { Mail } from './core/mail.ts';
import { type Name, type Origin, parseName } from './core/message.ts';
import { ping, receive, send } from './direct.ts';
import {
  type Broker,
  type BrokerAt,
  type Context,
  type Direct,
  parseHost,
  parsePort,
  parseVariable,
  variableError,
} from './operations.ts';
import type { Keys } from './wire/handshake.ts';
import { loadKeys } from './wire/key.ts';
import { resolveLoopback } from './wire/loopback.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface PlaceOptions {
  readonly env: Environment;
  /** What the process is called in envelopes. */
  readonly program: string;
  readonly home?: string | undefined;
  readonly name?: Name | undefined;
  readonly port?: number | undefined;
}

/** Characters of up to four bytes: no label is longer than a name. */
const labelCharactersMax = 50;
assert(labelCharactersMax * 4 <= nameBytesMax);

export class Place implements Context {
  readonly home: string;
  readonly direct: Direct;
  readonly #options: PlaceOptions;
  readonly #origin: Origin;
  readonly #mails = new Map<number, Mail>();
  #isClosed = false;

  constructor(options: PlaceOptions) {
    this.#options = options;
    const program = label(options.program);
    this.#origin = { program, pid: process.pid, machine: label(hostname()) };
    this.home = options.home ?? homeFolder(options.env);
    this.direct = this.#makeDirect();
  }

  get name(): Name | undefined {
    const { name, env } = this.#options;
    return name ?? (env.IPC_NAME ? parseName(env.IPC_NAME, 'IPC_NAME') : undefined);
  }

  async broker(at: BrokerAt): Promise<Broker> {
    const port = await this.port(at);
    if (this.#isClosed) throw new IpcError('closed', 'this session has ended');
    const mail = this.#mails.get(port) ?? this.#openMail(port);
    return { port, mail };
  }

  /** A loopback host owns or joins like none. */
  async port({ host, port }: BrokerAt): Promise<number> {
    const { env } = this.#options;
    if (host !== undefined) return loopbackPort(host);
    if (port !== undefined) return port;
    if (this.#options.port !== undefined) return this.#options.port;
    if (env.IPC_BROKER) {
      const named = parseVariable(env.IPC_BROKER, 'IPC_BROKER', parseHost);
      return loopbackPort(named).catch((error: unknown) => {
        throw variableError(error, 'IPC_BROKER');
      });
    }
    return env.IPC_PORT ? parseVariable(env.IPC_PORT, 'IPC_PORT', parsePort) : portBrokerDefault;
  }

  /** Where the session of a port keeps its mail. */
  storeFolder(port: number): string {
    return join(this.home, `broker-${port}`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#mails.values()].map((mail) => mail.close()));
  }

  #openMail(port: number): Mail {
    const { env } = this.#options;
    const mail = new Session({ home: this.home, port, origin: this.#origin, env });
    this.#mails.set(port, mail);
    return mail;
  }

  #makeDirect(): Direct {
    const origin = this.#origin;
    return {
      send: async (call) => send({ ...call, origin, keys: await this.#loadKeysFor(call.host) }),
      ping: async (call) => ping({ ...call, keys: await this.#loadKeysFor(call.host) }),
      receive: async (call) => {
        const keys = await this.#loadKeysFor(call.bind);
        return receive({ ...call, keys }).catch(async (error) => {
          throw await withHolder(error, call.port);
        });
      },
    };
  }

  /** A host that is refused leaves no key file behind. */
  async #loadKeysFor(host: string): Promise<Keys> {
    await resolveLoopback(host);
    return loadKeys(this.home, this.#options.env);
  }
}

/** As an origin may carry it: hosts and machines call themselves as they like. */
function label(text: string): string {
  const line = text.toWellFormed().replace(/\p{Cc}/gu, ' ');
  return [...line].slice(0, labelCharactersMax).join('');
}

export function homeFolder(env: Environment): string {
  return env.IPC_HOME || join(homedir(), '.agent-ipc');
}

async function loopbackPort({ host, port }: { host: string; port: number }): Promise<number> {
  await resolveLoopback(host);
  return port;
}

/** The same error, with the program that holds the port where the machine tells. */
async function withHolder(error: unknown, port: number): Promise<unknown> {
  if (!(error instanceof IpcError) || error.code !== 'port_taken') return error;
  const holder = await findHolder(port);
  if (!holder) return error;
  const what = `port ${port} is held by pid ${holder.pid} (${holder.program})`;
  return new IpcError('port_taken', what, { cause: error });
}
