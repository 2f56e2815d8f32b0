// The files of a store: epochs/NNNNNNNN/ with seg-NNNNNN.log and owner.json.
import { join, sep } from 'node:path';
import { crc32 } from '../base/crc32.ts';
import { type Disk, realDisk } from './disk.ts';
import type { SegmentId } from './record-framing.ts';
import type { Position } from './segment-header.ts';

/** The owner of an epoch, for messages to people, and for the next owner, which binds the same addresses. */
export interface OwnerNote {
  readonly pid: number;
  /** What the owner's process is called in envelopes; older versions do not say it. */
  readonly program?: string;
  /** The sender's name of the owner's session, if it has one. */
  readonly name?: string;
  /** Wall clock, in milliseconds since 1970. */
  readonly started: number;
  readonly addresses: readonly string[];
}

const ownerBytesMax = 65_536;
const epochName = /^[0-9]{8,9}$/;
const historyName = /^([0-9]{8,9})-([0-9]{6,9})\.log$/;
const segmentName = /^seg-([0-9]{6,9})\.log$/;

export function epochsPath(folder: string): string {
  return join(folder, 'epochs');
}

/** join() costs more than an opening needs for the rest of a path. */
export function epochPath(folder: string, epoch: number): string {
  return `${epochsPath(folder)}${sep}${String(epoch).padStart(8, '0')}`;
}

export function segmentPath(folder: string, { epoch, segment }: SegmentId): string {
  return `${epochPath(folder, epoch)}${sep}seg-${String(segment).padStart(6, '0')}.log`;
}

/** Oldest first. */
export function listEpochs(disk: Disk, folder: string): number[] {
  const names = disk.list(epochsPath(folder)).filter((name) => epochName.test(name));
  return names.map(Number).sort((one, other) => one - other);
}

/** undefined if there is none. */
export function newestEpoch(disk: Disk, folder: string): number | undefined {
  let newest: number | undefined;
  for (const name of disk.list(epochsPath(folder))) {
    if (epochName.test(name)) newest = Math.max(newest ?? 0, Number(name));
  }
  return newest;
}

/** Oldest first. */
export function listSegments(disk: Disk, folder: string, epoch: number): SegmentId[] {
  const matches = disk.list(epochPath(folder, epoch)).map((name) => segmentName.exec(name));
  const segments = matches.flatMap((match) => (match ? [Number(match[1])] : []));
  return segments.sort((one, other) => one - other).map((segment) => ({ epoch, segment }));
}

export function historyPath(folder: string): string {
  return join(folder, 'history');
}

/** Where a segment lies that the log does not need any more. */
export function historyFilePath(folder: string, id: SegmentId): string {
  return join(historyPath(folder), keptName(id, 'log'));
}

/** Where such a segment lies in which corruption was found. */
export function quarantineFilePath(folder: string, id: SegmentId): string {
  return join(quarantinePath(folder), keptName(id, 'log'));
}

export function quarantinePath(folder: string): string {
  return join(folder, 'damaged');
}

/** The name of such a segment, or of the note on it. */
export function keptName({ epoch, segment }: SegmentId, extension: 'log' | 'json'): string {
  return `${String(epoch).padStart(8, '0')}-${String(segment).padStart(6, '0')}.${extension}`;
}

/** Oldest first. */
export function listHistory(disk: Disk, folder: string): SegmentId[] {
  return listKept(disk, historyPath(folder));
}

/** Oldest first. */
export function listQuarantine(disk: Disk, folder: string): SegmentId[] {
  return listKept(disk, quarantinePath(folder));
}

function listKept(disk: Disk, path: string): SegmentId[] {
  const matches = disk.list(path).map((name) => historyName.exec(name));
  const files = matches.flatMap((match) =>
    match ? [{ epoch: Number(match[1]), segment: Number(match[2]) }] : [],
  );
  return files.sort(inOrder);
}

/** Below 0 if the first was begun before the second. */
export function inOrder(one: SegmentId, other: SegmentId): number {
  return one.epoch - other.epoch || one.segment - other.segment;
}

export function isSameSegment(one: SegmentId, other: SegmentId): boolean {
  return inOrder(one, other) === 0;
}

/** `durable` is the latest sync point. It has a checksum, since it counts even if no sync point is left in the log. */
export function writeOwner(
  disk: Disk,
  folder: string,
  epoch: number,
  note: OwnerNote,
  durable?: Position,
): void {
  const sealed = durable && { ...durable, checksum: sealChecksum(epoch, durable) };
  disk.writeNote(ownerPath(folder, epoch), `${JSON.stringify({ ...note, sealed })}\n`);
}

/** The sync point in the note of an epoch; undefined if there is none with a valid checksum. */
export function readSealed(disk: Disk, folder: string, epoch: number): Position | undefined {
  try {
    const { segment, offset, checksum } = readNote(disk, folder, epoch).sealed;
    return checksum === sealChecksum(epoch, { segment, offset }) ? { segment, offset } : undefined;
  } catch {
    return undefined;
  }
}

function sealChecksum(epoch: number, { segment, offset }: Position): number {
  return crc32(`${epoch} ${segment} ${offset}`);
}

function ownerPath(folder: string, epoch: number): string {
  return join(epochPath(folder, epoch), 'owner.json');
}

/** The newest owner's note; undefined if there is none that can be read. */
export function readOwner(folder: string, disk: Disk = realDisk): OwnerNote | undefined {
  try {
    const epoch = newestEpoch(disk, folder);
    if (epoch === undefined) return undefined;
    const { pid, started, addresses, program, name } = readNote(disk, folder, epoch);
    if (!Number.isSafeInteger(pid) || !Number.isSafeInteger(started)) return undefined;
    if (!Array.isArray(addresses)) return undefined;
    return {
      ...{ pid, started, addresses: addresses.map(String) },
      ...(typeof program === 'string' && { program }),
      ...(typeof name === 'string' && { name }),
    };
  } catch {
    return undefined;
  }
}

/** Unchecked. Throws if it is not JSON. */
function readNote(disk: Disk, folder: string, epoch: number) {
  const bytes = disk.readPart(ownerPath(folder, epoch), 0, ownerBytesMax);
  return JSON.parse(bytes.toString('utf8'));
}

/** Removes the folder of an epoch, with all that is in it. */
export function removeEpoch(disk: Disk, folder: string, epoch: number): void {
  const path = epochPath(folder, epoch);
  for (const name of disk.list(path)) disk.removeFile(join(path, name));
  disk.removeFolder(path);
}
