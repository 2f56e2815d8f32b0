// Recovery reads a store that another process wrote, and changes nothing. docs/internals/journal.md has
// the rules, under "Which bytes count":
//
// 1. The newest segment header of the newest epoch that opened lists the segments that count.
// 2. Sync points say how far that epoch is durable. Below that, invalid bytes are corruption: the valid
//    records around them count, and the rest is reported.
// 3. Above it, the first invalid byte ends the log: it is a torn tail, and nothing in it was acknowledged.
import { ByteReader } from '../base/binary.ts';
import { fileMemory } from '../base/large-memory.ts';
import { type Runtime, systemRuntime } from '../base/runtime.ts';
import type { PlainPost } from '../model/plain-post.ts';
import type { JournalRecord } from '../model/records.ts';
import { type Disk, realDisk } from './disk.ts';
import { isSameSegment, listEpochs, listSegments, readSealed, segmentPath } from './paths.ts';
import { PlainPosts } from './plain-posts.ts';
import {
  decodeRecord,
  decodeStoreRecord,
  isStoreRecord,
  isStoreType,
  unlessCorrupt,
} from './record-codec.ts';
import {
  HeaderScan,
  isRecord,
  isValid,
  type LostBytes,
  metaOf,
  type RawRecord,
  type RecordHeader,
  rawRecordAt,
  readRecord,
  readRecords,
  recordBytes,
  type Seed,
  type SegmentId,
  scanRecords,
  segmentSeed,
  typeAt,
  type ValidRecord,
} from './record-framing.ts';
import { type StampRecord, type StoreRecord, typeOf } from './record-types.ts';
import {
  type Extent,
  headersBytesRead,
  type Position,
  readFormat,
  type SegmentRecord,
} from './segment-header.ts';
import { FilePlaces, type RecordPlace } from './sequence.ts';
import { inTurns } from './turns.ts';

/** Most headers are shorter. */
const headerBytesUsual = 1_024;

/** What counts in a store. */
export interface Log {
  /** The epoch of its last owner; 0 for a new store. Later epochs never opened. */
  readonly epoch: number;
  /** undefined for a new store. */
  readonly store: string | undefined;
  readonly nextNumber: number;
  /** Oldest first. */
  readonly segments: readonly LogSegment[];
  /** Those that counted until a record said that they were removed, as far as the newest header lists them. */
  readonly dropped: readonly Extent[];
}

export interface LogSegment extends SegmentId {
  /** How many of its first bytes count. */
  readonly bytes: number;
  /** How many of them are durable for certain; the rest may be in the page cache only. */
  readonly durableBytes: number;
  /** Above the number of every message before it. Only the segment with the newest header has it. */
  readonly nextNumber?: number;
}

const emptyLog: Log = { epoch: 0, store: undefined, nextNumber: 1, segments: [], dropped: [] };
const start: Position = { segment: 0, offset: 0 };

/** Throws store_newer if a newer version wrote any segment. */
export function refuseNewer(disk: Disk, folder: string): void {
  for (const epoch of listEpochs(disk, folder)) {
    for (const id of listSegments(disk, folder, epoch)) readHeader(disk, folder, id);
  }
}

/**
 * The store's id, from the newest segment with a valid header. Throws store_newer if a newer version wrote that: then it
 * wrote the store last, because an older one does not open it.
 */
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

export interface Reader {
  /** Without it, plain posts are for record() as well. */
  readonly plainPosts?: PlainPostReader;
  /** Takes the records of the engine by their headers. Then nothing is decoded, and record() gets none. */
  header?(header: RecordHeader, place: RecordPlace | undefined): void;
  /**
   * Takes a record of the engine; undefined if its type is unknown and may be skipped. `place`: undefined if it has no
   * number, or none that is known.
   */
  record(raw: RawRecord, record: JournalRecord | undefined, place: RecordPlace | undefined): void;
  stamp?(stamp: StampRecord): void;
  lost(bytes: LostBytes): void;
}

