// A guard against agents that answer each other for ever: from one sender to one mailbox so many messages
// an hour. The first of them may go at once; then one after the other, as the hour goes by. It looks at
// what this process sends, so that a ring of agents stops at each of its members.
import { IpcError } from '../base/errors.ts';
import { ratePairsMax } from '../base/limits.ts';

interface Pair {
  /** Messages that may go at once. */
  left: number;
  /** Of the clock that `now` shows, in milliseconds. */
  at: number;
}

const hourMs = 3_600_000;

export class RateGuard {
  readonly #perHour: number;
  readonly #now: () => number;
  /** The pair longest unheard is the first. */
  readonly #pairs = new Map<string, Pair>();

  constructor(perHour: number, now: () => number) {
    this.#perHour = perHour;
    this.#now = now;
  }

  /** What fails for certain was not sent, and does not count. */
  async run<Result>(
    from: string,
    to: readonly string[],
    send: () => Promise<Result>,
  ): Promise<Result> {
    const pairs = to.map((each) => this.#ready(from, each));
    for (const pair of pairs) pair.left -= 1;
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof IpcError) || error.maybeStored) throw error;
      for (const pair of pairs) pair.left += 1;
      throw error;
    }
  }

  /** Throws when one more is too many. */
  #ready(from: string, to: string): Pair {
    const pair = this.#pair(JSON.stringify([from, to]));
    if (pair.left >= 1) return pair;
    const seconds = Math.ceil(((1 - pair.left) * hourMs) / this.#perHour / 1_000);
    const sender = from === '' ? 'this session' : JSON.stringify(from);
    const what = `${sender} sent ${JSON.stringify(to)} as many messages as it may: ${this.#perHour} an hour`;
    throw new IpcError('too_many_posts', `${what}; the next may go in ${seconds} s`);
  }

  #pair(key: string): Pair {
    const now = this.#now();
    const known = this.#pairs.get(key) ?? { left: this.#perHour, at: now };
    const earned = ((now - known.at) * this.#perHour) / hourMs;
    known.left = Math.min(this.#perHour, known.left + earned);
    known.at = now;
    this.#pairs.delete(key);
    this.#pairs.set(key, known);
    for (const oldest of this.#pairs.keys()) {
      if (this.#pairs.size <= ratePairsMax) break;
      this.#pairs.delete(oldest);
    }
    return known;
  }
}
