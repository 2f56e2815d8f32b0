import type { StoredPost } from './session-posts.ts';

/**
 * The stored posts of one session by their counts, in ascending order. A session acknowledges its posts in the order of
 * their counts, mostly each with the next one: a Map would make a new table every few posts.
 */
export class PostsByCount {
  #counts: number[] = [];
  #posts: StoredPost[] = [];

  get size(): number {
    return this.#counts.length;
  }

  get(count: number): StoredPost | undefined {
    const at = this.#placeOf(count);
    return this.#counts[at] === count ? this.#posts[at] : undefined;
  }

  set(count: number, post: StoredPost): void {
    const at = this.#placeOf(count);
    if (at === this.#counts.length) {
      this.#counts.push(count);
      this.#posts.push(post);
    } else if (this.#counts[at] === count) this.#posts[at] = post;
    else {
      this.#counts.splice(at, 0, count);
      this.#posts.splice(at, 0, post);
    }
  }

  /** How many of them have counts up to that one. */
  countUpTo(last: number): number {
    return this.#placeOf(last + 1);
  }

  deleteUpTo(last: number): void {
    const deleted = this.countUpTo(last);
    if (deleted === 1) {
      this.#counts.shift();
      this.#posts.shift();
    } else if (deleted > 0) {
      this.#counts = this.#counts.slice(deleted);
      this.#posts = this.#posts.slice(deleted);
    }
  }

  *entries(): Generator<readonly [count: number, post: StoredPost]> {
    for (const [at, count] of this.#counts.entries()) yield [count, this.#posts[at] as StoredPost];
  }

  /** The place of the first count that is not smaller. */
  #placeOf(count: number): number {
    let high = this.#counts.length;
    // Nearly every count is asked for at one of the ends.
    if (high === 0 || (this.#counts[high - 1] as number) < count) return high;
    if ((this.#counts[0] as number) >= count) return 0;
    let low = 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#counts[middle] as number) < count) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
