// Reading a store that somebody else wrote. Nothing is changed here. docs/internals/journal.md has the rules:
//
// 1. The newest epoch that opened says, in its newest segment header, which segments count.
// 2. Marks say up to where that epoch was synced. Below that, anything wrong is damage: what is sound
//    around it counts, and the rest is reported.
// 3. Above it, the first unsound byte ends the log: a crash tore it, and nobody was told of the rest.
import { IpcError } from '../base/errors.ts';
import { type Runtime, systemRuntime } from '../base/runtime.ts';
import type { JournalRecord } from '../model/records.ts';
import { type Disk, realDisk } from './disk.ts';
import type { JournalLimits } from './journal-options.ts';
import { listEpochs, listSegments, readSealed, segmentPath } from './paths.ts';
import {
  decodeRecord,
  decodeStoreRecord,
  isStoreRecord,
  type Position,
  type SegmentRecord,
  type StoreRecord,
} from './record-codec.ts';
import {
  isRecord,
  isValid,
  type LostBytes,
  type RawRecord,
  readRecord,
  readRecords,
  recordBytes,
  recordHeaderBytes,
  type SegmentId,
  scanRecords,
  segmentSeed,
} from './record-framing.ts';

/** Longest time that reading keeps the loop, in milliseconds. */
const readMsMax = 5;

/** What the segments of a store come to. */
export interface Log {
  /** undefined for a new store. */
  readonly store: string | undefined;
  readonly nextNumber: number;
  /** Oldest first. */
  readonly segments: readonly LogSegment[];
}

export interface LogSegment extends SegmentId {
  /** Up to here its records are part of the log. */
  readonly bytes: number;
  /** Up to here they are durable for certain; the rest may be in the page cache only. */
  readonly durableBytes: number;
  /** Above every number given before it; only of the one whose header says what counts. */
  readonly nextNumber?: number;
}

const emptyLog: Log = { store: undefined, nextNumber: 1, segments: [] };
const start: Position = { segment: 0, offset: 0 };

/** Before anything is touched: throws store_newer when a newer program wrote any segment. */
export function refuseNewer(disk: Disk, folder: string): void {
  for (const epoch of listEpochs(disk, folder)) {
    for (const id of listSegments(disk, folder, epoch)) readHeader(disk, folder, id);
  }
}

/** The store's id, from the newest segment whose header can be read. */
export function storeId(folder: string, disk: Disk = realDisk): string | undefined {
  for (const epoch of listEpochs(disk, folder).reverse()) {
    for (const id of listSegments(disk, folder, epoch).reverse()) {
      const header = readHeader(disk, folder, id);
      if (header) return header.store;
    }
  }
  return undefined;
}

/** What counts in the epochs below `epochBelow`. */
export async function survey(disk: Disk, folder: string, epochBelow: number): Promise<Log> {
  for (const epoch of listEpochs(disk, folder).reverse()) {
    if (epoch >= epochBelow) continue;
    const log = await surveyEpoch(disk, folder, epoch);
    if (log) return log;
  }
  return emptyLog;
}

/**
 * Where the run of newest segments begins that a new owner writes again as one, since there are too
 * many, or room is short and each owner would take some more of it (then only what fits the zeros
 * that its segment has anyway): the longest run of small ones whose first is no larger than all behind it. In front of the
 * new one are only larger ones then; so a record that is written again for a second time comes into
 * a segment at least twice as large, and each time after that.
 */
export function runBegin(
  segments: readonly LogSegment[],
  limits: Pick<JournalLimits, 'segmentBytesMax' | 'segmentReserveBytes' | 'segmentsCompact'>,
  isRoomShort = false,
): number {
  let begin = segments.length;
  if (!isRoomShort && segments.length <= 2 * limits.segmentsCompact) return begin;
  const bytesMax = isRoomShort ? limits.segmentReserveBytes / 2 : limits.segmentBytesMax;
  let bytesBehind = 0;
  for (const [index, { bytes }] of [...segments.entries()].reverse()) {
    if (2 * bytes >= bytesMax || bytesBehind + bytes > bytesMax) break;
    if (bytes <= bytesBehind) begin = index;
    bytesBehind += bytes;
  }
  return begin;
}

