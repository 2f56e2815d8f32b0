// Group commit: what the engine decided in one turn of the event loop is written, synced and sent together.
// 1. add() collects the records and replies of each step, until the turn ends.
// 2. At the end of the turn, or earlier when many bytes or deliveries have come together, all records are written at once.
//    Then the replies marked `write` leave. Where the log is on another machine, deliveries and events wait for 3:
//    an owner that was replaced without knowing it must not hand anything out.
// 3. One sync at a time covers everything written before it began. Meanwhile the replies marked `sync` are encoded. If
//    this is still the newest owner after the sync, they leave. The sync point is written behind them.
// 4. After a sync, compaction goes one step further if it is due. Each step rests on the one before it and on the sync
//    between them, so it needs no sync of its own.
// 5. While other connections post, too, one that has used up its share of the next sync waits until that has ended:
//    synced().
// An error of the journal goes to `fail`: nothing more is stored or settled.
import { largeMemory } from '../base/large-memory.ts';
import { turnBodyBytesMax } from '../base/limits.ts';
import type { Runtime } from '../base/runtime.ts';
import type { ConnectionId, Outcome, Reply } from '../engine/commands.ts';
import type { Engine } from '../engine/engine.ts';
import type { Journal } from '../journal/journal.ts';
import type { AppendSteps } from '../journal/journal-options.ts';
import type { JournalRecord } from '../model/records.ts';
import type { Offer, PeekedResponse } from '../model/requests.ts';
import type { WrittenRecords } from './event-ring.ts';
import type { ReplySender, ReplyToSend } from './reply-sender.ts';
import { SyncShare, type SyncShareLimits } from './sync-share.ts';

/** Messages that compaction copies at a time, if their bodies do not reach `turnBodyBytesMax` before. */
const copiesMax = 256;

/**
 * Replies that leave before the sync, nearly all of them deliveries: a turn with more is ended early, so that their
 * readers work on them while the broker goes on. With fewer, the writes cost more than is gained.
 */
const repliesAtOnceMax = 64;

/**
 * Steps of a removal. `copy`: of the live messages of the segment those that are still to be copied. `drop`: all copies
 * were written. `remove`: it is out of the log.
 */
type Removal =
  | { readonly step: 'copy'; readonly numbers: number[] }
  | { readonly step: 'drop' | 'remove' };

type CommitRuntime = Pick<Runtime, 'now' | 'time' | 'defer'>;

