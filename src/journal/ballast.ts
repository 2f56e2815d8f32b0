// Ballast, the reserve for a full disk: files of zeros in `spare/`, which are removed to make room when
// something must be written that cannot wait. A post can wait: space-check.ts refuses it unless all ballast
// is there.
import { join } from 'node:path';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { ballastFileBytes, ballastFilesMax, ballastFilesMin, settleBytes } from '../base/limits.ts';
import type { Disk, DiskFile } from './disk.ts';
import { isDiskFull, noRoom } from './epoch.ts';
import type { History } from './history.ts';

const ballastName = /^[0-9]{2,3}$/;

export class Ballast {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #filesMin: number;
  /** Names of the files that have their full length. */
  readonly #names: string[] = [];

  readonly #history: Pick<History, 'giveUpOldest'> | undefined;

  /** Takes over what earlier owners left. On a full disk `history` goes before the ballast. */
  constructor(
    disk: Disk,
    folder: string,
    filesMin = ballastFilesMin,
    history?: Pick<History, 'giveUpOldest'>,
  ) {
    this.#history = history;
    this.#disk = disk;
    this.#folder = join(folder, 'spare');
    this.#filesMin = filesMin;
    for (const name of disk.list(this.#folder).filter((each) => ballastName.test(each))) {
      // A power loss may have left it short.
      if ((disk.size(this.#path(name)) ?? 0) >= ballastFileBytes) this.#names.push(name);
      else disk.removeFile(this.#path(name));
    }
  }

  /** Some was used and not restored since. False before the first post, which makes the folder. */
  get isShort(): boolean {
    return this.#disk.identity(this.#folder) !== undefined && this.#names.length < this.#filesMin;
  }

  /**
   * Creates as much as it takes to offer and settle this number of messages. Returns the system's reason
   * when there is no room.
   */
  refill(messages: number): Error | undefined {
    const wanted = Math.min(
      ballastFilesMax,
      this.#filesMin + Math.floor((messages * settleBytes) / ballastFileBytes),
    );
    while (this.#names.length < wanted) {
      const lack = this.#addFile();
      if (lack) return lack;
    }
    return undefined;
  }

  /** Does something that cannot wait: while the disk is full for it, history goes, then one file after the other. */
  withBallast<T>(action: () => T): T {
    for (;;) {
      try {
        return action();
      } catch (error) {
        if (!isDiskFull(error) || !(this.giveUpHistory() || this.giveUpOne())) throw error;
      }
    }
  }

  #addFile(): Error | undefined {
    try {
      this.#disk.makeFolder(this.#folder);
      const { name, file } = this.#create();
      const lack = fill(file);
      if (lack) this.#disk.removeFile(this.#path(name));
      else this.#names.push(name);
      return lack;
    } catch (error) {
      return noRoom(error);
    }
  }

  /** Removes the oldest file of history. False if there is none. */
  giveUpHistory(): boolean {
    return this.#history?.giveUpOldest() ?? false;
  }

  /** Removes one file. False if there is none. */
  giveUpOne(): boolean {
    const name = this.#names.pop();
    if (name !== undefined) this.#disk.removeFile(this.#path(name));
    return name !== undefined;
  }

  /** Skips names in use by an owner that was replaced and has not noticed yet. */
  #create(): { name: string; file: DiskFile } {
    for (let number = 1; ; number++) {
      const name = String(number).padStart(2, '0');
      if (this.#names.includes(name)) continue;
      try {
        return { name, file: this.#disk.create(this.#path(name)) };
      } catch (error) {
        if (systemErrorCode(error) !== 'EEXIST') throw error;
      }
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

/** Returns the system's reason when the file cannot get its full length. */
function fill(file: DiskFile): Error | undefined {
  try {
    for (let bytes = 0; bytes < ballastFileBytes; ) {
      const more = file.write([Buffer.alloc(ballastFileBytes - bytes)], bytes);
      if (more === 0) throw new IpcError('storage_failed', `only ${bytes} bytes were written`);
      bytes += more;
    }
    return undefined;
  } catch (error) {
    return noRoom(error);
  } finally {
    file.close();
  }
}
