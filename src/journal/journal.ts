// The writing side of a store. docs/internals/journal.md has the format, and the reason for each order.
//
// 1. open() makes an epoch of its own, replays the log, and carries over what was not surely durable, and
//    what lies in too many small segments.
// 2. append() writes at once; sync() makes durable what was appended before it, and adds a sync point.
// 3. A full segment is followed by the next, whose prologue has the deduplication snapshot.
// 4. Compaction: the oldest segment is removed once its live messages were copied to the end, and synced. The caller
//    syncs between its steps, with all that is to be synced anyway.
import assert from 'node:assert/strict';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { systemRuntime } from '../base/runtime.ts';
import type { Erased } from '../model/erase-requests.ts';
import type { Name } from '../model/message.ts';
import type { JournalRecord } from '../model/records.ts';
import { BodyReader } from './body-reader.ts';
import { type CarriedRecord, Compaction, rewriteAll } from './compaction.ts';
import { type Disk, realDisk } from './disk.ts';
import {
  abandonEpoch,
  diskFault,
  type Epoch,
  folderFault,
  isDiskFull,
  isFileLimit,
  justReplaced,
} from './epoch.ts';
import { Fencing } from './fencing.ts';
import { fileSystemWarnings, hasWallClock } from './filesystem.ts';
import type { History } from './history.ts';
import {
  type AppendSteps,
  type JournalLimits,
  type JournalOptions,
  limitsDefault,
} from './journal-options.ts';
import { LiveIndex, type LogFile } from './live-index.ts';
import { replayLog } from './log-replay.ts';
import { LogWriter } from './log-writer.ts';
import { type OwnerNote, writeOwner } from './paths.ts';
import { Quarantine } from './quarantine.ts';
import { type Seed, segmentSeed } from './record-framing.ts';
import type { StoreRecord } from './record-types.ts';
import { applyEncoded, type EncodedRecords, encodeAll, encodedEntries } from './segment-entries.ts';
import { journalFormat } from './segment-header.ts';
import { SegmentList } from './segment-list.ts';
import { encodePrologue } from './segment-prologue.ts';
import { RecordSequence, stampOfNone } from './sequence.ts';
import { noRoomToErase, SpaceCheck } from './space-check.ts';
import { type Takeover, takeOver } from './takeover.ts';
import { WrittenBodies } from './written-bodies.ts';

export type { JournalLimits, JournalOptions } from './journal-options.ts';

export class Journal {
  readonly storeId: string;
  readonly epoch: number;
  readonly format = journalFormat;
  readonly #options: JournalOptions;
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #limits: JournalLimits;
  readonly #own: Epoch;
  readonly #fencing: Fencing;
  #note: OwnerNote;
  readonly #segments: SegmentList;
  /** Out of the log, but their files are still in its place. */
  readonly #dropped: LogFile[] = [];
  readonly #live = new LiveIndex();
  readonly #compaction: Compaction;
  readonly #sequence: RecordSequence;
  /** The number of the first record of this epoch: none of an earlier epoch counts from there on. */
  #startSequence = 0;
  readonly #bodies: WrittenBodies;
  readonly #quarantine: Quarantine;
  #fileSystemType: number | undefined;
  readonly #logWriter: LogWriter;
  readonly #history: History;
  readonly #spaceCheck: SpaceCheck;
  #syncing: Promise<void> | undefined;
  /** The reason why nothing can be written any more. */
  #failure: unknown;

