// The writing side of a store: docs/internals/journal.md has the format, and the reason for each order below.
//
// 1. open() makes an epoch of its own, reads the log, and writes again what was not surely durable, and
//    what lies in too many small segments.
// 2. append() writes at once; sync() makes durable what was appended before it; a mark says so.
// 3. A full segment is followed by the next, whose head repeats what only old segments knew.
// 4. The oldest segment goes when what lives in it was copied to the tail, and synced.
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { IpcError } from '../base/errors.ts';
import { spareBytes } from '../base/limits.ts';
import { systemRuntime } from '../base/runtime.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { BallastFiles } from './ballast.ts';
import { BodyReader } from './body-reader.ts';
import { CorruptionScanner, type SegmentCorruption } from './corruption.ts';
import { type Disk, hasCode, realDisk } from './disk.ts';
import {
  abandonEpoch,
  diskFault,
  type Epoch,
  folderFault,
  isDiskFull,
  isNewest,
  justReplaced,
  makeEpoch,
  whyLost,
} from './epoch.ts';
import { fileSystemWarnings } from './filesystem.ts';
import { type JournalLimits, type JournalOptions, limitsDefault } from './journal-options.ts';
import { type Carried, LiveIndex, type Location, type LogFile, rewrite } from './live-index.ts';
import { LogWriter } from './log-writer.ts';
import {
  listEpochs,
  listSegments,
  type OwnerNote,
  removeEpoch,
  segmentPath,
  writeOwner,
} from './paths.ts';
import { Quarantine } from './quarantine.ts';
import {
  encodeRecord,
  journalFormat,
  type SegmentRecord,
  type StoreRecord,
} from './record-codec.ts';
import { type RawRecord, type SegmentId, segmentSeed } from './record-framing.ts';
import { type Log, type Reader, refuseNewer, replay, runBegin, survey } from './recovery.ts';
import { byteLength } from './segment-writer.ts';
import { SpaceCheck } from './space-check.ts';

const fullWarning =
  'the disk was full at the last post: posts are refused until there is room, mail can be read and settled';

export type { JournalLimits, JournalOptions } from './journal-options.ts';

export class Journal {
  readonly storeId: string;
  readonly epoch: number;
  readonly format = journalFormat;
  readonly #options: JournalOptions;
  readonly #disk: Disk;
  readonly #limits: JournalLimits;
  readonly #own: Epoch;
  #note: OwnerNote;
  /** All that count, oldest first; the last is being written. */
  readonly #files: LogFile[] = [];
  readonly #live = new LiveIndex();
  readonly #bodyReader: BodyReader;
  readonly #quarantine: Quarantine;
  #fileSystemWarnings: readonly string[] = [];
  #nextNumber: number;
  /** Found when the log was read. */
  #damage: readonly SegmentCorruption[] = [];
  readonly #logWriter: LogWriter;
  readonly #ballast: BallastFiles;
  readonly #spaceCheck: SpaceCheck;
  #syncing: Promise<void> | undefined;
  /** Why nothing can be written any more. */
  #failure: unknown;

  /**
   * Owns the store from here on: whoever owned it before is told by its next stillOwner().
   * store_newer leaves the store as it was.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const { folder, disk = realDisk } = options;
    try {
      refuseNewer(disk, folder);
      const ballast = new BallastFiles(disk, folder, options.limits?.sparesMin);
      const insist = <T>(action: () => T) => ballast.insist(action);
      const own = await makeEpoch(disk, folder, options.owner, insist);
      const { journal, carried } = await Journal.#read(options, own, ballast);
      await journal.#begin(carried);
      return journal;
    } catch (error) {
      throw folderFault(error);
    }
  }

  static async #read(
    options: JournalOptions,
    own: Epoch,
    ballast: BallastFiles,
  ): Promise<{ journal: Journal; carried: Carried[] }> {
    const { folder, disk = realDisk } = options;
    try {
      const log = await survey(disk, folder, own.epoch);
      // Names above the epochs: whoever made them may have ended before their sync.
      if (log.store === undefined) await syncParents(disk, folder);
      const journal = new Journal(options, own, log, ballast);
      return { journal, carried: await journal.#replay(log) };
    } catch (error) {
      abandonEpoch(disk, folder, own);
      throw error;
    }
  }

  private constructor(options: JournalOptions, own: Epoch, log: Log, ballast: BallastFiles) {
    this.#options = options;
    this.#disk = options.disk ?? realDisk;
    this.#limits = { ...limitsDefault, ...options.limits };
    const { bodyCacheBytesMax } = this.#limits;
    const { folder } = options;
    this.#quarantine = new Quarantine(this.#disk, folder, (action) => ballast.insist(action));
    const onDamaged = (number: number, file: LogFile) => {
      // A successor removes files, and that is no damage.
      if (!this.stillOwner()) throw this.lost();
      this.#live.markDamaged(number);
      this.#quarantine.noteMessage(file, number);
    };
    this.#bodyReader = new BodyReader(this.#disk, folder, this.#live, bodyCacheBytesMax, onDamaged);
    this.#ballast = ballast;
    this.#logWriter = new LogWriter(this.#disk, folder, own.epoch, this.#limits, ballast);
    this.#spaceCheck = new SpaceCheck(this.#logWriter, ballast);
    this.#own = own;
    this.#note = options.owner;
    this.epoch = own.epoch;
    this.storeId = log.store ?? (options.runtime ?? systemRuntime).randomBytes(16).toString('hex');
    this.#nextNumber = log.nextNumber;
  }

  /** Above the number of every message that was ever written. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** Something was appended that no sync has covered. */
  get unsynced(): boolean {
    return this.#logWriter.unsynced;
  }

