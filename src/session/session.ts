// A session is a client that can also own the broker of its port. Its callers see no difference. For a
// broker on another machine it only dials.
//
// How a session connects:
// 0. A new session dials first, as in 2: most often there is an owner.
// 1. It loads the code of an owner, and tries to bind the port. The session that succeeds owns the store: it replays
//    the journal, then serves.
// 2. A session that cannot bind the port dials the owner: the Unix socket of its store, then the port. A port that
//    is taken but refuses connections belongs to an owner whose last disk write has not ended: try again from 1.
// 3. When the owner dies or says goodbye, all standbys begin at 1 at once.
// 4. A session whose own broker failed only dials for a while: see backoff.ts.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { homeFault, IpcError } from '../base/errors.ts';
import { lateCode } from '../base/late-code.ts';
import { systemRuntime } from '../base/runtime.ts';
import { type Patience, withPatience } from '../base/standstill.ts';
import { version } from '../base/version.ts';
import type { Broker } from '../broker/broker.ts';
import { addressesToBind } from '../broker/listeners.ts';
import { Client } from '../client/client.ts';
import { withOwner } from '../files/file-owner.ts';
import { requireTrustedStore } from '../files/trusted-path.ts';
import type { HistoryBound } from '../journal/history-limits.ts';
import { type OwnerNote, readOwner } from '../journal/paths.ts';
import { storeId } from '../journal/recovery.ts';
import { journalFormat } from '../journal/segment-header.ts';
import type {
  BrokerStatus,
  Cancellable,
  MailService,
  StartResult,
  StopResult,
} from '../model/mail-service.ts';
import { type Origin, validName } from '../model/message.ts';
import type { Welcome } from '../model/requests.ts';
import { type DialTarget, dialAny } from '../net/connect.ts';
import type { Connection } from '../net/connection.ts';
import { currentKeys, loadKeys, makeHome, watchKeys } from '../net/keys.ts';
import { ownerAddress } from '../net/listen.ts';
import { dialAddresses, resolveHost } from '../net/tls.ts';
import type { Keys } from '../protocol/handshake.ts';
import { Backoff } from './backoff.ts';
import { lockPort, socketPath } from './port-lock.ts';
import { describeHolder, describeProcess, findPortOwner, type PortOwner } from './port-owner.ts';
import { Welcomes } from './welcomes.ts';

/**
 * `late`: the session is no standby, and owns the broker only when no other one has for `takeoverMsMax`. `never`: it
 * makes no key and no folder either.
 */
export type Ownership = 'late' | 'never';

export interface SessionOptions {
  /** The state folder: it has the key files, and one store for each port. */
  readonly home: string;
  readonly port: number;
  /** The machine that has the broker; this machine unless given. */
  readonly host?: string | undefined;
  readonly origin: Origin;
  /** The sender's name for calls that give none. */
  readonly name?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** By default it owns the broker as soon as it can. */
  readonly ownership?: Ownership | undefined;
  /** How much history is kept if it owns the broker. */
  readonly history?: HistoryBound | undefined;
}

/** How long a session keeps trying when the port is taken but refuses: its owner is about to end. */
const dyingOwnerMsMax = 10_000;
/** The same when the program at the port hangs up: it is hardly an owner that is about to serve. */
const hangUpMsMax = 1_500;
/** The same for a session that may not own, or not yet: time for another one to take over. */
const takeoverMsMax = 1_000;
const retryPauseMsMax = 50;
/** How long a stop waits for the standby that takes over. */
const standbyMsMax = 5_000;
/** The same when no standby is known: a session may have become one since. */
const noStandbyMsMax = 1_000;
const closeMsDefault = 2_000;
/** A session that stays for longer may have to take over. */
const standbyMsMin = 1_000;

let ownerCode: typeof import('./own-store.ts') | undefined;

async function ownerCodeLoaded() {
  ownerCode ??= await lateCode(import('./own-store.ts'));
  return ownerCode;
}

/** Loads it before it is needed, because an update of the program may replace its files while the process runs. */
export function loadOwnerCode(): void {
  ownerCodeLoaded().catch(() => {});
}

