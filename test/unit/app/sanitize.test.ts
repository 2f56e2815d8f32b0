// What a peer can write, and what is seen of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quoted, sanitize, sanitizeLine } from '../../../src/app/sanitize.ts';

/** As Unicode 15 has them: Cc, Cf, Zl, Zp and Default_Ignorable_Code_Point. Later ones may add some. */
const unseen =
  '0-1f 7f-9f ad 34f 600-605 61c 6dd 70f 890-891 8e2 115f-1160 17b4-17b5 180b-180f 200b-200f 2028-202e ' +
  '2060-206f 3164 fe00-fe0f feff ffa0 fff0-fffb 110bd 110cd 13430-1343f 1bca0-1bca3 1d173-1d17a e0000-e0fff';
/** Tab and line feed, the two joiners, the two selectors of emoji: behind a letter. */
const shownBehindALetter = [0x09, 0x0a, 0x200c, 0x200d, 0xfe0e, 0xfe0f];

function* allCodes(): Generator<number> {
  for (let code = 0; code <= 0x10ffff; code++) if (code < 0xd800 || code > 0xdfff) yield code;
}

const unseenCodes = new Set(
  unseen.split(' ').flatMap((range) => {
    const [first = '', last = first] = range.split('-');
    const [from, to] = [Number.parseInt(first, 16), Number.parseInt(last, 16)];
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  }),
);

test('every invisible character of Unicode is shown by its number, and every other one as it is', () => {
  for (const code of allCodes()) {
    const character = String.fromCodePoint(code);
    const { text, count } = sanitize(`a${character}b`);
    const isNumbered = unseenCodes.has(code) && !shownBehindALetter.includes(code);
    if (!isNumbered && text !== `a${character}b`) {
      assert.match(character, /[\p{Cf}\p{Default_Ignorable_Code_Point}]/u, code.toString(16));
    } else {
      const expected = isNumbered ? `a\\u{${code.toString(16)}}b` : `a${character}b`;
      assert.deepEqual([text, count], [expected, isNumbered ? 1 : 0], code.toString(16));
    }
  }
});

test('no invisible character of Unicode is left in a name, or on a line', () => {
  for (const code of unseenCodes) {
    const character = String.fromCodePoint(code);
    assert.match(quoted(`a${character}b`), /^"a\\[\w\\"]+b"$/, code.toString(16));
    if (code === 0x200c || code === 0x200d || code === 0xfe0e || code === 0xfe0f) continue;
    assert.equal(sanitizeLine(`a${character}b`), `a\\u{${code.toString(16)}}b`);
  }
});

test('emoji and scripts keep their joiners and selectors', () => {
  const texts = [
    '👩\u200d🚀',
    '❤\ufe0f\u200d🔥',
    '1\ufe0f\u20e3',
    '👁\ufe0f\u200d🗨\ufe0f',
    'می\u200cخواهم',
  ];
  for (const text of texts) assert.deepEqual(sanitize(text), { text, count: 0 });
});

test('joiners and selectors in a row, or not behind a visible character, are shown by their numbers', () => {
  for (const [text, shown] of [
    ['\u200d', '\\u{200d}'],
    ['a \u200cb', 'a \\u{200c}b'],
    ['a\u200d\u200c\u200db', 'a\u200d\\u{200c}\\u{200d}b'],
    ['a\ufe0f\ufe0e\ufe0fb', 'a\ufe0f\\u{fe0e}\\u{fe0f}b'],
    ['a\ufe0f\u200d\ufe0f\u200db', 'a\ufe0f\u200d\\u{fe0f}\\u{200d}b'],
    ['\u{e0041}\u200d', '\\u{e0041}\\u{200d}'],
    ['a\r\nb\rc', 'a\r\nb\\u{d}c'],
  ] as const) {
    assert.equal(sanitize(text).text, shown);
  }
});

// A search that goes back over what it has passed would not end before the limit of a test.
test('a million characters are made visible in one pass', () => {
  assert.equal(sanitize('a\u200d'.repeat(500_000)).count, 0);
  const hidden = '\u200b'.repeat(500_000);
  assert.equal(sanitize(`${'b'.repeat(500_000)}${hidden}`).count, 500_000);
});
