import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PostsByCount } from '../../../src/engine/posts-by-count.ts';

function postsOf(...counts: readonly number[]): PostsByCount {
  const posts = new PostsByCount();
  for (const count of counts) posts.set(count, { number: 100 + count, fingerprint: undefined });
  return posts;
}

function countsIn(posts: PostsByCount): number[] {
  return Array.from(posts.entries(), ([count]) => count);
}

test('posts are in the order of their counts, in whatever order they were stored', () => {
  const posts = postsOf(5, 2, 9, 1, 7);
  assert.deepEqual(countsIn(posts), [1, 2, 5, 7, 9]);
  assert.deepEqual(
    [posts.get(7)?.number, posts.get(3), posts.get(10)],
    [107, undefined, undefined],
  );
});

test('a post that is stored again under its count takes the place of the first', () => {
  const posts = postsOf(1, 2, 3);
  posts.set(2, { number: 7, fingerprint: 8 });
  assert.deepEqual([posts.size, posts.get(2)], [3, { number: 7, fingerprint: 8 }]);
});

test('the posts up to a count are deleted, whether or not there is one with that count', () => {
  for (const [last, left] of [
    [0, [2, 4, 6]],
    [2, [4, 6]],
    [5, [6]],
    [9, []],
  ] as const) {
    const posts = postsOf(2, 4, 6);
    assert.equal(posts.countUpTo(last), 3 - left.length);
    posts.deleteUpTo(last);
    assert.deepEqual(countsIn(posts), left);
  }
});

test('thousands of posts are found and deleted, in whatever order they were stored', () => {
  const ascending = Array.from({ length: 3_000 }, (_, index) => 2 * index + 2);
  const shuffled = ascending.map((_, index) => ascending[(index * 1_237) % 3_000] as number);
  for (const order of [ascending, ascending.toReversed(), shuffled]) {
    const posts = postsOf(...order);
    assert.deepEqual(countsIn(posts), ascending);
    assert.deepEqual([posts.get(4_000)?.number, posts.get(4_001)], [4_100, undefined]);
    for (const last of [0, 1, 2, 3, 1_024, 1_026, 3_001, 6_000]) {
      const left = ascending.filter((count) => count > last);
      assert.equal(posts.countUpTo(last), posts.size - left.length);
      posts.deleteUpTo(last);
      assert.deepEqual([countsIn(posts), posts.size], [left, left.length]);
    }
    posts.set(7_000, { number: 7, fingerprint: 8 });
    assert.deepEqual([posts.size, posts.get(7_000)?.number], [1, 7]);
  }
});
