// Reads the past of a store: the events of all records that are kept, in their order, and each once. It needs no
// broker, changes nothing, and may run beside an owner that writes, compacts, and moves segments into history.
//
// 1. listPast() says which files there are. A file that is gone when its turn comes was moved, packed into a later
//    one, or dropped with the oldest of history: then it is asked again, and the reading goes on behind the last file,
//    with what the residue has by then.
// 2. Records of a file with the number at which a later file begins, or a higher one, do not count.
// 3. PastFold makes events of the records, each once.
// 4. A reading may go on with the fold of an earlier one. A file is not read then if all its records were.
// 5. Each file is read into the memory of the one before, which is freed at the end, or when the caller leaves: a file has
//    some 16 MB, and V8 would let several come before it collects any.
import { cancelled } from '../base/errors.ts';
import { freeMemory } from '../base/free-memory.ts';
import { fileMemory } from '../base/large-memory.ts';
import { type Runtime, systemRuntime } from '../base/runtime.ts';
import type { EventBatch } from '../model/mail-events.ts';
import { type Disk, realDisk } from './disk.ts';
import { type FileStart, isFollowed, isResidue, readKept, startBehind } from './history-file.ts';
import { listPast, nextOwnStartAt, type PastFile, startsAt } from './past-files.ts';
import { type FoldOptions, PastFold } from './past-fold.ts';
import { inOrder } from './paths.ts';
import type { SegmentId } from './record-framing.ts';
import { refuseNewer } from './recovery.ts';

export interface StoreReadOptions extends FoldOptions {
  readonly disk?: Disk;
  readonly runtime?: Pick<Runtime, 'now' | 'defer'>;
  /** Longest time that reading blocks the event loop, in milliseconds. */
  readonly turnMsMax?: number;
  /** Of an earlier reading of the same store, which has ended. */
  readonly fold?: PastFold | undefined;
  /** An abort ends the reading with `cancelled` after `turnMsMax`, also where nothing is found. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each file, with the number of files that were read, and of all. */
  readonly onProgress?: (read: number, all: number) => void;
}

const turnMsDefault = 5;
/** How often a file that is gone is looked for again, since a running owner moves each a few times at most. */
const searchesMax = 5;

/** Yields the events in batches; the last one, which may be empty, says where the past ends. Throws store_newer. */
export async function* readEvents(
  folder: string,
  options: StoreReadOptions,
): AsyncGenerator<EventBatch> {
  const { disk = realDisk, runtime = systemRuntime, signal, onProgress } = options;
  const { turnMsMax = turnMsDefault } = options;
  refuseNewer(disk, folder);
  const { fold = new PastFold(options) } = options;
  const { sequence: lastKnown } = fold.last;
  let past = await listPast(disk, folder);
  let read: SegmentId = { epoch: 0, segment: 0 };
  let starts = startsAt(disk, past.files);
  let searches = 0;
  let since = runtime.now();
  let held: Buffer | undefined;
  try {
    for (let index = 0; index < past.files.length; ) {
      const file = past.files[index] as PastFile;
      const end = numberEnd(file, starts);
      if (lastKnown > 0 && !isResidue(file) && end !== undefined && end <= lastKnown + 1) {
        read = file;
        index++;
        continue;
      }
      const bytes = await readFirst(disk, file);
      if (!bytes && ++searches < searchesMax) {
        past = await listPast(disk, folder);
        starts = startsAt(disk, past.files);
        // What was needed of it may be in the residue since.
        const files = past.files.filter((each) => isResidue(each) || inOrder(read, each) < 0);
        past = { ...past, files };
        index = 0;
        continue;
      }
      if (!isResidue(file)) searches = 0;
      index++;
      if (bytes) {
        fileMemory.hold(bytes);
        held = bytes;
        const facts = {
          isFollowed: isFollowed(file, past.files),
          nextOwnStart: () => nextOwnStartAt(disk, past, file),
        };
        fold.begin({ ...file, ...facts }, bytes, end);
      }
      for (let isMore = bytes !== undefined; isMore; ) {
        isMore = fold.step();
        yield* fold.batches();
        if (runtime.now() - since < turnMsMax) continue;
        await new Promise<void>((resolve) => runtime.defer(resolve));
        if (signal?.aborted) throw cancelled();
        since = runtime.now();
      }
      // What the batches have of it are copies.
      if (held) fileMemory.release(held);
      held = undefined;
      if (!isResidue(file)) read = file;
      onProgress?.(index, past.files.length);
    }
    yield* fold.batches();
    yield fold.end();
  } finally {
    // Its caller may have left it amid a file.
    if (held) fileMemory.release(held);
    for (const memory of fileMemory.spares()) freeMemory(memory);
  }
}

async function readFirst(disk: Disk, file: PastFile): Promise<Buffer | undefined> {
  // Of the log every file must be readable. One of history that is not costs what it tells, which is a gap.
  const isLog = file.bytes !== undefined;
  for (const path of file.paths) {
    const bytes = await (isLog ? disk.read(path) : readKept(disk, path));
    if (bytes) return bytes;
  }
  return undefined;
}

/** undefined for the last file. */
function numberEnd(file: PastFile, starts: readonly FileStart[]): number | undefined {
  const isLast = starts.every(({ id }) => inOrder(file, id) >= 0);
  return isLast ? undefined : startBehind(file, starts);
}
