// What a peer can write, and what is seen of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sanitizeLine } from '../../../src/app/sanitize.ts';
import { quoted } from '../../../src/base/quoted.ts';
import { sanitize } from '../../../src/base/visible-text.ts';
import { pick, Random, seedFromEnvironment } from '../../support/random.ts';

/** As Unicode 15 has them: Cc, Cf, Zl, Zp and Default_Ignorable_Code_Point. Later ones may add some. */
const unseen =
  '0-1f 7f-9f ad 34f 600-605 61c 6dd 70f 890-891 8e2 115f-1160 17b4-17b5 180b-180f 200b-200f 2028-202e ' +
  '2060-206f 3164 fe00-fe0f feff ffa0 fff0-fffb 110bd 110cd 13430-1343f 1bca0-1bca3 1d173-1d17a e0000-e0fff';
const tabAndLineFeed = [0x09, 0x0a];
/** The two joiners, and the two selectors of emoji. */
const joiners = ['\u200c', '\u200d', '\ufe0e', '\ufe0f'];

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
    const isNumbered = unseenCodes.has(code) && !tabAndLineFeed.includes(code);
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
    assert.equal(sanitizeLine(`a${character}b`), `a\\u{${code.toString(16)}}b`);
  }
});

test('emoji and scripts keep their joiners, selectors and tags', () => {
  const texts = [
    // A family, professions, colours of skin and hair, hearts, presentation as text and as emoji, keycaps.
    '👨\u200d👩\u200d👧\u200d👦',
    '👩🏽\u200d🚀 👨🏿\u200d🦰 🧑🏻\u200d🤝\u200d🧑🏿 🏃\u200d♀\ufe0f\u200d➡\ufe0f',
    '❤\ufe0f\u200d🔥 ❤\u200d🔥 👩\u200d❤\ufe0f\u200d💋\u200d👨',
    '👁\ufe0f\u200d🗨\ufe0f',
    '☎\ufe0e ☎\ufe0f ©\ufe0e ™\ufe0f ⌚\ufe0e 〰\ufe0f ㊗\ufe0f',
    '1\ufe0f\u20e3 #\ufe0f\u20e3 *\ufe0f\u20e3 1\u20e3',
    // Flags: of a country, the rainbow, a pirate, Scotland.
    '🇩🇪 🏳\ufe0f\u200d🌈 🏴\u200d☠\ufe0f',
    '🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}',
    // Persian, with a plural and a mark; Arabic, the sign of its calendar; Urdu; Mongolian.
    'می\u200cخواهم',
    'کتاب\u200cهای ما، خانهٔ\u200cما',
    'سنة ١٤٤٥ ه\u200d.',
    'اس\u200cلیے',
    'ᠮᠣᠩᠭᠣᠯ\u200d',
    // Hindi, Marathi, Bengali on both sides, Kannada on both sides, Malayalam, Sinhala on both sides, Tamil.
    'क्\u200dष और क्\u200cष, हार्डवेयर् \u0930\u094d\u200dय',
    'র\u200d\u09cd\u09afাব, উদ্\u200cযাপন',
    'ರ\u200d್ಕ ರಾಜ್\u200cಕುಮಾರ್\u200c.',
    'അവന്\u200d, തമിഴ്\u200cനാട്',
    'ශ්\u200dරී ලංකාව, බ\u200d්ධ',
    'க்\u200cஷ',
  ];
  for (const text of texts) assert.deepEqual(sanitize(text), { text, count: 0 });
});

