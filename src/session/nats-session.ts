// A session whose broker keeps its mail on a NATS server. Its callers see no difference to Session.
//
// How it connects:
// 1. It reads the last claim of the stream, and dials the owner that made it.
// 2. When the server knows of no such owner, or the owner stays silent, this session claims the store: see claim.ts. Of
//    several sessions that try, one succeeds; the others begin at 1.
// 3. The one that succeeded restores the files of the store from the stream, and runs the broker over them.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { homeFault, IpcError } from '../base/errors.ts';
import { historyAgeMsDefault, segmentBytesMax } from '../base/limits.ts';
import { systemRuntime } from '../base/runtime.ts';
import { type Patience, withPatience } from '../base/standstill.ts';
import { Client } from '../client/client.ts';
import type { HistoryBound } from '../journal/history-limits.ts';
import type {
  BrokerStatus,
  Cancellable,
  MailService,
  StartResult,
  StopResult,
} from '../model/mail-service.ts';
import { type Origin, validName } from '../model/message.ts';
import type { Welcome } from '../model/requests.ts';
import { type Claim, lastClaim, makeClaim, newClaim } from '../nats/claim.ts';
import { broken, dialOwner } from '../nats/dial.ts';
import { JetStreamLog } from '../nats/jetstream-log.ts';
import { claimFile } from '../nats/log-stream.ts';
import { removeStaleMirrors } from '../nats/mirror-folder.ts';
import { streamOf } from '../nats/nats-address.ts';
import {
  checkServerHint,
  NoAnswer,
  StreamGone,
  StreamReplaced,
  serverAway,
} from '../nats/nats-faults.ts';
import type { Nats, NatsServer } from '../nats/nats-server.ts';
import { serverWarnings } from '../nats/server-warnings.ts';
import type { FoundStream } from '../nats/stream-settings.ts';
import type { Connection } from '../net/connection.ts';
import { makeHome } from '../net/keys.ts';
import { Backoff } from './backoff.ts';
import { connectionOf, Guests, mailWaits, NatsOwner, wireTimes } from './nats-owner.ts';
import { OwnerSearch, waitSlackMs } from './owner-search.ts';
import type { Ownership } from './session.ts';
import { Welcomes } from './welcomes.ts';

// Loaded together by the one that needs a session.
export { NatsServer } from '../nats/nats-server.ts';

export interface NatsSessionOptions {
  readonly server: NatsServer;
  readonly home: string;
  /** The number of the broker: the stream is named after it. */
  readonly port: number;
  readonly origin: Origin;
  readonly name?: string | undefined;
  readonly ownership?: Ownership | undefined;
  readonly history?: HistoryBound | undefined;
}

/** How long a session looks for an owner that answers, and tries to be one. */
const connectMsMax = 20_000;
/** The same for a session that may not own, or not yet. */
const takeoverMsMax = 1_000;
const retryMs = 50;
/** A server that was there is back within this time, or a cluster has a leader again. */
const serverMsMax = 15_000;
const serverRetryMs = 250;
/** A server that has just started may not know its streams yet. */
const streamMsMax = 2_000;
/** When the server was away, an owner that is alive is back within this time after the server is. */
const reconnectMsMax = 3_000;
/** An owner that did not answer so many dials is given up. */
const silentDialsMax = 2;
/** A node of a cluster hears of those who subscribe at another one a moment later. */
const absentDialsOfCluster = 3;
/** A silent owner is given up earlier, and another one takes over: a call waits for that one. */
const silenceMs = 15_000;
assert(silenceMs > wireTimes.silenceMsDead, 'the connection to a silent owner ends first');
const closeMsDefault = 2_000;
/** An owner looks for a newer claim this often: it gets no message of one that was made while it was cut off. */
const claimCheckMs = 5_000;
/** A takeover loads all of it. Two segments: one that is too large for the bound goes whole. */
const historyDefault: HistoryBound = {
  bytesMax: 2 * segmentBytesMax,
  ageMsMax: historyAgeMsDefault,
};

/** How dials of one claim ended. */
interface Dials {
  readonly claim: string | undefined;
  absent: number;
  silent: number;
}

type OpenLog = { readonly nats: Nats; readonly stream: JetStreamLog; readonly found: FoundStream };

function noDials(claim?: string): Dials {
  return { claim, absent: 0, silent: 0 };
}

