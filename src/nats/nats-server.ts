// The connection of a session to a NATS server. It is made at the first use, and made again by the client of NATS for as
// long as it takes. Its callbacks report each loss and each reconnect.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkServerIdentity as checkName, type PeerCertificate } from 'node:tls';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Authenticator, NatsConnection, TlsOptions } from '@nats-io/transport-node';
import { IpcError } from '../base/errors.ts';
import { lateCode } from '../base/late-code.ts';
import { type NatsAddress, type NatsFiles, natsUrl } from './nats-address.ts';
import { natsFault } from './nats-faults.ts';

type Library = typeof import('./nats-library.ts');

export interface NatsOptions extends NatsFiles {
  readonly address: NatsAddress;
  /** What the server shows of this session to those who operate it. */
  readonly name: string;
}

export interface Nats {
  readonly library: Library;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly url: string;
  /** To be called when a request got no answer. `wayMs`: how long all that was sent may be on its way. */
  unanswered(wayMs: number): void;
}

const connectMs = 5_000;
const pingMs = 10_000;
/** A heartbeat that got no answer, and the next. */
const pingsMax = 2;
const reconnectMs = 250;
/** How long a server may take to answer a ping; one that stands still never answers. */
const pongMsMax = 2_000;
const drainMsMax = 1_000;

export class NatsServer {
  readonly #options: NatsOptions;
  #nats: Promise<Nats> | undefined;
  /** The connection that is there, or is being made. */
  #dialing: { end(): void } | undefined;
  #isMade = false;
  /** Called whenever the connection is lost. */
  readonly onLost = new Set<() => void>();
  /** The connection was lost, and is not made again yet: a request would wait for a response in vain. */
  isLost = false;
  /** Called whenever it is made again. */
  readonly onBack = new Set<() => void>();
  /** Called with the subject of each message that this user may not publish. */
  readonly onForbidden = new Set<(subject: string, error: Error) => void>();
  /** When the connection was made again after it was lost, on the clock of performance.now(). */
  #reconnected = Number.NEGATIVE_INFINITY;
  #isPinging = false;
  #isClosed = false;

  constructor(options: NatsOptions) {
    this.#options = options;
  }

