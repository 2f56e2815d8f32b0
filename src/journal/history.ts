// History, the folder `history/` of a store: segments that the log does not need any more, kept so that it can be told
// what was said, within the bound that the user sets. Mail does not depend on it, so on a full disk it goes first.
//
// 1. take() moves a segment here. The names are synced before the folder of its epoch is removed.
// 2. tidy() packs runs of small files into one: written aside, synced, renamed over the newest of the run, the name
//    synced; then the others go. A crash in between leaves records twice, which their numbers tell.
//    Then the oldest files go that are beyond the bound. What later files need of them stays in a small one in front.
// 3. giveUpOldest() removes one file when the disk is full.
import { join } from 'node:path';
import { IpcError, isSystemError } from '../base/errors.ts';
import { fileMemory } from '../base/large-memory.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Erased } from '../model/erase-requests.ts';
import type { Name } from '../model/message.ts';
import type { HistorySource } from './counting-records.ts';
import type { Disk, DiskFile } from './disk.ts';
import { isDiskFull, syncEpochs } from './epoch.ts';
import { HistoryEraser } from './history-erase.ts';
import {
  type FileContent,
  type FileStart,
  isResidue,
  nextOwnStartIn,
  readKept,
  residueId,
  startBehind,
} from './history-file.ts';
import { type HistoryFile, HistoryFiles, type KnownFile } from './history-files.ts';
import { type HistoryBound, type HistoryLimits, historyLimits, packRun } from './history-limits.ts';
import { type Packed, packed } from './history-pack.ts';
import { residueOf } from './history-residue.ts';
import type { JournalLimits } from './journal-options.ts';
import {
  historyFilePath,
  historyPath,
  inOrder,
  isSameSegment,
  listQuarantine,
  segmentPath,
} from './paths.ts';
import type { SegmentId } from './record-framing.ts';
import { besideMail, inTurns } from './turns.ts';
import { UnendedMail } from './unended-mail.ts';
import { writeParts } from './write-parts.ts';

export type HistoryRuntime = Pick<Runtime, 'now' | 'defer' | 'setTimer' | 'time'>;

