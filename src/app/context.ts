// What one process uses of its machine: its state folder, the broker session of each port, and point to
// point. Nothing is opened, made or bound before a call needs it.
import assert from 'node:assert/strict';
import { join, sep } from 'node:path';
import { performance } from 'node:perf_hooks';
import { IpcError } from '../base/errors.ts';
import { lateCode } from '../base/late-code.ts';
import { nameBytesMax, portBrokerDefault } from '../base/limits.ts';
import type { MailService } from '../model/mail-service.ts';
import type { Name, Origin } from '../model/message.ts';
import {
  isNatsAddress,
  type NatsAddress,
  natsUrl,
  parseNatsAddress,
  streamOf,
} from '../nats/nats-address.ts';
import { isLoopback, resolveHost } from '../net/tls.ts';
import { loadOwnerCode, type Ownership, Session } from '../session/session.ts';
import {
  absolutePath,
  brokerIn,
  type Environment,
  historyIn,
  homeFolder,
  nameIn,
  natsFilesIn,
  portIn,
} from './environment.ts';
import { type BrokerHost, variableError } from './parameters.ts';
import { PointToPoint } from './point-to-point.ts';
import { machineName, userHome, workingFolder } from './process-facts.ts';
import { RateLimiter } from './rate-limit.ts';

export interface AppContextOptions {
  readonly env: Environment;
  /** The name of the process in envelopes. */
  readonly program: string;
  readonly home?: string | undefined;
  readonly name?: Name | undefined;
  readonly port?: number | undefined;
  /** The broker for calls that name none. */
  readonly host?: BrokerHost | undefined;
  /** From one sender to one mailbox; no limit unless given. */
  readonly sendsPerHour?: number | undefined;
  /** When its sessions own a broker; by default as soon as they can. */
  readonly ownership?: Ownership | undefined;
}

/** How a call names its broker; neither: the default one of this machine. */
export interface BrokerAddress {
  readonly host?: BrokerHost;
  readonly port?: number;
}

/** `PORT` of this machine, `HOST:PORT` of another, or the address of a NATS server and the number of a stream. */
export type BrokerName = string;

/** A stream of a NATS server. */
export interface NatsPlace {
  readonly address: NatsAddress;
  /** The number of the broker, after which the stream is named. */
  readonly port: number;
}

export interface BrokerSession {
  readonly port: number;
  /** Another machine, or the address of a NATS server without its password; undefined for this machine. */
  readonly host: string | undefined;
  /** Unique among the brokers that this process uses. */
  readonly name: BrokerName;
  readonly mail: MailService;
}

/** Characters have up to four bytes: no label is longer than a name. */
const labelCharactersMax = 50;
assert(labelCharactersMax * 4 <= nameBytesMax);

/** Most calls name no NATS server, so this code is loaded for those that do. */
const natsCode = () => lateCode(import('../session/nats-session.ts'));

/** Loads the code that a later call or a takeover needs, because an update may replace the program's files meanwhile. */
export function loadSessionCode(): void {
  loadOwnerCode();
  natsCode().catch(() => {});
}

export class AppContext {
  readonly home: string;
  readonly direct: PointToPoint;
  readonly #options: AppContextOptions;
  readonly #origin: Origin;
  readonly #mails = new Map<BrokerName, MailService>();
  /**
   * Whether a host is this machine. Looked up once, so that a call needs no resolver while its session
   * has a connection; for a new one the session looks the host up anew.
   */
  readonly #isHere = new Map<string, boolean>();
  readonly #rate: RateLimiter | undefined;
  /** The broker of calls that name none, once it was asked for. */
  #default: BrokerSession | undefined;
  #isClosed = false;

