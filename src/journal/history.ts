// History, the folder `history/` of a store: segments that the log does not need any more, kept so that it can be told
// what was said, within the bound that the user sets. Mail does not depend on it, so on a full disk it goes first.
//
// 1. take() moves a segment here. The names are synced before the folder of its epoch is removed.
// 2. tidy() packs runs of small files into one: written aside, synced, renamed over the newest of the run, the name
//    synced; then the others go. A crash in between leaves records twice, which their numbers tell.
//    Then the oldest files go that are beyond the bound. What later files need of them stays in a small one in front.
// 3. giveUpOldest() removes one file when the disk is full.
import { join } from 'node:path';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { freeMemory } from '../base/free-memory.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Erased } from '../model/erase-requests.ts';
import type { Name } from '../model/message.ts';
import type { Disk, DiskFile } from './disk.ts';
import { isDiskFull } from './epoch.ts';
import { HistoryEraser } from './history-erase.ts';
import { beginOf, type FileStart, readKept, startBehind, startIn } from './history-file.ts';
import { type Packed, type PackSource, packed } from './history-pack.ts';
import { isResidue, residueId, residueOf } from './history-residue.ts';
import type { JournalLimits } from './journal-options.ts';
import {
  historyFilePath,
  historyPath,
  inOrder,
  isSameSegment,
  listHistory,
  listQuarantine,
  segmentPath,
} from './paths.ts';
import type { SegmentId } from './record-framing.ts';
import { inTurns } from './recovery.ts';
import { writeParts } from './write-parts.ts';

/** How much history is kept, at least if there is room for it. */
export interface HistoryBound {
  /** Length of all files; 0 keeps none. */
  readonly bytesMax: number;
  /** In milliseconds. */
  readonly ageMsMax: number;
}

export interface HistoryFile extends SegmentId {
  /** Length of the file. */
  readonly bytes: number;
}

interface KnownFile extends HistoryFile {
  /** When it begins, in milliseconds since 1970; undefined as long as nobody asked, or if it does not say so. */
  begin: number | undefined;
  /** It is left as it is, since it is corrupt, or an earlier version wrote it. */
  isLeft: boolean;
}

export type HistoryRuntime = Pick<Runtime, 'now' | 'defer' | 'time'>;

export class History {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #bound: HistoryBound;
  readonly #limits: PackLimits;
  readonly #runtime: HistoryRuntime;
  /** Oldest first; undefined before they were listed. */
  #known: KnownFile[] | undefined;
  #hasFolder = false;
  /** Files were moved here whose names are not synced. */
  #isUnsynced = false;
  #tidying: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isClosing = false;
  /** Asked before a file is removed or replaced, since a newer owner may have packed others into it. */
  mayChange: () => boolean = () => true;
  /** Asked whether the message with this number is not settled: then the log has a copy of it. */
  isLive: (number: number) => boolean = () => false;

  constructor(
    disk: Disk,
    folder: string,
    bound: HistoryBound,
    limits: JournalLimits,
    runtime: HistoryRuntime,
  ) {
    this.#limits = packLimits(bound, limits);
    this.#disk = disk;
    this.#folder = folder;
    this.#bound = bound;
    this.#runtime = runtime;
  }

  /** Oldest first. */
  get files(): readonly HistoryFile[] {
    return this.#files;
  }

