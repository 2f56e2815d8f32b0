// The files of history that an owner knows, and what they say of themselves: where in the sequence each begins, and when.
// What a file said is not read again. A file that takes the place of another one has an object of its own.
import type { Disk } from './disk.ts';
import { beginOf, type FileStart, startIn } from './history-file.ts';
import {
  historyFilePath,
  inOrder,
  isSameSegment,
  listHistory,
  listQuarantine,
  quarantineFilePath,
  segmentPath,
} from './paths.ts';
import type { SegmentId } from './record-framing.ts';

export interface HistoryFile extends SegmentId {
  /** Length of the file. */
  readonly bytes: number;
}

export interface KnownFile extends HistoryFile {
  /** When it begins, in milliseconds since 1970; undefined as long as nobody asked, or if it does not say so. */
  begin: number | undefined;
  /** It is left as it is, since it is corrupt, or an earlier version wrote it. */
  isLeft: boolean;
}

export class HistoryFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  /** undefined before they were listed. */
  #known: KnownFile[] | undefined;
  /** Where files begin in the sequence, also those of the log and of quarantine. */
  readonly #starts = new WeakMap<SegmentId, number>();

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** Oldest first. */
  get all(): readonly KnownFile[] {
    return this.#all;
  }

  get bytes(): number {
    return this.#all.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  find(id: SegmentId): KnownFile | undefined {
    return this.#all.find((file) => isSameSegment(file, id));
  }

  /** Whether it is still there, and no other file took its place. */
  has(file: KnownFile): boolean {
    return this.#all.includes(file);
  }

  /** A file was moved here, or written. */
  add(id: SegmentId, bytes: number): void {
    this.#all.push(knownFile(id, bytes));
    this.#all.sort(inOrder);
  }

  /** Another file has the name of this one. */
  replace(file: KnownFile, bytes: number): void {
    this.delete(file);
    this.add(file, bytes);
  }

  /** The file is not there any more. */
  delete(file: KnownFile): void {
    const at = this.#all.indexOf(file);
    if (at !== -1) this.#all.splice(at, 1);
  }

  /** Where the files of history and of quarantine and the segments of the log begin, as far as they say so. */
  starts(log: readonly SegmentId[]): FileStart[] {
    const damaged = listQuarantine(this.#disk, this.#folder);
    return [
      ...this.#all.map((id) => this.#startOf(id, historyFilePath(this.#folder, id))),
      ...damaged.map((id) => this.#startOf(id, quarantineFilePath(this.#folder, id))),
      ...log.map((id) => this.#startOf(id, segmentPath(this.#folder, id))),
    ];
  }

  /** When it begins, as of KnownFile. */
  beginOf(file: KnownFile): number | undefined {
    file.begin ??= beginOf(this.#disk, historyFilePath(this.#folder, file), file);
    return file.begin;
  }

  /** When the file ends, and the next one or the next segment of the log begins; undefined if that is not known. */
  beginBehind(file: HistoryFile, log: readonly SegmentId[]): number | undefined {
    const next = this.#all.find((each) => inOrder(file, each) < 0);
    const segment = log.find((each) => inOrder(file, each) < 0);
    if (segment && !(next && inOrder(next, segment) < 0)) {
      return beginOf(this.#disk, segmentPath(this.#folder, segment), segment);
    }
    return next && this.beginOf(next);
  }

  /** One that has just begun may say it later, so it is asked again. */
  #startOf(id: SegmentId, path: string): FileStart {
    const start = this.#starts.get(id) ?? startIn(this.#disk, path, id)?.sequence;
    if (start !== undefined) this.#starts.set(id, start);
    return { id, start };
  }

  get #all(): KnownFile[] {
    this.#known ??= listHistory(this.#disk, this.#folder).map((id) => {
      return knownFile(id, this.#disk.size(historyFilePath(this.#folder, id)) ?? 0);
    });
    return this.#known;
  }
}

function knownFile({ epoch, segment }: SegmentId, bytes: number): KnownFile {
  return { epoch, segment, bytes, begin: undefined, isLeft: false };
}
