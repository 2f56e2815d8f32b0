// The real disk, but a file's sync waits at a gate, or fails, when the test says so.
import { type Disk, type DiskFile, realDisk } from '../../../src/journal/disk.ts';

export class GatedDisk {
  /** Set to hold every sync until it resolves, or to fail it when it rejects. */
  gate: Promise<void> = Promise.resolve();
  /** Called when a sync begins. */
  onSync: () => void = () => {};
  /** Called with what was written. */
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
      close: () => file.close(),
    };
  }
}
