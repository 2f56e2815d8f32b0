import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type MessageId,
  parseMessageId,
  parseName,
  parseStoredName,
  splitId,
} from '../../../src/model/message.ts';

// It comes first: another id before it would hide what it looks for.
test('the first id that a process splits has its own session, whatever it begins with', () => {
  assert.deepEqual(splitId('none0123456789ab.1' as MessageId), {
    session: 'none0123456789ab',
    count: 1,
  });
});

test('an id that is no string is refused as such', () => {
  for (const id of [5, undefined, null, {}])
    assert.throws(() => parseMessageId(id as unknown as string), { code: 'bad_id' });
});

test('names that look the same are one name, or are refused', () => {
  assert.equal(parseName('cafe\u0301'), 'caf\u00e9');
  for (const name of ['ann', 'Ann', '\u0430nn', 'a b', '-x', '日本', '🤖', 'e\u0323\u0302'])
    assert.equal(parseName(name), name.normalize('NFC'));
  const hidden = [
    '\u200b',
    '\u200d',
    '\u00ad',
    '\ufe0f',
    '\ufeff',
    '\u3164',
    '\u2028',
    '\u202e',
    '\u{e0041}',
  ];
  const blanks = ['\u00a0', '\u3000', '\u2009', '\u2800'];
  for (const character of [...hidden, ...blanks]) {
    for (const name of [`an${character}n`, `ann${character}`, `${character}ann`, character])
      assert.throws(() => parseName(name), { code: 'bad_name' }, JSON.stringify(name));
  }
  for (const name of ['ann ', ' ann', ' ', '\u0085ann'])
    assert.throws(() => parseName(name), { code: 'bad_name' }, JSON.stringify(name));
});

test('the limit of a name counts its bytes in NFC', () => {
  assert.equal(parseName('e\u0301'.repeat(100)).length, 100);
  // NFC makes U+0958 two characters of three bytes each.
  assert.equal(parseName('\u0958'.repeat(33)).length, 66);
  assert.throws(() => parseName('\u0958'.repeat(34)), {
    message: /^name has 204 bytes; the limit is 200$/,
  });
});

test('a name that an older version stored is read as the name that looks the same', () => {
  for (const [stored, name] of [
    ['ann', 'ann'],
    ['ann ', 'ann'],
    [' \u200bann\u3000', 'ann'],
    ['a\u00a0b', 'a b'],
    ['cafe\u0301', 'caf\u00e9'],
    ['cafe\u200b\u0301', 'caf\u00e9'],
    [' ', 'U+0020'],
    ['\u200b\u200b', 'U+200B U+200B'],
    ['\u0958'.repeat(60), '\u0915\u093c'.repeat(33)],
  ] as const) {
    assert.equal(parseStoredName(stored), name, JSON.stringify(stored));
    assert.equal(parseName(name), name);
  }
  for (const never of ['', 'a\nb', '\ud800', 'n'.repeat(201)])
    assert.throws(() => parseStoredName(never), { code: 'bad_name' });
});
