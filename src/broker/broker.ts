// The broker of one store: it joins the engine, the journal and the connections, and has no rule of
// its own. It keeps the order that makes "stored" true:
// 1. Whatever the sockets bring in one turn of the loop goes through the engine.
// 2. At the end of the turn, or when many bytes have come together, all its records are written at once;
//    then the replies marked `write` leave.
// 3. One sync at a time covers what was written before it began; after it, and after a look whether
//    this is still the newest owner, the replies marked `sync` leave.
// A write or sync that fails, or a newer owner, ends the broker: nothing more is stored or settled.
import assert from 'node:assert/strict';
import { errorTable, IpcError } from '../base/errors.ts';
import {
  connectionsMax,
  heartbeatMs,
  helloMs,
  stallMsMin,
  startingMs,
  turnBodyBytesMax,
} from '../base/limits.ts';
import { type Runtime, systemRuntime, type Timer } from '../base/runtime.ts';
import type {
  Command,
  ConnectionId,
  EngineLimits,
  Instant,
  Outcome,
  Reply,
} from '../engine/commands.ts';
import { Engine } from '../engine/engine.ts';
import type { Disk } from '../journal/disk.ts';
import { Journal, type JournalLimits } from '../journal/journal.ts';
import type { OwnerNote } from '../journal/paths.ts';
import type { SessionId } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import type { Response, StorageStatus } from '../model/requests.ts';
import { BufferBudget } from '../net/buffer-budget.ts';
import type { Connection } from '../net/connection.ts';
import { decodeRequest, encodeRequest, encodeResponse } from '../protocol/codec.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Acceptor } from './acceptor.ts';
import type { Listeners } from './listeners.ts';
import { Peer, type PeerLimits, peerLimits } from './peer.ts';

export interface BrokerLimits extends EngineLimits, PeerLimits, JournalLimits {
  readonly connectionsMax: number;
  readonly bufferedBytesMax: number;
}

/** Messages that a compaction copies at a time, unless their bodies come to `turnBodyBytesMax` before. */
const copiesMax = 256;

export interface BrokerOptions {
  /** Open before the broker starts: the port is the lock. The broker closes them when it ends. */
  readonly doors: Pick<Listeners, 'addresses' | 'holdsLock' | 'open' | 'close'>;
  /** Who comes in through them. */
  readonly admission: Pick<Acceptor, 'serve'>;
  /** `broker-PORT/` in the state folder. */
  readonly folder: string;
  /** For tests: smaller limits, a disk that fails, a runtime that follows a seed. */
  readonly limits?: Partial<BrokerLimits> | undefined;
  readonly disk?: Disk | undefined;
  readonly runtime?: Runtime;
  /** The broker ended without being asked to. */
  onFailed(error: IpcError): void;
}

/** A reply with its body, looked up when it was made: a later command may settle the message. */
interface Sendable {
  readonly reply: Reply;
  /** undefined for an offer whose body the disk damaged, and for whatever is no offer. */
  readonly body: Buffer | undefined;
}

export class Broker {
  readonly #options: BrokerOptions;
  readonly #runtime: Runtime;
  readonly #engine: Engine;
  #journal: Journal | undefined;
  readonly #limits: PeerLimits & Pick<BrokerLimits, 'connectionsMax'>;
  readonly #budget: BufferBudget;
  readonly #peers = new Map<ConnectionId, Peer>();
  #connectionCount = 0;
  #state: 'starting' | 'open' | 'ended' = 'starting';
  #timer: Timer | undefined;
  /** When it fires. A deadline that went away leaves it alone: to fire in vain costs less. */
  #timerDue = Number.POSITIVE_INFINITY;
  /** Connected at the last look, and had not said hello. */
  #mute = new Set<Peer>();
  readonly #muteTimer: Timer;
  readonly #lookTimer: Timer;

  /** Of the turn that runs: not written yet. */
  #records: JournalRecord[] = [];
  readonly #bodies = new Map<number, Buffer>();
  #bodyBytes = 0;
  #replies: Sendable[] = [];
  #isTurnScheduled = false;
  /** Their records are written, but not yet covered by a sync that ended. */
  #afterSync: Sendable[] = [];
  #syncing: Promise<void> | undefined;
  /** On the runtime's clock. */
  #syncBegan = 0;
  /** Live messages of the oldest segment that are not copied yet, while it is being removed. */
  #toCopy: number[] | undefined;