  get bytes(): number {
    return this.#files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Called before take(). A folder whose own name is lost would take along what was moved into it. */
  async prepare(): Promise<void> {
    if (this.#bound.bytesMax === 0) return;
    const isNew = this.#whileFull(() => this.#disk.makeFolder(historyPath(this.#folder)));
    // A disk without a free inode may have none for the folder.
    this.#hasFolder = isNew !== undefined;
    if (isNew) await this.#disk.syncFolder(this.#folder);
  }

  /** Moves a segment here that the log does not need any more, or removes it if there is no room for history. */
  take(id: SegmentId): void {
    const from = segmentPath(this.#folder, id);
    const bytes = this.#disk.size(from);
    if (bytes === undefined) return;
    const isKnown = this.#files.some((file) => isSameSegment(file, id));
    const isMoved =
      this.#bound.bytesMax > 0 &&
      this.#hasFolder &&
      !isKnown &&
      this.#whileFull(() => {
        this.#disk.rename(from, historyFilePath(this.#folder, id));
        return true;
      });
    if (!isMoved) return this.#disk.removeFile(from);
    this.#isUnsynced = true;
    this.#files.push(known(id, bytes));
    this.#files.sort(inOrder);
  }

  /** Makes durable what was moved here. */
  async sync(): Promise<void> {
    if (!this.#isUnsynced) return;
    this.#isUnsynced = false;
    await this.#disk.syncFolder(historyPath(this.#folder));
  }

  /** Removes the oldest file, to make room. False if there is none. */
  giveUpOldest(): boolean {
    const [oldest] = this.#files;
    if (!oldest) return false;
    this.#disk.removeFile(historyFilePath(this.#folder, oldest));
    this.#files.shift();
    return true;
  }

  /**
   * Packs small files, and then removes what is beyond the bound, while the owner goes on. If the disk fails at that,
   * history stays as it is. `log`: the segments of the log, between which files of history may lie.
   */
  tidy(log: readonly SegmentId[]): void {
    this.#tidying = this.#tidying
      .then(() => this.#packAll(log))
      .then(() => this.#trim(log))
      .catch(ignoreFault);
  }

  /**
   * Takes the messages of a mailbox out of history, or all for ''. `log`: the segments behind or between its files.
   */
  erase(mailbox: Name | '', log: readonly SegmentId[]): Promise<Erased> {
    // Packing beside it would write again what it takes out.
    const erased = this.#tidying.then(() => this.#erase(mailbox, log));
    this.#tidying = erased.then(() => {}, ignoreFault);
    return erased;
  }

  async #erase(mailbox: Name | '', log: readonly SegmentId[]): Promise<Erased> {
    this.#removeLeftovers();
    const bytesBefore = this.bytes;
    const eraser = new HistoryEraser(mailbox, this.isLive);
    const starts = this.#starts(log);
    for (const file of [...this.#files]) {
      if (this.#isClosing || !this.#mayGoOn())
        throw new IpcError('closed', 'the journal was closed');
      const path = historyFilePath(this.#folder, file);
      const bytes = await readKept(this.#disk, path);
      if (!bytes) continue;
      const rest = eraser.rest({ id: file, bytes }, startBehind(file, starts));
      if (rest) await this.#replace(file, rest);
      else await this.#remove(file);
    }
    if (bytesBefore > 0) await this.#disk.syncFolder(historyPath(this.#folder));
    return { messages: eraser.messages, bytes: bytesBefore - this.bytes };
  }

  async #replace(file: KnownFile, buffers: readonly Buffer[]): Promise<void> {
    const aside = this.#pathAside(file);
    const bytes = await this.#writeAside(aside, buffers);
    // The file aside may be that of a successor by now.
    if (!this.#mayGoOn()) return;
    const at = this.#files.indexOf(file);
    if (bytes === undefined || at === -1) {
      this.#disk.removeFile(aside);
      if (bytes === undefined) await this.#remove(file);
      return;
    }
    this.#disk.rename(aside, historyFilePath(this.#folder, file));
    this.#files[at] = known(file, bytes);
  }

  async #remove(file: KnownFile): Promise<void> {
    const at = this.#files.indexOf(file);
    if (at === -1 || !this.#mayGoOn()) return;
    // Its name goes at once: by the time that the unlink is done, a successor may have packed others under it.
    const aside = this.#pathAside(file);
    this.#disk.rename(historyFilePath(this.#folder, file), aside);
    this.#files.splice(at, 1);
    await this.#disk.unlink(aside);
  }

  /** Where the files of history and the segments of the log begin, as far as they say so. */
  #starts(log: readonly SegmentId[]): FileStart[] {
    const paths = [
      ...this.#files.map((id) => ({ id, path: historyFilePath(this.#folder, id) })),
      ...log.map((id) => ({ id, path: segmentPath(this.#folder, id) })),
    ];
    return paths.map(({ id, path }) => ({ id, start: startIn(this.#disk, path, id)?.sequence }));
  }

  #pathAside({ epoch, segment }: SegmentId): string {
    return join(historyPath(this.#folder), `${epoch}-${segment}.new`);
  }

  /** Nothing is removed or replaced any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Completes the packing that has begun, and begins no other. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#tidying;
  }

  async #packAll(log: readonly SegmentId[]): Promise<void> {
    this.#removeLeftovers();
    const nextRun = () => {
      // So many that it is worth it to look when each begins.
      if (this.#files.length <= this.#limits.filesMax) return undefined;
      for (const file of this.#files) file.begin ??= this.#beginOf(file);
      const between = [...log, ...listQuarantine(this.#disk, this.#folder)];
      return packRun(this.#files, between, this.#limits);
    };
    for (let run = nextRun(); run; run = nextRun()) {
      if (!(await this.#pack(run, log)) || this.#isClosing) return;
    }
  }

  async #trim(log: readonly SegmentId[]): Promise<void> {
    const { bytesMax, ageMsMax } = this.#bound;
    while (bytesMax === 0 && this.#mayGoOn() && this.giveUpOldest());
    for (;;) {
      const oldest = this.#files.find((file) => !isResidue(file));
      if (!oldest || !this.#mayGoOn()) return;
      const end = this.#beginBehind(oldest, log);
      const isOld = end !== undefined && end < this.#runtime.time() - ageMsMax;
      if (!isOld && this.bytes <= bytesMax) return;
      await this.#retire(oldest, log);
    }
  }

  /** Removes the oldest file. The residue takes what later ones need of it, or goes, too, if there is no room. */
  async #retire(oldest: KnownFile, log: readonly SegmentId[]): Promise<void> {
    const before = this.#files.find(isResidue);
    const starts = this.#starts(log);
    const end = startBehind(oldest, starts);
    const start = starts.find(({ id }) => isSameSegment(id, oldest))?.start ?? 0;
    // Of a file that begins above a later one, that one has all.
    const isCovered = start > end;
    const sources: PackSource[] = [];
    for (const file of [...(before ? [before] : []), ...(isCovered ? [] : [oldest])]) {
      const bytes = await this.#disk.read(historyFilePath(this.#folder, file));
      if (bytes) sources.push({ id: file, bytes });
    }
    const { residueBytesMax } = this.#limits;
    const rest = await inTurns(
      residueOf(sources, end, residueBytesMax, this.isLive),
      this.#runtime,
    );
    const aside = this.#pathAside(residueId);
    const bytes = rest.length > 0 ? await this.#writeAside(aside, rest) : undefined;
    if (!this.#mayGoOn()) return;
    const at = this.#files.findIndex(isResidue);
    if (at !== -1) this.#files.splice(at, 1);
    if (bytes === undefined) {
      this.#disk.removeFile(aside);
      this.#disk.removeFile(historyFilePath(this.#folder, residueId));
    } else {
      this.#disk.rename(aside, historyFilePath(this.#folder, residueId));
      this.#files.unshift(known(residueId, bytes));
      // The file must not go before the name leads to what is needed of it.
      await this.#disk.syncFolder(historyPath(this.#folder));
    }
    await this.#remove(oldest);
    for (const { bytes } of sources) freeMemory(bytes);
  }

  /** False if nothing was gained. */
  async #pack(run: readonly KnownFile[], log: readonly SegmentId[]): Promise<boolean> {
    const target = run.at(-1);
    if (!target) return false;
    const sources: PackSource[] = [];
    for (const file of run) {
      const bytes = await readKept(this.#disk, historyFilePath(this.#folder, file));
      if (!bytes) return false;
      sources.push({ id: file, bytes });
    }
    const { buffers, left } = await this.#packed(sources, target, log);
    for (const file of run) file.isLeft = left.some((id) => isSameSegment(id, file));
    if (left.length > 0) return true;
    const aside = this.#pathAside(target);
    const bytes = await this.#writeAside(aside, buffers);
    if (!this.#mayGoOn()) return false;
    const isThere = run.every((file) => this.#files.includes(file));
    if (bytes === undefined || !isThere) {
      this.#disk.removeFile(aside);
      return false;
    }
    this.#disk.rename(aside, historyFilePath(this.#folder, target));
    const at = this.#files.indexOf(target);
    this.#files.splice(at, 1, known(target, bytes));
    // The others must not go before the name leads to what has their records.
    await this.#disk.syncFolder(historyPath(this.#folder));
    for (const file of run.slice(0, -1)) {
      if (!this.#mayGoOn()) return false;
      const index = this.#files.indexOf(file);
      if (index === -1) continue;
      this.#disk.removeFile(historyFilePath(this.#folder, file));
      this.#files.splice(index, 1);
    }
    return true;
  }

  #packed(
    sources: readonly PackSource[],
    target: SegmentId,
    log: readonly SegmentId[],
  ): Promise<Packed> {
    const starts = this.#starts(log);
    const isBehindEarlier = starts.some(({ id, start }) => {
      return !start && inOrder(id, target) < 0;
    });
    const end = startBehind(target, starts);
    return packed(sources, target, end, isBehindEarlier, this.#runtime);
  }

  /** Returns the length; undefined if there is no room. Throws if a newer owner may have a file at this path. */
  async #writeAside(path: string, buffers: readonly Buffer[]): Promise<number | undefined> {
    if (!this.#mayGoOn()) throw new IpcError('closed', 'the journal was closed');
    this.#disk.removeFile(path);
    let file: DiskFile | undefined;
    try {
      file = this.#disk.create(path);
      const bytes = await inTurns(writeParts(file, buffers), this.#runtime);
      await file.sync();
      return bytes;
    } catch (error) {
      if (isDiskFull(error)) return undefined;
      this.#disk.removeFile(path);
      throw error;
    } finally {
      file?.close();
    }
  }

  /** What an owner left that ended while it packed. */
  #removeLeftovers(): void {
    const path = historyPath(this.#folder);
    const names = this.#disk.list(path).filter((name) => name.endsWith('.new'));
    for (const name of names) if (this.#mayGoOn()) this.#disk.removeFile(join(path, name));
  }

  #mayGoOn(): boolean {
    return !this.#isStopped && this.mayChange();
  }

  /** When the file ends, and the next one or the next segment of the log begins; undefined if that is not known. */
  #beginBehind(file: HistoryFile, log: readonly SegmentId[]): number | undefined {
    const next = this.#files.find((each) => inOrder(file, each) < 0);
    const segment = log.find((each) => inOrder(file, each) < 0);
    if (segment && !(next && inOrder(next, segment) < 0)) {
      return beginOf(this.#disk, segmentPath(this.#folder, segment), segment);
    }
    if (next) next.begin ??= this.#beginOf(next);
    return next?.begin;
  }

  #beginOf(file: HistoryFile): number | undefined {
    return beginOf(this.#disk, historyFilePath(this.#folder, file), file);
  }

  /** While the disk is full for it, the oldest file goes. Undefined if there is none left. */
  #whileFull<T>(action: () => T): T | undefined {
    for (;;) {
      try {
        return action();
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        if (!this.giveUpOldest()) return undefined;
      }
    }
  }

  get #files(): KnownFile[] {
    this.#known ??= listHistory(this.#disk, this.#folder).map((id) => {
      return known(id, this.#disk.size(historyFilePath(this.#folder, id)) ?? 0);
    });
    return this.#known;
  }
}

export interface PackLimits {
  /** Longest packed file. */
  readonly bytesMax: number;
  /** Longest time between the begin of its first file and that of its last, so that a bound on age is kept. */
  readonly msMax: number;
  /** Longest residue. */
  readonly residueBytesMax: number;
  /** More small files than this are packed. */
  readonly filesMax: number;
}

/** The oldest packed file, which goes at once, is at most this part of the bytes and of the time of the bound. */
const bytesShare = 2;
const timeShare = 8;
/** The residue is at most this part of the bytes of the bound. */
const residueShare = 8;

export function packLimits(
  { bytesMax, ageMsMax }: HistoryBound,
  { segmentBytesMax, segmentsCompact }: JournalLimits,
): PackLimits {
  return {
    bytesMax: Math.min(segmentBytesMax, bytesMax / bytesShare),
    msMax: ageMsMax / timeShare,
    residueBytesMax: Math.min(segmentBytesMax, bytesMax / residueShare),
    filesMax: 2 * segmentsCompact,
  };
}

interface PackedFile extends HistoryFile {
  /** When it begins; undefined if that is not known. */
  readonly begin: number | undefined;
  readonly isLeft: boolean;
}

/**
 * The longest run of small files, each no larger than all of the run behind it; undefined while there are few. None of
 * `between`, the segments of the log and of quarantine, lies within it, since the files are read in the order of their
 * names.
 */
export function packRun<File extends PackedFile>(
  files: readonly File[],
  between: readonly SegmentId[],
  { bytesMax, msMax, filesMax }: Omit<PackLimits, 'residueBytesMax'>,
): readonly File[] | undefined {
  const isSmall = (file: File) => 2 * file.bytes < bytesMax && !file.isLeft && !isResidue(file);
  if (files.filter(isSmall).length <= filesMax) return undefined;
  const isCut = (file: File, behind: File) =>
    between.some((each) => inOrder(file, each) < 0 && inOrder(each, behind) < 0);
  let best: readonly File[] = [];
  for (let end = files.length; end > best.length; end--) {
    const last = files[end - 1];
    let [begin, bytesBehind] = [end, 0];
    for (let at = end - 1; at >= 0; at--) {
      const [file, behind] = [files[at], files[at + 1]];
      if (!last || !file || !isSmall(file) || bytesBehind + file.bytes > bytesMax) break;
      if (file !== last && behind && isCut(file, behind)) break;
      if (Math.abs((last.begin ?? 0) - (file.begin ?? 0)) > msMax) break;
      if (file.bytes <= bytesBehind || file === last) begin = at;
      bytesBehind += file.bytes;
    }
    if (end - begin > best.length) best = files.slice(begin, end);
  }
  return best.length > 1 ? best : undefined;
}

function known({ epoch, segment }: SegmentId, bytes: number): KnownFile {
  return { epoch, segment, bytes, begin: undefined, isLeft: false };
}

function ignoreFault(error: unknown): void {
  if (!(error instanceof IpcError) && systemErrorCode(error) === undefined) throw error;
}
