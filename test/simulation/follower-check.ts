// I8: a session that follows the events of the brokers sees what happened, in order and each event once, over all
// faults. It is checked by the history alone: every acknowledged post was stored, every confirmed settle ended its
// message, a message is delivered while nobody holds it, and settled by its holder. What an owner wrote and a later one
// did not find has not happened, and neither have its events: they are at the start of a later epoch, or behind it.
// Where a gap was reported, only the order is checked.
import type { Entry, SawEvent } from './history.ts';
import { Undone } from './undone.ts';

type Saw = Extract<Entry, { kind: 'saw' }>;

export class FollowerCheck {
  readonly #found: string[] = [];
  /** Of the epochs in which a follower may have seen events. */
  readonly #starts = new Map<number, number>();
  readonly #acked = new Set<string>();
  readonly #settled = new Set<string>();
  readonly #undone = new Undone();
  #seen: SawEvent[] = [];
  #last = 0;
  #hasFollowed = false;
  #hasGap = false;

  take(entry: Entry): void {
    this.#undone.take(entry);
    switch (entry.kind) {
      case 'owns':
        this.#starts.set(entry.epoch, entry.start);
        return this.#undo(entry.start);
      case 'acked':
        this.#acked.add(entry.id);
        return;
      case 'settled':
        for (const id of entry.ids) this.#settled.add(id);
        return;
      case 'saw':
        return this.#see(entry);
    }
  }

  end(isDrained: boolean): string[] {
    if (!this.#hasFollowed || !isDrained) return this.#found;
    if (!this.#hasGap) this.#checkLives();
    return this.#found;
  }

  /** `start`: of a new epoch. */
  #undo(start: number): void {
    this.#seen = this.#seen.filter(({ sequence }) => sequence < start);
    this.#last = Math.min(this.#last, start - 1);
  }

  #see({ epoch, events, gap }: Saw): void {
    this.#hasFollowed = true;
    if (gap) this.#hasGap = true;
    const later = [...this.#starts].filter(([each]) => each > epoch).map(([, start]) => start);
    const end = Math.min(...later);
    for (const event of events) {
      // An owner that was replaced may give out what it wrote in vain.
      if (event.sequence >= end) continue;
      const before = this.#seen.at(-1);
      const isSameRecord = before?.sequence === event.sequence && before.batch === event.batch;
      if (event.sequence <= this.#last && !isSameRecord) {
        this.#found.push(
          `I8 seen twice or too late: ${JSON.stringify(event)} behind ${this.#last}`,
        );
      }
      this.#seen.push(event);
      this.#last = Math.max(this.#last, event.sequence);
    }
  }

  #checkLives(): void {
    const states = new Map<string, 'ready' | 'held' | 'over'>();
    for (const { what, id } of this.#seen) {
      const before = states.get(id);
      const [from, to] = transitions[what] ?? [];
      if (to === undefined) continue;
      if (before !== from) this.#found.push(`I8 ${id} was ${before ?? 'unknown'}, then ${what}`);
      states.set(id, to);
    }
    for (const id of this.#acked) {
      if (states.has(id) || this.#undone.has(id)) continue;
      this.#found.push(`I8 the store of ${id} was acknowledged, and not seen`);
    }
    for (const id of this.#settled) {
      const state = states.get(id) ?? 'over';
      if (state !== 'over') this.#found.push(`I8 ${id} is settled, and was seen as ${state}`);
    }
  }
}

const transitions: Record<
  string,
  readonly ['ready' | 'held' | undefined, 'ready' | 'held' | 'over']
> = {
  stored: [undefined, 'ready'],
  delivered: ['ready', 'held'],
  requeued: ['held', 'ready'],
  deadLettered: ['held', 'ready'],
  settled: ['held', 'over'],
  dropped: ['ready', 'over'],
};
