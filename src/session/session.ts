// A session's mail: it owns the broker of its port, or joins the owner, and nobody above can tell
// the difference. With a broker of another machine it does no more than dial.
//
// Coming to a broker:
// 1. Bid: bind the port. Who wins it owns the store, replays the journal, and serves.
// 2. Who does not win dials the one who did. A port that is taken but refuses belongs to an owner
//    whose last disk write has not ended: bid again.
// 3. When the link is lost, by death or by farewell, all standbys do the same at once.
// 4. A session whose own broker failed dials for a while before it bids again: see backoff.ts.
import { isIP } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError, outOfFiles } from '../base/errors.ts';
import { systemRuntime } from '../base/runtime.ts';
import { Acceptor } from '../broker/acceptor.ts';
import { Broker } from '../broker/broker.ts';
import { areOpen, Listeners } from '../broker/listeners.ts';
import { Client } from '../client/client.ts';
import type { Connector } from '../client/link.ts';
import { readOwner } from '../journal/paths.ts';
import { journalFormat } from '../journal/record-codec.ts';
import { storeId } from '../journal/recovery.ts';
import type {
  BrokerStatus,
  Cancellable,
  Delivery,
  FetchArguments,
  FetchResult,
  Held,
  MailService,
  PostArguments,
  PostResult,
  ReleaseArguments,
  RetryArguments,
  RetryResult,
  StartResult,
  StopResult,
  WaitArguments,
} from '../model/mail-service.ts';
import type { Name, Origin } from '../model/message.ts';
import type { Welcome } from '../model/requests.ts';
import { type DialTarget, dial } from '../net/connect.ts';
import type { Connection } from '../net/connection.ts';
import { loadKeys, makeHome, watchKeys } from '../net/keys.ts';
import { ownerAddress } from '../net/listen.ts';
import { resolveHost } from '../net/tls.ts';
import type { Keys } from '../protocol/handshake.ts';
import { Backoff } from './backoff.ts';
import { claim, socketPath } from './election.ts';
import { describeProcess, findPortOwner } from './port-owner.ts';

export interface SessionOptions {
  /** The state folder: keys, and a store per port. */
  readonly home: string;
  readonly port: number;
  /** Another machine, which has the broker; this one unless given. */
  readonly host?: string | undefined;
  readonly origin: Origin;
  readonly env: NodeJS.ProcessEnv;
}

/** Waits and retries: a port that is taken, but where nobody answers, belongs to a dying owner. */
const dyingOwnerMsMax = 10_000;
/** A program that hangs up on us is not about to become our broker. */
const hangUpMsMax = 1_500;
const bidPauseMsMax = 50;
/** How long a stop waits for the standby that takes over. */
const successorMsMax = 5_000;
/** The same where no session said that it would; it may have changed its mind since. */
const joinerMsMax = 1_000;
/** A session that may not own gives the others so long to take over. */
const takeoverMsMax = 1_000;
const closeMsDefault = 2_000;

