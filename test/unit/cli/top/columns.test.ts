import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  columnsOf,
  cut,
  cutFront,
  fit,
  fitRow,
  shown,
  textOf,
  wrapped,
} from '../../../../src/cli/top/columns.ts';

test('a wide character has two columns, a mark that is drawn over another one has none', () => {
  assert.equal(columnsOf('ab'), 2);
  assert.equal(columnsOf('日本'), 4);
  assert.equal(columnsOf('e\u0301'), 1);
  assert.equal(columnsOf('👍'), 2);
});

test('an emoji of several parts is shown as its pictures, whose width no terminal doubts', () => {
  assert.equal(shown('👩‍👩‍👧 ok'), '👩👩👧 ok');
  assert.equal(shown('👍🏽 ❤️ 1️⃣'), '👍 ❤ 1');
  assert.equal(shown('🇩🇪'), 'DE');
});

test('no control character reaches the terminal', () => {
  assert.equal(shown('a\u001b[2Jb\u0007c\u009bd'), 'a\\u{1b}[2Jb\\u{7}c\\u{9b}d');
  assert.equal(shown('a\u202eb'), 'a\\u{202e}b');
  assert.equal(shown('a\tb\r\nc'), 'a b c');
});

test('a text is cut before a wide character that has no room', () => {
  assert.equal(cut('日本語', 6), '日本語');
  assert.equal(cut('日本語', 5), '日本…');
  assert.equal(cut('日本語', 4), '日…');
  assert.equal(fit('日本語', 4), '日… ');
  assert.equal(cut('abc', 1), '…');
  assert.equal(cut('abc', 0), '');
  assert.equal(cutFront('~/mail/shop', 6), '…/shop');
  assert.equal(cutFront('日本語', 4), '…語');
});

test('a row is exactly as wide as it is to be, whatever is in it', () => {
  const row = [{ text: 'name' }, { text: '日本語日本語', style: 'dim' as const }];
  for (let columns = 0; columns < 30; columns++) {
    assert.equal(columnsOf(textOf(fitRow(row, columns))), columns, `${columns} columns`);
  }
});

test('lines are broken at spaces, and words that are too long anywhere', () => {
  assert.deepEqual(wrapped('the quick brown fox', 10), ['the quick', 'brown fox']);
  assert.deepEqual(wrapped('abcdefghij', 4), ['abcd', 'efgh', 'ij']);
  assert.deepEqual(wrapped('日本語日本', 5), ['日本', '語日', '本']);
  assert.deepEqual(wrapped('one\ntwo\r\n\nthree', 10), ['one', 'two', '', 'three']);
});
