// What history has, and what of it is corrupt. Changes nothing.
import { envelopesOf } from '../model/post.ts';
import { readCounting } from './counting-records.ts';
import type { Disk } from './disk.ts';
import { isResidue, nextOwnStartIn, readKept, startBehind } from './history-file.ts';
import { listPast, startsAt } from './past-files.ts';
import { historyFilePath, listHistory } from './paths.ts';
import { decodeRecord, unlessCorrupt } from './record-codec.ts';
import { isValid, rawRecordAt } from './record-framing.ts';

export interface HistoryReport {
  readonly files: number;
  /** Length of the files. */
  readonly bytes: number;
  /** Messages that were stored in it. */
  readonly messages: number;
  /** When the first and the last record of it were written, in milliseconds since 1970; 0 if that is not known. */
  readonly begin: number;
  readonly end: number;
  /** Sentences for people. */
  readonly faults: readonly string[];
}

export async function checkHistory(disk: Disk, folder: string): Promise<HistoryReport> {
  const files = listHistory(disk, folder);
  const faults: string[] = [];
  const messages = new Set<number>();
  let [bytesRead, begin, end] = [0, 0, 0];
  const past = await listPast(disk, folder);
  const starts = startsAt(disk, past.files);
  for (const id of files) {
    // Records behind a torn end do not count, since the next owner gave their numbers anew.
    const countEnd = startBehind(id, starts);
    const path = historyFilePath(folder, id);
    const bytes = (await readKept(disk, path)) ?? Buffer.alloc(0);
    bytesRead += bytes.length;
    // A file without bytes is none that a broker has moved here.
    let [isBehindHole, isCorrupt] = [false, bytes.length === 0 && disk.size(path) !== undefined];
    const nextOwnStart = () => nextOwnStartIn(disk, folder, id);
    const steps = readCounting(
      { id, bytes, end: countEnd, nextOwnStart },
      {
        lost: () => {
          isBehindHole = true;
          // Nothing is written behind its last record, and what is lost there has no number.
          isCorrupt ||= isResidue(id);
        },
        take: (header, place) => {
          if (!place && !isResidue(id)) return;
          const raw = rawRecordAt(bytes, header);
          const record = unlessCorrupt(decodeRecord, raw, 'corrupt');
          if (!isValid(raw) || record === 'corrupt' || isBehindHole) isCorrupt = true;
          if (!place) return;
          begin ||= place.time;
          end = Math.max(end, place.time);
          if (record === 'corrupt' || record?.kind !== 'posted') return;
          for (const { number } of envelopesOf(record)) messages.add(number);
        },
      },
    );
    for (const _ of steps);
    if (isCorrupt)
      faults.push(`history: ${path} has lost some of what it told; no mail is affected`);
  }
  return { files: files.length, bytes: bytesRead, messages: messages.size, begin, end, faults };
}