  /** Without user and password. */
  get url(): string {
    return natsUrl(this.#options.address);
  }

  /** How long ago the connection was made again after it was lost; Infinity if it was not. */
  get reconnectedMs(): number {
    return performance.now() - this.#reconnected;
  }

  /** Throws `unreachable` while no server is there, and `not_authorized`. */
  async connection(): Promise<Nats> {
    this.#nats ??= this.#connect().catch((error: unknown) => {
      this.#nats = undefined;
      throw natsFault(error, this.url);
    });
    const nats = await this.#nats;
    if (nats.connection.isClosed()) {
      this.#nats = undefined;
      return this.connection();
    }
    return nats;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    // One that is being made ends at once.
    if (!this.#isMade) this.#dialing?.end();
    const { connection } = (await this.#nats?.catch(() => undefined)) ?? {};
    if (!connection) return;
    // What was published last is on its way before the connection ends, if the server is there.
    const drained = connection.drain().catch(() => {});
    await Promise.race([drained, sleep(drainMsMax, undefined, { ref: false })]);
    await connection.close();
    this.#dialing?.end();
  }

  async #connect(): Promise<Nats> {
    const library: Library = await lateCode(import('./nats-library.ts'));
    if (this.#isClosed) throw new IpcError('closed', 'this session has ended');
    const connection = await this.#dial(library);
    this.isLost = false;
    void this.#follow(connection);
    const manager = await library.jetstreamManager(connection, { checkAPI: false });
    const unanswered = (wayMs: number) => void this.#leaveIfStill(connection, wayMs);
    return { library, connection, manager, url: this.url, unanswered };
  }

  /** The client of NATS would stay for half a minute at a node that stands still, while others of its cluster serve. */
  async #leaveIfStill(connection: NatsConnection, wayMs: number): Promise<void> {
    const nodes = new Set([
      ...this.#options.address.servers,
      ...(connection.info?.connect_urls ?? []),
    ]);
    if (nodes.size < 2 || this.#isPinging || this.isLost) return;
    this.#isPinging = true;
    const ponged = connection.flush().then(() => true);
    const late = sleep(wayMs + pongMsMax, false, { ref: false });
    const isAlive = await Promise.race([ponged, late]).catch(() => true);
    this.#isPinging = false;
    if (!isAlive && !this.isLost && !this.#isClosed) await connection.reconnect().catch(() => {});
  }

  async #dial(library: Library): Promise<NatsConnection> {
    const { address, name } = this.#options;
    const options = {
      ...{ servers: [...address.servers], name, ...this.#login(library), ...this.#tls() },
      ...{ timeout: connectMs, pingInterval: pingMs, maxPingOut: pingsMax },
      ...{ maxReconnectAttempts: -1, reconnectTimeWait: reconnectMs, reconnectJitter: reconnectMs },
    };
    this.#isMade = false;
    const dialing = new library.Dialing();
    this.#dialing = dialing;
    try {
      const connection = await library.connect(options, dialing);
      this.#isMade = true;
      return connection;
    } catch (error) {
      dialing.end();
      throw error;
    }
  }

  #lost(): void {
    this.isLost = true;
    for (const lost of [...this.onLost]) lost();
  }

  #back(): void {
    this.isLost = false;
    this.#reconnected = performance.now();
    for (const back of [...this.onBack]) back();
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'reconnect') this.#back();
      if (status.type === 'disconnect') this.#lost();
      if (status.type === 'error') this.#refused(status.error);
    }
    for (const lost of [...this.onLost]) lost();
  }

  /** The server says so once, and answers the message with nothing. */
  #refused(error: Error): void {
    const [, subject] = /^Permissions Violation for Publish to "(\S+)"/i.exec(error.message) ?? [];
    if (subject === undefined) return;
    for (const forbidden of [...this.onForbidden]) forbidden(subject, error);
  }

  #login(library: Library): { authenticator: Authenticator } | Record<string, string> {
    const { address, credentials } = this.#options;
    if (credentials !== undefined) {
      const text = readCredentials(credentials);
      const bytes = new TextEncoder().encode(text);
      const isCredentials = text.includes('-----BEGIN');
      const authenticator = isCredentials
        ? library.credsAuthenticator(bytes)
        : library.nkeyAuthenticator(new TextEncoder().encode(text.trim()));
      return { authenticator };
    }
    const { user, password, token } = address;
    if (token !== undefined) return { token };
    return user === undefined ? {} : { user, pass: password ?? '' };
  }

  #tls(): { readonly tls?: TlsOptions } {
    const { address, authorities } = this.#options;
    if (authorities === undefined && !address.isTls) return {};
    const names = address.servers.map(hostOf);
    // The client of NATS would check the certificate of a server that is named by an IP address as one of "localhost".
    const checkServerIdentity = (_host: string, certificate: PeerCertificate) => {
      const faults = names.map((name) => checkName(name, certificate));
      return faults.every((fault) => fault !== undefined) ? faults[0] : undefined;
    };
    const ca = authorities === undefined ? {} : { ca: readAuthorities(authorities) };
    // Passed on to node:tls, as all options are.
    const tls = { ...ca, checkServerIdentity };
    return { tls };
  }
}

/** Of HOST:PORT. */
function hostOf(server: string): string {
  return server.slice(0, server.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

/** Credentials with a JWT, or the seed of an nkey. @throws IpcError `key_unusable`. */
export function readCredentials(path: string): string {
  const text = readGiven(path, 'IPC_NATS_CREDS');
  if (/-----BEGIN NATS USER JWT-----[^-]+-/.test(text) || /^\s*SU[A-Z2-7]{56}\s*$/.test(text)) {
    return text;
  }
  const what = `IPC_NATS_CREDS: ${path} has neither credentials nor the seed of a user's nkey`;
  throw new IpcError('key_unusable', what, {
    hint: 'name the file that `nsc generate creds` wrote, or one with a seed (SU...)',
  });
}

/** Certificates in PEM. @throws IpcError `key_unusable`. */
export function readAuthorities(path: string): string {
  const text = readGiven(path, 'IPC_NATS_CA');
  if (text.includes('-----BEGIN CERTIFICATE')) return text;
  const what = `IPC_NATS_CA: ${path} has no certificate`;
  throw new IpcError('key_unusable', what, { hint: 'name a file in PEM in IPC_NATS_CA' });
}

function readGiven(path: string, variable: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const what = `${variable}: ${(error as Error).message}`;
    throw new IpcError('key_unusable', what, {
      cause: error,
      hint: `name a file in ${variable} that this user can read`,
    });
  }
}