export interface Reader {
  /** A record of the engine; undefined when it is of a kind that may be passed over. */
  record(raw: RawRecord, record: JournalRecord | undefined): void;
  lost(bytes: LostBytes): void;
}

/** All that a segment tells in order, the journal's own records left out. Lets the loop run meanwhile. */
export async function replay(
  disk: Disk,
  folder: string,
  segment: LogSegment,
  reader: Reader,
  runtime: Pick<Runtime, 'now' | 'defer'> = systemRuntime,
): Promise<void> {
  const bytes = await readSegment(disk, folder, segment);
  let since = runtime.now();
  for (const found of scanRecords(bytes, segment.bytes, segmentSeed(segment))) {
    if (isRecord(found)) readInto(reader, found);
    else reader.lost(found);
    if (runtime.now() - since < readMsMax) continue;
    await new Promise<void>((resolve) => runtime.defer(resolve));
    since = runtime.now();
  }
}

function readInto(reader: Reader, raw: RawRecord): void {
  if (isStoreRecord(raw)) return;
  const record = unlessDamaged(() => ({ record: decodeRecord(raw) }));
  if (record) reader.record(raw, record.record);
  else reader.lost(raw);
}

function unlessDamaged<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof IpcError) || error.code === 'store_newer') throw error;
    return undefined;
  }
}

/** What one file of the newest epoch holds. */
interface Image {
  /** undefined when it is torn or damaged. */
  readonly header: SegmentRecord | undefined;
  /** Where the opening of an epoch ends, when this is its first segment. */
  readonly openingEnd: number;
  /** Sound records from the first byte on; none without the header. */
  readonly soundBytes: number;
  /** Where the last sound record ends, whatever lies before it. */
  readonly lastEnd: number;
  /** The latest mark, wherever it lies. */
  readonly durable: Position;
  /** Segments that it says are removed, wherever it does. */
  readonly removed: readonly SegmentId[];
}

/** undefined when the epoch never opened: its owner ended before it had said anything. */
async function surveyEpoch(disk: Disk, folder: string, epoch: number): Promise<Log | undefined> {
  const images = new Map<number, Image>();
  for (const id of listSegments(disk, folder, epoch)) {
    images.set(id.segment, await readImage(disk, folder, id));
  }
  const durable = [...images.values()].reduce(
    (latest, { durable }) => max(latest, durable),
    readSealed(disk, folder, epoch) ?? start,
  );
  const [newest, header] = [...images].findLast(([, image]) => image.header) ?? [0];
  if (durable.segment === 0) {
    const first = images.get(1);
    if (!header || (first && first.soundBytes < first.openingEnd)) return undefined;
  }
  const { store, nextNumber, earlier } =
    header?.header ?? (await listedBefore(disk, folder, epoch));
  const removed = [...images.values()].flatMap((image) => image.removed);
  // What comes behind the newest header was synced, so a header was there and is damaged.
  const last = Math.max(newest, durable.segment);
  const own = Array.from({ length: last - (newest || 1) + 1 }, (_, index) => ({
    epoch,
    segment: (newest || 1) + index,
    bytes: undefined,
  }));
  const segments: LogSegment[] = [];
  for (const extent of [...earlier, ...own]) {
    if (removed.some((id) => same(id, extent))) continue;
    const read = await extentOf(disk, folder, extent, images.get(extent.segment), {
      epoch,
      ...durable,
    });
    const isNewest = header !== undefined && same(extent, { epoch, segment: newest });
    segments.push(isNewest ? { ...read, nextNumber } : read);
    if (read.bytes < (extent.bytes ?? 0)) break;
  }
  return { store, nextNumber, segments };
}

