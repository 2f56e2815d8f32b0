// Whether an owner's epoch is still the newest: asked after each sync, before anything is acknowledged. No successor may
// be missed, not even one that has come and gone, so it takes a list of all epochs to tell; but few checks make one. A
// name that comes or goes changes the time of the last change of `epochs/`: while that is the same, so are the names.
//
// 1. The time is only as exact as the clock of the file system. So a list counts for later checks only if that clock
//    had clearly moved on when it was made: if the time of the last change was seen first `settledMs` before it.
// 2. The clock must not return to that time. It is the wall clock of this machine where `trustsTimes` is set; when that
//    is set back, the next check lists again. Elsewhere each check lists.
import type { IpcError } from '../base/errors.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Disk, FolderIdentity } from './disk.ts';
import { diskFault, type Epoch, isNewest, justReplaced, whyLost } from './epoch.ts';
import { epochsPath } from './paths.ts';

/** A step of the wall clock, backwards, that is not noticed. */
const clockStepMsMax = 1_000;
/** Longer than such a step and a tick of the coarsest times together: those of ext4 with small inodes tick each second. */
const settledMs = 4_000;

/** A time of the last change, from when it was seen first. */
interface Sight {
  readonly epochs: FolderIdentity;
  /** On both clocks of the runtime. */
  readonly now: number;
  readonly time: number;
  /** A list that counts was made since, and the epoch was the newest. */
  isListed: boolean;
}

export class Fencing {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #epochs: string;
  readonly #own: Epoch;
  readonly #runtime: Pick<Runtime, 'now' | 'time'>;
  #sight: Sight | undefined;
  /** The times of the last change come from the wall clock of this machine. */
  trustsTimes = false;

  constructor(disk: Disk, folder: string, own: Epoch, runtime: Pick<Runtime, 'now' | 'time'>) {
    this.#disk = disk;
    this.#folder = folder;
    this.#epochs = epochsPath(folder);
    this.#own = own;
    this.#runtime = runtime;
  }

  /** Whether the epoch is the newest, and its folder still the one that was created. */
  passes(): boolean {
    try {
      const now = this.#runtime.now();
      const sight = this.trustsTimes ? this.#look(now) : undefined;
      if (sight?.isListed) return true;
      const passes = isNewest(this.#disk, this.#folder, this.#own);
      if (sight) sight.isListed = passes && now - sight.now >= settledMs;
      return passes;
    } catch (error) {
      throw diskFault(error);
    }
  }

  /** The error of an owner that does not pass. */
  lost(): IpcError {
    return whyLost(this.#disk, this.#folder, this.#own);
  }

  /** `error`, unless a newer owner is the cause of it. */
  openingFault(error: unknown): unknown {
    try {
      return this.passes() ? error : justReplaced();
    } catch {
      return error;
    }
  }

  #look(now: number): Sight | undefined {
    const time = this.#runtime.time();
    const epochs = this.#disk.identity(this.#epochs);
    const sight = this.#sight;
    if (sight && epochs && isUnchanged(sight.epochs, epochs)) {
      if (time - sight.time > now - sight.now - clockStepMsMax) return sight;
    }
    // The clocks are read after the time of the last change, so it is at least that old.
    const read = () => ({ now: this.#runtime.now(), time: this.#runtime.time() });
    this.#sight = epochs && { epochs, ...read(), isListed: false };
    return this.#sight;
  }
}

function isUnchanged(before: FolderIdentity, now: FolderIdentity): boolean {
  const isSame = now.inode === before.inode && now.bornNs === before.bornNs;
  return isSame && now.changedNs === before.changedNs;
}