  /** For a post with a frame of so many bytes, and further messages, in the next append(). If not, it is to be refused. */
  hasRoom(frameBytes: number, also: number): boolean {
    this.#checkAlive();
    return this.#guard(() => this.#spaceCheck.forPost(frameBytes, also, this.#live.size));
  }

  /** For copies of these messages. */
  hasRoomToCopy(numbers: readonly number[]): boolean {
    const bytes = numbers.map((number) => this.#live.locate(number)?.bytes ?? 0);
    return this.#guard(() => this.#spaceCheck.forCopies(bytes));
  }

  /**
   * Written when it returns, durable after the next sync. storage_failed ends the journal. Called after
   * hasRoom() also when nothing is to be written: posts that were refused leave their room to others.
   */
  append(records: readonly JournalRecord[]): void {
    this.#checkAlive();
    this.#spaceCheck.appended();
    if (records.length === 0) return;
    this.#write(records);
    for (const record of records) {
      if (record.kind !== 'posted' || !record.body) continue;
      for (const { number } of envelopesOf(record)) this.#bodyReader.keep(number, record.body);
    }
    // Only now, so that the next segment's head tells of nothing that is not written before it.
    if (this.#isSegmentOver()) this.#beginNext();
  }

  /** Makes durable what was appended before. One at a time. storage_failed ends the journal. */
  async sync(): Promise<void> {
    this.#checkAlive();
    assert(!this.#syncing, 'one sync at a time');
    if (!this.unsynced) return;
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

  /** False when another process began an epoch, or the folder is gone: then say nothing more. */
  stillOwner(): boolean {
    return isNewest(this.#disk, this.#options.folder, this.#own);
  }

  /** Why it is no owner any more. */
  lost(): IpcError {
    return whyLost(this.#disk, this.#options.folder, this.#own);
  }

  /** Of a live message; undefined when the disk damaged it. */
  body(number: number): Buffer | undefined {
    return this.#bodyReader.read(number);
  }

  /** body() of each, with few reads when they lie in the order of the log, as compactable() has them. */
  bodies(numbers: readonly number[]): (Buffer | undefined)[] {
    return this.#bodyReader.readAll(numbers);
  }

  /** Live messages whose bodies the disk damaged. */
  get damagedMessages(): number {
    return this.#live.damagedCount;
  }

  /** What is wrong with the disk, in sentences. */
  warnings(): string[] {
    const full = this.#spaceCheck.isFull ? [fullWarning] : [];
    return [...full, ...this.#fileSystemWarnings, ...this.#quarantine.reports()];
  }

  /**
   * undefined, or the live messages of the oldest segment, in the order of the log: append a copy of
   * each, then call removeOldest(). The copies may come in parts, with appends and syncs between
   * them; what is settled before its turn needs no copy, and may have none. A copy tells of all that
   * was done with its message, so that must be appended before it.
   */
  compactable(): number[] | undefined {
    const [oldest] = this.#files;
    if (!oldest || oldest === this.#current) return undefined;
    const bytes = this.#files.reduce((sum, file) => sum + file.bytes, 0);
    const { logBytesCompact, segmentsCompact } = this.#limits;
    const isSmall = bytes <= logBytesCompact && this.#files.length <= segmentsCompact;
    if (isSmall && !this.#spaceCheck.isFull) return undefined;
    return bytes > 2 * this.#live.bytes ? this.#live.oldest(oldest) : undefined;
  }

  /** Of the oldest segment nothing may be live. Syncs, so never beside sync(). */
  async removeOldest(): Promise<void> {
    const [oldest] = this.#files;
    assert(oldest && oldest !== this.#current, 'the current segment stays');
    assert(this.#live.oldest(oldest).length === 0, 'all that lives in it was copied');
    // 1. The copies are durable before anything says that the segment may be missing.
    await this.sync();
    // 2. No later header lists it: such a header may outlive the record that says why it is missing.
    this.#files.shift();
    this.#write([{ kind: 'removed', epoch: oldest.epoch, segment: oldest.segment }]);
    // 3. That it was removed, not lost, is durable before it goes.
    await this.sync();
    // 4. A successor that began before the record was written may be reading it.
    if (!this.stillOwner()) return;
    this.#guard(() => this.#removeFiles([oldest]));
  }

  /** When the addresses change. If it cannot be written now, the orderly end writes it. */
  noteOwner(note: OwnerNote): void {
    this.#note = note;
    this.#seal();
  }

  /**
   * For an owner that gives up: no sync and no mark; the files are closed, once a sync that runs has
   * ended. Never throws.
   */
  abandon(): void {
    this.#failure ??= new IpcError('closed', 'the journal was abandoned');
    this.#logWriter.abandon();
  }

  /** Leaves everything durable, and a mark that says so. A journal that failed closes its files. */
  async close(): Promise<void> {
    await this.#syncing?.catch(() => {});
    try {
      if (this.#failure === undefined) await this.sync();
      if (this.#failure === undefined) this.#seal();
    } finally {
      this.#failure ??= new IpcError('closed', 'the journal was closed');
      this.#logWriter.close();
    }
  }

  /**
   * Restores all records; returns those that are not durable for certain, and those of the small
   * segments that this epoch's first one takes the place of.
   */
  async #replay(log: Log): Promise<Carried[]> {
    const carried: Carried[] = [];
    const finder = new CorruptionScanner();
    const begin = runBegin(log.segments, this.#limits, this.#ballast.areShort);
    for (const [index, extent] of log.segments.entries()) {
      const { epoch, segment, durableBytes, nextNumber } = extent;
      if (nextNumber !== undefined) finder.below(nextNumber);
      const keptBytes = index < begin ? durableBytes : 0;
      const file = { epoch, segment, bytes: keptBytes };
      if (keptBytes > 0) this.#files.push(file);
      const reader: Reader = {
        record: (raw, record) => {
          const location = locationOf(raw, file);
          if (record) finder.read(file, raw, record);
          if (record) this.#options.restore(record);
          if (record) this.#countNumber(record);
          if (record) this.#live.apply(record, location);
          if (raw.offset >= keptBytes) carried.push({ raw, record, location });
        },
        lost: (bytes) => finder.lost(file, bytes),
      };
      await replay(this.#disk, this.#options.folder, extent, reader, this.#options.runtime);
    }
    // What lay at the end may have had numbers of its own.
    this.#nextNumber += finder.numbersLost;
    this.#damage = finder.end(this.#nextNumber);
    return carried;
  }

  /** Nothing was changed so far but for the epoch's folder; after this the store is this one's. */
  async #begin(carried: readonly Carried[]): Promise<void> {
    try {
      this.#beginSegment(carried);
    } catch (error) {
      // It is not whole, so it counts for nobody.
      const replaced = this.#isReplaced();
      abandonEpoch(this.#disk, this.#options.folder, this.#own);
      throw replaced ? justReplaced() : error;
    }
    try {
      await this.sync();
      if (!this.stillOwner()) throw justReplaced();
      this.#fileSystemWarnings = await fileSystemWarnings(this.#disk, this.#options.folder);
      for (const damage of this.#damage) this.#quarantine.note(damage);
      // What lies in them is in this epoch's first segment, or was never to be read again.
      this.#guard(() => this.#removeFiles(this.#strays()));
      this.#seal();
    } catch (error) {
      // The epoch stays: its opening may be whole, so a successor may have read it and count on it.
      const replaced = this.#isReplaced();
      this.abandon();
      throw replaced ? justReplaced() : error;
    }
  }

  /** On a full disk also when most of it is dead: the next one lets it go. */
  #isSegmentOver(): boolean {
    const { bytes } = this.#current;
    if (bytes >= this.#limits.segmentBytesMax) return true;
    return this.#spaceCheck.isFull && bytes > 2 * this.#live.bytes && bytes > spareBytes;
  }

  /** When the disk has no room for it, the segment goes on: posts are refused then. */
  #beginNext(): void {
    try {
      this.#beginSegment([]);
    } catch (error) {
      if (!isDiskFull(error)) throw this.#fail(error);
      this.#spaceCheck.isFull = true;
    }
  }

  /** Says beside the log how far it is durable: whoever cuts the log, or takes it away, cuts its marks too. */
  #seal(): void {
    const { folder } = this.#options;
    try {
      writeOwner(this.#disk, folder, this.epoch, this.#note, this.#logWriter.durable);
    } catch {
      // The marks say the same, and the addresses are a convenience for the next owner.
    }
  }

  /** Header, then the carried records in their order, then the head, which tells of all before it. */
  #beginSegment(carried: readonly Carried[]): void {
    const id = this.#logWriter.nextId;
    const seed = segmentSeed(id);
    const tail = carried.flatMap((each) => rewrite(each, this.#live, seed));
    const head = this.#options.head().map((record) => encodeRecord(record, seed));
    const opening = [...tail.map(({ buffers }) => buffers), ...head].flat();
    const header = encodeRecord(this.#header(byteLength(opening)), seed);
    this.#logWriter.begin([...header, ...opening]);
    const file = { ...id, bytes: this.#logWriter.bytes };
    this.#files.push(file);
    let offset = byteLength(header);
    for (const { record, buffers } of tail) {
      const bytes = byteLength(buffers);
      if (record) this.#live.apply(record, { file, offset, bytes });
      offset += bytes;
    }
  }

  #header(openingBytes: number): SegmentRecord {
    return {
      kind: 'segment',
      format: journalFormat,
      store: this.storeId,
      nextNumber: this.#nextNumber,
      openingBytes,
      durable: this.#logWriter.durable,
      earlier: this.#files.map(({ epoch, segment, bytes }) => ({ epoch, segment, bytes })),
    };
  }

  #write(records: readonly (JournalRecord | StoreRecord)[]): void {
    this.#checkAlive();
    const file = this.#current;
    const { seed } = this.#logWriter;
    const encoded = records.map((record) => encodeRecord(record, seed));
    // Of the tail, which writes marks as well.
    let offset = this.#logWriter.bytes;
    this.#guard(() => this.#logWriter.append(encoded.flat()));
    for (const [index, record] of records.entries()) {
      const bytes = byteLength(encoded[index] ?? []);
      this.#account(record, { file, offset, bytes });
      offset += bytes;
    }
    file.bytes = this.#logWriter.bytes;
  }

  #account(record: JournalRecord | StoreRecord, location: Location): void {
    this.#countNumber(record);
    for (const number of this.#live.apply(record, location)) this.#bodyReader.forget(number);
  }

  #countNumber(record: JournalRecord | StoreRecord): void {
    if (record.kind !== 'posted' && record.kind !== 'copied') return;
    const last = (record.kind === 'posted' && record.also.at(-1)) || record.envelope;
    this.#nextNumber = Math.max(this.#nextNumber, last.number + 1);
  }

  /** Segments of earlier epochs that do not count. */
  #strays(): SegmentId[] {
    const { folder } = this.#options;
    const epochs = listEpochs(this.#disk, folder).filter((epoch) => epoch < this.epoch);
    const all = epochs.flatMap((epoch) => listSegments(this.#disk, folder, epoch));
    return all.filter(({ epoch, segment }) => {
      return !this.#files.some((file) => file.epoch === epoch && file.segment === segment);
    });
  }

  /** Damaged ones are kept; the folders of older epochs in which nothing counts go too. */
  #removeFiles(segments: readonly SegmentId[]): void {
    const { folder } = this.#options;
    for (const id of segments) {
      if (!this.#quarantine.keep(id)) this.#disk.removeFile(segmentPath(folder, id));
    }
    const counting = new Set(this.#files.map(({ epoch }) => epoch));
    for (const epoch of listEpochs(this.#disk, folder)) {
      if (epoch < this.epoch && !counting.has(epoch)) removeEpoch(this.#disk, folder, epoch);
    }
  }

  /** When that cannot be told, another error is said. */
  #isReplaced(): boolean {
    try {
      return !this.stillOwner();
    } catch {
      return false;
    }
  }

  get #current(): LogFile {
    const current = this.#files.at(-1);
    assert(current, 'the first segment is begun before the journal is handed out');
    return current;
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
    this.#failure ??= hasCode(error, 'ENOENT') ? this.lost() : diskFault(error);
    return this.#failure;
  }
}

async function syncParents(disk: Disk, folder: string): Promise<void> {
  await disk.syncFolder(folder);
  await disk.syncFolder(dirname(folder));
}

function locationOf({ offset, end }: RawRecord, file: LogFile): Location {
  return { file, offset, bytes: end - offset };
}