/** What counts of a segment that its epoch's newest header lists with so many bytes, or without. */
async function extentOf(
  disk: Disk,
  folder: string,
  { epoch, segment, bytes }: SegmentId & { bytes: number | undefined },
  image: Image | undefined,
  durable: Position & { readonly epoch: number },
): Promise<LogSegment> {
  const id = { epoch, segment };
  if (epoch < durable.epoch || segment < durable.segment) {
    const durableBytes = bytes ?? image?.lastEnd ?? 0;
    return { ...id, bytes: durableBytes, durableBytes };
  }
  const durableBytes = segment === durable.segment ? durable.offset : 0;
  const soundBytes = image?.soundBytes ?? 0;
  const end =
    soundBytes < durableBytes ? await soundEnd(disk, folder, id, durableBytes) : soundBytes;
  return { ...id, bytes: Math.min(end, bytes ?? end), durableBytes };
}

/** Where the sound records end that begin at `offset`. */
async function soundEnd(
  disk: Disk,
  folder: string,
  id: SegmentId,
  offset: number,
): Promise<number> {
  let end = offset;
  const bytes = await readSegment(disk, folder, id);
  for (const { end: next } of readRecords(bytes, segmentSeed(id), offset)) end = next;
  return end;
}

/** What the damaged opening of an epoch listed: what its owner had found, as far as it is still there. */
async function listedBefore(disk: Disk, folder: string, epoch: number) {
  const { store, nextNumber, segments } = await survey(disk, folder, epoch);
  const earlier = segments
    .filter((id) => disk.readPart(segmentPath(folder, id), 0, 1).length > 0)
    .map(({ epoch, segment, durableBytes }) => ({ epoch, segment, bytes: durableBytes }));
  return { store, nextNumber, earlier };
}

async function readImage(disk: Disk, folder: string, id: SegmentId): Promise<Image> {
  const bytes = await readSegment(disk, folder, id);
  const removed: SegmentId[] = [];
  let header: SegmentRecord | undefined;
  let [headerEnd, soundBytes, lastEnd] = [0, 0, 0];
  let durable = start;
  for (const found of scanRecords(bytes, bytes.length, segmentSeed(id))) {
    if (!isRecord(found) || !isValid(found)) continue;
    const record = storeRecordOf(found);
    if (record?.kind === 'segment' && found.offset === 0) {
      header = record;
      headerEnd = found.end;
    }
    if (record?.kind === 'removed') removed.push(record);
    if (record?.kind === 'mark' || record?.kind === 'segment')
      durable = max(durable, record.durable);
    if (header && soundBytes === found.offset) soundBytes = found.end;
    lastEnd = found.end;
  }
  const openingEnd = headerEnd + (header?.openingBytes ?? 0);
  return { header, openingEnd, soundBytes, lastEnd, durable, removed };
}

function storeRecordOf(record: RawRecord): StoreRecord | undefined {
  return unlessDamaged(() => decodeStoreRecord(record));
}

/** One that is not there is as good as one without a byte. */
async function readSegment(disk: Disk, folder: string, id: SegmentId): Promise<Buffer> {
  return (await disk.read(segmentPath(folder, id))) ?? Buffer.alloc(0);
}

function readHeader(disk: Disk, folder: string, id: SegmentId): SegmentRecord | undefined {
  const path = segmentPath(folder, id);
  const head = disk.readPart(path, 0, recordHeaderBytes);
  const raw = readRecord(disk.readPart(path, 0, recordBytes(head)), 0, segmentSeed(id));
  const record = raw && storeRecordOf(raw);
  return record?.kind === 'segment' ? record : undefined;
}

function max(one: Position, other: Position): Position {
  if (one.segment !== other.segment) return one.segment > other.segment ? one : other;
  return one.offset >= other.offset ? one : other;
}

function same(one: SegmentId, other: SegmentId): boolean {
  return one.epoch === other.epoch && one.segment === other.segment;
}
