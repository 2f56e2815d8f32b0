// Room for a disk that is full: files of zeros in `spare/`, given back to the file system when something
// must be written that may not wait. A post may wait: it is refused unless all spares are there.
import { join } from 'node:path';
import { settleBytes, spareBytes, sparesMax, sparesMin } from '../base/limits.ts';
import { type Disk, type DiskFile, hasCode } from './disk.ts';
import { isDiskFull } from './epoch.ts';

const spareName = /^[0-9]{2,3}$/;

export class BallastFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #min: number;
  /** Names of those that are there whole. */
  readonly #whole: string[] = [];

  /** Looks for what earlier owners left. */
  constructor(disk: Disk, folder: string, min = sparesMin) {
    this.#disk = disk;
    this.#folder = join(folder, 'spare');
    this.#min = min;
    for (const name of disk.list(this.#folder).filter((each) => spareName.test(each))) {
      // A power loss may have left it short.
      if (disk.readPart(this.#path(name), spareBytes - 1, 1).length === 1) this.#whole.push(name);
      else disk.removeFile(this.#path(name));
    }
  }

  /** Some were given back, and there was no room since; not so before the first post. */
  get areShort(): boolean {
    return this.#disk.identity(this.#folder) !== undefined && this.#whole.length < this.#min;
  }

  /** As many as so many messages may need to be offered and settled. False when the disk is full. */
  refill(messages: number): boolean {
    const wanted = Math.min(
      sparesMax,
      this.#min + Math.floor((messages * settleBytes) / spareBytes),
    );
    while (this.#whole.length < wanted) {
      if (!this.#make()) return false;
    }
    return true;
  }

  /** Does what may not wait. When the disk is full, gives spares back for it, one by one. */
  insist<T>(action: () => T): T {
    for (;;) {
      try {
        return action();
      } catch (error) {
        if (!isDiskFull(error) || !this.#giveBack()) throw error;
      }
    }
  }

  #make(): boolean {
    try {
      this.#disk.makeFolder(this.#folder);
      const { name, file } = this.#create();
      const isWhole = this.#fill(file) === spareBytes;
      if (isWhole) this.#whole.push(name);
      else this.#disk.removeFile(this.#path(name));
      return isWhole;
    } catch (error) {
      if (isDiskFull(error)) return false;
      throw error;
    }
  }

  #fill(file: DiskFile): number {
    try {
      return file.write([Buffer.alloc(spareBytes)], 0);
    } catch (error) {
      if (isDiskFull(error)) return 0;
      throw error;
    } finally {
      file.close();
    }
  }

  #giveBack(): boolean {
    const name = this.#whole.pop();
    if (name !== undefined) this.#disk.removeFile(this.#path(name));
    return name !== undefined;
  }

  /** Passes over a name that is taken: by an owner that was replaced and does not know it yet. */
  #create(): { name: string; file: DiskFile } {
    for (let number = 1; ; number++) {
      const name = String(number).padStart(2, '0');
      if (this.#whole.includes(name)) continue;
      try {
        return { name, file: this.#disk.create(this.#path(name)) };
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error;
      }
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}
