// A rate limit against agents that answer each other for ever: a token bucket for each pair of sender and
// mailbox. It counts what this process sends, so a ring of agents is slowed down at each of its members.
import { BoundedMap } from '../base/bounded-map.ts';
import { IpcError } from '../base/errors.ts';
import { ratePairsMax } from '../base/limits.ts';

interface Pair {
  /** Messages that may be sent at once. */
  tokens: number;
  /** When `tokens` was computed, in milliseconds of the clock `now`. */
  at: number;
}

const hourMs = 3_600_000;

export class RateLimiter {
  readonly #perHour: number;
  readonly #now: () => number;
  readonly #pairs = new BoundedMap<string, Pair>(ratePairsMax);

  constructor(perHour: number, now: () => number) {
    this.#perHour = perHour;
    this.#now = now;
  }

  /** A send that has failed for certain does not count. */
  async run<Result>(
    from: string,
    to: readonly string[],
    send: () => Promise<Result>,
  ): Promise<Result> {
    const pairs = to.map((each) => this.#ready(from, each));
    for (const pair of pairs) pair.tokens -= 1;
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof IpcError) || error.maybeStored) throw error;
      for (const pair of pairs) pair.tokens += 1;
      throw error;
    }
  }

  /** Time until the pair may send again; 0 if it may send now. */
  msUntilReady(from: string, to: string): number {
    return this.#msUntilReady(this.#pair(from, to));
  }

  #msUntilReady({ tokens }: Pair): number {
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * hourMs) / this.#perHour);
  }

  /** Throws when the pair has reached its limit. */
  #ready(from: string, to: string): Pair {
    const pair = this.#pair(from, to);
    const ms = this.#msUntilReady(pair);
    if (ms === 0) return pair;
    const seconds = Math.ceil(ms / 1_000);
    const sender = from === '' ? 'this session' : JSON.stringify(from);
    const what = `${sender} has sent ${JSON.stringify(to)} its limit of ${this.#perHour} messages an hour`;
    throw new IpcError('too_many_posts', `${what}; the next one may be sent in ${seconds} s`);
  }

  #pair(from: string, to: string): Pair {
    const key = JSON.stringify([from, to]);
    const now = this.#now();
    const known = this.#pairs.get(key) ?? { tokens: this.#perHour, at: now };
    const earned = ((now - known.at) * this.#perHour) / hourMs;
    known.tokens = Math.min(this.#perHour, known.tokens + earned);
    known.at = now;
    this.#pairs.set(key, known);
    return known;
  }
}