test('joiners and selectors that nothing near them needs are shown by their numbers', () => {
  for (const [text, shown] of [
    ['\u200d', '\\u{200d}'],
    ['a \u200cb', 'a \\u{200c}b'],
    ['a\u200db', 'a\\u{200d}b'],
    ['a\ufe0f\u200d\ufe0f\u200db', 'a\\u{fe0f}\\u{200d}\\u{fe0f}\\u{200d}b'],
    ['e\u0308\u200d\u0323', 'e\u0308\\u{200d}\u0323'],
    ['1\ufe0f 2', '1\\u{fe0f} 2'],
    ['🚀\u200d', '🚀\\u{200d}'],
    ['🚀\u200d\u200d🚀', '🚀\\u{200d}\\u{200d}🚀'],
    ['🚀\u200ca', '🚀\\u{200c}a'],
    ['☎\ufe0e\ufe0f', '☎\ufe0e\\u{fe0f}'],
    ['🇩\u200d🇪\ufe0f', '🇩\\u{200d}🇪\\u{fe0f}'],
    ['می\u200c\u200cخ', 'می\\u{200c}\\u{200c}خ'],
    ['می\u200dخ', 'می\\u{200d}خ'],
    ['می\u200c', 'می\\u{200c}'],
    ['क\u200dक', 'क\\u{200d}क'],
    ['क्\u200d\u200cष', 'क्\u200d\\u{200c}ष'],
    ['क\u200d्\u200dष', 'क\\u{200d}्\u200dष'],
    ['\u{e0041}\u200d', '\\u{e0041}\\u{200d}'],
    ['🏴\u{e0067}\u{e0062}\u{e007f}', '🏴\\u{e0067}\\u{e0062}\\u{e007f}'],
    ['a\r\nb\rc', 'a\r\nb\\u{d}c'],
  ] as const) {
    assert.equal(sanitize(text).text, shown);
  }
});

const seed = seedFromEnvironment();

test(`whatever joiners and selectors a text in Latin, Greek, Cyrillic, Hebrew or Han letters has, all are shown (SEED=${seed})`, () => {
  const random = new Random(seed);
  const letters = [
    ...'IGNORE all 0123 #*.,;é ß ñ Ελλάδα Привет שלום 你好 かな 한글 a\u0308 o\u0323',
  ];
  for (let round = 0; round < 2_000; round++) {
    let source = '';
    let hidden = 0;
    while (source.length < 100) {
      source += pick(random, letters);
      for (let more = random.below(3); more > 0; more--) source += pick(random, joiners);
    }
    for (const character of source) if (joiners.includes(character)) hidden++;
    const { text, count } = sanitize(source);
    assert.equal(count, hidden, JSON.stringify(source));
    assert.ok(!joiners.some((joiner) => text.includes(joiner)), JSON.stringify(source));
  }
});

test('behind a letter that joins there are 2 rows of joiners that are kept, around a virama 4, behind an emoji 6', () => {
  const rows = ['', ...joiners, ...joiners.flatMap((one) => joiners.map((next) => one + next))];
  for (const [before, character, after, hidden] of [
    ['', 'a', 'b', 1],
    ['', '7', '7', 1],
    ['', '7', '\u20e3', 3],
    ['', 'س', 'س', 2],
    ['', 'س', ' ', 2],
    ['', '🚀', '🚀', 6],
    ['क', '\u094d', 'ष', 4],
    ['क', '\u094d', ' ', 3],
  ] as const) {
    const texts = rows.flatMap((left) =>
      rows.map((right) => before + left + character + right + after),
    );
    const unchanged = new Set(texts.filter((text) => sanitize(text).count === 0));
    assert.equal(unchanged.size, hidden, JSON.stringify(before + character + after));
  }
});

// A search that goes back over what it has passed would not end before the limit of a test.
test('a million characters are made visible in one pass', () => {
  assert.equal(sanitize('a\u200d'.repeat(500_000)).count, 500_000);
  assert.equal(sanitize('س\u064b'.repeat(500_000)).count, 0);
  assert.equal(sanitize(`س${'\u064b'.repeat(500_000)}${'\u200c'.repeat(500_000)}`).count, 500_000);
  assert.equal(sanitize('🚀\u200d'.repeat(300_000)).count, 1);
  const hidden = '\u200b'.repeat(500_000);
  assert.equal(sanitize(`${'b'.repeat(500_000)}${hidden}`).count, 500_000);
});
