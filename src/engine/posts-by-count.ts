import { placeIn } from '../base/sorted-numbers.ts';
import type { StoredPost } from './session-posts.ts';

/** Most posts of a chunk: a session that stores thousands in an odd order moves no more than these for each. */
const chunkMax = 512;

/** Counts in ascending order, and their posts. */
interface Chunk {
  counts: number[];
  posts: StoredPost[];
}

/**
 * The stored posts of one session by their counts, in ascending order. A session acknowledges its posts in the order of
 * their counts, mostly each with the next one: a Map would make a new table every few posts.
 */
export class PostsByCount {
  /** The counts of each are below those of the next. Only a single one may be empty. */
  #chunks: [Chunk, ...Chunk[]] = [{ counts: [], posts: [] }];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(count: number): StoredPost | undefined {
    const { counts, posts } = this.#chunkOf(count);
    const at = placeIn(counts, count);
    return counts[at] === count ? posts[at] : undefined;
  }

  set(count: number, post: StoredPost): void {
    const chunk = this.#chunkOf(count);
    const { counts, posts } = chunk;
    const at = placeIn(counts, count);
    if (counts[at] === count) {
      posts[at] = post;
      return;
    }
    this.#size++;
    if (at === counts.length) {
      counts.push(count);
      posts.push(post);
    } else {
      counts.splice(at, 0, count);
      posts.splice(at, 0, post);
    }
    if (counts.length > chunkMax) this.#split(chunk);
  }

  /** How many of them have counts up to that one. */
  countUpTo(last: number): number {
    let before = 0;
    for (const { counts } of this.#chunks) {
      const inChunk = placeIn(counts, last + 1);
      before += inChunk;
      if (inChunk < counts.length) break;
    }
    return before;
  }

  deleteUpTo(last: number): void {
    while (this.#chunks.length > 1 && lastIn(this.#chunks[0]) <= last) {
      this.#size -= this.#chunks[0].counts.length;
      this.#chunks.shift();
    }
    const chunk = this.#chunks[0];
    const deleted = placeIn(chunk.counts, last + 1);
    this.#size -= deleted;
    if (deleted === 1) {
      chunk.counts.shift();
      chunk.posts.shift();
    } else if (deleted > 0) {
      chunk.counts = chunk.counts.slice(deleted);
      chunk.posts = chunk.posts.slice(deleted);
    }
  }

  *entries(): Generator<readonly [count: number, post: StoredPost]> {
    for (const { counts, posts } of this.#chunks) {
      for (const [at, count] of counts.entries()) yield [count, posts[at] as StoredPost];
    }
  }

  /** The first chunk whose last count is not smaller; else the last one. */
  #chunkOf(count: number): Chunk {
    let low = 0;
    let high = this.#chunks.length - 1;
    // Nearly every session has one.
    if (high === 0) return this.#chunks[0];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lastIn(this.#chunks[middle] as Chunk) < count) low = middle + 1;
      else high = middle;
    }
    return this.#chunks[low] as Chunk;
  }

  /** Halves a chunk. From the last one, which grows at its end, only the newest post goes to the next. */
  #split(chunk: Chunk): void {
    const at = this.#chunks.indexOf(chunk);
    const kept = at === this.#chunks.length - 1 ? chunkMax : chunkMax / 2;
    const next = { counts: chunk.counts.splice(kept), posts: chunk.posts.splice(kept) };
    this.#chunks.splice(at + 1, 0, next);
  }
}

/** The last count of a chunk that is not empty. */
function lastIn({ counts }: Chunk): number {
  return counts[counts.length - 1] as number;
}
