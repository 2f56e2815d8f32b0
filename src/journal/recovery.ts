// Reading a store that somebody else wrote. Nothing is changed here. docs/journal.md has the rules:
//
// 1. The newest epoch that opened says, in its newest segment header, which segments count.
// 2. Marks say up to where that epoch was synced. Below that, anything wrong is damage.
// 3. Above it, the first unsound byte ends the log: a crash tore it, and nobody was told of the rest.
import { IpcError } from '../core/errors.ts';
import type { JournalRecord } from '../core/requests.ts';
import { type Machine, realMachine } from '../wire/machine.ts';
import { type Disk, realDisk } from './disk.ts';
import { listEpochs, listSegments, segmentPath } from './folder.ts';
import {
  type RawRecord,
  readRecord,
  readRecords,
  recordBytes,
  recordHeaderBytes,
  type SegmentId,
  segmentSeed,
} from './framing.ts';
import {
  decodeRecord,
  decodeStoreRecord,
  type Extent,
  findMarks,
  isStoreRecord,
  type Position,
  type SegmentRecord,
} from './records.ts';

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
 * many: the longest run of small ones whose first is no larger than all behind it. In front of the
 * new one are only larger ones then; so a record that is written again for a second time comes into
 * a segment at least twice as large, and each time after that.
 */
export function runBegin(
  segments: readonly LogSegment[],
  limits: { readonly segmentBytesMax: number; readonly segmentsCompact: number },
): number {
  let begin = segments.length;
  if (segments.length <= 2 * limits.segmentsCompact) return begin;
  let bytesBehind = 0;
  for (const [index, { bytes }] of [...segments.entries()].reverse()) {
    if (2 * bytes >= limits.segmentBytesMax) break;
    if (bytesBehind + bytes > limits.segmentBytesMax) break;
    if (bytes <= bytesBehind) begin = index;
    bytesBehind += bytes;
  }
  return begin;
}

/** A record of the engine; undefined when it is of a kind that may be passed over. */
export type Visit = (raw: RawRecord, record: JournalRecord | undefined) => void;

/** All records of a segment in order, the journal's own left out. Lets the loop run between them. */
export async function replay(
  disk: Disk,
  folder: string,
  segment: LogSegment,
  visit: Visit,
  machine: Pick<Machine, 'now' | 'defer'> = realMachine,
): Promise<void> {
  const bytes = await readSegment(disk, folder, segment);
  let end = 0;
  let since = machine.now();
  for (const raw of readRecords(bytes.subarray(0, segment.bytes), segmentSeed(segment))) {
    end = raw.end;
    if (isStoreRecord(raw)) continue;
    visit(raw, decodeRecord(raw));
    if (machine.now() - since < readMsMax) continue;
    await new Promise<void>((resolve) => machine.defer(resolve));
    since = machine.now();
  }
  if (end !== segment.bytes) throw damaged(segment, end);
}

/** What one file of the newest epoch holds. */
interface Image {
  /** undefined when it is torn. */
  readonly header: SegmentRecord | undefined;
  /** Where the opening of an epoch ends, when this is its first segment. */
  readonly openingEnd: number;
  /** Sound records from the first byte on. */
  readonly soundBytes: number;
  /** The latest mark, wherever it lies. */
  readonly durable: Position;
  /** Segments that it says are removed. */
  readonly removed: readonly SegmentId[];
}

/** undefined when the epoch never opened: its owner ended before it had said anything. */
async function surveyEpoch(disk: Disk, folder: string, epoch: number): Promise<Log | undefined> {
  const images = new Map<number, Image>();
  let newest: (SegmentId & { header: SegmentRecord }) | undefined;
  for (const id of listSegments(disk, folder, epoch).reverse()) {
    const image = await readImage(disk, folder, id);
    images.set(id.segment, image);
    newest ??= image.header && { ...id, header: image.header };
  }
  const durable = [...images.values()].reduce((latest, { durable }) => max(latest, durable), start);
  if (durable.segment > (newest?.segment ?? 0)) {
    throw damaged({ epoch, segment: durable.segment }, 0);
  }
  if (!newest) return undefined;
  const first = images.get(1);
  if (durable.segment === 0 && first && first.soundBytes < first.openingEnd) return undefined;

  const removed = [...images.values()].flatMap((image) => image.removed);
  const { header } = newest;
  const segments: LogSegment[] = [];
  for (const extent of [...header.earlier, wholeOf(newest, images)]) {
    if (removed.some((id) => same(id, extent))) continue;
    if (extent.epoch < epoch) {
      segments.push({ ...extent, durableBytes: extent.bytes });
      continue;
    }
    const bytes = Math.min(images.get(extent.segment)?.soundBytes ?? 0, extent.bytes);
    const durableBytes = durableIn(extent, durable);
    if (bytes < durableBytes) throw damaged(extent, bytes);
    segments.push({ ...extent, bytes, durableBytes });
    if (bytes < extent.bytes) break;
  }
  return { store: header.store, nextNumber: header.nextNumber, segments };
}

async function readImage(disk: Disk, folder: string, id: SegmentId): Promise<Image> {
  const bytes = await readSegment(disk, folder, id);
  const seed = segmentSeed(id);
  const removed: SegmentId[] = [];
  let header: SegmentRecord | undefined;
  let headerEnd = 0;
  let soundBytes = 0;
  let durable = start;
  for (const raw of readRecords(bytes, seed)) {
    const record = decodeStoreRecord(raw);
    if (record?.kind === 'segment') {
      header = record;
      headerEnd = raw.end;
    }
    if (!header) break;
    if (record?.kind === 'removed') removed.push(record);
    if (record?.kind === 'mark' || record?.kind === 'segment')
      durable = max(durable, record.durable);
    soundBytes = raw.end;
  }
  for (const mark of findMarks(bytes, soundBytes, seed)) durable = max(durable, mark.durable);
  const openingEnd = headerEnd + (header?.openingBytes ?? 0);
  return { header, openingEnd, soundBytes, durable, removed };
}

/** One that is not there is as good as one without a byte. */
async function readSegment(disk: Disk, folder: string, id: SegmentId): Promise<Buffer> {
  return (await disk.read(segmentPath(folder, id))) ?? Buffer.alloc(0);
}

function wholeOf(id: SegmentId, images: ReadonlyMap<number, Image>): Extent {
  const bytes = images.get(id.segment)?.soundBytes ?? 0;
  return { epoch: id.epoch, segment: id.segment, bytes };
}

function durableIn({ segment, bytes }: Extent, durable: Position): number {
  if (segment < durable.segment) return bytes;
  return segment === durable.segment ? durable.offset : 0;
}

function readHeader(disk: Disk, folder: string, id: SegmentId): SegmentRecord | undefined {
  const path = segmentPath(folder, id);
  const head = disk.readPart(path, 0, recordHeaderBytes);
  const raw = readRecord(disk.readPart(path, 0, recordBytes(head)), 0, segmentSeed(id));
  const record = raw && decodeStoreRecord(raw);
  return record?.kind === 'segment' ? record : undefined;
}

function max(one: Position, other: Position): Position {
  if (one.segment !== other.segment) return one.segment > other.segment ? one : other;
  return one.offset >= other.offset ? one : other;
}

function same(one: SegmentId, other: SegmentId): boolean {
  return one.epoch === other.epoch && one.segment === other.segment;
}

function damaged({ epoch, segment }: SegmentId, offset: number): IpcError {
  const what = `segment ${segment} of epoch ${epoch} is damaged or cut at byte ${offset}`;
  return new IpcError('store_damaged', what);
}