/** Takes plain posts without an object of each. */
export interface PlainPostReader {
  /** It takes those that begin before this byte. */
  readonly below: number;
  /** The next post overwrites `post` and `header`. `sequence`: 0 if it has no number, or none that is known. */
  take(post: PlainPost, header: RecordHeader, sequence: number): void;
}

/** Reads the engine's records of a segment in order, and yields to the event loop in between. */
export async function replay(
  disk: Disk,
  folder: string,
  segment: LogSegment,
  reader: Reader,
  runtime: Pick<Runtime, 'now' | 'defer'> = systemRuntime,
): Promise<void> {
  const bytes = await readSegment(disk, folder, segment);
  await inTurns(readEach(bytes, segment, reader), runtime);
}

/** Bytes of records that are read in one step. */
const stepBytes = 65_536;

/** Reads some records of the first `segment.bytes` bytes at each step. */
export function* readEach(
  bytes: Buffer,
  segment: SegmentId & { readonly bytes: number },
  reader: Reader,
): Generator<void> {
  const places = new FilePlaces();
  const posts = new PlainPosts(bytes);
  const { plainPosts } = reader;
  const plainBelow = plainPosts?.below ?? 0;
  const scan = new HeaderScan(bytes, segment.bytes, segmentSeed(segment));
  let yielded = 0;
  while (scan.next()) {
    if (scan.isLost) {
      places.lost();
      reader.lost({ offset: scan.offset, end: scan.end });
    } else if (scan.offset < plainBelow && posts.read(scan)) {
      plainPosts?.take(posts.post, scan, places.takeSequence());
    } else if (reader.header && !isStoreType(typeAt(bytes, scan.offset))) {
      const { offset, bodyOffset, end } = scan;
      reader.header({ offset, bodyOffset, end }, places.take());
    } else readInto(reader, places, rawRecordAt(bytes, scan));
    if (scan.end - yielded < stepBytes) continue;
    yielded = scan.end;
    yield;
  }
}

function readInto(reader: Reader, places: FilePlaces, found: RawRecord): void {
  if (found.type === typeOf.segment) unlessCorrupt(formatOf, found, undefined);
  if (found.type === typeOf.stamp) {
    const record = storeRecordOf(found);
    if (record?.kind !== 'stamp') return;
    places.stamp(record);
    reader.stamp?.(record);
  }
  // The survey has read all others that matter.
  if (isStoreRecord(found)) return;
  // A valid header tells that it is one record, even if it is corrupt.
  const place = places.take();
  const record = unlessCorrupt(decodeRecord, found, corrupt);
  if (record === corrupt) reader.lost(found);
  else reader.record(found, record, place);
}

const formatOf = (segment: RawRecord) => readFormat(new ByteReader(metaOf(segment)));

const corrupt = Symbol('corrupt');

/** What one segment file of the surveyed epoch holds. */
interface Image {
  readonly id: SegmentId;
  /** undefined if both copies are torn or corrupt. */
  readonly header: SegmentRecord | undefined;
  /** At least the end of the prologue. */
  readonly prologueEnd: number;
  /** End of the valid records that follow from the first byte without a gap; 0 if the first is no header. */
  readonly validBytes: number;
  /** End of the last valid record, even if there is corruption before it. */
  readonly lastEnd: number;
  /** The latest sync point that any of its records states. */
  readonly durable: Position;
  /** Segments of which any of its records says that they were removed. */
  readonly removed: readonly SegmentId[];
}

/** The segments that an epoch's newest header lists, or what stands in for a header that is corrupt. */
interface Listing extends Pick<Log, 'store' | 'nextNumber'> {
  readonly earlier: readonly Extent[];
}

