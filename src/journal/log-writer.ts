// Writes the segments of this epoch, one after the other, and tracks how far they are durable.
import assert from 'node:assert/strict';
import type { Ballast } from './ballast.ts';
import type { Disk } from './disk.ts';
import { diskFault, noRoom } from './epoch.ts';
import { epochPath, segmentPath } from './paths.ts';
import { encodeRecord } from './record-codec.ts';
import type { Seed, SegmentId } from './record-framing.ts';
import type { Position } from './segment-header.ts';
import { type Preallocation, SegmentWriter } from './segment-writer.ts';

export class LogWriter {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #epoch: number;
  readonly #preallocation: Preallocation;
  readonly #ballast: Ballast;
  /** The segments that are not closed yet; the last is being written. */
  readonly #writers: SegmentWriter[] = [];
  /** Those with records that no sync covers. */
  #unsynced: SegmentWriter[] = [];
  /** The epoch's folder has a name that no sync covers. */
  #folderUnsynced = false;
  #durable: Position = { segment: 0, offset: 0 };
  /** No sync point says so yet. */
  #syncPointDue = false;
  #syncing = false;
  #abandoned = false;

  constructor(
    disk: Disk,
    folder: string,
    epoch: number,
    preallocation: Preallocation,
    ballast: Ballast,
  ) {
    this.#disk = disk;
    this.#folder = folder;
    this.#epoch = epoch;
    this.#preallocation = preallocation;
    this.#ballast = ballast;
  }

  /** Some records are not covered by a sync. */
  get unsynced(): boolean {
    return this.#unsynced.length > 0;
  }

  /** All bytes before this position are synced. */
  get durable(): Position {
    return this.#durable;
  }

  /** Length of the current segment, without its zeros. */
  get bytes(): number {
    return this.#current.usedBytes;
  }

  /** A long prologue must not end its segment: the next one would have the same. */
  get bytesBehindPrologue(): number {
    return this.#current.usedBytes - this.#current.prologueBytes;
  }

  /** Seed of the current segment. */
  get seed(): Seed {
    return this.#current.seed;
  }

  /** The segment that begin() will create. */
  get nextId(): SegmentId {
    return { epoch: this.#epoch, segment: (this.#writers.at(-1)?.id.segment ?? 0) + 1 };
  }

  /** The segment before it stays open until a sync covers it. */
  begin(prologue: readonly Buffer[]): void {
    const id = this.nextId;
    const path = segmentPath(this.#folder, id);
    const writer = this.#ballast.withBallast(
      () => new SegmentWriter(this.#disk, path, id, prologue, this.#preallocation),
    );
    this.#writers.push(writer);
    this.#unsynced.push(writer);
    this.#folderUnsynced = true;
  }

  /** Preallocates, without using ballast. Returns the system's reason when there is no room. */
  reserve(bytes: number): Error | undefined {
    try {
      this.#current.reserve(bytes);
      return undefined;
    } catch (error) {
      return noRoom(error);
    }
  }

  /** The current segment has reached a limit on the size of files. */
  get isOver(): boolean {
    return this.#current.isOver;
  }

  /** The current segment is at such a limit, and the next one could take this much. */
  fitsInNext(bytes: number): boolean {
    return this.#current.fitsInNext(bytes);
  }

  append(buffers: readonly Buffer[]): void {
    const current = this.#current;
    this.#ballast.withBallast(() => current.append(buffers));
    if (!this.#unsynced.includes(current)) this.#unsynced.push(current);
  }

  /** False if the store was removed, or moved away: what was written since is in no store that anybody will open. */
  isInPlace(): boolean {
    return this.#current.isInPlace();
  }

  /** Covers what was written before the call. Meanwhile more may be written, and segments begun. */
  async sync(): Promise<void> {
    if (!this.unsynced) return;
    const covered = this.#unsynced;
    const position = { segment: this.#current.id.segment, offset: this.#current.usedBytes };
    const folders = this.#folderUnsynced ? [epochPath(this.#folder, this.#epoch)] : [];
    this.#unsynced = [];
    this.#folderUnsynced = false;
    this.#syncing = true;
    const syncs = covered.map((writer) => writer.sync());
    for (const path of folders) syncs.push(this.#disk.syncFolder(path));
    try {
      await allEnded(syncs);
    } catch (error) {
      if (!this.#abandoned) throw error;
    } finally {
      this.#syncing = false;
    }
    if (this.#abandoned) return this.abandon();
    this.#durable = position;
    this.#syncPointDue = true;
    for (const writer of covered) this.#closeIfFull(writer);
  }

  /** After a sync. The sync point itself is made durable by the next one; nothing waits for that. */
  appendSyncPoint(): void {
    if (!this.#syncPointDue) return;
    this.#syncPointDue = false;
    const { seed } = this.#current;
    const syncPoint = encodeRecord({ kind: 'syncPoint', durable: this.#durable }, seed);
    this.#ballast.withBallast(() => this.#current.append(syncPoint));
  }

  /** Throws storage_failed if a file cannot be closed. */
  close(): void {
    try {
      for (const writer of this.#writers.splice(0)) writer.close();
    } catch (error) {
      throw diskFault(error);
    }
  }

  /** Closes all files, once a running sync has ended; writes no sync point. Never throws. */
  abandon(): void {
    this.#abandoned = true;
    if (this.#syncing) return;
    for (const writer of this.#writers.splice(0)) {
      try {
        writer.close();
      } catch {
        // An owner that gives up acknowledges nothing more.
      }
    }
  }

  #closeIfFull(writer: SegmentWriter): void {
    if (writer === this.#current || this.#unsynced.includes(writer)) return;
    this.#writers.splice(this.#writers.indexOf(writer), 1);
    writer.close();
  }

  get #current(): SegmentWriter {
    const current = this.#writers.at(-1);
    assert(current, 'a segment was begun, and nothing is closed yet');
    return current;
  }
}

/** Waits for all of them, since a file must not be closed while its sync runs. Throws the error of one that failed. */
function allEnded(syncs: readonly Promise<void>[]): Promise<void> {
  const [first] = syncs;
  // Nearly always there is one, and a post waits for the microseconds that allSettled() takes.
  if (first && syncs.length === 1) return first;
  return Promise.allSettled(syncs).then((ends) => {
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  });
}
