// The broker of one store: it connects the engine, the journal and the peers, and has no rules about mail.
// 1. The engine gets every request, lost connection, timer, and count of bytes that a peer has taken.
// 2. The group commit writes and syncs what the engine decided, and hands the replies back to be sent.
// 3. A write or sync that fails, or a newer owner, ends the broker: nothing more is stored or settled.
import assert from 'node:assert/strict';
import { IpcError } from '../base/errors.ts';
import {
  connectionsMax,
  graceTurnMs,
  heartbeatMs,
  helloMs,
  replayHeartbeatMs,
  syncStallMsMin,
} from '../base/limits.ts';
import { type Runtime, systemRuntime, type Timer } from '../base/runtime.ts';
import { Standstill } from '../base/standstill.ts';
import type { Command, ConnectionId, Instant, Outcome } from '../engine/commands.ts';
import { Engine } from '../engine/engine.ts';
import { Journal } from '../journal/journal.ts';
import type { OwnerNote } from '../journal/paths.ts';
import type { SessionId } from '../model/message.ts';
import {
  type BrokerRequest,
  type ListenRequest,
  laterRequests,
  type Request,
  type Response,
} from '../model/requests.ts';
import { BufferBudget } from '../net/buffer-budget.ts';
import type { Connection } from '../net/connection.ts';
import { decodeRequest, encodeResponse } from '../protocol/codec.ts';
import { type Frame, payloadBytesOf } from '../protocol/frame.ts';
import type { BrokerLimits, BrokerOptions } from './broker-options.ts';
import { CostlyRequests, isCostly } from './costly-requests.ts';
import { EventFeed } from './event-feed.ts';
import { GroupCommit } from './group-commit.ts';
import { checkAddresses, checkMayListen } from './listeners.ts';
import { StorePast } from './past-events.ts';
import { Peer, type PeerLimits, peerLimits, refuseConnection, type Turn } from './peer.ts';
import { Removals } from './removals.ts';
import { ReplySender } from './reply-sender.ts';
import { SilentPeers } from './silent-peers.ts';
import { alsoOf, isStored, type StoredRequest } from './stored-requests.ts';
import { type SyncShareLimits, syncShareLimits } from './sync-share.ts';
import { Upkeep } from './upkeep.ts';

export type { BrokerLimits, BrokerOptions } from './broker-options.ts';

export class Broker {
  readonly #options: BrokerOptions;
  readonly #runtime: Runtime;
  readonly #engine: Engine;
  #journal: Journal | undefined;
  #groupCommit: GroupCommit | undefined;
  #feed: EventFeed | undefined;
  #removals: Removals | undefined;
  #upkeep: Upkeep | undefined;
  readonly #limits: PeerLimits & SyncShareLimits & Pick<BrokerLimits, 'connectionsMax'>;
  readonly #budget: BufferBudget;
  readonly #costly: CostlyRequests;
  readonly #peers = new Map<ConnectionId, Peer>();
  readonly #sender = new ReplySender(this.#peers, (response) => this.#completed(response));
  readonly #turn: Turn = { peers: 0 };
  #connectionCount = 0;
  #state: 'starting' | 'open' | 'closing' | 'ended' = 'starting';
  #closing: Promise<void> | undefined;
  #timer: Timer | undefined;
  /** When it fires. It is not set anew when a deadline disappears: a spurious tick costs less. */
  #timerDue = Number.POSITIVE_INFINITY;
  readonly #silent = new SilentPeers();
  readonly #helloTimer: Timer;
  readonly #beatTimer: Timer;
  #standstill: Standstill;
  /** Runs while holders may be absent. */
  #graceTimer: Timer | undefined;

