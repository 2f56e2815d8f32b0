// The real disk, but a test can hold or fail the sync of a file.
import { type Disk, type DiskFile, realDisk } from '../../../src/journal/disk.ts';

export class GatedDisk {
  /** Holds every sync until this resolves; if it rejects, the sync fails. */
  gate: Promise<void> = Promise.resolve();
  /** Called when a sync begins. */
  onSync: () => void = () => {};
  /** Called with the bytes of every write. */
  onWrite: (buffers: readonly Buffer[]) => void = () => {};
  onSynced: () => void = () => {};

  readonly disk: Disk = {
    ...realDisk,
    create: (path) => this.#guard(realDisk.create(path)),
  };

  #guard(file: DiskFile): DiskFile {
    return {
      write: (buffers, offset) => {
        const bytes = file.write(buffers, offset);
        this.onWrite(buffers);
        return bytes;
      },
      sync: async () => {
        this.onSync();
        await this.gate;
        await file.sync();
        this.onSynced();
      },
      isInPlace: () => file.isInPlace(),
      close: () => file.close(),
    };
  }
}