/** undefined if the epoch never opened: its owner ended before it had acknowledged anything. */
async function surveyEpoch(disk: Disk, folder: string, epoch: number): Promise<Log | undefined> {
  const images = await readImages(disk, folder, epoch);
  const newest = images.findLast(({ header }) => header !== undefined);
  const seal = readSealed(disk, folder, epoch) ?? start;
  const durable = images.reduce((latest, image) => max(latest, image.durable), seal);
  if (durable.segment === 0 && !hasPrologue(images, newest)) return undefined;

  const listing = newest?.header ?? (await listedBefore(disk, folder, epoch));
  const { store, nextNumber, earlier: listed } = listing;
  const removed = images.flatMap((image) => image.removed);
  const counts = (id: SegmentId) => !removed.some((other) => isSameSegment(id, other));
  const measure = (id: SegmentId): Promise<Measured> => {
    const image = images.find((each) => isSameSegment(each.id, id));
    return measureSegment(disk, folder, id, image, durable);
  };

  const segments: LogSegment[] = [];
  const log = { epoch, store, nextNumber, segments, dropped: listed.filter((id) => !counts(id)) };
  for (const { epoch: ofEpoch, segment, bytes } of listed.filter(counts)) {
    const id = { epoch: ofEpoch, segment };
    if (ofEpoch < epoch || segment < durable.segment) {
      segments.push({ ...id, bytes, durableBytes: bytes });
      continue;
    }
    const measured = await measure(id);
    segments.push({ ...id, ...measured, bytes: Math.min(measured.bytes, bytes) });
    if (measured.bytes < bytes) return log;
  }
  for (const id of unlisted(epoch, newest, durable).filter(counts)) {
    const isNewest = newest !== undefined && isSameSegment(id, newest.id);
    segments.push({ ...id, ...(await measure(id)), ...(isNewest && { nextNumber }) });
  }
  return log;
}

/**
 * From the segment on up to which all was synced when the newest header was written. The header knows what the
 * segments before say of the log, and lists them.
 */
async function readImages(disk: Disk, folder: string, epoch: number): Promise<Image[]> {
  const images: Image[] = [];
  let syncedBefore = 0;
  for (const id of listSegments(disk, folder, epoch).reverse()) {
    if (id.segment < syncedBefore) break;
    const image = await readImage(disk, folder, id);
    images.unshift(image);
    syncedBefore ||= image.header?.durable.segment ?? 0;
  }
  return images;
}

/** Whether the prologue of the epoch's first segment was completed, as far as that is still there. */
function hasPrologue(images: readonly Image[], newest: Image | undefined): boolean {
  const first = images.find(({ id }) => id.segment === 1);
  return newest !== undefined && (!first || first.validBytes >= first.prologueEnd);
}

/**
 * Whether the segment is of an epoch that never opened: its prologue is not complete, and there is no sync point. Such an
 * epoch has no other segment.
 */
export async function isUnopened(disk: Disk, folder: string, id: SegmentId): Promise<boolean> {
  if (id.segment !== 1 || readSealed(disk, folder, id.epoch)) return false;
  const image = await readImage(disk, folder, id);
  if (image.durable.segment > 0 || hasPrologue([image], image.header && image)) return false;
  // It may have been moved meanwhile.
  return disk.size(segmentPath(folder, id)) !== undefined;
}

/**
 * What stands in for the headers of an epoch if all are corrupt: what its owner found in the epochs
 * before, as far as it is still there.
 */
async function listedBefore(disk: Disk, folder: string, epoch: number): Promise<Listing> {
  const { store, nextNumber, segments } = await survey(disk, folder, epoch);
  const earlier = segments
    .filter((id) => disk.readPart(segmentPath(folder, id), 0, 1).length > 0)
    .map(({ epoch, segment, bytes }) => ({ epoch, segment, bytes }));
  return { store, nextNumber, earlier };
}

/**
 * The segments that no header lists: the one with the newest header, and those behind it up to the sync
 * point. The latter were synced with their headers, which are corrupt.
 */
