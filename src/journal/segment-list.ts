// The segments that count, of this epoch and of older ones, and the removal of all others.
import assert from 'node:assert/strict';
import { ballastFileBytes } from '../base/limits.ts';
import type { Disk } from './disk.ts';
import { noRoom } from './epoch.ts';
import type { History } from './history.ts';
import { hasRecordsFrom, isFollowed, readKept } from './history-file.ts';
import type { LiveIndex, LogFile } from './live-index.ts';
import { hasCounted } from './past-files.ts';
import { isSameSegment, listEpochs, listSegments, removeEpoch, segmentPath } from './paths.ts';
import type { Quarantine } from './quarantine.ts';
import type { SegmentId } from './record-framing.ts';
import type { Log } from './recovery.ts';
import type { Extent } from './segment-header.ts';
import { writeSynced } from './write-parts.ts';

export interface Epochs {
  /** The owner's. Only in older ones are orphans looked for, and folders removed. */
  readonly own: number;
  /** What counted for the owner before. Epochs between them never opened, so nothing in them ever counted. */
  readonly before: Log;
}

/** A segment that leaves the log. */
interface LeavingSegment extends SegmentId {
  /** How many of its first bytes counted; undefined if that is not known. */
  readonly bytes?: number;
}

export class SegmentList {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #epochs: Epochs;
  /** What counted for the owner before, also what it has taken out of the log. */
  readonly #counted: readonly Extent[];
  readonly #quarantine: Quarantine;
  readonly #history: History;
  /** Oldest first. */
  readonly files: LogFile[] = [];

  constructor(
    disk: Disk,
    folder: string,
    epochs: Epochs,
    quarantine: Quarantine,
    history: History,
  ) {
    this.#history = history;
    this.#disk = disk;
    this.#folder = folder;
    this.#epochs = epochs;
    this.#counted = [...epochs.before.segments, ...epochs.before.dropped];
    this.#quarantine = quarantine;
  }

  /** The segment that is being written. */
  get current(): LogFile {
    const current = this.files.at(-1);
    assert(current, 'the first segment is begun before the journal is handed out');
    return current;
  }

  /** The only one that may be removed; undefined if it is the current one. */
  get oldest(): LogFile | undefined {
    return this.files.length > 1 ? this.files[0] : undefined;
  }

  get count(): number {
    return this.files.length;
  }

  get bytes(): number {
    return this.files.reduce((sum, file) => sum + file.bytes, 0);
  }

  /** Takes the oldest segments without a live message off the list, if they take much space. A new header leaves them out. */
  dropDead(live: LiveIndex): void {
    const firstLive = this.files.findIndex((file) => live.bytesIn(file) > 0);
    const dead = firstLive === -1 ? this.files : this.files.slice(0, firstLive);
    const bytes = dead.reduce((sum, file) => sum + file.bytes, 0);
    if (bytes > ballastFileBytes) this.files.splice(0, dead.length);
  }

  extents(): Extent[] {
    return this.files.map(({ epoch, segment, bytes }) => ({ epoch, segment, bytes }));
  }

  /** Removes the segments of older epochs that do not count. */
  async removeOrphans(): Promise<void> {
    const epochs = this.#olderEpochs();
    const all = epochs.flatMap((epoch) => listSegments(this.#disk, this.#folder, epoch));
    const orphans = all.filter((id) => !this.files.some((file) => isSameSegment(file, id)));
    const leaving = orphans.map(
      (id) => this.#counted.find((each) => isSameSegment(each, id)) ?? id,
    );
    await this.#remove(leaving, epochs);
  }

  /** Removes files that do not count any more. */
  async removeFiles(segments: readonly LeavingSegment[]): Promise<void> {
    await this.#remove(segments, this.#olderEpochs());
  }

  #olderEpochs(): number[] {
    return listEpochs(this.#disk, this.#folder).filter((epoch) => epoch < this.#epochs.own);
  }

  /** Into history, and those with corruption into quarantine. The older epochs in which nothing counts go, too. */
  async #remove(segments: readonly LeavingSegment[], older: readonly number[]): Promise<void> {
    if (segments.length > 0) await this.#history.prepare();
    const past = await this.#pastOf(segments);
    for (const id of segments) {
      if (this.#quarantine.takeSegment(id)) continue;
      if (past.includes(id)) {
        await this.#cut(id, past);
        this.#history.take(id);
      } else this.#disk.removeFile(segmentPath(this.#folder, id));
    }
    const counting = new Set(this.files.map(({ epoch }) => epoch));
    const over = older.filter((epoch) => !counting.has(epoch));
    if (over.length > 0) await this.#history.sync();
    for (const epoch of over) removeEpoch(this.#disk, this.#folder, epoch);
    this.#history.tidy([...this.files]);
  }

  /**
   * Puts a copy of what counted in the place of a segment if history would tell more of it: records that its owner wrote after
   * the successor had read the log. If there is no room for the copy, the segment goes: it is older than all of history.
   */
  async #cut(id: LeavingSegment, past: readonly SegmentId[]): Promise<void> {
    const { epoch, bytes } = id;
    if (epoch === this.#epochs.own || bytes === undefined || !this.#history.hasRoom) return;
    if (isFollowed(id, [...this.#history.files, ...past, ...this.files])) return;
    const path = segmentPath(this.#folder, id);
    const all = (await readKept(this.#disk, path)) ?? Buffer.alloc(0);
    if (!hasRecordsFrom(bytes, { id, bytes: all })) return;
    const aside = `${path}.new`;
    try {
      await writeSynced(this.#disk, aside, all.subarray(0, bytes));
    } catch (error) {
      noRoom(error);
      return this.#disk.removeFile(path);
    }
    // A successor may have moved the segment, and packed others under its name.
    if (this.#history.mayChange()) this.#disk.rename(aside, path);
  }

  /** Those that counted at some time. Where a later one begins tells whether an earlier one did. */
  async #pastOf(segments: readonly SegmentId[]): Promise<SegmentId[]> {
    const past: SegmentId[] = [];
    for (const id of segments.toReversed()) if (await this.#isPast(id, past)) past.push(id);
    return past;
  }

  /** `later`: segments that counted. */
  async #isPast(id: SegmentId, later: readonly SegmentId[]): Promise<boolean> {
    const { own, before } = this.#epochs;
    if (id.epoch === own) return true;
    if (id.epoch > before.epoch) return false;
    if (this.#counted.some((each) => isSameSegment(each, id))) return true;
    const starts = () => this.#history.starts([...this.files, ...later]);
    return hasCounted(this.#disk, this.#folder, id, starts);
  }
}
