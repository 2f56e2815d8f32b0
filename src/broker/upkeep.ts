// What a broker does at each heartbeat, even when it has no requests.
// 1. Fencing: an owner that was replaced may have nothing to sync, so it would not notice.
// 2. Memory of large bodies and of files that was not needed since the last heartbeat goes back to the system.
// 3. Now and then history that is too old is removed.
// When the broker ends, all spare memory goes back.
import { freeMemory } from '../base/free-memory.ts';
import { fileMemory, largeMemory } from '../base/large-memory.ts';
import { historyTidyMs } from '../base/limits.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Journal } from '../journal/journal.ts';
import { checkFencing } from './group-commit.ts';

const memories = [largeMemory, fileMemory];

export class Upkeep {
  readonly #journal: Journal;
  readonly #runtime: Pick<Runtime, 'now'>;
  #historyTidied: number;

  constructor(journal: Journal, runtime: Pick<Runtime, 'now'>) {
    this.#journal = journal;
    this.#runtime = runtime;
    this.#historyTidied = runtime.now();
  }

  /** Throws `owner_replaced` if a newer owner has begun. */
  beat(): void {
    checkFencing(this.#journal);
    for (const each of memories) for (const memory of each.surplus()) freeMemory(memory);
    if (this.#runtime.now() - this.#historyTidied < historyTidyMs) return;
    this.#historyTidied = this.#runtime.now();
    this.#journal.tidyHistory();
  }

  /** The process may go on without a broker. */
  end(): void {
    for (const each of memories) for (const memory of each.spares()) freeMemory(memory);
  }
}
