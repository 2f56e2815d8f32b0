// Ballast, the reserve for a full disk: files of zeros in `spare/`, which are removed to make room when
// something must be written that cannot wait. A post can wait: space-check.ts refuses it unless all ballast
// is there.
import { join } from 'node:path';
import { systemErrorCode } from '../base/errors.ts';
import { ballastFileBytes, ballastFilesMax, ballastFilesMin, settleBytes } from '../base/limits.ts';
import type { Disk, DiskFile } from './disk.ts';
import { isDiskFull } from './epoch.ts';

const ballastName = /^[0-9]{2,3}$/;

export class Ballast {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #filesMin: number;
  /** Names of the files that have their full length. */
  readonly #names: string[] = [];

  /** Takes over what earlier owners left. */
  constructor(disk: Disk, folder: string, filesMin = ballastFilesMin) {
    this.#disk = disk;
    this.#folder = join(folder, 'spare');
    this.#filesMin = filesMin;
    for (const name of disk.list(this.#folder).filter((each) => ballastName.test(each))) {
      // A power loss may have left it short.
      if (disk.readPart(this.#path(name), ballastFileBytes - 1, 1).length === 1)
        this.#names.push(name);
      else disk.removeFile(this.#path(name));
    }
  }

  /** Some was used and not restored since. False before the first post, which makes the folder. */
  get isShort(): boolean {
    return this.#disk.identity(this.#folder) !== undefined && this.#names.length < this.#filesMin;
  }

  /** Creates as much as it takes to offer and settle this number of messages. False if the disk is full. */
  refill(messages: number): boolean {
    const wanted = Math.min(
      ballastFilesMax,
      this.#filesMin + Math.floor((messages * settleBytes) / ballastFileBytes),
    );
    while (this.#names.length < wanted) {
      if (!this.#addFile()) return false;
    }
    return true;
  }

  /** Does something that cannot wait: while the disk is full for it, removes one file after the other. */
  withBallast<T>(action: () => T): T {
    for (;;) {
      try {
        return action();
      } catch (error) {
        if (!isDiskFull(error) || !this.#removeFile()) throw error;
      }
    }
  }

  #addFile(): boolean {
    try {
      this.#disk.makeFolder(this.#folder);
      const { name, file } = this.#create();
      const isWhole = this.#fill(file) === ballastFileBytes;
      if (isWhole) this.#names.push(name);
      else this.#disk.removeFile(this.#path(name));
      return isWhole;
    } catch (error) {
      if (isDiskFull(error)) return false;
      throw error;
    }
  }

  #fill(file: DiskFile): number {
    try {
      return file.write([Buffer.alloc(ballastFileBytes)], 0);
    } catch (error) {
      if (isDiskFull(error)) return 0;
      throw error;
    } finally {
      file.close();
    }
  }

  #removeFile(): boolean {
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
