// What this epoch writes: segments one after the other, and up to where they are durable.
import assert from 'node:assert/strict';
import type { BallastFiles } from './ballast.ts';
import type { Disk } from './disk.ts';
import { diskFault, isDiskFull } from './epoch.ts';
import { epochPath, segmentPath } from './paths.ts';
import { encodeRecord, type Position } from './record-codec.ts';
import type { Seed, SegmentId } from './record-framing.ts';
import { type SegmentReservation, SegmentWriter } from './segment-writer.ts';

export class LogWriter {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #epoch: number;
  readonly #room: SegmentReservation;
  readonly #ballast: BallastFiles;
  /** All that are not closed yet; the last is being written. */
  readonly #writers: SegmentWriter[] = [];
  /** Those with records that no sync has covered. */
  readonly #unsynced = new Set<SegmentWriter>();
  /** The epoch's folder has a name that no sync has covered. */
  #folderUnsynced = false;
  #durable: Position = { segment: 0, offset: 0 };
  #syncing = false;
  #abandoned = false;

  constructor(
    disk: Disk,
    folder: string,
    epoch: number,
    room: SegmentReservation,
    ballast: BallastFiles,
  ) {
    this.#disk = disk;
    this.#folder = folder;
    this.#epoch = epoch;
    this.#room = room;
    this.#ballast = ballast;
  }

  /** Something was written that no sync has covered. */
  get unsynced(): boolean {
    return this.#unsynced.size > 0;
  }

  /** All before it was synced. */
  get durable(): Position {
    return this.#durable;
  }

  /** Of the segment that is being written. */
  get bytes(): number {
    return this.#current.usedBytes;
  }

  /** Of the segment that is being written. */
  get seed(): Seed {
    return this.#current.seed;
  }

  /** Of the segment that begin() makes. */
  get nextId(): SegmentId {
    return { epoch: this.#epoch, segment: (this.#writers.at(-1)?.id.segment ?? 0) + 1 };
  }

  /** The segment before it stays open until a sync has covered it. */
  begin(opening: readonly Buffer[]): void {
    const id = this.nextId;
    const path = segmentPath(this.#folder, id);
    const writer = this.#ballast.insist(
      () => new SegmentWriter(this.#disk, path, id, opening, this.#room),
    );
    this.#writers.push(writer);
    this.#unsynced.add(writer);
    this.#folderUnsynced = true;
  }

  /** False when the disk is full; spares are not touched. */
  hasRoom(bytes: number): boolean {
    try {
      this.#current.reserve(bytes);
      return true;
    } catch (error) {
      if (isDiskFull(error)) return false;
      throw error;
    }
  }

  append(buffers: readonly Buffer[]): void {
    this.#ballast.insist(() => this.#current.append(buffers));
    this.#unsynced.add(this.#current);
  }

  /** Covers what was written before the call. More may be written, and segments begun, meanwhile. */
  async sync(): Promise<void> {
    const covered = [...this.#unsynced];
    const position = { segment: this.#current.id.segment, offset: this.#current.usedBytes };
    const folders = this.#folderUnsynced ? [epochPath(this.#folder, this.#epoch)] : [];
    this.#unsynced.clear();
    this.#folderUnsynced = false;
    // All of them end before anything else happens: a file must not be closed under its sync.
    this.#syncing = true;
    const ends = await Promise.allSettled([
      ...covered.map((writer) => writer.sync()),
      ...folders.map((path) => this.#disk.syncFolder(path)),
    ]);
    this.#syncing = false;
    if (this.#abandoned) return this.abandon();
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    this.#durable = position;
    for (const writer of covered) this.#closeIfFull(writer);
    this.#mark();
  }

  /** storage_failed when a file cannot be closed. */
  close(): void {
    try {
      for (const writer of this.#writers.splice(0)) writer.close();
    } catch (error) {
      throw diskFault(error);
    }
  }

  /** Closes all files, once a sync that runs has ended; no mark is written. Never throws. */
  abandon(): void {
    this.#abandoned = true;
    if (this.#syncing) return;
    for (const writer of this.#writers.splice(0)) {
      try {
        writer.close();
      } catch {
        // Nothing is said of its content any more.
      }
    }
  }

  /** Says what is durable. The next sync makes the mark durable too: nothing waits for that. */
  #mark(): void {
    const mark = encodeRecord({ kind: 'mark', durable: this.#durable }, this.#current.seed);
    this.#ballast.insist(() => this.#current.append(mark));
  }

  #closeIfFull(writer: SegmentWriter): void {
    if (writer === this.#current || this.#unsynced.has(writer)) return;
    this.#writers.splice(this.#writers.indexOf(writer), 1);
    writer.close();
  }

  get #current(): SegmentWriter {
    const current = this.#writers.at(-1);
    assert(current, 'a segment was begun, and nothing is closed yet');
    return current;
  }
}