  constructor(options: AppContextOptions) {
    const { env, program, home, sendsPerHour } = options;
    this.#options = options;
    const folder = folderLabel(workingFolder(), userHome());
    this.#origin = {
      ...{ program: label(program), pid: process.pid, machine: label(machineName()) },
      ...(folder !== undefined && { folder }),
    };
    this.home = home === undefined ? homeFolder(env) : absolutePath(home, 'home');
    this.direct = new PointToPoint({
      home: this.home,
      env,
      origin: this.#origin,
      storeFolder: (port) => this.storeFolder(port),
      checkOpen: () => this.#checkOpen(),
    });
    this.#rate = sendsPerHour ? new RateLimiter(sendsPerHour, () => performance.now()) : undefined;
  }

  /** The sender's name for calls that give none. */
  get name(): Name | undefined {
    const { name, env } = this.#options;
    return name ?? nameIn(env);
  }

  /** Runs `send`, unless the sender has reached its rate limit for one of the addresses. */
  rateLimited<Result>(
    from: string,
    to: readonly string[],
    send: () => Promise<Result>,
  ): Promise<Result> {
    return this.#rate ? this.#rate.run(from, to, send) : send();
  }

  /** The session of a broker, opened at its first use. A call asks for it once. */
  async broker(at: BrokerAddress): Promise<BrokerSession> {
    this.#checkOpen();
    if (at.host !== undefined || at.port !== undefined) return this.#brokerAt(at);
    this.#default ??= await this.#brokerAt({});
    return this.#default;
  }

  async #brokerAt(at: BrokerAddress): Promise<BrokerSession> {
    const nats = this.natsOf(at);
    if (nats) return this.#natsBroker(nats);
    const { host, port } = await this.brokerAddress(at);
    this.#checkOpen();
    const name = host === undefined ? String(port) : `${host}:${port}`;
    const mail = this.#mails.get(name) ?? this.#openMail(name, host, port);
    return { port, host, name, mail };
  }

  /** The NATS server of a call, if the mail is there; then the port is the number of a stream. */
  natsOf({ host, port }: BrokerAddress): NatsPlace | undefined {
    const given = host ?? this.#options.host ?? brokerIn(this.#options.env);
    if (given === undefined || !isNatsAddress(given.host)) return undefined;
    const address = this.#withLogin(parseNatsAddress(given.host));
    return { address, port: this.localPort(port ?? given.port) };
  }

  /**
   * An address without a login has that of IPC_BROKER, if that names the same servers: so an address can be kept in a
   * file or in the id of a task without its password.
   */
  #withLogin(address: NatsAddress): NatsAddress {
    const { user, token } = address;
    if (user !== undefined || token !== undefined) return address;
    const known = [this.#options.host?.host, this.#options.env.IPC_BROKER].flatMap((text) => {
      return text !== undefined && isNatsAddress(text) ? [parseNatsAddress(text)] : [];
    });
    return known.find((each) => natsUrl(each) === natsUrl(address)) ?? address;
  }

  async #natsBroker({ address, port }: NatsPlace): Promise<BrokerSession> {
    const code = await natsCode();
    this.#checkOpen();
    const host = natsUrl(address);
    const name = `${host} ${port}`;
    const mail = this.#mails.get(name) ?? this.#openNats(code, name, { address, port });
    return { port, host, name, mail };
  }

  #openNats(
    { NatsServer, NatsSession }: Awaited<ReturnType<typeof natsCode>>,
    name: BrokerName,
    { address, port }: NatsPlace,
    ownership = this.#options.ownership,
  ): MailService {
    const { machine, program } = this.#origin;
    const files = natsFilesIn(this.#options.env);
    const mail = new NatsSession({
      server: new NatsServer({ address, ...files, name: `agent-ipc ${program} ${machine}` }),
      ...{ home: this.home, port, origin: this.#origin, ownership },
      name: this.#senderLabel,
      history: historyIn(this.#options.env),
    });
    this.#mails.set(name, mail);
    return mail;
  }

  /** The folder of a broker's store on this machine. @throws IpcError if the mail is on a NATS server. */
  ownStoreFolder(port?: number): string {
    const nats = this.natsOf(port === undefined ? {} : { port });
    if (nats === undefined) return this.storeFolder(this.localPort(port));
    const stream = streamOf(nats.port);
    const what = `the mail is on ${natsUrl(nats.address)}, in the stream ${stream}, and not in files of this machine`;
    const hint =
      '`ipc log` and `ipc status` show what is there; with IPC_BROKER= before it, the command reads the files of this machine';
    throw new IpcError('bad_parameter', what, { hint });
  }

  /** An IPC_NAME that is no name is refused where a call uses it. */
  get #senderLabel(): string | undefined {
    const sender = this.#options.name ?? this.#options.env.IPC_NAME;
    return sender ? label(sender) : undefined;
  }

  /** The broker of a call; a host that is this machine is the same as no host. */
  async brokerAddress(at: BrokerAddress): Promise<{ host: string | undefined; port: number }> {
    const nats = this.natsOf(at);
    if (nats) return { host: natsUrl(nats.address), port: nats.port };
    const address = this.#addressOf(at);
    if (!address) return { host: undefined, port: this.localPort(at.port) };
    const { host, port = this.localPort(at.port) } = address;
    const isNamed = (at.host ?? this.#options.host) !== undefined;
    const isHere = this.#isHere.get(host) ?? (await isThisMachine(host, isNamed));
    this.#isHere.set(host, isHere);
    return { host: isHere ? undefined : host, port };
  }

  /** This process, as brokers and recipients are shown it. */
  get origin(): Origin {
    return this.#origin;
  }

  /** The broker at an address, as a client that never owns it. */
  async clientOf(host: string, port: number): Promise<MailService> {
    const nats = this.natsOf({ host: { host }, port });
    if (nats) return this.#openNats(await natsCode(), `${host} ${port}`, nats, 'never');
    return this.#openMail(`${host}:${port}`, host, port);
  }

  /** The mail of a broker that was opened. */
  mailOf(name: BrokerName): MailService {
    const mail = this.#mails.get(name);
    assert(mail, 'a broker stays open until the context is closed');
    return mail;
  }

  /** The port of this machine's broker, for calls that name none. */
  localPort(given = this.#options.port): number {
    return given ?? portIn(this.#options.env) ?? portBrokerDefault;
  }

  #addressOf({ host, port }: BrokerAddress): BrokerHost | undefined {
    if (host !== undefined) return host;
    if (port !== undefined) return undefined;
    if (this.#options.host !== undefined) return this.#options.host;
    return this.#options.port === undefined ? brokerIn(this.#options.env) : undefined;
  }

  /** The folder in which the broker of a port keeps its mail. */
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
    const { env, ownership } = this.#options;
    const mail = new Session({
      ...{ home: this.home, host, port, origin: this.#origin, env, ownership },
      name: this.#senderLabel,
      history: host === undefined ? historyIn(env) : undefined,
    });
    this.#mails.set(name, mail);
    return mail;
  }
}

/** Most labels. Making an expression with properties of characters takes a large part of a millisecond. */
const plainLabel = /^[ -~]*$/;

/** One short line, as an origin needs it, of what a host or a machine calls itself. */
function label(text: string, charactersMax = labelCharactersMax): string {
  const line = plainLabel.test(text) ? text : text.toWellFormed().replace(/\p{Cc}/gu, ' ');
  return [...line].slice(0, charactersMax).join('');
}

/** The end of a long path says more than its beginning. */
function folderLabel(path: string | undefined, home: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const isInHome = home !== undefined && (path === home || path.startsWith(home + sep));
  const shown = label(isInHome ? `~${path.slice(home.length)}` : path, Number.POSITIVE_INFINITY);
  const characters = [...shown];
  if (characters.length <= labelCharactersMax) return shown;
  return `…${characters.slice(1 - labelCharactersMax).join('')}`;
}

/** `isNamed`: the caller named the host; else IPC_BROKER did, and its value may be a secret. */
async function isThisMachine(host: string, isNamed: boolean): Promise<boolean> {
  try {
    return (await resolveHost(host)).every(isLoopback);
  } catch (error) {
    const isSecret = !isNamed && error instanceof IpcError && error.code === 'host_unknown';
    throw isSecret ? variableError(error, 'IPC_BROKER') : error;
  }
}