export class Session extends Client implements MailService {
  readonly #options: SessionOptions;
  readonly #folder: string;
  readonly #backoff = new Backoff(systemRuntime);
  #broker: Broker | undefined;
  /** After stop() it does not own again before its own start(). */
  #isStopped = false;
  #wasWelcomed = false;
  /** The owner has another store than ours, or writes a format that this version cannot read. */
  #isForeign = false;
  /** The last connection came through the Unix socket in the folder of our store. */
  #isAtOwnSocket = false;
  #isClosed = false;
  /** Resolves when what is under way in the state folder has ended. */
  #filesWork: Promise<unknown> = Promise.resolve();
  readonly #welcomes = new Welcomes();
  /** The key that the last broker proved. */
  #provedKey: Buffer | undefined;

  constructor(options: SessionOptions) {
    super(
      options.origin,
      {
        connect: () => this.#connect(),
        describeSilentOwner: () => this.#silent(),
        welcomed: (welcome) => this.#welcomed(welcome),
        isStandby: () => this.#mayOwn() && options.ownership === undefined,
      },
      systemRuntime,
      validName(options.name),
    );
    this.#options = options;
    this.#folder = join(options.home, `broker-${options.port}`);
  }

  override async status(options?: Cancellable): Promise<BrokerStatus> {
    const { addresses: now, ...counts } = await super.status(options);
    const { pid, epoch, addresses: before } = this.welcome ?? (await this.join(options));
    const own = this.#broker !== undefined;
    const { port, host } = this.#options;
    const addresses = now ?? before;
    return { ...(host !== undefined && { host }), port, pid, own, epoch, addresses, ...counts };
  }

  async start(options: Cancellable & { bind?: string | undefined } = {}): Promise<StartResult> {
    const addresses = options.bind === undefined ? undefined : await addressesOf(options.bind);
    if (addresses && this.#options.host !== undefined) {
      const what = `bind: the broker is on ${this.#where()}`;
      const hint = 'do it on that machine, or leave bind out';
      throw new IpcError('bad_parameter', what, { hint });
    }
    this.#isStopped = false;
    this.#isForeign = false;
    const welcome = await this.join(options);
    if (addresses) await this.#listenOn(addresses, welcome, options);
    return this.#startResult(options);
  }

  async nextOwner(epoch: number, options: Cancellable = {}): Promise<StartResult> {
    for (let { welcome } = this; ; welcome = await this.#welcomes.next(options)) {
      if (welcome && welcome.epoch !== epoch) return this.#startResult(options);
      if (this.#options.host !== undefined || this.#isForeign) throw this.#noStandby();
    }
  }

  async stop(options?: Cancellable): Promise<StopResult> {
    const broker = this.#broker;
    if (!broker) throw await this.#notOwner();
    this.#isStopped = true;
    this.#broker = undefined;
    const { messages } = broker;
    const hasStandby = broker.standbys(this.session) > 0;
    const isAlone = broker.sessions <= 1;
    await this.#withFiles(broker.close());
    if (isAlone) return { successor: undefined, messages };
    const welcome = await this.#successor(hasStandby ? standbyMsMax : noStandbyMsMax, options);
    return { successor: welcome?.pid, messages: welcome?.messages ?? messages };
  }

  override async close(graceMs = closeMsDefault): Promise<void> {
    this.#isClosed = true;
    await super.close(graceMs);
    await this.#filesWork.catch(() => {});
    const broker = this.#broker;
    this.#broker = undefined;
    await broker?.close();
  }

  async #startResult(options: Cancellable): Promise<StartResult> {
    const { own, pid, epoch, addresses, messages, warnings } = await this.status(options);
    return { role: own ? 'owner' : 'client', pid, epoch, addresses, messages, warnings };
  }