export interface GroupCommitOptions {
  readonly engine: Pick<Engine, 'copyOf'>;
  readonly journal: Journal;
  readonly runtime: CommitRuntime;
  readonly limits: SyncShareLimits;
  /** As of BrokerOptions. */
  readonly isLogRemote?: boolean | undefined;
  readonly sender: Pick<ReplySender, 'encode' | 'giveNow'>;
  /** Records were written. */
  wrote(written: WrittenRecords): void;
  fail(error: unknown): void;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #journal: Journal;
  readonly #sender: GroupCommitOptions['sender'];
  readonly #runtime: CommitRuntime;
  /** Records, bodies and replies of the current turn. They are not written yet. */
  #records: JournalRecord[] = [];
  #events: WrittenRecords['events'][number][] = [];
  /** The bodies of the first `#indexedRecords` of these records, by message number. It grows when a body is asked for. */
  readonly #bodies = new Map<number, Buffer>();
  #indexedRecords = 0;
  #bodyBytes = 0;
  #repliesAtOnce: ReplyToSend[] = [];
  #repliesAfterSync: ReplyToSend[] = [];
  /** It stays so after an early end: what is added until then is in the rest of the turn. */
  #isTurnScheduled = false;
  /** Their records are written, but not yet covered by a completed sync. */
  #afterSync: ReplyToSend[] = [];
  /** Written records whose events wait for that sync. */
  #wroteAfterSync: WrittenRecords[] = [];
  /** Called when the next sync has ended, before its replies are sent. */
  #onSynced: (() => void)[] = [];
  readonly #share: SyncShare;
  #syncing: Promise<void> | undefined;
  /** When the current sync began, on the runtime's clock. */
  #syncBegan = 0;
  /** How far the removal of the oldest segment is; undefined when none is under way. */
  #removal: Removal | undefined;
  /** The step of makeSpace() that is under way. */
  #space: { readonly isWanted: boolean; readonly done: () => void } | undefined;
  /** One step at a time. */
  #makingSpace: Promise<boolean> = Promise.resolve(false);
  /** Segments that compaction has removed. */
  #removed = 0;
  /** Nothing more is added, and nothing is compacted. */
  #isEnding = false;
  #isStopped = false;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#journal = options.journal;
    this.#sender = options.sender;
    this.#runtime = options.runtime;
    this.#share = new SyncShare(options.limits, options.runtime);
  }

  /** How long the current sync has been running; 0 when there is none. */
  get syncingMs(): number {
    return this.#syncing ? Math.round(this.#runtime.now() - this.#syncBegan) : 0;
  }

  /** Collects the outcome of a step. */
  add({ records, events, replies }: Outcome): void {
    let postedBytes = 0;
    let index = this.#records.length;
    for (const each of events) {
      if (each.length > 0) this.#events.push({ index, events: each });
      index++;
      // Never released: followers read it for as long as the ring has it.
      for (const event of each)
        if (event.kind === 'stored' && event.part) largeMemory.hold(event.part);
    }
    for (const record of records) {
      this.#records.push(record);
      if (record.kind === 'posted') postedBytes += record.body?.length ?? 0;
    }
    this.#bodyBytes += postedBytes;
    for (const reply of replies) this.#addReply(reply, postedBytes);
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    this.#runtime.defer(() => {
      this.#isTurnScheduled = false;
      this.endTurn();
    });
  }

  #addReply(reply: Reply, postedBytes: number): void {
    const { to, after, response } = reply;
    if (response.kind === 'stored') this.#share.add(to, postedBytes);
    const replies = this.#mayGoAtOnce(reply) ? this.#repliesAtOnce : this.#repliesAfterSync;
    if (response.kind !== 'offer' && response.kind !== 'peeked') return void replies.push(reply);
    // Looked up now, because a later command may settle the message.
    const body = this.#bodyOf(response);
    // Without a spread, which takes longer than all else here.
    replies.push({ to, after, response, body });
    this.#bodyBytes += body?.length ?? 0;
  }

  /** Ends the turn early if its bodies take much memory, or many replies could leave. */
  endLargeTurn(): void {
    const isLarge = this.#bodyBytes >= turnBodyBytesMax;
    if (isLarge || this.#repliesAtOnce.length >= repliesAtOnceMax) this.endTurn();
  }

  endTurn(): void {
    if (this.#isStopped) return;
    try {
      // Deliveries, and other replies that do not wait for the sync, leave before it begins.
      this.#write();
    } catch (error) {
      return this.#options.fail(error);
    }
    this.#beginSync();
  }

  /** The connection is to wait for synced() before it is read again. */
  isShareUsedUp(connection: ConnectionId): boolean {
    return this.#share.isUsedUp(connection);
  }

  /**
   * Resolves after the sync of what was added. If replies to others wait for a sync by then, it resolves after that
   * one, so that the next bytes of this connection are not in it. It also resolves if a sync fails, or none follows.
   */
  synced(): Promise<void> {
    return new Promise((resolve) => {
      // Before the turn ends: its sync may begin at once.
      this.#onSynced.push(() => {
        if (this.#afterSync.length > 0 && !this.#isStopped) this.#onSynced.push(resolve);
        else resolve();
      });
      this.endTurn();
      if (this.#isStopped) this.#endWaits();
    });
  }

  /**
   * Writes and syncs everything that was added, and stops. A removal stays where it is, since it may be that of a large
   * log; the next owner begins it again.
   */
  async finish(): Promise<void> {
    this.#isEnding = true;
    this.#removal = undefined;
    this.#endSpace();
    this.endTurn();
    while (this.#syncing) await this.#syncing;
    this.stop();
  }

  /**
   * One step towards space for a post that found none: removes the oldest segment, or leaves the current
   * one if that is what must go or cannot grow. `isWanted`: a session asked for compaction. Returns false
   * if nothing can be done.
   */
  makeSpace(isWanted = false): Promise<boolean> {
    this.#makingSpace = this.#makingSpace.then(() => this.#makeSpace(isWanted));
    return this.#makingSpace;
  }

  /** Nothing more is written or sent. */
  stop(): void {
    this.#isStopped = true;
    this.#space?.done();
    this.#endWaits();
  }

  #endWaits(): void {
    for (const done of this.#onSynced.splice(0)) done();
  }

  async #makeSpace(isWanted: boolean): Promise<boolean> {
    this.endTurn();
    if (this.#isEnding || this.#isStopped) return false;
    const removedBefore = this.#removed;
    let hasBegun = false;
    try {
      hasBegun = this.#journal.beginNextForSpace(isWanted);
    } catch (error) {
      this.#options.fail(error);
      return false;
    }
    await new Promise<void>((resolve) => {
      this.#space = { isWanted, done: resolve };
      this.#beginSync();
    });
    return hasBegun || this.#removed > removedBefore;
  }

  #bodyOf(response: Offer | PeekedResponse): Buffer | undefined {
    if (response.kind === 'peeked' && response.partBytes === 0) return undefined;
    const { number } = response.envelope;
    const isWritten = number < this.#journal.nextNumber;
    const body = isWritten ? this.#journal.body(number) : this.#unwrittenBody(number);
    if (body) largeMemory.hold(body);
    return body;
  }

  #unwrittenBody(number: number): Buffer | undefined {
    while (this.#indexedRecords < this.#records.length) {
      const record = this.#records[this.#indexedRecords++] as JournalRecord;
      if (record.kind !== 'posted' || !record.body) continue;
      this.#bodies.set(record.envelope.number, record.body);
      for (const { number: also } of record.also) this.#bodies.set(also, record.body);
    }
    return this.#bodies.get(number);
  }

  #write(): void {
    const records = this.#records;
    const events = this.#events;
    const atOnce = this.#repliesAtOnce;
    const afterSync = this.#repliesAfterSync;
    this.#records = [];
    this.#events = [];
    this.#repliesAtOnce = [];
    this.#repliesAfterSync = [];
    // A Map that is cleared gets a new table, even if it was empty.
    if (this.#bodies.size > 0) this.#bodies.clear();
    this.#indexedRecords = 0;
    this.#bodyBytes = 0;
    this.#afterSync = this.#afterSync.length === 0 ? afterSync : this.#afterSync.concat(afterSync);
    // If no reply is to leave before the sync, it begins as soon as the records are written: the journal indexes them
    // meanwhile. Otherwise the replies leave first, and the journal indexes the records behind them.
    if (atOnce.length > 0) {
      const onInPlace = () => this.#sender.giveNow(this.#sender.encode(atOnce));
      this.#append(records, events, { onInPlace });
    } else if (this.#options.isLogRemote) this.#append(records, events);
    else this.#append(records, events, { onWritten: this.#beginSync });
  }

  #mayGoAtOnce({ after, response: { kind } }: Reply): boolean {
    const isDelivery = kind === 'offer' || kind === 'end';
    return after === 'write' && !(this.#options.isLogRemote && isDelivery);
  }

  #append(
    records: readonly JournalRecord[],
    events: WrittenRecords['events'],
    steps?: AppendSteps,
  ): void {
    const first = this.#journal.append(records, steps);
    const time = this.#runtime.time();
    const written = { first, count: records.length, time, events };
    if (!this.#options.isLogRemote) return this.#options.wrote(written);
    // Nothing needs no sync: one would follow the other while compaction waits for space.
    if (records.length + events.length > 0) this.#wroteAfterSync.push(written);
  }

  get #isSyncWanted(): boolean {
    const waiting = this.#afterSync.length + this.#onSynced.length + this.#wroteAfterSync.length;
    return waiting > 0 || this.#space !== undefined;
  }

  #beginSync = (): void => {
    if (this.#syncing || this.#isStopped || !this.#isSyncWanted) return;
    this.#syncing = this.#syncAll().finally(() => {
      this.#syncing = undefined;
      // For what came after it had looked for the last time.
      this.#beginSync();
    });
  };

  async #syncAll(): Promise<void> {
    const journal = this.#journal;
    try {
      while (!this.#isStopped && (this.#isSyncWanted || this.#removal)) {
        const replies = this.#afterSync;
        const onSynced = this.#onSynced;
        const written = this.#wroteAfterSync;
        this.#wroteAfterSync = [];
        this.#afterSync = [];
        this.#onSynced = [];
        this.#syncBegan = this.#runtime.now();
        const synced = journal.syncFiles();
        this.#share.syncBegins();
        // The sync runs on another thread meanwhile.
        const encoded = this.#sender.encode(replies);
        try {
          await synced;
        } finally {
          for (const done of onSynced) done();
        }
        checkFencing(journal);
        for (const each of written) this.#options.wrote(each);
        this.#sender.giveNow(encoded);
        // Behind the replies: the first write to a file after a sync takes longer, and the next records are spared that.
        journal.noteSync();
        const space = this.#space;
        await this.#compact();
        // A makeSpace() that began during the step waits for one of its own.
        if (!this.#removal && this.#space === space) this.#endSpace();
      }
    } catch (error) {
      this.#options.fail(error);
    }
  }

  /** Takes the next step of the removal of the oldest segment. All that was written before the last one is synced. */
  async #compact(): Promise<void> {
    if (this.#isEnding) return;
    const removal = this.#removal;
    switch (removal?.step) {
      case 'drop':
        this.#journal.dropOldest();
        this.#removal = { step: 'remove' };
        return;
      case 'remove':
        this.#removal = undefined;
        this.#removed += 1;
        return this.#journal.removeDropped();
      default:
        this.#copy(removal?.numbers);
    }
  }

  /** Copies some live messages of the oldest segment to the end of the log: few, so that no request waits for long. */
  #copy(left: number[] | undefined): void {
    const journal = this.#journal;
    const toCopy = left ?? journal.compactable(this.#space?.isWanted);
    this.#removal = undefined;
    if (!toCopy) return;
    this.#write();
    const numbers = this.#takeCopies(toCopy);
    if (!numbers) return;
    const live = numbers
      .map((number) => this.#options.engine.copyOf(number))
      .filter((copy) => copy !== undefined);
    const bodies = journal.bodies(live.map((copy) => copy.envelope.number));
    const copies = live.map((copy, index) => ({ ...copy, body: bodies[index] }));
    this.#append(copies, []);
    this.#removal = toCopy.length > 0 ? { step: 'copy', numbers: toCopy } : { step: 'drop' };
  }

  #endSpace(): void {
    this.#space?.done();
    this.#space = undefined;
  }

  /** Takes as many of the messages as there is space to copy now; undefined if there is none. */
  #takeCopies(toCopy: number[]): readonly number[] | undefined {
    const journal = this.#journal;
    let count = Math.min(this.#copyCount(toCopy), toCopy.length);
    while (!journal.hasSpaceToCopy(toCopy.slice(0, count))) {
      // A file that may not grow has room for fewer, or the next one has.
      if (!journal.isFileLimited) return undefined;
      if (count > 1) count = count >> 1;
      else if (!journal.beginNextForSpace()) return undefined;
    }
    return toCopy.splice(0, count);
  }

  /** How many to copy now. A small segment can have many copies of one large body: the messages of one post. */
  #copyCount(numbers: readonly number[]): number {
    let bytesLeft = turnBodyBytesMax;
    const end = numbers.slice(0, copiesMax).findIndex((number) => {
      bytesLeft -= this.#options.engine.copyOf(number)?.envelope.bodyBytes ?? 0;
      return bytesLeft < 0;
    });
    return end === -1 ? copiesMax : end;
  }
}

/** Fencing: throws `owner_replaced` if a newer owner has begun. */
export function checkFencing(journal: Journal): void {
  if (!journal.passesFencing()) throw journal.lost();
}