  /**
   * Takes the store over: passesFencing() of an earlier owner is false from here on. If it throws
   * store_newer, the store was not changed.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const { folder, disk = realDisk } = options;
    try {
      const takeover = await takeOver(options);
      const journal = new Journal(options, takeover);
      const carried = await journal.#replay(takeover).catch((error) => {
        abandonEpoch(disk, folder, takeover.own);
        throw error;
      });
      await journal.#begin(carried);
      return journal;
    } catch (error) {
      throw folderFault(error);
    }
  }

  private constructor(options: JournalOptions, { own, log, ballast, history }: Takeover) {
    this.#options = options;
    this.#disk = options.disk ?? realDisk;
    this.#limits = { ...limitsDefault, ...options.limits };
    const { folder } = options;
    this.#folder = folder;
    this.#quarantine = new Quarantine(this.#disk, folder, (action) => ballast.withBallast(action));
    this.#history = history;
    history.mayChange = () => this.passesFencing();
    history.isLive = (number) => this.#live.has(number);
    const epochs = { own: own.epoch, before: log };
    this.#segments = new SegmentList(this.#disk, folder, epochs, this.#quarantine, history);
    this.#compaction = new Compaction(this.#segments, this.#live, this.#limits);
    const onCorrupt = (number: number, file: LogFile) => {
      // A successor removes files, which is no corruption.
      if (!this.passesFencing()) throw this.lost();
      this.#live.markCorrupt(number);
      this.#quarantine.noteMessage(file, number);
    };
    const reader = new BodyReader(this.#disk, folder, this.#live, onCorrupt);
    this.#bodies = new WrittenBodies(this.#live, reader, this.#limits.bodyCacheBytesMax);
    this.#logWriter = new LogWriter(this.#disk, folder, own.epoch, this.#limits, ballast);
    this.#spaceCheck = new SpaceCheck(this.#logWriter, ballast);
    this.#own = own;
    this.#note = options.owner;
    this.epoch = own.epoch;
    const runtime = options.runtime ?? systemRuntime;
    this.#fencing = new Fencing(this.#disk, folder, own, runtime);
    this.#sequence = new RecordSequence(() => runtime.time());
    this.storeId = log.store ?? runtime.randomBytes(16).toString('hex');
    this.#live.nextNumber = log.nextNumber;
  }

  /** Above the number of every message that was ever written. */
  get nextNumber(): number {
    return this.#bodies.nextNumber;
  }

  /** The number of the record that was written last, in the sequence of all records of the store; 0 before all. */
  get sequence(): number {
    return this.#sequence.next - 1;
  }

  /** The number of the first record of this epoch. Those of earlier epochs with it, or a higher one, do not count. */
  get startSequence(): number {
    return this.#startSequence;
  }

  /** Some records are not covered by a sync. */
  get unsynced(): boolean {
    return this.#logWriter.unsynced;
  }

  /**
   * Reserves space for a post in the next append(). False if the disk is full: the post is to be refused then.
   * `also`: how many further messages it has.
   */
  hasSpaceForPost(frameBytes: number, also: number): boolean {
    this.#checkAlive();
    return this.#guard(() => this.#spaceCheck.forPost(frameBytes, also, this.#live.size));
  }

  /** The error of the post for which hasSpaceForPost() was false just now. */
  refusal(): IpcError {
    return this.#spaceCheck.refusal(this.#note.pid, this.#live.bytes);
  }

