// The smallest reader of what a store can tell: its numbered records, from history and from the log, each once.
import type { Disk } from '../../../src/journal/disk.ts';
import { startOf } from '../../../src/journal/history-file.ts';
import {
  historyFilePath,
  inOrder,
  listEpochs,
  listHistory,
  listSegments,
  segmentPath,
} from '../../../src/journal/paths.ts';
import type { SegmentId } from '../../../src/journal/record-framing.ts';
import { readEach, survey } from '../../../src/journal/recovery.ts';
import type { JournalRecord } from '../../../src/model/records.ts';

export interface ToldRecord {
  readonly sequence: number;
  readonly time: number;
  readonly record: JournalRecord | undefined;
}

interface Source {
  readonly id: SegmentId;
  readonly bytes: Buffer;
}

export async function toldRecords(disk: Disk, folder: string): Promise<ToldRecord[]> {
  const sources = await readSources(disk, folder);
  const starts = sources.map(({ id, bytes }) => startOf(bytes, id)?.sequence ?? Infinity);
  const told: ToldRecord[] = [];
  for (const [index, { id, bytes }] of sources.entries()) {
    const end = Math.min(Infinity, ...starts.slice(index + 1));
    const reader = {
      lost: () => {},
      record: (_: unknown, record: JournalRecord | undefined, place: ToldPlace) => {
        if (!place || place.sequence >= end) return;
        if (place.sequence > (told.at(-1)?.sequence ?? 0)) told.push({ ...place, record });
      },
    };
    for (const _ of readEach(bytes, { ...id, bytes: bytes.length }, reader));
  }
  return told;
}

type ToldPlace = Pick<ToldRecord, 'sequence' | 'time'> | undefined;

async function readSources(disk: Disk, folder: string): Promise<Source[]> {
  const none = Buffer.alloc(0);
  const sources: Source[] = [];
  for (const id of listHistory(disk, folder)) {
    sources.push({ id, bytes: (await disk.read(historyFilePath(folder, id))) ?? none });
  }
  const { segments } = await survey(disk, folder, Number.POSITIVE_INFINITY);
  const last = segments.at(-1);
  const counting = new Map(
    segments.map(({ epoch, segment, bytes }) => [`${epoch} ${segment}`, bytes]),
  );
  const all = listEpochs(disk, folder).flatMap((epoch) => listSegments(disk, folder, epoch));
  for (const id of all.filter((each) => last && inOrder(each, last) <= 0)) {
    const bytes = (await disk.read(segmentPath(folder, id))) ?? none;
    // One that does not count was removed, and a power loss undid its move.
    const length = counting.get(`${id.epoch} ${id.segment}`) ?? bytes.length;
    sources.push({ id, bytes: bytes.subarray(0, length) });
  }
  // A merge moves newer segments into history than some that stay.
  sources.sort(({ id }, { id: other }) => inOrder(id, other));
  return sources;
}
