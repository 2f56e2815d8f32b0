// A journal with the model as its engine.

import { systemRuntime } from '../../../src/base/runtime.ts';
import type { Disk } from '../../../src/journal/disk.ts';
import type { HistoryBound } from '../../../src/journal/history-limits.ts';
import { Journal, type JournalLimits, type JournalOptions } from '../../../src/journal/journal.ts';
import type { JournalRecord } from '../../../src/model/records.ts';
import { JournalModel } from './journal-model.ts';

export const storeFolder = '/home/broker-1';

/** Files without zeros ahead, and a log that is compacted at once. */
export const smallLimits = {
  segmentReserveBytes: 1,
  segmentGrowthBytes: 1,
  segmentBytesMax: 20_000,
  segmentsCompact: 2,
  segmentsMerge: 4,
  logBytesCompact: 1,
  ballastFilesMin: 1,
};

/** For random limits: an owner compacts, and the next one merges, while there are still few segments. */
export function fewSegments(segmentsCompact: number) {
  return { segmentsCompact, segmentsMerge: 2 * segmentsCompact };
}

/** The wall clock stands still, so that it adds no stamps. */
const runtime = { ...systemRuntime, time: () => 1_700_000_000_000 };

export interface OpenStore {
  readonly journal: Journal;
  readonly model: JournalModel;
}

export interface StoreOptions {
  readonly folder?: string;
  readonly disk?: Disk;
  readonly limits?: Partial<JournalLimits>;
  readonly history?: HistoryBound;
  readonly runtime?: NonNullable<JournalOptions['runtime']>;
  /** Otherwise that of the model. */
  readonly snapshot?: JournalOptions['snapshot'];
}

export async function openStore(options: StoreOptions): Promise<OpenStore> {
  const model = new JournalModel();
  const journal = await Journal.open({
    folder: storeFolder,
    owner: { pid: 42, started: 1_700_000_000_000, addresses: ['127.0.0.1:1'] },
    restore: (record) => model.apply(record),
    snapshot: () => model.head(),
    runtime,
    ...options,
  });
  return { journal, model };
}

/** Changes the model first and then the journal, like a broker. */
export function append({ journal, model }: OpenStore, ...records: JournalRecord[]): void {
  for (const record of records) model.apply(record);
  journal.append(records);
}

/** Begins an erase, and takes out of the log all that is to leave it. */
export async function leaveLog(store: OpenStore): Promise<void> {
  store.journal.beginErase();
  while (store.journal.compactable(true)) await removeOldest(store);
}

/** Copies what is live in the oldest segment, and removes it. */
export async function removeOldest(store: OpenStore): Promise<void> {
  const numbers = store.journal.compactable();
  append(store, ...(numbers ?? []).map((number) => store.model.copyOf(number)));
  await removeCopied(store.journal);
}

/** Removes the oldest segment, whose live messages were copied, with a sync before each step. */
export async function removeCopied(journal: Journal): Promise<void> {
  await journal.sync();
  journal.dropOldest();
  await journal.sync();
  await journal.removeDropped();
}
