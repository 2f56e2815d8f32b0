import type { SessionId } from '../model/message.ts';

/** The messages of one session, with ascending counts. */
interface Run {
  readonly session: SessionId;
  readonly counts: number[];
  /** The numbers of the messages; 0 for one that has gone. */
  readonly numbers: number[];
  live: number;
}

/**
 * Numbers of messages by session and count, for a replay, in which the counts of each session ascend nearly always.
 * It takes no hash of each id, and no room for its text.
 */
export class CountIndex {
  /** A session with one message has its number alone: each run of a program is a session. */
  readonly #runs = new Map<SessionId, Run | number>();
  readonly #countOf: (number: number) => number;
  #last: Run | undefined;

  /** `countOf`: the count of a message that is in the index. */
  constructor(countOf: (number: number) => number) {
    this.#countOf = countOf;
  }

  get isEmpty(): boolean {
    return this.#runs.size === 0;
  }

  /** Returns the session, as a string that its messages share; undefined, and adds nothing, if the count is too low. */
  add(session: SessionId, count: number, number: number): SessionId | undefined {
    const run = this.#last?.session === session ? this.#last : this.#runs.get(session);
    if (run === undefined) {
      this.#runs.set(session, number);
      return session;
    }
    const entered = typeof run === 'number' ? this.#begin(session, run) : run;
    if (count <= (entered.counts.at(-1) as number)) return undefined;
    entered.counts.push(count);
    entered.numbers.push(number);
    entered.live++;
    this.#last = entered;
    return entered.session;
  }

  get(session: SessionId, count: number): number | undefined {
    const run = this.#runs.get(session);
    if (typeof run !== 'object') {
      return run !== undefined && this.#countOf(run) === count ? run : undefined;
    }
    return run.numbers[placeOf(run, count)] || undefined;
  }

  /** Of a message that is in the index. */
  delete(session: SessionId, count: number): void {
    const run = this.#runs.get(session);
    if (typeof run === 'object') {
      run.numbers[placeOf(run, count)] = 0;
      if (--run.live > 0) return;
    }
    this.#runs.delete(session);
    if (this.#last === run) this.#last = undefined;
  }

  #begin(session: SessionId, number: number): Run {
    const run = { session, counts: [this.#countOf(number)], numbers: [number], live: 1 };
    this.#runs.set(session, run);
    return run;
  }
}

/** The place of that count; -1 if the run lacks it. */
function placeOf({ counts }: Run, count: number): number {
  let low = 0;
  let high = counts.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((counts[middle] as number) < count) low = middle + 1;
    else high = middle;
  }
  return counts[low] === count ? low : -1;
}
