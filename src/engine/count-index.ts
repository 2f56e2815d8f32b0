import { placeIn } from '../base/sorted-numbers.ts';
import type { GeneratedId, SessionId } from '../model/message.ts';

/** The messages of one session, with ascending counts. At least a quarter of them are live. */
interface Run {
  readonly session: SessionId;
  counts: number[];
  /** The numbers of the messages; 0 for one that has gone. */
  numbers: number[];
  live: number;
}

/**
 * Numbers of messages by session and count. The counts of each session ascend nearly always. It takes no hash of each
 * id, and no room for its text.
 */
export class CountIndex {
  /** A session with one message has its number alone: each run of a program is a session. */
  readonly #runs = new Map<SessionId, Run | number>();
  readonly #idOf: (number: number) => GeneratedId;
  #last: Run | undefined;

  /** `idOf`: the id of a message that is in the index. */
  constructor(idOf: (number: number) => GeneratedId) {
    this.#idOf = idOf;
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
    const entered = typeof run === 'number' ? this.#runOf(run) : run;
    if (count <= (entered.counts.at(-1) as number)) return undefined;
    if (entered !== run) this.#runs.set(session, entered);
    entered.counts.push(count);
    entered.numbers.push(number);
    entered.live++;
    this.#last = entered;
    return entered.session;
  }

  get(session: SessionId, count: number): number | undefined {
    const run = this.#runs.get(session);
    if (typeof run !== 'object') {
      return run !== undefined && this.#idOf(run).count === count ? run : undefined;
    }
    return run.numbers[indexOf(run, count)] || undefined;
  }

  /** Returns false, and deletes nothing, if it has another message with this id, or none. */
  delete(session: SessionId, count: number, number: number): boolean {
    const run = this.#runs.get(session);
    if (typeof run === 'object') {
      const index = indexOf(run, count);
      if (run.numbers[index] !== number) return false;
      run.numbers[index] = 0;
      run.live--;
      if (run.live * 4 < run.counts.length) shrink(run);
      if (run.live > 0) return true;
    } else if (run !== number) return false;
    this.#runs.delete(session);
    if (this.#last === run) this.#last = undefined;
    return true;
  }

  /** The run that begins with this message. */
  #runOf(number: number): Run {
    const { session, count } = this.#idOf(number);
    return { session, counts: [count], numbers: [number], live: 1 };
  }
}

/** Removes what has gone. */
function shrink(run: Run): void {
  run.counts = run.counts.filter((_, index) => run.numbers[index] !== 0);
  run.numbers = run.numbers.filter((number) => number !== 0);
}

/** The index of that count; -1 if the run lacks it. */
function indexOf({ counts }: Run, count: number): number {
  // Nearly all runs have each count from their first one on.
  const guess = count - (counts[0] as number);
  if (counts[guess] === count) return guess;
  const place = placeIn(counts, count);
  return counts[place] === count ? place : -1;
}