  /** The owner does it, which may be this session. */
  async #listenOn(addresses: readonly string[], welcome: Welcome, options: Cancellable) {
    if (welcome.requests?.includes('listen')) return this.listen(addresses, options);
    const isSame =
      String(addressesToBind(addresses).toSorted()) === String(welcome.addresses.toSorted());
    if (!isSame) throw await this.#olderOwner(welcome);
  }

  /** Waits for the welcome of the next owner; undefined when there is none in time. */
  #successor(limitMs: number, options?: Cancellable): Promise<Welcome | undefined> {
    return withPatience(limitMs, async (patience) => {
      const isWanted = () => !this.#isClosed && !options?.signal?.aborted;
      while (patience.passedMs < limitMs && isWanted()) {
        const welcome = await this.join(options).catch(() => undefined);
        if (welcome) return welcome;
        await sleep(retryPauseMsMax);
      }
      return undefined;
    });
  }

  #mayOwn(): boolean {
    const { host, ownership } = this.#options;
    const isAble = host === undefined && ownership !== 'never';
    return isAble && !this.#isStopped && !this.#isClosed && !this.#isForeign;
  }

  #mayBid(): boolean {
    return this.#mayOwn() && !this.#backoff.isPaused(this.hasCallers);
  }

  #connect(): Promise<Connection> {
    return withPatience(dyingOwnerMsMax, (patience) => this.#connectWithin(patience));
  }

  async #connectWithin(patience: Patience): Promise<Connection> {
    const { home, env, host, ownership } = this.#options;
    if (host === undefined) requireTrustedStore(this.#folder);
    const keys =
      ownership === 'never' ? this.#keysThatAre() : await this.#withFiles(loadKeys(home, env));
    const keysNow = watchKeys(home, env, keys);
    const acceptable = withoutDowngrade(keys, this.#provedKey);
    // A new session most often finds an owner, so it dials first; after a takeover there is none.
    let isFirst = !this.#wasWelcomed;
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, retryPauseMsMax)) {
      const isEarly = ownership === 'late' && patience.passedMs < takeoverMsMax;
      const bids = this.#mayBid() && !isEarly && !isFirst;
      const targets = bids ? await this.#withFiles(this.#bid(keysNow)) : await this.#addresses();
      try {
        const connection = await dialAny(targets, acceptable);
        this.#provedKey = connection.key;
        this.#isAtOwnSocket = connection.isUnixSocket;
        connection.endWhenRetired(keysNow);
        return connection;
      } catch (error) {
        if (!this.#mayTryAgain(error, patience.passedMs)) throw await this.#explain(error);
      }
      if (!isFirst) await sleep(pauseMs);
      isFirst = false;
    }
  }

  /** A close waits for it: whoever closed the last session of a state folder may remove the folder. */
  #withFiles<Result>(work: Promise<Result>): Promise<Result> {
    this.#filesWork = work;
    return work;
  }

  #keysThatAre(): Keys {
    const keys = currentKeys(this.#options.home, this.#options.env);
    if (keys) return keys;
    throw new IpcError('no_broker', 'there is no key here yet, so no session owns a broker');
  }

  /** Owns the store if the port is free. Returns where to dial the broker. */
  async #bid(keys: () => Keys): Promise<readonly DialTarget[]> {
    try {
      return await this.#own(keys);
    } catch (given) {
      const error = this.#explainStore(given);
      if (!(error instanceof IpcError)) throw error;
      // Another session may be able to own the store; dialling finds it.
      this.#backoff.failed(error);
      return this.#addresses();
    }
  }

  /** An error of the store names its folder, and the owner of the file that this user may not use. */
  #explainStore(error: unknown): unknown {
    if (error instanceof IpcError && error.code === 'store_newer') {
      const what = `${this.#folder}: ${error.message}`;
      const hint = `${error.hint}; this is ${version}`;
      return new IpcError(error.code, what, { cause: error, hint });
    }
    return withOwner(error, this.#folder, this.#options.home);
  }

  async #own(keys: () => Keys): Promise<readonly DialTarget[]> {
    const { home, port } = this.#options;
    await makeHome(home)
      .then(() => makeHome(this.#folder))
      .catch((error: unknown) => {
        throw homeFault(error, this.#folder);
      });
    // Not under the lock, because an owner that does not serve yet hangs up on those that dial.
    const { ownStore } = await ownerCodeLoaded();
    const lock = await lockPort(port);
    if (!lock) return this.#addresses();
    const owned = await ownStore(lock, {
      ...{ port, keys, folder: this.#folder, owner: this.#ownerWords() },
      history: this.#options.history,
      onFailed: (error, broker) => {
        this.#backoff.failed(error);
        if (this.#broker === broker) this.#broker = undefined;
      },
    });
    if (owned.kind === 'elsewhere') return [{ path: owned.path }];
    if (owned.kind === 'own') {
      this.#backoff.opened();
      this.#broker = owned.broker;
      if (this.#isClosed) await owned.broker.close();
    }
    // If another session owns now, dialling finds it.
    return this.#addresses();
  }

  #ownerWords(): Pick<OwnerNote, 'program' | 'name'> {
    const { origin, name } = this.#options;
    return { program: origin.program, ...(name !== undefined && { name }) };
  }

  #portAddress(): DialTarget {
    return { host: ownerAddress, port: this.#options.port };
  }

  async #addresses(): Promise<readonly DialTarget[]> {
    const { host, port, ownership } = this.#options;
    if (host === undefined && ownership !== 'never' && !this.#mayOwn())
      return [this.#portAddress()];
    // The socket is faster than the port. Only through it can an owner in another network namespace be reached, and one
    // whose port is flooded by strangers, who cannot reach the socket.
    if (host === undefined) return [{ path: socketPath(this.#folder) }, this.#portAddress()];
    return (await dialAddresses(host)).map((each) => ({ host: each, port }));
  }

  #where(): string {
    const { host, port } = this.#options;
    return host === undefined ? `port ${port}` : `${host} port ${port}`;
  }

  #mayTryAgain(error: unknown, passedMs: number): boolean {
    if (!(error instanceof IpcError) || this.#isClosed) return false;
    if (this.#backoff.error?.code === 'network_forbidden') return false;
    // Without connections to the port a session may own it all the same, or reach an owner whose socket is there soon.
    if (isForbidden(error)) return this.#mayOwn() && passedMs < takeoverMsMax;
    if (error.code !== 'unreachable') return false;
    const hungUp = error.cause === undefined;
    if (hungUp) return passedMs < hangUpMsMax;
    return passedMs < (this.#mayBid() ? dyingOwnerMsMax : takeoverMsMax);
  }

  /** Turns the error of a dial into one that the caller can act on. */
  async #explain(error: unknown): Promise<unknown> {
    const { port, host } = this.#options;
    if (!(error instanceof IpcError) || host !== undefined) return error;
    const refused = error.code === 'unreachable' && error.cause !== undefined;
    if ((refused || isForbidden(error)) && this.#mayOwn() && this.#backoff.error)
      return this.#backoff.error;
    if (refused && !this.#mayOwn()) {
      return new IpcError('no_broker', `no session owns the broker of port ${port} now`);
    }
    if (!['unreachable', 'port_taken', 'key_mismatch'].includes(error.code)) return error;
    const holder = await describeHolder(port);
    const held = holder === undefined ? '' : ` by ${holder}`;
    if (error.code === 'key_mismatch') {
      return new IpcError('key_mismatch', `port ${port} is held${held} with another key`);
    }
    const owner = readOwner(this.#folder);
    const portOwner = owner && (await findPortOwner(port));
    if (portOwner && owner.pid === portOwner.pid) return this.#silent();
    const what = `port ${port} is held${held}, which does not answer as a broker`;
    return new IpcError('port_taken', what, { cause: error });
  }

  async #silent(): Promise<IpcError> {
    if (this.#options.host !== undefined) {
      return new IpcError('owner_silent', `the broker at ${this.#where()} does not answer`);
    }
    const pid = this.welcome?.pid ?? readOwner(this.#folder)?.pid;
    const process = pid === undefined ? undefined : await describeProcess(pid);
    const state = process ? `, ${process.program}, state ${process.state}` : '';
    const what = `the broker of port ${this.#options.port} (pid ${pid ?? 'unknown'}${state})`;
    return new IpcError('owner_silent', `${what} does not answer`);
  }

  #welcomed(welcome: Welcome): void {
    this.#wasWelcomed = true;
    if (this.#options.host === undefined) {
      this.#isForeign = !this.#broker && this.#isForeignTo(welcome);
      setTimeout(() => this.#standBy(), standbyMsMin).unref();
    }
    this.#welcomes.add(welcome);
  }

  #standBy(): void {
    if (this.#mayOwn()) loadOwnerCode();
  }

  /**
   * Asked when the owner is there: once it is gone, our folder may be gone, too, and would seem to be another store. An
   * owner at the socket in our folder has our store. That spares nearly all sessions the reading of it.
   */
  #isForeignTo({ format, store }: Welcome): boolean {
    if (format > journalFormat) return true;
    return !this.#isAtOwnSocket && store !== this.#ownStore();
  }

  /** undefined also for a store that this version cannot read: the owner has another one. */
  #ownStore(): string | undefined {
    try {
      return storeId(this.#folder);
    } catch {
      return undefined;
    }
  }

  #noStandby(): IpcError {
    const { host } = this.#options;
    const pid = this.welcome?.pid ?? 'unknown';
    if (host !== undefined) {
      const what = `the broker is on ${this.#where()}, and this session cannot take it over`;
      return new IpcError('not_owner', what, {
        hint: 'run it there, or name a port of this machine',
      });
    }
    const what = `pid ${pid} owns the broker of ${this.#where()}, with a store that is not ours, or too new`;
    const hint = 'use the same IPC_HOME as that process, or another port, or end it';
    return new IpcError('not_owner', what, { hint });
  }

  /** Its version does not know the request `listen`. */
  async #olderOwner({ pid, addresses }: Welcome): Promise<IpcError> {
    const program = (await describeProcess(pid))?.program ?? 'unknown program';
    const owner = `pid ${pid} (${program}) owns the broker of ${this.#where()}`;
    const what = `${owner}, listens on ${addresses.join(', ')}, and is too old to change that for another session`;
    const hint = `call broker_start with bind in the session of pid ${pid}, or end it`;
    return new IpcError('not_owner', what, { hint });
  }

  async #notOwner(): Promise<IpcError> {
    const { port, host } = this.#options;
    if (host !== undefined) return new IpcError('not_owner', `the broker is on ${this.#where()}`);
    const note = readOwner(this.#folder);
    const { welcome } = this;
    // The process of the note may have given the broker up, or its number may be that of another process now.
    const owner = await (welcome ? describeProcess(welcome.pid) : findPortOwner(port));
    const known = welcome ?? note;
    if (!owner || owner.pid === process.pid || owner.pid !== known?.pid) {
      return new IpcError('not_owner', `this session does not own the broker of port ${port}`);
    }
    const session = sessionWords(owner, note);
    const what = `the broker of port ${port} is owned by ${session}`;
    const hint = `have ${session} call broker_stop, or end that process`;
    return new IpcError('not_owner', what, { hint });
  }
}

/** `pid 7 (claude-code, "boss")`, as far as the owner's note is that of the process. */
function sessionWords({ pid, program }: PortOwner, note: OwnerNote | undefined): string {
  const own = note?.pid === pid ? note : undefined;
  const name = own?.name === undefined ? '' : `, "${own.name}"`;
  return `pid ${pid} (${own?.program ?? program}${name})`;
}

/**
 * Once a broker has proved the newest key, older keys are refused: an attacker on the way who stole an
 * old key could refuse the new one.
 */
function withoutDowngrade(keys: Keys, proved: Buffer | undefined): Keys {
  const [newest] = keys;
  return proved?.equals(newest) ? [newest] : keys;
}

function isForbidden(error: unknown): boolean {
  return error instanceof IpcError && error.code === 'network_forbidden';
}

/** `bind`: an address or a host name, or several with commas between them. */
async function addressesOf(bind: string): Promise<readonly string[]> {
  const found = await Promise.all(bind.split(',').map((each) => resolveHost(each, 'bind')));
  return found.map(([address]) => address);
}