export class NatsSession extends Client implements MailService {
  readonly #options: NatsSessionOptions;
  readonly #backoff = new Backoff(systemRuntime);
  readonly #welcomes = new Welcomes();
  readonly #search = new OwnerSearch(systemRuntime);
  /** Why the server that answers took no claim of this session, while this claim of another was the last. */
  #refusal: { readonly claim: string | undefined; readonly error: IpcError } | undefined;
  #log: OpenLog | undefined;
  #owner: NatsOwner | undefined;
  readonly #claimChecks = setInterval(() => void this.#owner?.checkClaim(), claimCheckMs).unref();
  /** The claim of the owner that this session connected to last, which may be itself. */
  #claim: Claim | undefined;
  /** The connection through the server. */
  #connection: Connection | undefined;
  #isClosed = false;
  /** What killed owners left is being removed. */
  #tidying: Promise<void> | undefined;
  /** It was deleted, when it was looked for last. */
  #isStreamGone = false;
  /** When the stream was made, as it was seen last. */
  #created = '';
  /** The store whose broker has welcomed this session; undefined if another one may follow without a word. */
  #store: { readonly id: string; readonly created: string } | undefined;
  #starting: Promise<unknown> = Promise.resolve();

  constructor(options: NatsSessionOptions) {
    super(
      options.origin,
      {
        connect: () => this.#find(),
        describeSilentOwner: async () => this.#silent(this.#claim),
        whyUnread: (sent, waitedMs) => this.#whyUnread(sent, waitedMs),
        ...{ silenceMs, waitSlackMs },
        welcomed: (welcome) => this.#welcomed(welcome),
        isStandby: () => this.#mayOwn() && options.ownership === undefined,
      },
      systemRuntime,
      validName(options.name),
    );
    this.#options = options;
    options.server.onLost.add(() => this.#lostServer());
    options.server.onForbidden.add((subject, error) => {
      this.#log?.stream.forbidden(subject, error);
    });
    options.server.onBack.add(() => {
      this.#log?.stream.interrupt();
      void this.#owner?.checkClaim();
    });
  }

  override async status(options?: Cancellable): Promise<BrokerStatus> {
    const { addresses: _none, ...counts } = await super.status(options);
    const { pid, epoch } = this.welcome ?? (await this.join(options));
    const own = this.#owner !== undefined;
    const host = this.#url;
    return { host, port: this.#options.port, pid, own, epoch, addresses: [], ...counts };
  }

  async start(options: Cancellable & { bind?: string | undefined } = {}): Promise<StartResult> {
    if (options.bind !== undefined) {
      const what = `bind: the mail is on ${this.#url}, where every session reaches it`;
      throw new IpcError('bad_parameter', what, { hint: 'leave bind out' });
    }
    // Only this call begins an empty stream.
    if (this.#isStreamGone) {
      this.#forgetLog();
      this.#store = undefined;
    }
    await this.join(options);
    return this.#startResult(options);
  }

  async nextOwner(epoch: number, options: Cancellable = {}): Promise<StartResult> {
    for (let { welcome } = this; ; welcome = await this.#welcomes.next(options)) {
      if (welcome && welcome.epoch !== epoch) return this.#startResult(options);
    }
  }

  async stop(): Promise<StopResult> {
    const what = `the mail is on ${this.#url}, and is there for all sessions: this broker is not ours to stop`;
    throw new IpcError('not_owner', what, { hint: 'end this session to stop using it' });
  }

  override async close(graceMs = closeMsDefault): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#claimChecks);
    const ends = performance.now() + graceMs;
    const leftMs = () => Math.max(0, ends - performance.now());
    await super.close(graceMs);
    const started = this.#starting.catch(() => {});
    await Promise.race([started, sleep(leftMs(), undefined, { ref: false })]);
    try {
      await this.#owner?.close(leftMs());
    } finally {
      this.#owner = undefined;
      this.#log?.stream.close();
      await this.#tidying;
      await this.#options.server.close();
      // Without a connection it fails soon.
      await started;
    }
  }

  get #url(): string {
    return this.#options.server.url;
  }