export class History {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #bound: HistoryBound;
  readonly #limits: HistoryLimits;
  readonly #runtime: HistoryRuntime;
  readonly #files: HistoryFiles;
  #hasFolder = false;
  /** Files were moved here whose names are not synced, perhaps by an owner before. */
  #isUnsynced = true;
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
    this.#limits = historyLimits(bound, limits);
    this.#disk = disk;
    this.#folder = folder;
    this.#files = new HistoryFiles(disk, folder);
    this.#bound = bound;
    this.#runtime = runtime;
  }

  /** Oldest first. */
  get files(): readonly HistoryFile[] {
    return this.#files.all;
  }

  get bytes(): number {
    return this.#files.bytes;
  }

  /** As of HistoryFiles. */
  starts(log: readonly SegmentId[]): FileStart[] {
    return this.#files.starts(log);
  }

  /** Called before take(). A folder whose own name is lost would take along what was moved into it. */
  async prepare(): Promise<void> {
    if (this.#bound.bytesMax === 0) return;
    const isNew = this.#whileFull(() => this.#disk.makeFolder(historyPath(this.#folder)));
    // The owner that made it may have died before it was durable.
    const isDurable = isNew === false && this.#hasFolder;
    // A disk without a free inode may have none for the folder.
    this.#hasFolder = isNew !== undefined;
    if (this.#hasFolder && !isDurable) await this.#disk.syncFolder(this.#folder);
  }

  /** After prepare(): whether take() moves anything here. */
  get hasRoom(): boolean {
    return this.#bound.bytesMax > 0 && this.#hasFolder;
  }

  /** Moves a segment here that the log does not need any more, or removes it if there is no room for history. */
  take(id: SegmentId): void {
    const from = segmentPath(this.#folder, id);
    const bytes = this.#disk.size(from);
    if (bytes === undefined) return;
    const isMoved =
      this.hasRoom &&
      !this.#files.find(id) &&
      this.#whileFull(() => {
        this.#disk.rename(from, historyFilePath(this.#folder, id));
        return true;
      });
    if (!isMoved) return this.#disk.removeFile(from);
    this.#isUnsynced = true;
    this.#files.add(id, bytes);
  }

  /** Makes durable what was moved here. */
  async sync(): Promise<void> {
    const path = historyPath(this.#folder);
    if (!this.#isUnsynced || this.#disk.identity(path) === undefined) return;
    this.#isUnsynced = false;
    await this.#disk.syncFolder(path);
  }

  /** Removes the oldest file, to make room. False if there is none, or a newer owner has the store. */
  giveUpOldest(): boolean {
    const [oldest] = this.#files.all;
    if (!oldest || !this.mayChange()) return false;
    this.#disk.removeFile(historyFilePath(this.#folder, oldest));
    this.#files.delete(oldest);
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
    const starts = this.#files.starts(log);
    for (const file of [...this.#files.all]) {
      if (this.#isClosing || !this.#mayGoOn())
        throw new IpcError('closed', 'the journal was closed');
      const path = historyFilePath(this.#folder, file);
      const bytes = await readKept(this.#disk, path);
      if (!bytes) continue;
      const end = startBehind(file, starts);
      const steps = eraser.rest({ ...this.#sourceOf(file, bytes), end });
      // A session waits for it.
      const rest = await inTurns(steps, this.#runtime);
      if (rest) await this.#replace(file, rest);
      else await this.#remove(file);
    }
    this.#isUnsynced = true;
    await this.sync();
    // Without room for history, segments were unlinked in the log.
    await syncEpochs(this.#disk, this.#folder);
    return { messages: eraser.messages, bytes: bytesBefore - this.bytes };
  }

  async #replace(file: KnownFile, buffers: readonly Buffer[]): Promise<void> {
    const aside = this.#pathAside(file);
    const bytes = await this.#writeAside(aside, buffers);
    // The file aside may be that of a successor by now.
    if (!this.#mayGoOn()) return;
    if (bytes === undefined || !this.#files.has(file)) {
      this.#disk.removeFile(aside);
      if (bytes === undefined) await this.#remove(file);
      return;
    }
    this.#disk.rename(aside, historyFilePath(this.#folder, file));
    this.#files.replace(file, bytes);
  }

  async #remove(file: KnownFile): Promise<void> {
    if (!this.#files.has(file) || !this.#mayGoOn()) return;
    // Its name goes at once: by the time that the unlink is done, a successor may have packed others under it.
    const aside = this.#pathAside(file);
    this.#disk.rename(historyFilePath(this.#folder, file), aside);
    this.#files.delete(file);
    await this.#disk.unlink(aside);
  }

  #sourceOf(id: SegmentId, bytes: Buffer): HistorySource {
    return { id, bytes, nextOwnStart: () => nextOwnStartIn(this.#disk, this.#folder, id) };
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

  #besideMail = <Result>(steps: Generator<void, Result>): Promise<Result> =>
    besideMail(steps, this.#runtime, () => this.#isUrgent);

  get #isUrgent(): boolean {
    return this.#isClosing || this.#isStopped || this.bytes > this.#limits.hurryBytes;
  }

  async #packAll(log: readonly SegmentId[]): Promise<void> {
    this.#removeLeftovers();
    const nextRun = () => {
      // So many that it is worth it to look when each begins.
      const { all } = this.#files;
      if (all.length <= this.#limits.smallFilesMax) return undefined;
      for (const file of all) this.#files.beginOf(file);
      const between = [...log, ...listQuarantine(this.#disk, this.#folder)];
      return packRun(all, between, this.#limits);
    };
    for (let run = nextRun(); run; run = nextRun()) {
      if (!(await this.#pack(run, log)) || this.#isClosing) return;
    }
  }

  async #trim(log: readonly SegmentId[]): Promise<void> {
    if (this.#bound.bytesMax === 0) {
      while (this.#mayGoOn() && this.giveUpOldest());
      return;
    }
    for (;;) {
      const going = this.#surplus(log);
      if (going.length === 0 || !this.#mayGoOn()) return;
      await this.#retire(going, log);
    }
  }

  /** The oldest files that are to go next: those that are too old and, when there are too many bytes, some more. */
  #surplus(log: readonly SegmentId[]): KnownFile[] {
    const { keptBytes, goingBytesMax } = this.#limits;
    let bytes = this.bytes;
    const bytesLeft = bytes > this.#bound.bytesMax ? keptBytes : bytes;
    const timeMin = this.#runtime.time() - this.#bound.ageMsMax;
    const going: KnownFile[] = [];
    let goingBytes = 0;
    for (const file of this.#files.all.filter((each) => !isResidue(each))) {
      const end = this.#files.beginBehind(file, log);
      const isOld = end !== undefined && end < timeMin;
      goingBytes += file.bytes;
      if (!isOld && bytes <= bytesLeft) break;
      if (going.length > 0 && goingBytes > goingBytesMax) break;
      going.push(file);
      bytes -= file.bytes;
    }
    return going;
  }

  /** Removes the oldest files. The residue takes what later ones need of them, or goes, too, if there is no room. */
  async #retire(going: readonly KnownFile[], log: readonly SegmentId[]): Promise<void> {
    const { mail, sources } = await this.#readUnended(going, log);
    const { residueBytesMax } = this.#limits;
    const rest = await this.#besideMail(residueOf(mail, residueBytesMax, this.isLive));
    // On a full disk, history may have gone meanwhile: then ends that were in it are not known.
    if (!going.every((file) => this.#files.has(file))) return;
    const aside = this.#pathAside(residueId);
    const bytes = rest.length > 0 ? await this.#writeAside(aside, rest) : undefined;
    for (const source of sources) fileMemory.release(source.bytes);
    if (!this.#mayGoOn()) return;
    const former = this.#files.find(residueId);
    if (former) this.#files.delete(former);
    if (bytes === undefined) {
      this.#disk.removeFile(aside);
      this.#disk.removeFile(historyFilePath(this.#folder, residueId));
    } else {
      this.#disk.rename(aside, historyFilePath(this.#folder, residueId));
      this.#files.add(residueId, bytes);
      // The files must not go before the name leads to what is needed of them.
      await this.#disk.syncFolder(historyPath(this.#folder));
    }
    for (const file of going) {
      await this.#remove(file);
      // A power loss must not bring it back without those behind it: that would be a gap.
      await this.#disk.syncFolder(historyPath(this.#folder));
    }
  }

  /** Reads the messages that have not ended in the residue so far and in these files. `sources`: those that have them. */
  async #readUnended(
    going: readonly KnownFile[],
    log: readonly SegmentId[],
  ): Promise<{ mail: UnendedMail; sources: readonly FileContent[] }> {
    const starts = this.#files.starts(log);
    const mail = new UnendedMail();
    let sources: FileContent[] = [];
    for (const file of [...this.#files.all.filter(isResidue), ...going]) {
      const end = startBehind(file, starts);
      const start = starts.find(({ id }) => isSameSegment(id, file))?.start ?? 0;
      // Of a file that begins above a later one, that one has all.
      if (start > end) continue;
      const bytes = await this.#disk.read(historyFilePath(this.#folder, file));
      if (!bytes) continue;
      fileMemory.hold(bytes);
      const source = { ...this.#sourceOf(file, bytes), end };
      await this.#besideMail(mail.read(source));
      sources.push(source);
      const needless = sources.filter((each) => !mail.needs(each));
      // Before the next file is read, which may get this memory.
      for (const each of needless) fileMemory.release(each.bytes);
      sources = sources.filter((each) => !needless.includes(each));
    }
    return { mail, sources };
  }

  /** False if nothing was gained. */
  async #pack(run: readonly KnownFile[], log: readonly SegmentId[]): Promise<boolean> {
    const target = run.at(-1);
    if (!target) return false;
    const sources: HistorySource[] = [];
    for (const file of run) {
      const bytes = await readKept(this.#disk, historyFilePath(this.#folder, file));
      if (!bytes) return false;
      sources.push(this.#sourceOf(file, bytes));
    }
    const { buffers, left } = await this.#packed(sources, target, log);
    for (const file of run) file.isLeft = left.some((id) => isSameSegment(id, file));
    if (left.length > 0) return true;
    const aside = this.#pathAside(target);
    const bytes = await this.#writeAside(aside, buffers);
    if (!this.#mayGoOn()) return false;
    const isThere = run.every((file) => this.#files.has(file));
    if (bytes === undefined || !isThere) {
      this.#disk.removeFile(aside);
      return false;
    }
    this.#disk.rename(aside, historyFilePath(this.#folder, target));
    this.#files.replace(target, bytes);
    // The others must not go before the name leads to what has their records.
    await this.#disk.syncFolder(historyPath(this.#folder));
    for (const file of run.slice(0, -1)) {
      if (!this.#mayGoOn()) return false;
      if (!this.#files.has(file)) continue;
      this.#disk.removeFile(historyFilePath(this.#folder, file));
      this.#files.delete(file);
    }
    return true;
  }

  #packed(
    sources: readonly HistorySource[],
    target: SegmentId,
    log: readonly SegmentId[],
  ): Promise<Packed> {
    const starts = this.#files.starts(log);
    const isBehindEarlier = starts.some(({ id, start }) => {
      return !start && inOrder(id, target) < 0;
    });
    const end = startBehind(target, starts);
    return packed(sources, target, end, isBehindEarlier, this.#besideMail);
  }

  /** Returns the length; undefined if there is no room. Throws if a newer owner may have a file at this path. */
  async #writeAside(path: string, buffers: readonly Buffer[]): Promise<number | undefined> {
    if (!this.#mayGoOn()) throw new IpcError('closed', 'the journal was closed');
    this.#disk.removeFile(path);
    let file: DiskFile | undefined;
    try {
      file = this.#disk.create(path);
      const bytes = await this.#besideMail(writeParts(file, buffers));
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
}

function ignoreFault(error: unknown): void {
  if (!(error instanceof IpcError) && !isSystemError(error)) throw error;
}
