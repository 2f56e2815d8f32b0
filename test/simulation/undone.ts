// Messages that may have been stored in vain: an owner delivered them before they were durable, a later owner did not have
// them, and their holder settled them there. Their posts are then acknowledged as duplicates, and no record tells of them.
import type { Entry } from './history.ts';

export class Undone {
  readonly #ids = new Set<string>();
  readonly #acked = new Set<string>();
  /** The epoch of the last delivery. */
  readonly #delivered = new Map<string, number>();

  /** All entries of a history, in order. */
  take(entry: Entry): void {
    if (entry.kind === 'offered') this.#delivered.set(entry.message.id, entry.epoch);
    else if (entry.kind === 'acked') this.#acked.add(entry.id);
    else if (entry.kind === 'settled') {
      const { epoch, ids } = entry;
      for (const id of ids) {
        const isEarlier = (this.#delivered.get(id) ?? epoch) < epoch;
        if (isEarlier && !this.#acked.has(id)) this.#ids.add(id);
      }
    }
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }
}