  async #startResult(options: Cancellable): Promise<StartResult> {
    const { own, pid, epoch, addresses, messages, warnings } = await this.status(options);
    const server = this.#log && {
      url: this.#url,
      version: this.#log.nats.connection.info?.version ?? 'unknown',
      stream: this.#log.found.name,
      replicas: this.#log.found.replicas,
      isNew: this.#log.found.isNew,
    };
    const role = own ? 'owner' : 'client';
    return { role, pid, epoch, addresses, messages, warnings, ...(server && { server }) };
  }

  #mayOwn(): boolean {
    return this.#options.ownership !== 'never' && !this.#isClosed;
  }

  async #find(): Promise<Connection> {
    this.#search.begins();
    try {
      const connection = await withPatience(connectMsMax, (patience) => this.#connect(patience));
      this.#search.found(connection);
      this.#refusal = undefined;
      return connection;
    } catch (error) {
      this.#noteVain(error);
      throw error;
    }
  }

  async #connect(patience: Patience): Promise<Connection> {
    for (let dials = noDials(); ; ) {
      const log = await this.#openLog(patience);
      if (!log) continue;
      if (this.#isClosed) throw new IpcError('closed', 'this session has ended');
      const seen = await this.#look(log.stream, patience);
      if (!seen) continue;
      const { claim } = seen;
      if (claim?.claim !== dials.claim) dials = noDials(claim?.claim);
      this.#search.met(this.#whyNone(claim));
      const dialed = await this.#dial(log.nats, claim);
      if (typeof dialed === 'object') return dialed;
      if (dialed === 'absent' && !this.#refusal) this.#search.met(this.#noBroker());
      dials[dialed]++;
      const isGone = claim === undefined || this.#isGone(dials, log.nats);
      if (isGone && (await this.#bid(log, seen, patience))) continue;
      if (patience.passedMs >= connectMsMax) throw this.#backoff.error ?? this.#silent(claim);
      await sleep(retryMs);
    }
  }

  #isGone({ absent, silent }: Dials, { connection }: Nats): boolean {
    if (silent >= silentDialsMax) return true;
    const isCluster = connection.info?.cluster !== undefined;
    const isBack = this.#options.server.reconnectedMs >= reconnectMsMax;
    return isBack && absent >= (isCluster ? absentDialsOfCluster : 1);
  }

  /** Before the dial: if an owner that is there appends meanwhile, no claim succeeds. undefined: to be tried again. */
  async #look(stream: JetStreamLog, patience: Patience) {
    try {
      if (this.#options.server.isLost) throw serverAway(this.#url);
      const { lastSequence, created } = await stream.state();
      this.#created = created;
      this.#isStreamGone = false;
      return { lastSequence, claim: await lastClaim(stream) };
    } catch (error) {
      this.#noteVain(error);
      this.#isStreamGone = error instanceof StreamGone;
      const waitMs = this.#isStreamGone ? streamMsMax : isUnreachable(error) ? serverMsMax : 0;
      if (patience.passedMs >= waitMs) {
        // Its callers hear of it now.
        if (this.#isStreamGone && this.hasCallers) this.#store = undefined;
        throw error;
      }
      await sleep(serverRetryMs);
      return undefined;
    }
  }

  /** Each session says once that the mail is gone, to a caller: nobody else may know it. */
  #welcomed(welcome: Welcome): void {
    const before = this.#store;
    // After a purge, the store in the same stream is another one, too: its broker warns of what is lost.
    const isReplaced = before && before.id !== welcome.store && before.created !== this.#created;
    // Without one it connects in vain until there is one: from time to time, or when it is called.
    const isHeard = this.hasCallers || this.#welcomes.areAwaited;
    if (!isReplaced || isHeard) this.#store = { id: welcome.store, created: this.#created };
    if (isReplaced) throw new StreamReplaced(streamOf(this.#options.port), this.#url);
    this.#welcomes.add(welcome);
  }

  /** The connection to the owner, through the server or within this process. */
  async #dial(nats: Nats, claim: Claim | undefined): Promise<Connection | 'absent' | 'silent'> {
    if (!claim) return 'absent';
    if (claim.claim === this.#owner?.claim.claim) {
      this.#claim = claim;
      return this.#owner.connect();
    }
    const socket = await dialOwner(nats, this.#options.port, claim.claim);
    if (typeof socket === 'string') return socket;
    this.#claim = claim;
    this.#connection = connectionOf(socket);
    return this.#connection;
  }

  /** Tries to own the store. True if it made sense: the next dial tells what came of it. */
  async #bid(
    { nats, stream }: OpenLog,
    { lastSequence, claim }: { readonly lastSequence: number; readonly claim: Claim | undefined },
    patience: Patience,
  ): Promise<boolean> {
    if (!this.#mayOwn()) {
      if (patience.passedMs < takeoverMsMax) return false;
      throw this.#noBroker();
    }
    if (this.#options.ownership === 'late' && patience.passedMs < takeoverMsMax) return false;
    if (this.#backoff.isPaused(this.hasCallers)) {
      if (this.#backoff.error && patience.passedMs >= takeoverMsMax) throw this.#backoff.error;
      return false;
    }
    const starting = this.#own(nats, stream, lastSequence).catch(async (error: unknown) => {
      if (error instanceof IpcError) this.#refusal = { claim: claim?.claim, error };
      // Of a server that is slow, or a connection that was lost: the next look tells whether the claim is there.
      if (!isUnreachable(error) || patience.passedMs >= serverMsMax) throw error;
      await sleep(serverRetryMs);
    });
    this.#starting = starting;
    await starting;
    return true;
  }

  async #own(nats: Nats, stream: JetStreamLog, lastSequence: number): Promise<void> {
    const { home, port, origin, name } = this.#options;
    await makeHome(home).catch((error: unknown) => {
      throw homeFault(error, home);
    });
    const claim = newClaim(origin);
    const guests = new Guests(nats, port, claim.claim);
    const sequence = await makeClaim(stream, claim, lastSequence).catch((error: unknown) => {
      guests.close();
      throw error;
    });
    if (sequence === undefined) return guests.close();
    this.#search.met(this.#loading());
    try {
      const owner = await NatsOwner.start({
        ...{ stream, claim, sequence, guests, home, port },
        owner: { program: origin.program, ...(name !== undefined && { name }) },
        history: this.#options.history ?? historyDefault,
        warnings: () => (this.#log ? serverWarnings(nats.connection.info, this.#log.found) : []),
        onFailed: (error) => {
          if (!isOfServer(error)) this.#backoff.failed(error);
          if (this.#owner?.claim === claim) this.#owner = undefined;
        },
      });
      this.#backoff.opened();
      this.#owner = owner;
    } catch (error) {
      guests.close();
      if (!(error instanceof IpcError) || isUnreachable(error)) throw error;
      if (!isOfServer(error)) this.#backoff.failed(error);
    }
  }

  #forgetLog(): void {
    this.#log?.stream.close();
    this.#log = undefined;
    this.#isStreamGone = false;
  }

  /** undefined: a cluster elects a leader, to be tried again. */
  async #openLog(patience: Patience) {
    const nats = await this.#options.server.connection();
    if (this.#log?.nats === nats) return this.#log;
    this.#forgetLog();
    this.#tidying ??= removeStaleMirrors(this.#options.home);
    const stream = new JetStreamLog(nats, this.#options.port);
    const found = await stream.open(this.#mayOwn()).catch((error: unknown) => {
      this.#noteVain(error);
      if (!(error instanceof NoAnswer) || patience.passedMs >= serverMsMax) throw error;
    });
    if (!found) {
      await sleep(serverRetryMs);
      return undefined;
    }
    this.#log = { nats, stream, found };
    // Also claims that the server refuses are seen here.
    stream.follow(claimFile, () => void this.#noteClaim(stream));
    return this.#log;
  }

  /** A claim of another session ends an owner here, and the connection to one that is silent, or gone without a word. */
  async #noteClaim(stream: JetStreamLog): Promise<void> {
    void this.#owner?.checkClaim();
    const claim = await lastClaim(stream).catch(() => undefined);
    if (claim && claim.claim !== this.#claim?.claim) this.#connection?.destroy(broken());
  }

  #lostServer(): void {
    this.#connection?.destroy(broken());
    this.#owner?.interrupt();
    if (this.#log?.nats.connection.isClosed()) this.#owner?.broker.abandon(broken());
  }

  #noteVain(error: unknown): void {
    if (error instanceof IpcError) this.#search.met(error);
  }

  #whyUnread(wasSent: boolean, waitedMs: number): IpcError | undefined {
    const unread = this.#search.unread(wasSent, waitedMs);
    const trouble = this.#owner && (this.#owner.trouble ?? (unread?.isOwnerFound && mailWaits));
    if (trouble) {
      return new IpcError('unreachable', `${this.#url}: ${trouble}`, { hint: checkServerHint });
    }
    if (!unread) return undefined;
    const time = `for ${Math.round(unread.ms / 1_000)} s`;
    if (!unread.isOwnerFound) return unread.reason ?? new NoAnswer(this.#url, new Error(time));
    // It ends a wait in time, but for one for which it waits to store a delivery.
    const what = `${this.#url}: the owner of the broker${whoClaimed(this.#claim)} has not answered ${time}`;
    return new IpcError('unreachable', what, {
      hint: 'wait again; if that goes on, check the NATS server, and that the owner runs',
    });
  }

  #loading(): IpcError {
    const what = `${this.#url}: this session takes the broker over, and has not loaded the mail yet`;
    return new IpcError('no_broker', what, { hint: 'call again, or wait longer' });
  }

  /** Why no owner was found yet, after the last claim was seen. */
  #whyNone(claim: Claim | undefined): IpcError {
    if (this.#refusal && this.#refusal.claim === claim?.claim) return this.#refusal.error;
    return claim ? this.#silent(claim) : this.#noBroker();
  }

  #noBroker(): IpcError {
    return new IpcError('no_broker', `no session owns the broker on ${this.#url} now`);
  }

  #silent(claim: Claim | undefined): IpcError {
    return new IpcError(
      'owner_silent',
      `the owner of the broker on ${this.#url}${whoClaimed(claim)} does not answer`,
    );
  }
}

/** In brackets, behind a blank; empty if it is not known. */
function whoClaimed(claim: Claim | undefined): string {
  return claim ? ` (pid ${claim.pid}, ${claim.program}, on ${claim.machine})` : '';
}

function isUnreachable(error: unknown): boolean {
  return error instanceof IpcError && error.code === 'unreachable';
}

/** It says nothing about the store: the next look at the server tells whether there is one. */
function isOfServer(error: IpcError): boolean {
  return error.code === 'owner_replaced' || isUnreachable(error);
}
