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
