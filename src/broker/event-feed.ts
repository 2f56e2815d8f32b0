// The stream of events for sessions that follow them. They pull: each request gets one batch, so a session that is slow
// costs the broker nothing, and none has a buffer here.
// 1. The first request makes the engine add events to its outcomes. The newest are in a ring, once their records are
//    written.
// 2. A request behind the newest event is parked. Events of `eventsGatherMs` are given out together.
// 3. Batches are made one at a time, and after each the broker does other work for a multiple of the time that it took,
//    so all followers together have a small share of it.
// 4. A cursor that is older than the ring is served from the files of the store. What is not there is a gap.
// 5. Without requests for `eventsIdleMs` no more events are made.
import { IpcError, isSystemError } from '../base/errors.ts';
import {
  eventBatchBytesMax,
  eventIndexBytes,
  eventRequestsMax,
  eventRequestsPerConnectionMax,
  eventRingBytesMax,
  eventRingEventsMax,
  eventsGatherMs,
  eventsIdleMs,
  eventsPerBatchMax,
  eventsPerLook,
  pastReadersMax,
} from '../base/event-limits.ts';
import type { Runtime, Timer } from '../base/runtime.ts';
import type { ConnectionId } from '../engine/commands.ts';
import type { Engine } from '../engine/engine.ts';
import type { Journal } from '../journal/journal.ts';
import type { EventsRequest } from '../model/event-requests.ts';
import type { RequestNumber } from '../model/requests.ts';
import { type EventBatchLimits, isFromStart, PendingBatch } from './event-batch.ts';
import { EventRing, type EventRingLimits, type WrittenRecords } from './event-ring.ts';
import type { GroupCommit } from './group-commit.ts';
import { type PastReading, PastReadings, type PastSource } from './past-events.ts';

export interface EventFeedLimits extends EventRingLimits, EventBatchLimits {
  readonly eventsPerLook: number;
  readonly eventRequestsMax: number;
  readonly eventRequestsPerConnectionMax: number;
  readonly eventsGatherMs: number;
  readonly eventsIdleMs: number;
  readonly pastReadersMax: number;
}

const limitsDefault: EventFeedLimits = {
  eventRingEventsMax,
  eventRingBytesMax,
  eventIndexBytes,
  eventsPerBatchMax,
  eventBatchBytesMax,
  eventsPerLook,
  eventRequestsMax,
  eventRequestsPerConnectionMax,
  eventsGatherMs,
  eventsIdleMs,
  pastReadersMax,
};

export interface EventFeedOptions {
  readonly runtime: Pick<Runtime, 'now' | 'defer' | 'setTimer' | 'clearTimer'>;
  /** For tests: smaller ones. */
  readonly limits?: Partial<EventFeedLimits> | undefined;
  /** Makes the events. */
  readonly engine: Pick<Engine, 'areEventsWanted'>;
  /** Gives records their numbers. */
  readonly journal: Pick<Journal, 'epoch' | 'sequence' | 'startSequence'>;
  /** Has records that are not written yet. */
  readonly commit: Pick<GroupCommit, 'endTurn' | 'synced'>;
  /** As of BrokerOptions. */
  readonly isLogRemote?: boolean | undefined;
  /** undefined: a cursor that is older than the ring gets a gap. */
  readonly past?: PastSource | undefined;
  send(to: ConnectionId, frames: readonly Buffer[]): void;
}

/** A request that is not answered yet. */
interface Follower {
  readonly connection: ConnectionId;
  readonly request: RequestNumber;
  readonly partBytesMax: number;
  readonly mayPark: boolean;
  /** It wants all that is kept, and has read nothing yet. */
  isStart: boolean;
  /** The epoch of its place: an earlier one until it is known which of that epoch's records count. */
  epoch: number;
  readonly batch: PendingBatch;
  /** While it reads from files. */
  reading: PastReading | undefined;
  timer: Timer | undefined;
}

/** Multiple of the time of a batch for which the next one waits. */
const pauseShare = 9;
/** A process that stood still meanwhile, or a busy machine, must not make it long. */
const pauseMsMax = 40;
/** Pause before a request tries again to read files, while all readers are in use, or when the disk failed. */
const fileRetryMs = 50;

export class EventFeed {
  readonly #options: EventFeedOptions;
  readonly #limits: EventFeedLimits;
  readonly #runtime: EventFeedOptions['runtime'];
  readonly #ring: EventRing;
  readonly #past: PastReadings | undefined;
  readonly #open = new Map<ConnectionId, Map<RequestNumber, Follower>>();
  #openCount = 0;
  /** Behind the newest event. */
  #parked = new Set<Follower>();
  /** Their turn comes in this order. */
  readonly #due = new Set<Follower>();
  #isBusy = false;
  #areWanted = false;
  #isStopped = false;
  #gatherTimer: Timer | undefined;
  #idleTimer: Timer | undefined;