  /** Replays the journal. Meanwhile peers can connect, and get heartbeats; their requests wait. */
  static async start(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options);
    const alive = broker.#runtime.setTicker(() => {
      for (const peer of broker.#peers.values()) peer.ping();
    }, replayHeartbeatMs);
    try {
      await broker.#open();
      return broker;
    } catch (error) {
      broker.#end();
      broker.#closePeers({ kind: 'going', request: 0 });
      throw error;
    } finally {
      broker.#runtime.clearTimer(alive);
    }
  }

  private constructor(options: BrokerOptions) {
    this.#options = options;
    this.#runtime = options.runtime ?? systemRuntime;
    this.#engine = new Engine(options.limits);
    this.#limits = { connectionsMax, ...peerLimits, ...syncShareLimits, ...options.limits };
    this.#budget = new BufferBudget(options.limits?.bufferBudgetBytes);
    this.#costly = new CostlyRequests(this.#runtime);
    this.#helloTimer = this.#runtime.setTicker(() => this.#closeSilentPeers(), helloMs).unref();
    this.#beatTimer = this.#runtime.setTicker(() => this.#beat(), heartbeatMs).unref();
    this.#standstill = new Standstill(heartbeatMs, this.#runtime);
    options.acceptor.serve((connection) => this.#admit(connection));
  }

  get addresses(): readonly string[] {
    return this.#options.listeners.addresses;
  }

  get epoch(): number {
    assert(this.#journal, 'a broker that started has a journal');
    return this.#journal.epoch;
  }

  /** Unsettled messages. */
  get messages(): number {
    return this.#engine.size;
  }

  /** Connected sessions, including the owner's own. */
  get sessions(): number {
    return this.#peers.size;
  }

  /** Other sessions that would take over. */
  standbys(own: SessionId): number {
    return this.#engine.standbys(own);
  }

  /** Listens on these addresses of this machine and no others. A successor will do the same. */
  async listenOn(addresses: readonly string[]): Promise<void> {
    const { listeners } = this.#options;
    try {
      await listeners.listenOn(addresses);
    } catch (error) {
      if (!this.#isEnding() && !listeners.holdsLock && error instanceof IpcError) {
        await this.close();
        this.#options.onFailed(error);
      }
      throw error;
    }
    if (!this.#hasEnded()) this.#journal?.noteOwner(this.#ownerNote());
  }

  /** The orderly end, one for all callers: syncs what is written, seals the journal, frees the port, sends `going`. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'closing';
    for (const peer of this.#peers.values()) peer.pause('ending');
    await this.#groupCommit?.finish();
    if (this.#hasEnded()) return;
    try {
      // No call waits for the last sync.
      await this.#journal?.close().catch((error) => this.#fail(error));
    } finally {
      this.#end();
    }
    // None are left if it has failed.
    this.#closePeers({ kind: 'going', request: 0 });
  }

  /** The end of a broker whose store another has taken over: it writes nothing more. Calls `onFailed`. */
  abandon(error: IpcError): void {
    this.#fail(error);
  }

  async #open(): Promise<void> {
    const engine = this.#engine;
    const runtime = this.#runtime;
    const { folder, disk, limits, history, isLogRemote } = this.#options;
    const journal = await Journal.open({
      ...{ folder, disk, limits, history, runtime, owner: this.#ownerNote() },
      restore: (record) => engine.restore(record),
      restorePlain: (post) => engine.restore(post),
      snapshot: () => engine.snapshot(),
    });
    this.#journal = journal;
    this.#upkeep = new Upkeep(journal, runtime);
    this.#groupCommit = new GroupCommit({
      ...{ engine, journal, runtime, limits: this.#limits, isLogRemote },
      sender: this.#sender,
      wrote: (written) => this.#feed?.add(written),
      fail: (error) => this.#fail(error),
    });
    this.#feed = new EventFeed({
      past: new StorePast(folder, disk, runtime),
      ...{ engine, journal, runtime, limits, commit: this.#groupCommit, isLogRemote },
      send: (to, frames) => this.#peers.get(to)?.send(frames),
    });
    this.#removals = new Removals({
      ...{ journal, commit: this.#groupCommit },
      isConnected: (connection) => this.#peers.has(connection),
      isEnding: () => this.#isEnding(),
      send: (to, response) => this.#reply(to, response),
      erased: () => this.#feed?.forget(),
      fail: (error) => this.#fail(error),
    });
    engine.reserveNumbersBelow(journal.nextNumber);
    const { storeId: store, epoch, format } = journal;
    const identity = { store, epoch, format, pid: runtime.pid, addresses: this.addresses };
    const later = this.#options.isOld ? {} : { requests: laterRequests };
    engine.begin({ ...identity, ...later }, this.#instant());
    this.#state = 'open';
    this.#armTimer();
    this.#watchGrace();
    for (const peer of this.#peers.values()) peer.resume('starting');
  }

  #admit(connection: Connection): void {
    if (this.#isEnding()) return connection.destroy();
    const { connectionsMax } = this.#limits;
    if (this.#peers.size >= connectionsMax) return refuseConnection(connection, connectionsMax);
    this.#budget.add(connection);
    const id = ++this.#connectionCount;
    const peer = new Peer(connection, this.#limits, this.#runtime, this.#turn);
    this.#peers.set(id, peer);
    if (this.#state === 'starting') peer.pause('starting');
    connection.onClose = () => {
      this.#peers.delete(id);
      this.#noticeStandstill();
      this.#feed?.disconnect(id);
      this.#step(id, { kind: 'disconnect' });
    };
    peer.onFlushed = (bytes) => this.#flushed(id, bytes);
    peer.serve((frame) => this.#onFrame(id, peer, frame));
  }

  /** A peer gets at least `helloMs` for its hello, and more while a starting broker does not read. */
  #closeSilentPeers(): void {
    this.#noticeStandstill();
    this.#silent.check(this.#state === 'open' ? [...this.#peers.values()] : []);
  }

  /**
   * Runs at every heartbeat, and before what a standstill would decide wrongly: the end of the holders' grace,
   * the loss of a connection, a peer without a hello.
   */
  #noticeStandstill(): void {
    if (this.#state !== 'open') return;
    if (this.#standstill.hasEnded()) {
      this.#silent.clear();
      this.#engine.resumed(this.#instant());
      this.#armTimer();
      this.#watchGrace();
    } else if (this.#graceTimer && this.#runtime.now() >= this.#engine.graceEndsAt) {
      this.#runtime.clearTimer(this.#graceTimer);
      this.#graceTimer = undefined;
      this.#standstill = new Standstill(heartbeatMs, this.#runtime);
    }
  }

  #watchGrace(): void {
    this.#runtime.clearTimer(this.#graceTimer);
    this.#standstill = new Standstill(graceTurnMs, this.#runtime);
    this.#graceTimer = this.#runtime.setTicker(() => this.#noticeStandstill(), graceTurnMs).unref();
  }

  #beat(): void {
    this.#noticeStandstill();
    try {
      if (this.#state === 'open') this.#upkeep?.beat();
    } catch (error) {
      this.#fail(error);
    }
  }

  #onFrame(connection: ConnectionId, peer: Peer, frame: Frame): void {
    try {
      const request = decodeRequest(frame);
      peer.check(request);
      if (isStored(request)) {
        this.#store(connection, peer, request, payloadBytesOf(frame));
      } else if (request.kind === 'wait' || request.kind === 'settle') {
        this.#ask(connection, request);
      } else this.#serve(connection, peer, request);
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#sendError(connection, frame.request, error);
    }
  }

  #store(connection: ConnectionId, peer: Peer, request: StoredRequest, bytes: number): void {
    if (!this.#hasRoom(bytes, alsoOf(request))) {
      return this.#storeLater(connection, peer, request, bytes);
    }
    this.#ask(connection, request);
    if (this.#groupCommit?.isShareUsedUp(connection)) this.#awaitSync(connection, peer);
  }

  #storeLater(connection: ConnectionId, peer: Peer, request: StoredRequest, bytes: number): void {
    this.#whilePaused(connection, peer, () => this.#storeInRoom(connection, request, bytes));
  }

  #awaitSync(connection: ConnectionId, peer: Peer): void {
    this.#whilePaused(connection, peer, async () => this.#groupCommit?.synced());
  }

  #serve(connection: ConnectionId, peer: Peer, request: Exclude<Request, StoredRequest>): void {
    switch (request.kind) {
      case 'send':
      case 'ping':
        throw new IpcError('wrong_service', 'this is a broker, not a receiver');
      case 'listen':
        return this.#whilePaused(connection, peer, () => this.#listen(connection, peer, request));
      case 'events':
        peer.requireHello();
        return this.#feed?.request(connection, request);
      case 'compact':
      case 'erase':
        return this.#whilePaused(connection, peer, async () =>
          this.#removals?.remove(connection, request),
        );
      case 'cancel':
        if (this.#feed?.cancel(connection, request.request)) return;
        return this.#ask(connection, request);
      default:
        if (!isCostly(request)) return this.#ask(connection, request);
        return this.#whilePaused(connection, peer, () =>
          this.#costly.run(() => this.#ask(connection, request)),
        );
    }
  }

  /**
   * For a request that takes time. The peer's other requests wait. Its pings are not read either, so the broker
   * sends it heartbeats.
   */
  #whilePaused(connection: ConnectionId, peer: Peer, work: () => Promise<void>): void {
    peer.requireHello();
    peer.pause('request');
    const alive = this.#runtime.setTicker(() => {
      if (this.#peers.has(connection)) peer.ping();
    }, replayHeartbeatMs);
    void work().finally(() => {
      this.#runtime.clearTimer(alive);
      peer.resume('request');
    });
  }

  #ask(connection: ConnectionId, request: BrokerRequest): void {
    this.#step(connection, request);
    this.#groupCommit?.endLargeTurn();
  }

  async #listen(
    to: ConnectionId,
    { connection }: Peer,
    { request, addresses }: ListenRequest,
  ): Promise<void> {
    try {
      checkMayListen(connection);
      checkAddresses(addresses);
      await this.listenOn(addresses);
      this.#reply(to, { kind: 'listening', request, addresses: [...this.addresses] });
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#sendError(to, request, error);
    }
  }

  #hasRoom(bytes: number, also: number): boolean {
    try {
      return this.#journal?.hasSpaceForPost(bytes, also) ?? false;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** Removes settled mail until there is room, or nothing more can be removed. */
  async #storeInRoom(connection: ConnectionId, post: StoredRequest, bytes: number): Promise<void> {
    let hasRoom = false;
    let stepsLeft = this.#journal?.spaceStepsMax ?? 0;
    for (let mayGain = true; mayGain && !hasRoom; ) {
      mayGain = ((await this.#groupCommit?.makeSpace()) ?? false) && --stepsLeft > 0;
      if (this.#isEnding() || !this.#peers.has(connection)) return;
      hasRoom = this.#hasRoom(bytes, alsoOf(post));
    }
    if (this.#isEnding()) return;
    const refusal = hasRoom ? undefined : this.#journal?.refusal();
    this.#step(connection, { ...post, refusal });
  }

  #sendError(to: ConnectionId, request: number, { code, message }: IpcError): void {
    this.#reply(to, { kind: 'error', request, code, message });
  }

  /** Not the engine's. */
  #reply(to: ConnectionId, response: Response): void {
    this.#sender.send([{ to, after: 'write', response }]);
  }

  #step(connection: ConnectionId, command: Command): void {
    if (this.#state !== 'open') return;
    this.#take(this.#engine.step(command, connection, this.#instant()));
  }

  #take(outcome: Outcome): void {
    this.#armTimer();
    const { replies } = outcome;
    for (const { to, after } of replies) if (after === 'sync') this.#peers.get(to)?.responseWaits();
    try {
      this.#groupCommit?.add(outcome);
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** The engine knows neither disk nor network, so the broker completes a status. */
  #completed(response: Response): Response {
    if (response.kind !== 'status') return response;
    const stalledMs = this.#groupCommit?.syncingMs ?? 0;
    return {
      ...response,
      addresses: this.addresses,
      damaged: this.#journal?.damagedMessages ?? 0,
      storageStalledMs: stalledMs < syncStallMsMin ? 0 : stalledMs,
      warnings: [...(this.#options.warnings?.() ?? []), ...(this.#journal?.warnings() ?? [])],
    };
  }

  /** A peer to which deliveries were paused may get some now. */
  #flushed(connection: ConnectionId, bytes: number): void {
    if (this.#state !== 'open') return;
    const outcome = this.#engine.step({ kind: 'flushed', bytes }, connection, this.#instant());
    if (outcome.records.length + outcome.replies.length > 0) this.#take(outcome);
  }

  #armTimer(): void {
    const deadline = this.#engine.nextDeadline();
    if (deadline === undefined || deadline >= this.#timerDue) return;
    this.#runtime.clearTimer(this.#timer);
    this.#timerDue = deadline;
    const delayMs = Math.max(0, Math.ceil(deadline - this.#runtime.now()));
    this.#timer = this.#runtime.setTimer(() => this.#tick(), delayMs);
  }

  #tick(): void {
    if (this.#state !== 'open') return;
    this.#timerDue = Number.POSITIVE_INFINITY;
    this.#noticeStandstill();
    this.#take(this.#engine.tick(this.#instant()));
  }

  #hasEnded(): boolean {
    return this.#state === 'ended';
  }

  /** No command is taken any more: what has no answer yet is left to the next owner. */
  #isEnding(): boolean {
    return this.#state === 'closing' || this.#state === 'ended';
  }

  #fail(error: unknown): void {
    if (this.#state === 'ended') return;
    if (!(error instanceof IpcError)) throw error;
    this.#end();
    this.#journal?.abandon();
    const { code, message } = error;
    this.#closePeers({ kind: 'error', request: 0, code, message });
    this.#options.onFailed(error);
  }

  #end(): void {
    this.#state = 'ended';
    this.#groupCommit?.stop();
    this.#feed?.stop();
    this.#upkeep?.end();
    this.#runtime.clearTimer(this.#timer);
    this.#runtime.clearTimer(this.#helloTimer);
    this.#runtime.clearTimer(this.#beatTimer);
    this.#runtime.clearTimer(this.#graceTimer);
    this.#options.listeners.close();
  }

  #closePeers(response: Response): void {
    for (const { connection } of this.#peers.values()) {
      connection.send(encodeResponse(response));
      connection.close();
    }
    this.#peers.clear();
  }

  #instant(): Instant {
    return { now: this.#runtime.now(), time: this.#runtime.time() };
  }

  #ownerNote(): OwnerNote {
    const { pid, started } = this.#runtime;
    return { pid, started, addresses: this.addresses, ...this.#options.owner };
  }
}
