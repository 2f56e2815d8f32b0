// Messages that may have been stored in vain: an owner delivered them before they were durable, a later owner did not have
// them, and their holder settled them there, perhaps without a response. Their posts are then acknowledged as duplicates,
// and no record tells of them.
import type { Entry } from './history.ts';

export class Undone {
  readonly #ids = new Set<string>();
  readonly #acked = new Set<string>();
  /** The epoch of the last delivery. */
  readonly #delivered = new Map<string, number>();

  /** Of each connection. */
  readonly #epochs = new Map<string, number>();
  /** Messages that their holders have asked to settle. */
  readonly #settling = new Set<string>();

  /** All entries of a history, in order. */
  take(entry: Entry): void {
    switch (entry.kind) {
      case 'welcomed':
        this.#epochs.set(entry.on, entry.epoch);
        return;
      case 'offered':
        this.#delivered.set(entry.message.id, entry.epoch);
        return;
      case 'acked':
        this.#acked.add(entry.id);
        return;
      case 'settle':
        for (const id of entry.ids) this.#settling.add(id);
        return;
      case 'gaveUp':
        return this.#settle(
          this.#epochs.get(entry.on) ?? 0,
          entry.ids.filter((id) => this.#settling.has(id)),
        );
      case 'settled':
        return this.#settle(entry.epoch, entry.ids);
    }
  }

  #settle(epoch: number, ids: readonly string[]): void {
    for (const id of ids) {
      const isEarlier = (this.#delivered.get(id) ?? epoch) < epoch;
      if (isEarlier && !this.#acked.has(id)) this.#ids.add(id);
    }
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }
}