export class Session implements MailService {
  readonly #options: SessionOptions;
  readonly #folder: string;
  readonly #client: Client;
  readonly #backoff = new Backoff(systemRuntime);
  #broker: Broker | undefined;
  /** Gave the role up by order: does not own again before its own start(). */
  #stopped = false;
  /** The owner has another store than our folder, or writes a format that we cannot read. */
  #foreign = false;
  #closed = false;
  /** The key that the last broker proved. */
  #proved: Buffer | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#folder = join(options.home, `broker-${options.port}`);
    const connector: Connector = {
      connect: () => this.#connect(),
      silent: () => this.#silent(),
      welcomed: (welcome) => this.#welcomed(welcome),
      isStandby: () => this.#mayOwn(),
    };
    this.#client = new Client(options.origin, connector);
  }

  post(to: Name, body: Buffer, options?: PostArguments): Promise<PostResult> {
    return this.#client.post(to, body, options);
  }

  wait(mailbox: Name, options: WaitArguments): Promise<Delivery | undefined> {
    return this.#client.wait(mailbox, options);
  }

  fetch(mailbox: Name, options?: FetchArguments): Promise<FetchResult> {
    return this.#client.fetch(mailbox, options);
  }

  settle(deliveries: readonly Held[], options?: Cancellable): Promise<readonly Held[]> {
    return this.#client.settle(deliveries, options);
  }

  release(deliveries: readonly Held[], options?: ReleaseArguments): Promise<void> {
    return this.#client.release(deliveries, options);
  }

  retry(options?: RetryArguments): Promise<RetryResult> {
    return this.#client.retry(options);
  }

  async status(options?: Cancellable): Promise<BrokerStatus> {
    const { kind: _kind, request: _request, ...counts } = await this.#client.status(options);
    const { pid, epoch, addresses } = this.#client.welcome ?? (await this.#client.join(options));
    const own = this.#broker !== undefined;
    const { port, host } = this.#options;
    return { ...(host !== undefined && { host }), port, pid, own, epoch, addresses, ...counts };
  }

  async start(options: Cancellable & { bind?: string | undefined } = {}): Promise<StartResult> {
    const [bind] = options.bind === undefined ? [] : await resolveHost(options.bind, 'bind');
    if (bind !== undefined && this.#options.host !== undefined) {
      throw new IpcError('bad_parameter', `bind: the broker is on ${this.#where()}`);
    }
    this.#stopped = false;
    this.#foreign = false;
    const welcome = await this.#client.join(options);
    const broker = this.#broker;
    const { pid, epoch, messages } = welcome;
    if (bind !== undefined && broker) await broker.listenOn(bind);
    else if (bind !== undefined && !areOpen(welcome.addresses, bind)) {
      throw new IpcError('not_owner', `pid ${pid} owns the broker, and does not listen on ${bind}`);
    }
    const addresses = broker?.addresses ?? welcome.addresses;
    const { warnings } = await this.#client.status(options);
    return { role: broker ? 'owner' : 'client', pid, epoch, addresses, messages, warnings };
  }

  async stop(options?: Cancellable): Promise<StopResult> {
    const broker = this.#broker;
    if (!broker) throw await this.#notOwner();
    this.#stopped = true;
    this.#broker = undefined;
    const { messages } = broker;
    const hasStandby = broker.standbys(this.#client.session) > 0;
    const isAlone = broker.sessions <= 1;
    await broker.close();
    if (isAlone) return { successor: undefined, messages };
    const welcome = await this.#successor(hasStandby ? successorMsMax : joinerMsMax, options);
    return { successor: welcome?.pid, messages: welcome?.messages ?? messages };
  }

  async close(graceMs = closeMsDefault): Promise<void> {
    this.#closed = true;
    await this.#client.close(graceMs);
    const broker = this.#broker;
    this.#broker = undefined;
    await broker?.close();
  }

  /** Whoever owns the broker next, once he serves; undefined when nobody does in time. */
  async #successor(patienceMs: number, options?: Cancellable): Promise<Welcome | undefined> {
    const until = performance.now() + patienceMs;
    while (performance.now() < until && !options?.signal?.aborted) {
      const welcome = await this.#client.join(options).catch(() => undefined);
      if (welcome) return welcome;
      await sleep(bidPauseMsMax);
    }
    return undefined;
  }

  #mayOwn(): boolean {
    const { host } = this.#options;
    return host === undefined && !this.#stopped && !this.#foreign && !this.#closed;
  }

  #mayBid(): boolean {
    return this.#mayOwn() && !this.#backoff.isPaused(this.#client.hasCallers);
  }

  async #connect(): Promise<Connection> {
    const { home, env } = this.#options;
    const keys = await loadKeys(home, env);
    const currentKeys = watchKeys(home, env, keys);
    const dialled = notBefore(this.#proved, keys);
    const began = performance.now();
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, bidPauseMsMax)) {
      const roads = this.#mayBid() ? await this.#bid(currentKeys) : await this.#addresses();
      try {
        const connection = await dialAny(roads, dialled);
        this.#proved = connection.key;
        connection.endWhenRetired(currentKeys);
        return connection;
      } catch (error) {
        if (!this.#mayTryAgain(error, performance.now() - began)) throw await this.#explain(error);
      }
      await sleep(pauseMs);
    }
  }

  /** Owns the store if the port is free. Returns where the broker is then. */
  async #bid(keys: () => Keys): Promise<readonly DialTarget[]> {
    try {
      return [await this.#own(keys)];
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      // Another session may be able to own the store; it is found by dialling.
      this.#backoff.failed(error);
      return this.#addresses();
    }
  }

  async #own(keys: () => Keys): Promise<DialTarget> {
    const { port } = this.#options;
    await makeHome(this.#folder).catch((error: Error) => {
      const what = `${this.#folder}: ${error.message}`;
      throw outOfFiles(error) ?? new IpcError('home_unusable', what, { cause: error });
    });
    const won = await claim(port, this.#folder);
    if (won.kind === 'elsewhere') return { path: won.path };
    if (won.kind === 'taken') return this.#portAddress();
    const listeners = new Listeners(port, won.listeners);
    await this.#openAsBefore(listeners);
    if (!listeners.holdsLock) {
      // A wildcard took the lock's place, and neither could be had again: somebody else may own now.
      listeners.close();
      return this.#portAddress();
    }
    try {
      const broker = await Broker.start({
        doors: listeners,
        admission: new Acceptor(listeners, keys),
        folder: this.#folder,
        onFailed: (error) => {
          this.#backoff.failed(error);
          if (this.#broker === broker) this.#broker = undefined;
        },
      });
      this.#backoff.opened();
      this.#broker = broker;
      if (this.#closed) await broker.close();
    } catch (error) {
      // Somebody began to own the store at the same moment; he is found by dialling.
      if (!(error instanceof IpcError && error.code === 'no_broker')) throw error;
    }
    return this.#portAddress();
  }

  /** What the last owner had bound; an address that is gone is passed over. */
  async #openAsBefore(listeners: Listeners): Promise<void> {
    const before = readOwner(this.#folder)?.addresses ?? [];
    for (const address of before.filter((each) => each !== ownerAddress && isIP(each) !== 0)) {
      await listeners.open(address).catch((error: unknown) => {
        if (!(error instanceof IpcError)) throw error;
      });
    }
  }

  #portAddress(): DialTarget {
    return { host: ownerAddress, port: this.#options.port };
  }

  async #addresses(): Promise<readonly DialTarget[]> {
    const { host, port } = this.#options;
    if (host === undefined && !this.#mayOwn()) return [this.#portAddress()];
    // While this session does not bid: an owner in another network namespace has the socket alone.
    if (host === undefined) return [this.#portAddress(), { path: socketPath(this.#folder) }];
    return (await resolveHost(host)).map((each) => ({ host: each, port }));
  }

  #where(): string {
    const { host, port } = this.#options;
    return host === undefined ? `port ${port}` : `${host} port ${port}`;
  }

  #mayTryAgain(error: unknown, passedMs: number): boolean {
    if (!(error instanceof IpcError) || error.code !== 'unreachable' || this.#closed) return false;
    const hungUp = error.cause === undefined;
    if (hungUp) return passedMs < hangUpMsMax;
    return passedMs < (this.#mayBid() ? dyingOwnerMsMax : takeoverMsMax);
  }

  /** Turns what a dial saw into what the caller can act on. */
  async #explain(error: unknown): Promise<unknown> {
    const { port, host } = this.#options;
    if (!(error instanceof IpcError) || host !== undefined) return error;
    const refused = error.code === 'unreachable' && error.cause !== undefined;
    if (refused && this.#mayOwn() && this.#backoff.error) return this.#backoff.error;
    if (refused && !this.#mayOwn()) {
      return new IpcError('no_broker', `nobody owns the broker of port ${port} now`);
    }
    if (!['unreachable', 'port_taken', 'key_mismatch'].includes(error.code)) return error;
    const portOwner = await findPortOwner(port);
    const held = portOwner ? ` by pid ${portOwner.pid} (${portOwner.program})` : '';
    if (error.code === 'key_mismatch') {
      return new IpcError('key_mismatch', `port ${port} is held${held} with another key`);
    }
    const owner = readOwner(this.#folder);
    if (portOwner && owner?.pid === portOwner.pid) return this.#silent();
    const what = `port ${port} is held${held}, which does not answer as a broker`;
    return new IpcError('port_taken', what, { cause: error });
  }

  async #silent(): Promise<IpcError> {
    if (this.#options.host !== undefined) {
      return new IpcError('owner_silent', `the broker at ${this.#where()} does not answer`);
    }
    const pid = this.#client.welcome?.pid ?? readOwner(this.#folder)?.pid;
    const process = pid === undefined ? undefined : await describeProcess(pid);
    const state = process ? `, ${process.program}, state ${process.state}` : '';
    const what = `the broker of port ${this.#options.port} (pid ${pid ?? 'unknown'}${state})`;
    return new IpcError('owner_silent', `${what} does not answer`);
  }

  #welcomed(welcome: Welcome): void {
    if (this.#options.host !== undefined) return;
    const isReadable = welcome.format <= journalFormat;
    this.#foreign = !isReadable || welcome.store !== this.#ownStore();
  }

  /** undefined also for a store that this version cannot read: it is not the owner's. */
  #ownStore(): string | undefined {
    try {
      return storeId(this.#folder);
    } catch {
      return undefined;
    }
  }

  async #notOwner(): Promise<IpcError> {
    const { port, host } = this.#options;
    if (host !== undefined) return new IpcError('not_owner', `the broker is on ${this.#where()}`);
    const noted = this.#client.welcome?.pid ?? readOwner(this.#folder)?.pid;
    const owner = noted === undefined ? undefined : await describeProcess(noted);
    if (!owner || owner.pid === process.pid) {
      return new IpcError('not_owner', `this session does not own the broker of port ${port}`);
    }
    const what = `the broker of port ${port} is owned by pid ${owner.pid} (${owner.program})`;
    return new IpcError('not_owner', what);
  }
}

/**
 * A broker that has proved a key is not believed with an older one: who sits on the way could refuse the
 * newer, and may have stolen the older.
 */
function notBefore(proved: Buffer | undefined, [newest, ...older]: Keys): Keys {
  return proved?.equals(newest) ? [newest] : [newest, ...older];
}

/** The first that answers; the last fault when none does. */
async function dialAny(addresses: readonly DialTarget[], keys: Keys): Promise<Connection> {
  let fault: unknown;
  for (const address of addresses) {
    try {
      return await dial(address, keys);
    } catch (error) {
      fault = error;
    }
  }
  throw fault;
}
