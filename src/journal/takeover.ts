// The first steps of a new owner: up to here only the folder of its epoch was created. docs/internals/journal.md has the
// reason for their order, under "Opening".
import { systemRuntime } from '../base/runtime.ts';
import { Ballast } from './ballast.ts';
import { realDisk } from './disk.ts';
import { abandonEpoch, type Epoch, makeEpoch, syncParents } from './epoch.ts';
import { History } from './history.ts';
import { historyDefault, type JournalOptions, limitsDefault } from './journal-options.ts';
import { type Log, storeId, survey } from './recovery.ts';

export interface Takeover {
  readonly own: Epoch;
  /** What counts in the epochs before. */
  readonly log: Log;
  readonly ballast: Ballast;
  readonly history: History;
}

/** The store is not changed if it throws store_newer. */
export async function takeOver(options: JournalOptions): Promise<Takeover> {
  const { folder, disk = realDisk, history: bound = historyDefault } = options;
  const { runtime = systemRuntime } = options;
  storeId(folder, disk); // throws if the store is newer
  const limits = { ...limitsDefault, ...options.limits };
  const history = new History(disk, folder, bound, limits, runtime);
  const ballast = new Ballast(disk, folder, options.limits?.ballastFilesMin, history);
  const own = await makeEpoch(disk, folder, options.owner, ballast);
  try {
    const log = await survey(disk, folder, own.epoch);
    if (log.store === undefined) await syncParents(disk, folder);
    return { own, log, ballast, history };
  } catch (error) {
    abandonEpoch(disk, folder, own);
    throw error;
  }
}