  constructor(options: EventFeedOptions) {
    this.#options = options;
    this.#limits = { ...limitsDefault, ...options.limits };
    this.#runtime = options.runtime;
    this.#ring = new EventRing(this.#limits);
    const { past } = options;
    this.#past = past && new PastReadings(past, this.#limits.pastReadersMax);
  }

  /** Answers at once or later; not at all once it was stopped. @throws IpcError when the request is refused. */
  request(connection: ConnectionId, request: EventsRequest): void {
    if (this.#isStopped) return;
    const requests = this.#open.get(connection);
    this.#check(request, requests);
    if (!this.#areWanted) this.#begin();
    // The end of the turn may have failed.
    if (this.#isStopped) return;
    const batch = new PendingBatch(request, this.#placeOf(request.after), this.#limits);
    const { request: number, partBytesMax, waitMs } = request;
    // The caller learns its cursor at once: sent again later, `now` would mean another place.
    const mayPark = waitMs > 0 && request.after !== 'now';
    const timer = mayPark ? this.#runtime.setTimer(() => this.#end(follower), waitMs) : undefined;
    const isStart = isFromStart(request);
    const { after } = request;
    const isEarlier = typeof after === 'object' && after.epoch > 0 && after.epoch < this.#epoch;
    const epoch = isEarlier ? after.epoch : this.#epoch;
    const how = { partBytesMax, mayPark, isStart, epoch, reading: undefined };
    const follower: Follower = { connection, request: number, ...how, batch, timer };
    if (requests) requests.set(number, follower);
    else this.#open.set(connection, new Map([[number, follower]]));
    this.#openCount += 1;
    this.#runtime.clearTimer(this.#idleTimer);
    this.#isDue(follower);
  }

  /** False if this is no request of the feed, or it was answered. */
  cancel(connection: ConnectionId, request: RequestNumber): boolean {
    const follower = this.#open.get(connection)?.get(request);
    if (follower) this.#end(follower);
    return follower !== undefined;
  }

  disconnect(connection: ConnectionId): void {
    for (const follower of [...(this.#open.get(connection)?.values() ?? [])]) this.#drop(follower);
    this.#past?.closeAll(connection);
  }

  /** The records are written, and their events may be given out. */
  add(written: WrittenRecords): void {
    if (!this.#areWanted || written.count === 0) return;
    this.#ring.add(written);
    if (written.events.length === 0 || this.#parked.size === 0 || this.#gatherTimer) return;
    this.#gatherTimer = this.#runtime.setTimer(() => this.#giveOut(), this.#limits.eventsGatherMs);
  }

  /** Mail was erased: what the ring had of it is read from the files, if it is there. */
  forget(): void {
    if (this.#areWanted) this.#ring.reset(this.#ring.last);
  }

  /** Nothing more is sent. */
  stop(): void {
    this.#isStopped = true;
    for (const connection of [...this.#open.keys()]) this.disconnect(connection);
    this.#past?.closeAll();
    this.#runtime.clearTimer(this.#gatherTimer);
    this.#runtime.clearTimer(this.#idleTimer);
  }

  #check({ request }: EventsRequest, open: ReadonlyMap<RequestNumber, Follower> | undefined): void {
    if (open?.has(request)) {
      throw new IpcError('bad_frame', 'the number of this request is that of an open one');
    }
    const { eventRequestsMax: max, eventRequestsPerConnectionMax: ownMax } = this.#limits;
    if (this.#openCount >= max) {
      const what = `${max} requests for events are open in the broker, which is the limit`;
      throw new IpcError('too_many_waits', what);
    }
    if (open && open.size >= ownMax) {
      const what = `${ownMax} requests for events of this connection are open, which is the limit`;
      throw new IpcError('too_many_waits', what);
    }
  }

  #begin(): void {
    const { commit, journal, engine, isLogRemote } = this.#options;
    // What was decided before has no events.
    commit.endTurn();
    this.#ring.reset(journal.sequence);
    this.#areWanted = true;
    engine.areEventsWanted = true;
    if (!isLogRemote) return;
    // The files have records that are not stored there yet, and may never be.
    this.#isBusy = true;
    void commit.synced().then(() => this.#next());
  }

  get #epoch(): number {
    return this.#options.journal.epoch;
  }

  #placeOf(after: EventsRequest['after']): number {
    if (after === 'now') return this.#ring.last;
    if (after === 'start') return 0;
    return after.epoch < this.#epoch ? after.sequence : Math.min(after.sequence, this.#ring.last);
  }

  /**
   * Records of an earlier epoch do not count from the start of the next one on, which did not find them. So their events
   * have not happened, and the cursor is set back. The epochs since may have had other records with their numbers.
   */
  async #leaveEpoch(follower: Follower): Promise<void> {
    const { batch } = follower;
    const { startSequence } = this.#options.journal;
    let start: number;
    try {
      start = (await this.#past?.startBehind(follower.epoch)) ?? startSequence;
    } catch (error) {
      if (!(error instanceof IpcError) && !isSystemError(error)) throw error;
      // Without it, events of the epochs between would be skipped.
      this.#runtime.setTimer(() => this.#retry(follower), fileRetryMs);
      return;
    }
    batch.seen = Math.min(batch.seen, start - 1, startSequence - 1);
    follower.epoch = this.#epoch;
    this.#retry(follower);
  }

  #giveOut(): void {
    this.#gatherTimer = undefined;
    const parked = this.#parked;
    this.#parked = new Set();
    for (const follower of parked) this.#isDue(follower);
  }

  #isDue(follower: Follower): void {
    this.#due.add(follower);
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#next();
  }

  #next(): void {
    const [follower] = this.#due;
    if (!follower || this.#isStopped) {
      this.#isBusy = false;
      return;
    }
    this.#due.delete(follower);
    const began = this.#runtime.now();
    this.#serve(follower);
    const pauseMs = Math.min(pauseMsMax, (this.#runtime.now() - began) * pauseShare);
    if (pauseMs < 1) this.#runtime.defer(() => this.#next());
    else this.#runtime.setTimer(() => this.#next(), pauseMs).unref();
  }

  #serve(follower: Follower): void {
    const { batch } = follower;
    if (follower.epoch < this.#epoch) return void this.#leaveEpoch(follower);
    if (batch.seen < this.#ring.begins) return this.#servePast(follower);
    let left = this.#limits.eventsPerLook;
    for (const entry of this.#ring.after(batch.seen)) {
      if (left <= 0) return batch.hasEvents ? this.#end(follower) : void this.#due.add(follower);
      if (batch.isFull || !batch.take(entry, this.#openCount > 1)) return this.#end(follower);
      left -= entry.events.length;
    }
    batch.seen = this.#ring.last;
    if (!batch.isEmpty || !follower.mayPark) this.#end(follower);
    else this.#parked.add(follower);
  }

  #servePast(follower: Follower): void {
    if (!this.#past) {
      follower.batch.skip(this.#ring.begins);
      return void this.#due.add(follower);
    }
    const { connection, batch, partBytesMax, isStart } = follower;
    const place = { connection, partBytesMax, position: batch.seen };
    const reading = this.#past.open(place, isStart, this.#ring.last);
    if (!reading) {
      this.#runtime.setTimer(() => this.#retry(follower), fileRetryMs);
      return;
    }
    follower.isStart = false;
    void this.#readPast(follower, reading, this.#past);
  }

  #retry(follower: Follower): void {
    if (this.#isOpen(follower)) this.#isDue(follower);
  }

  /** Until the batch is full, or the ring goes on from here. */
  async #readPast(follower: Follower, reading: PastReading, past: PastReadings): Promise<void> {
    const { batch } = follower;
    follower.reading = reading;
    try {
      while (batch.seen < this.#ring.begins) {
        const item = await reading.peek();
        // The request has ended, and the item is for the next one.
        if (!this.#isOpen(follower)) return;
        if (!item) {
          batch.seen = Math.max(batch.seen, reading.writtenBefore);
          break;
        }
        const { begins } = this.#ring;
        // The ring has it, or will: on a NATS server the files are ahead of what is stored.
        if ('sequence' in item && item.sequence > begins) {
          batch.seen = begins;
          break;
        }
        if (batch.isFull || ('gap' in item && batch.hasEvents)) return this.#end(follower);
        if ('gap' in item) batch.skip(Math.min(item.gap.to, begins));
        else if (!batch.take(item)) return this.#end(follower);
        reading.taken(batch.seen);
      }
    } catch (error) {
      if (!(error instanceof IpcError) && !isSystemError(error)) throw error;
      if (!this.#isOpen(follower)) return;
      past.close(reading);
      if (batch.hasEvents) return this.#end(follower);
      batch.lose(this.#ring.begins);
    }
    follower.reading = undefined;
    past.close(reading);
    this.#isDue(follower);
  }

  #isOpen({ connection, request, batch }: Follower): boolean {
    return this.#open.get(connection)?.get(request)?.batch === batch;
  }

  /** Sends the batch as it is. */
  #end(follower: Follower): void {
    this.#drop(follower);
    const { connection, batch, epoch } = follower;
    const hasMore = batch.seen < this.#ring.last;
    this.#options.send(connection, batch.end(epoch, hasMore));
  }

  #drop(follower: Follower): void {
    const { connection, request, timer, reading } = follower;
    this.#runtime.clearTimer(timer);
    if (reading) this.#past?.free(reading);
    this.#parked.delete(follower);
    this.#due.delete(follower);
    const requests = this.#open.get(connection);
    requests?.delete(request);
    if (requests?.size === 0) this.#open.delete(connection);
    this.#openCount -= 1;
    if (this.#openCount > 0 || this.#isStopped) return;
    const { eventsIdleMs } = this.#limits;
    this.#idleTimer = this.#runtime.setTimer(() => this.#idle(), eventsIdleMs).unref();
  }

  #idle(): void {
    this.#areWanted = false;
    this.#options.engine.areEventsWanted = false;
    this.#ring.reset(0);
  }
}