function unlisted(epoch: number, newest: Image | undefined, durable: Position): SegmentId[] {
  const first = newest?.id.segment ?? 1;
  const last = Math.max(first, durable.segment);
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    epoch,
    segment: first + index,
  }));
}

type Measured = Pick<LogSegment, 'bytes' | 'durableBytes'>;

/** What counts of a segment of the surveyed epoch, going by its own bytes and the sync point alone. */
async function measureSegment(
  disk: Disk,
  folder: string,
  id: SegmentId,
  image: Image | undefined,
  durable: Position,
): Promise<Measured> {
  const { lastEnd = 0, validBytes = 0 } = image ?? {};
  if (id.segment < durable.segment) return { bytes: lastEnd, durableBytes: lastEnd };
  const durableBytes = id.segment === durable.segment ? durable.offset : 0;
  if (validBytes >= durableBytes) return { bytes: validBytes, durableBytes };
  // Corruption below the sync point: the records behind it count all the same.
  return { bytes: await validEnd(disk, folder, id, durableBytes), durableBytes };
}

/** End of the valid records that follow from `offset` without a gap. */
async function validEnd(
  disk: Disk,
  folder: string,
  id: SegmentId,
  offset: number,
): Promise<number> {
  const bytes = await readSegment(disk, folder, id);
  let end = offset;
  for (const record of readRecords(bytes, segmentSeed(id), offset)) end = record.end;
  return end;
}

async function readImage(disk: Disk, folder: string, id: SegmentId): Promise<Image> {
  const bytes = await readSegment(disk, folder, id);
  fileMemory.hold(bytes);
  const removed: SegmentId[] = [];
  let header: SegmentRecord | undefined;
  let [prologueEnd, validBytes, lastEnd] = [0, 0, 0];
  let durable = start;
  for (const found of scanRecords(bytes, bytes.length, segmentSeed(id))) {
    if (!isRecord(found) || !isValid(found)) continue;
    const record = isStoreRecord(found) ? storeRecordOf(found) : undefined;
    if (record?.kind === 'segment' && !header) {
      header = record;
      prologueEnd = found.end + record.prologueBytes;
    }
    if (record?.kind === 'removed') removed.push(record);
    else if (record && record.kind !== 'stamp') durable = max(durable, record.durable);
    if (header && found.offset === validBytes) validBytes = found.end;
    lastEnd = found.end;
  }
  fileMemory.release(bytes);
  return { id, header, prologueEnd, validBytes, lastEnd, durable, removed };
}

function storeRecordOf(record: RawRecord): StoreRecord | undefined {
  return unlessCorrupt(decodeStoreRecord, record, undefined);
}

/** A file that is not there counts as an empty one. */
export async function readSegment(disk: Disk, folder: string, id: SegmentId): Promise<Buffer> {
  return (await disk.read(segmentPath(folder, id))) ?? Buffer.alloc(0);
}

function readHeader(disk: Disk, folder: string, id: SegmentId): SegmentRecord | undefined {
  const path = segmentPath(folder, id);
  const seed = segmentSeed(id);
  const begin = disk.readPart(path, 0, headerBytesUsual);
  const bytes = recordBytes(begin);
  const first = readRecord(bytes > begin.length ? disk.readPart(path, 0, bytes) : begin, 0, seed);
  const raw = first ?? firstValid(disk.readPart(path, 0, headersBytesRead), seed);
  const record = raw && storeRecordOf(raw);
  return record?.kind === 'segment' ? record : undefined;
}

/** Of a segment whose first header is corrupt, the second one. */
function firstValid(bytes: Buffer, seed: Seed): ValidRecord | undefined {
  for (const found of scanRecords(bytes, bytes.length, seed)) {
    if (isRecord(found) && isValid(found)) return found;
  }
  return undefined;
}

function max(one: Position, other: Position): Position {
  if (one.segment !== other.segment) return one.segment > other.segment ? one : other;
  return one.offset >= other.offset ? one : other;
}