  /** Reads the journal. Meanwhile peers shake hands, and hear that the broker lives. */
  static async start(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options);
    const alive = broker.#runtime.setTicker(() => broker.#ping(), startingMs);
    try {
      await broker.#open();
      return broker;
    } catch (error) {
      broker.#end();
      broker.#sayLast({ kind: 'going', request: 0 });
      throw error;
    } finally {
      broker.#runtime.clearTimer(alive);
    }
  }

  private constructor(options: BrokerOptions) {
    this.#options = options;
    this.#runtime = options.runtime ?? systemRuntime;
    this.#engine = new Engine(options.limits);
    this.#limits = { connectionsMax, ...peerLimits, ...options.limits };
    this.#budget = new BufferBudget(options.limits?.bufferedBytesMax);
    this.#muteTimer = this.#runtime.setTicker(() => this.#endMute(), helloMs).unref();
    this.#lookTimer = this.#runtime.setTicker(() => this.#look(), heartbeatMs).unref();
    options.admission.serve((connection) => this.#admit(connection));
  }

  get addresses(): readonly string[] {
    return this.#options.doors.addresses;
  }

  get epoch(): number {
    assert(this.#journal, 'a broker that started has a journal');
    return this.#journal.epoch;
  }

  /** Unsettled messages. */
  get messages(): number {
    return this.#engine.size;
  }

  /** Sessions that are connected, the owner's own among them. */
  get sessions(): number {
    return this.#peers.size;
  }

  /** Other sessions that would take over. */
  standbys(own: SessionId): number {
    return this.#engine.standbys(own);
  }

  /** Listens on one more address of this machine; a successor will, too. */
  async listenOn(address: string): Promise<void> {
    const { doors } = this.#options;
    try {
      await doors.open(address);
    } catch (error) {
      if (!doors.holdsLock && error instanceof IpcError) {
        await this.close();
        this.#options.onFailed(error);
      }
      throw error;
    }
    if (this.#state === 'ended') return doors.close();
    this.#journal?.noteOwner(this.#ownerNote());
  }

  /** The orderly end: the group is finished, the journal sealed, the port free, the peers told. */
  async close(): Promise<void> {
    if (this.#state === 'ended') return;
    for (const peer of this.#peers.values()) peer.pause('ending');
    this.#endTurn();
    this.#beginSync();
    while (this.#syncing) await this.#syncing;
    if (this.#hasEnded()) return;
    this.#state = 'ended';
    try {
      await this.#journal?.close();
    } finally {
      this.#end();
      this.#sayLast({ kind: 'going', request: 0 });
    }
  }

  async #open(): Promise<void> {
    const engine = this.#engine;
    const journal = await Journal.open({
      folder: this.#options.folder,
      owner: this.#ownerNote(),
      restore: (record) => engine.restore(record),
      head: () => engine.head(),
      runtime: this.#runtime,
      ...(this.#options.disk ? { disk: this.#options.disk } : {}),
      ...(this.#options.limits ? { limits: this.#options.limits } : {}),
    });
    this.#journal = journal;
    engine.reserveNumbersBelow(journal.nextNumber);
    const { storeId: store, epoch, format } = journal;
    engine.begin(
      { store, epoch, format, pid: this.#runtime.pid, addresses: this.addresses },
      this.#instant(),
    );
    this.#state = 'open';
    this.#armTimer();
    for (const peer of this.#peers.values()) peer.resume('starting');
  }

  #admit(connection: Connection): void {
    if (this.#state === 'ended') return connection.destroy();
    if (this.#peers.size >= this.#limits.connectionsMax) return this.#sendAway(connection);
    this.#budget.add(connection);
    const id = ++this.#connectionCount;
    const peer = new Peer(connection, this.#limits, this.#runtime);
    this.#peers.set(id, peer);
    if (this.#state === 'starting') peer.pause('starting');
    connection.onClose = () => {
      this.#peers.delete(id);
      this.#step({ kind: 'disconnect', connection: id });
    };
    connection.onBeat = () => peer.charge(0);
    connection.onFrame = (frame) => this.#onFrame(id, peer, frame);
  }

  #sendAway(connection: Connection): void {
    const message = `${this.#limits.connectionsMax} connections are open, the limit`;
    const code = 'too_many_connections';
    connection.send(encodeResponse({ kind: 'error', request: 0, code, message }));
    connection.close();
    connection.onFrame = () => {};
  }

  /** Whom a starting broker does not read cannot be heard. */
  #endMute(): void {
    for (const peer of this.#mute) if (!peer.saidHello) peer.connection.destroy();
    const peers = this.#state === 'open' ? [...this.#peers.values()] : [];
    this.#mute = new Set(peers.filter((peer) => !peer.saidHello));
  }

  /** An owner that was left behind may have nothing to sync. */
  #look(): void {
    try {
      if (this.#state === 'open' && this.#journal) this.#checkOwner(this.#journal);
    } catch (error) {
      this.#fail(error);
    }
  }

  #onFrame(connection: ConnectionId, peer: Peer, frame: Frame): void {
    peer.charge(frame.header.length + frame.body.length);
    try {
      const request = decodeRequest(frame);
      if (request.kind === 'send' || request.kind === 'ping') {
        throw new IpcError('wrong_service', 'a broker listens here, nobody receives');
      }
      peer.check(request);
      if (request.kind === 'post') {
        const bytes = frame.header.length + frame.body.length;
        const isDiskFull = !this.#hasRoom(bytes, request.alsoTo.length);
        this.#step({ ...request, connection, isDiskFull });
      } else this.#step({ ...request, connection });
      if (this.#bodyBytes >= turnBodyBytesMax) this.#endTurn();
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#sendError(connection, frame.request, error);
    }
  }

  #hasRoom(bytes: number, also: number): boolean {
    try {
      return this.#journal?.hasRoom(bytes, also) ?? false;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #sendError(to: ConnectionId, request: number, { code, message }: IpcError): void {
    const response = { kind: 'error', request, code, message } as const;
    this.#send({ reply: { to, after: 'write', response: response }, body: undefined });
  }

  #step(command: Command): void {
    if (this.#state === 'open') this.#take(this.#engine.step(command, this.#instant()));
  }

  #take(outcome: Outcome): void {
    for (const record of outcome.records) {
      this.#records.push(record);
      if (record.kind !== 'posted' || !record.body) continue;
      for (const { number } of envelopesOf(record)) this.#bodies.set(number, record.body);
      this.#bodyBytes += record.body.length;
    }
    try {
      for (const reply of outcome.replies) {
        const body = this.#bodyFor(reply.response);
        this.#replies.push({ reply: this.#filledIn(reply), body });
        this.#bodyBytes += body?.length ?? 0;
        if (reply.after === 'sync') this.#peers.get(reply.to)?.written();
      }
    } catch (error) {
      return this.#fail(error);
    }
    this.#armTimer();
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    this.#runtime.defer(() => this.#endTurn());
  }

  #filledIn(reply: Reply): Reply {
    const { response } = reply;
    return response.kind === 'status'
      ? { ...reply, response: { ...response, ...this.#storage() } }
      : reply;
  }

  #storage(): StorageStatus {
    const stalledMs = this.#syncing ? Math.round(this.#runtime.now() - this.#syncBegan) : 0;
    return {
      damaged: this.#journal?.damagedMessages ?? 0,
      storageStalledMs: stalledMs < stallMsMin ? 0 : stalledMs,
      warnings: this.#journal?.warnings() ?? [],
    };
  }

  #bodyFor(response: Response): Buffer | undefined {
    if (response.kind !== 'offer') return undefined;
    const { number } = response.envelope;
    return this.#bodies.get(number) ?? this.#journal?.body(number);
  }

  #endTurn(): void {
    this.#isTurnScheduled = false;
    if (this.#state !== 'open') return;
    try {
      this.#write();
    } catch (error) {
      this.#fail(error);
      return;
    }
    // Offers leave first, and what came in meanwhile joins the group.
    this.#runtime.defer(() => this.#beginSync());
  }

  #beginSync(): void {
    if (this.#syncing || this.#afterSync.length === 0) return;
    this.#syncing = this.#syncAll().finally(() => {
      this.#syncing = undefined;
    });
  }

  /** Writes the turn's records, then lets go the replies that wait for no more than that. */
  #write(): void {
    const records = this.#records;
    const replies = this.#replies;
    this.#records = [];
    this.#replies = [];
    this.#bodies.clear();
    this.#bodyBytes = 0;
    this.#journal?.append(records);
    for (const sendable of replies) {
      if (sendable.reply.after === 'write') this.#send(sendable);
      else this.#afterSync.push(sendable);
    }
  }

  async #syncAll(): Promise<void> {
    assert(this.#journal, 'commands come only after the start');
    try {
      while (this.#state === 'open' && (this.#afterSync.length > 0 || this.#toCopy)) {
        const replies = this.#afterSync;
        this.#afterSync = [];
        this.#syncBegan = this.#runtime.now();
        await this.#journal.sync();
        this.#checkOwner(this.#journal);
        for (const reply of replies) this.#send(reply);
        await this.#compact(this.#journal);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * Writes live messages of the oldest segment again at the tail, few at a time so that nobody waits
   * long, and removes it when all are copied.
   */
  async #compact(journal: Journal): Promise<void> {
    this.#toCopy ??= journal.compactable();
    if (!this.#toCopy) return;
    const numbers = this.#toCopy.splice(0, this.#copiesAtOnce(this.#toCopy));
    if (!journal.hasRoomToCopy(numbers)) {
      this.#toCopy = undefined;
      return;
    }
    this.#write();
    const live = numbers
      .map((number) => this.#engine.copyOf(number))
      .filter((copy) => copy !== undefined);
    const bodies = journal.bodies(live.map((copy) => copy.envelope.number));
    journal.append(live.map((copy, index) => ({ ...copy, body: bodies[index] })));
    if (this.#toCopy.length > 0) return;
    this.#toCopy = undefined;
    await journal.removeOldest();
    this.#checkOwner(journal);
  }

  /** How many of them: messages of one post lie in one small segment, and each is copied with the body. */
  #copiesAtOnce(numbers: readonly number[]): number {
    let bytesLeft = turnBodyBytesMax;
    const end = numbers.slice(0, copiesMax).findIndex((number) => {
      bytesLeft -= this.#engine.copyOf(number)?.envelope.bodyBytes ?? 0;
      return bytesLeft < 0;
    });
    return end === -1 ? copiesMax : end;
  }

  #checkOwner(journal: Journal): void {
    if (!journal.stillOwner()) throw journal.lost();
  }

  #send({ reply: { to, after, response }, body }: Sendable): void {
    const peer = this.#peers.get(to);
    if (!peer) return;
    if (response.kind === 'offer') {
      const { bodyBytes } = response.envelope;
      return peer.send(encodeResponse(response, body), () => this.#left(to, bodyBytes));
    }
    if (after === 'sync') peer.answered();
    peer.send(encodeResponse(response));
    if (response.kind === 'error' && errorTable[response.code].fatal) peer.connection.close();
  }

  /** Those to whom nothing more could be offered may get something now. */
  #left(connection: ConnectionId, bytes: number): void {
    if (this.#state !== 'open') return;
    const outcome = this.#engine.step({ kind: 'flushed', connection, bytes }, this.#instant());
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
    this.#timerDue = Number.POSITIVE_INFINITY;
    this.#take(this.#engine.tick(this.#instant()));
  }

  #ping(): void {
    const ping = encodeRequest({ kind: 'ping', request: 0 });
    for (const { connection } of this.#peers.values()) connection.send(ping);
  }

  #hasEnded(): boolean {
    return this.#state === 'ended';
  }

  #fail(error: unknown): void {
    if (this.#state === 'ended') return;
    if (!(error instanceof IpcError)) throw error;
    this.#end();
    this.#journal?.abandon();
    const { code, message } = error;
    this.#sayLast({ kind: 'error', request: 0, code, message });
    this.#options.onFailed(error);
  }

  #end(): void {
    this.#state = 'ended';
    this.#runtime.clearTimer(this.#timer);
    this.#runtime.clearTimer(this.#muteTimer);
    this.#runtime.clearTimer(this.#lookTimer);
    this.#options.doors.close();
  }

  #sayLast(response: Response): void {
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
    return { pid, started, addresses: this.addresses };
  }
}
