// The events behind a cursor, read from files again and again: each reading goes on with the fold of the one before, so that
// files of which all records were read are not read again.
import { PastFold } from '../journal/past-fold.ts';
import type { EventBatch, EventCursor } from '../model/mail-events.ts';
import type { PastOptions } from './store-past.ts';

/** How the files of a store are read. */
export interface TailedFiles {
  /** undefined if there is none, or no file says it. */
  storeId(): Promise<string | undefined>;
  read(options: PastOptions): AsyncGenerator<EventBatch>;
  /** The lowest number of the first record of an epoch behind this one; undefined if no file says so. */
  startBehind(epoch: number): Promise<number | undefined>;
}

export class PastTail {
  readonly #files: TailedFiles;
  /** Of the last reading, if it came to its end. */
  #fold: PastFold | undefined;
  /** The store that it has read. */
  #store: string | undefined;

  constructor(files: TailedFiles) {
    this.#files = files;
  }

  /** All of it in batches. `partBytesMax` is the same each time. */
  async *behind(
    cursor: EventCursor,
    { partBytesMax, signal }: Pick<PastOptions, 'partBytesMax' | 'signal'>,
  ): AsyncGenerator<EventBatch, void> {
    let { epoch, sequence: after } = cursor;
    after = Math.min(after, await this.#endOf(epoch));
    const store = await this.#files.storeId();
    if (store !== this.#store) this.#fold = undefined;
    this.#store = store;
    const fold =
      (await this.#foldBefore({ epoch, sequence: after })) ?? new PastFold({ partBytesMax });
    this.#fold = undefined;
    fold.resume(after);
    for await (const batch of this.#files.read({ partBytesMax, signal, fold })) {
      // The records behind the cursor may be lost: the files then end before it.
      epoch = Math.max(epoch, batch.next.epoch);
      after = Math.max(after, batch.next.sequence);
      yield { ...batch, next: { epoch, sequence: after } };
    }
    this.#fold = fold;
  }

  /** A fold that has read records behind the cursor, or of a replaced owner, may know some that do not count any more. */
  async #foldBefore(cursor: EventCursor): Promise<PastFold | undefined> {
    const fold = this.#fold;
    if (!fold || fold.last.sequence > cursor.sequence) return undefined;
    const { epoch, sequence } = fold.last;
    // The cursor is before the end of its own epoch.
    const counts = epoch === cursor.epoch || sequence <= (await this.#endOf(epoch));
    return counts ? fold : undefined;
  }

  /** As in a broker: records of an epoch do not count from the start of the next one on. */
  async #endOf(epoch: number): Promise<number> {
    const start = epoch > 0 ? await this.#files.startBehind(epoch) : undefined;
    return start === undefined ? Number.POSITIVE_INFINITY : start - 1;
  }
}
