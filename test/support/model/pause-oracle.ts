// Which mailboxes are paused, and what a pause must change: told from the requests and records alone.
import assert from 'node:assert/strict';
import type { EngineLimits } from '../../../src/engine/engine-limits.ts';
import type { Name } from '../../../src/model/message.ts';
import type { PauseRequest, PausingResponse } from '../../../src/model/pause-requests.ts';
import type { PausedRecord } from '../../../src/model/records.ts';

export class PauseOracle {
  /** By their names. */
  readonly #named: Set<Name>;
  #isAll: boolean;

  constructor(other?: PauseOracle) {
    this.#named = new Set(other ? other.#named : []);
    this.#isAll = other ? other.#isAll : false;
  }

  has(mailbox: Name): boolean {
    return this.#isAll || this.#named.has(mailbox);
  }

  /** Sorted; '' for all. */
  get names(): readonly (Name | '')[] {
    return [...(this.#isAll ? (['' as const] as const) : []), ...this.#named].sort();
  }

  error(
    { isPaused, mailboxes }: PauseRequest,
    { pausedMailboxesMax }: EngineLimits,
  ): string | undefined {
    const all = new Set([...this.#named, ...mailboxes]);
    const isGrowing = isPaused && all.size > this.#named.size;
    return isGrowing && all.size > pausedMailboxesMax ? 'too_many_pauses' : undefined;
  }

  /** The records of a pause, in their order. */
  expected({ isPaused, mailboxes }: PauseRequest): PausedRecord[] {
    if (mailboxes.length > 0) {
      const others = mailboxes.filter((name, index) => mailboxes.indexOf(name) === index);
      const changed = others.filter((name) => this.#named.has(name) !== isPaused);
      return changed.map((mailbox) => ({ kind: 'paused', mailbox, isPaused }));
    }
    const isSo = isPaused ? this.#isAll : !this.#isAll && this.#named.size === 0;
    return isSo ? [] : [{ kind: 'paused', mailbox: '', isPaused }];
  }

  apply({ mailbox, isPaused }: PausedRecord): void {
    if (mailbox === '') this.#isAll = isPaused;
    if (mailbox === '' && !isPaused) this.#named.clear();
    if (mailbox === '') return;
    if (isPaused) this.#named.add(mailbox);
    else this.#named.delete(mailbox);
  }

  check({ mailboxes }: Pick<PausingResponse, 'mailboxes'>): void {
    assert.deepEqual([...mailboxes].sort(), this.names);
  }
}