  /** Reserves space for copies of these messages. False if the disk is full. */
  hasSpaceToCopy(numbers: readonly number[]): boolean {
    const bytes = numbers.map((number) => this.#live.locate(number)?.bytes ?? 0);
    return this.#guard(() => this.#spaceCheck.forCopies(bytes));
  }

  /**
   * The records are written when it returns, and durable after the next sync. storage_failed ends the journal. Must be
   * called after hasSpaceForPost() even with no records, to free the space that was reserved. Returns the number of the
   * first record; the others follow it one by one.
   */
  append(records: readonly JournalRecord[], { onWritten, onInPlace }: AppendSteps = {}): number {
    this.#checkAlive();
    this.#spaceCheck.appended();
    const first = this.#sequence.next;
    if (records.length > 0) {
      this.#write(records, records.length, onWritten);
      // The snapshot must have nothing that is not written before it. What leaves may end a peer, which changes it.
      if (this.#isSegmentOver()) this.#beginNext();
    }
    onInPlace?.();
    this.#bodies.index();
    return first;
  }

  /**
   * A step towards space for a post that found none, or towards a smaller log if `isWanted`: begins the
   * next segment if the current one is what must go, or cannot grow. All that the engine did must be
   * appended. False if it is not the current segment.
   */
  beginNextForSpace(isWanted = false): boolean {
    this.#checkAlive();
    if (!this.#spaceCheck.isNextWanted && !this.#compaction.isMostlyDead(isWanted)) return false;
    return this.#beginNext();
  }

  /** Makes durable what was appended before the call; adds a sync point. One at a time. storage_failed ends the journal. */
  async sync(): Promise<void> {
    await this.syncFiles();
    this.noteSync();
  }

  /** sync() without the sync point: noteSync() is to follow, once the replies that waited for the sync are sent. */
  async syncFiles(): Promise<void> {
    this.#checkAlive();
    assert(!this.#syncing, 'one sync at a time');
    this.#syncing = this.#logWriter.sync();
    try {
      await this.#syncing;
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#syncing = undefined;
    }
    this.#checkAlive();
  }

  /** Adds the sync point of the last syncFiles(), unless the journal has ended. storage_failed ends it. */
  noteSync(): void {
    if (this.#failure === undefined) this.#guard(() => this.#logWriter.appendSyncPoint());
  }

  /** False if there is a newer epoch, or the folder is gone: nothing may be acknowledged any more. */
  passesFencing(): boolean {
    return this.#fencing.passes();
  }

  /** The error of an owner whose passesFencing() is false. */
  lost(): IpcError {
    return this.#fencing.lost();
  }

  /** The body of a live message; undefined if it is corrupt. */
  body(number: number): Buffer | undefined {
    return this.#bodies.read(number);
  }

  /** body() of each, with few reads if they are in log order, as those of compactable() are. */
  bodies(numbers: readonly number[]): (Buffer | undefined)[] {
    return this.#bodies.readAll(numbers);
  }

  /** How many live messages have corrupt bodies. */
  get damagedMessages(): number {
    return this.#live.corruptCount;
  }

  /** What is wrong with the disk, in sentences for people. */
  warnings(): string[] {
    return [
      ...this.#spaceCheck.warnings(),
      ...fileSystemWarnings(this.#fileSystemType, this.#folder),
      ...this.#quarantine.reports(),
    ];
  }

  /** In this many steps each segment of now is left and removed. More gain nothing: copies do not become shorter. */
  get spaceStepsMax(): number {
    return 2 * this.#segments.count;
  }

  /**
   * The live messages of the oldest segment, in log order, if that is to be removed: append a copy of each,
   * sync, then call dropOldest(). The copies may come in parts, with other appends and syncs between them. A
   * message that is settled meanwhile needs no copy. A copy has the state of its message, so all changes
   * of that state must be appended before it. `isWanted`: by a session, so a small log is compacted, too.
   */
  compactable(isWanted = false): number[] | undefined {
    return this.#compaction.messagesToCopy(isWanted || this.#spaceCheck.isDiskFull);
  }

  /**
   * Begins the next segment, so that compactable() takes all earlier ones out of the log, up to erase(). All that the
   * engine did must be appended.
   */
  beginErase(): void {
    this.#checkAlive();
    if (this.#beginNext()) this.#compaction.beginErase();
  }

  /**
   * Takes what was settled out of history, of this mailbox or all for ''. If it throws, a part is left, and the journal goes
   * on: `store_full` if there was no room to empty the log before.
   */
  async erase(mailbox: Name | ''): Promise<Erased> {
    if (!this.#compaction.endErase()) throw noRoomToErase();
    return this.#history.erase(mailbox, this.#segments.files);
  }

  /** Removes history that is too old by now. It goes on after the call. */
  tidyHistory(): void {
    this.#history.tidy([...this.#segments.files]);
  }

  /** The last hasSpaceToCopy() was false because of a limit on the size of files: fewer copies may have room. */
  get isFileLimited(): boolean {
    return this.#spaceCheck.isFileLimited;
  }

  /**
   * Takes the oldest segment out of the log. A sync must have covered the copies of its live messages, since a record
   * says from here on that the segment may be missing.
   */
  dropOldest(): void {
    const { oldest, files } = this.#segments;
    assert(oldest, 'the current segment stays');
    assert(this.#live.messagesIn(oldest).length === 0, 'its live messages were copied');
    // No later header lists it: that could outlive the record that says why it is missing.
    files.shift();
    this.#dropped.push(oldest);
    this.#write([{ kind: 'removed', epoch: oldest.epoch, segment: oldest.segment }], 0);
  }

  /** Removes what dropOldest() took out. A sync must have covered that: it was removed, not lost. */
  async removeDropped(): Promise<void> {
    // A successor that began before the record was written may be reading it.
    if (!this.passesFencing()) return;
    await this.#removed(this.#segments.removeFiles(this.#dropped.splice(0)));
  }

  /** Called when the addresses change. If the note cannot be written now, close() writes it. */
  noteOwner(note: OwnerNote): void {
    this.#note = note;
    this.#seal();
  }

  /** For an owner that gives up: closes the files once a running sync has ended. No sync or sync point. Never throws. */
  abandon(): void {
    this.#failure ??= new IpcError('closed', 'the journal was abandoned');
    this.#history.stop();
    this.#logWriter.abandon();
  }

  /** Syncs, and notes the sync point. A journal that failed only closes its files. */
  async close(): Promise<void> {
    await this.#syncing?.catch(() => {});
    await this.#history.close();
    try {
      if (this.#failure === undefined) await this.sync();
      if (this.#failure === undefined) this.#seal();
    } finally {
      this.#failure ??= new IpcError('closed', 'the journal was closed');
      this.#logWriter.close();
    }
  }

  async #replay({ log, own, ballast }: Takeover): Promise<CarriedRecord[]> {
    const { carried, corruption } = await replayLog(log, {
      ...{ options: this.#options, disk: this.#disk, limits: this.#limits, ownEpoch: own.epoch },
      ...{ live: this.#live, segments: this.#segments, sequence: this.#sequence },
      isBallastShort: ballast.isShort,
    });
    // Before the first segment is written, since later owners do not read the segments that are merged into it. A
    // successor may have removed files meanwhile: what is missing then is not corrupt.
    if (corruption.length > 0 && !this.passesFencing()) throw justReplaced();
    await this.#quarantine.noteAll(corruption);
    return carried;
  }

  #removed(removal: Promise<void>): Promise<void> {
    return removal.catch((error) => Promise.reject(this.#fail(error)));
  }

  /** Up to here only the epoch's folder was created; after this, the store belongs to this owner. */
  async #begin(carried: readonly CarriedRecord[]): Promise<void> {
    try {
      this.#beginSegment((seed) => encodedEntries(rewriteAll(carried, this.#live, seed)));
      this.#startSequence = this.#sequence.next;
    } catch (error) {
      // The prologue is not complete, so the epoch does not count.
      const fault = this.#fencing.openingFault(error);
      abandonEpoch(this.#disk, this.#folder, this.#own);
      throw fault;
    }
    try {
      await this.sync();
      if (!this.passesFencing()) throw justReplaced();
      this.#fileSystemType = await this.#disk.fileSystemType(this.#folder);
      this.#fencing.trustsTimes = hasWallClock(this.#fileSystemType);
      // Their records are in the first segment of this epoch, or do not matter any more.
      await this.#removed(this.#segments.removeOrphans());
      this.#seal();
    } catch (error) {
      // The epoch stays: its prologue may be complete, so a successor may have read it and rely on it.
      const fault = this.#fencing.openingFault(error);
      this.abandon();
      throw fault;
    }
  }

  /** On a full disk also if much of it is dead, since only then can it be removed. */
  #isSegmentOver(): boolean {
    const { bytesBehindPrologue, isOver } = this.#logWriter;
    if (isOver || bytesBehindPrologue >= this.#limits.segmentBytesMax) return true;
    if (!this.#spaceCheck.isDiskFull) return false;
    this.#bodies.index();
    return this.#compaction.isMostlyDead();
  }

  /** False if there is no room for it: the current segment is used further, and posts are refused. */
  #beginNext(): boolean {
    try {
      this.#beginSegment((seed) => encodeAll([], seed));
      return true;
    } catch (error) {
      if (isDiskFull(error)) this.#spaceCheck.isDiskFull = true;
      else if (!isFileLimit(error)) throw this.#fail(error);
      return false;
    }
  }

  /** Notes the sync point beside the log, too: truncating or removing a segment takes its sync points along. */
  #seal(): void {
    try {
      writeOwner(this.#disk, this.#folder, this.epoch, this.#note, this.#logWriter.durable);
    } catch {
      // The log has the sync point, and the addresses are a convenience for the next owner.
    }
  }

  /**
   * Writes the header, the records in log order, the snapshot, which is the state after them, and a stamp.
   * `numbered`: how many of the records are new.
   */
  #beginSegment(recordsFor: (seed: Seed) => EncodedRecords, numbered = 0): void {
    const id = this.#logWriter.nextId;
    const seed = segmentSeed(id);
    const records = recordsFor(seed);
    const stamp = this.#sequence.stamp(numbered);
    const snapshot = [...this.#options.snapshot(), stamp];
    const { storeId: store, nextNumber, format } = this;
    const { durable } = this.#logWriter;
    const earlier = this.#segments.extents();
    const header = { kind: 'segment', format, store, nextNumber, durable, earlier } as const;
    const prologue = encodePrologue(header, records, snapshot, seed);
    this.#logWriter.begin(prologue.buffers);
    const file = { ...id, bytes: this.#logWriter.bytes };
    this.#segments.files.push(file);
    this.#spaceCheck.begun();
    this.#compaction.snapshotBytes = prologue.snapshotBytes;
    applyEncoded(this.#live, records, file, prologue.recordsBegin);
    this.#sequence.wrote(numbered, stamp);
  }

  /** `numbered`: how many of them are the engine's. */
  #write(
    records: readonly (JournalRecord | StoreRecord)[],
    numbered: number,
    onWritten?: () => void,
  ): void {
    this.#checkAlive();
    this.#guard(() => {
      const due = numbered > 0 ? this.#sequence.due() : undefined;
      try {
        const encoded = encodeAll(due ? [due, ...records] : records, this.#logWriter.seed);
        // The length of the log writer's segment, since it writes sync points as well.
        const offset = this.#logWriter.bytes;
        this.#logWriter.append(encoded.buffers);
        onWritten?.();
        const file = this.#segments.current;
        this.#bodies.wrote({ encoded, file, offset });
        file.bytes = this.#logWriter.bytes;
        this.#sequence.wrote(numbered, due);
      } catch (error) {
        if (!isFileLimit(error)) throw error;
        // Nothing was written. Space was reserved for posts, but these records are longer.
        const stamped = [this.#sequence.stamp(), ...records, stampOfNone];
        this.#beginSegment((seed) => encodeAll(stamped, seed), numbered);
      }
      // A removed file takes writes and syncs without an error. No delivery may rest on it.
      if (!this.#logWriter.isInPlace()) throw this.lost();
    });
  }

  #checkAlive(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): unknown {
    this.#failure ??= systemErrorCode(error) === 'ENOENT' ? this.lost() : diskFault(error);
    return this.#failure;
  }
}
