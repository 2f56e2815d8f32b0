// Characters that are not drawn, as classes of a regular expression with the flag `u`.

/**
 * Control characters, format characters, line separators, and what is not drawn: fillers, selectors and
 * tags, in which text can be hidden.
 */
export const unseen = '\\p{Cc}\\p{Cf}\\p{Default_Ignorable_Code_Point}\\p{Zl}\\p{Zp}';

/** Blanks that look like a space, and are another character. */
export const oddBlank = '(?! )[\\p{Zs}\\u2800]';

/** A character that may be part of an emoji, with its colour of skin or the selector of its style. */
const pictograph =
  '\\p{Extended_Pictographic}(?:\\p{Emoji_Modifier}|(?<=\\p{Emoji})[\\ufe0e\\ufe0f])?';
const keycap = '[0-9#*][\\ufe0e\\ufe0f]\\u20e3';
/** The only flags that are spelt in tags: of England, Scotland and Wales. */
const taggedFlag =
  '\\u{1f3f4}\\u{e0067}\\u{e0062}(?:\\u{e0065}\\u{e006e}\\u{e0067}' +
  '|\\u{e0073}\\u{e0063}\\u{e0074}|\\u{e0077}\\u{e006c}\\u{e0073})\\u{e007f}';

const cursiveScripts = [
  ...['Adlam', 'Arabic', 'Chorasmian', 'Hanifi_Rohingya', 'Mandaic', 'Manichaean', 'Mongolian'],
  ...['Nko', 'Old_Uyghur', 'Phags_Pa', 'Psalter_Pahlavi', 'Sogdian', 'Syriac'],
];

/** Marks by which a consonant joins the next one: all of combining class 9, as of Unicode 16. */
const viramas =
  '94d 9cd a4d acd b4d bcd c4d ccd d3b d3c d4d dca e3a eba f84 1039 103a 1714 1715 1734 17d2 1a60 1b44 ' +
  '1baa 1bab 1bf2 1bf3 2d7f a806 a82c a8c4 a953 a9c0 aaf6 abed 10a3f 11046 11070 1107f 110b9 11133 ' +
  '11134 111c0 11235 112ea 1134d 113ce 113cf 113d0 11442 114c2 115bf 1163f 116b6 1172b 11839 1193d ' +
  '1193e 119e0 11a34 11a47 11a99 11c3f 11d44 11d45 11d97 11f41 11f42 1612f';

/**
 * Where emoji and scripts need joiners, selectors and tags, after Unicode's reports 51 (emoji) and 31 (joiners):
 * - in an emoji;
 * - U+200C between two letters that would join, U+200D behind one that would not;
 * - either of them behind a virama, and U+200D between a letter and a virama that joins the next letter.
 */
export function neededUnseen(): string {
  const scripts = cursiveScripts.map((script) => `\\p{Script=${script}}`);
  /** A letter that joins its neighbours. */
  const cursive = `(?=\\p{L})[${scripts.join('')}]`;
  const virama = `[${viramas.replace(/[0-9a-f]+ ?/g, (code) => `\\u{${code.trim()}}`)}]`;
  return [
    taggedFlag,
    `${pictograph}(?:\\u200d${pictograph})*`,
    keycap,
    // The character comes first, so that only there a run of marks is searched.
    `\\u200c(?<=${cursive}\\p{M}*\\u200c)(?=\\p{M}*${cursive})`,
    `\\u200d(?<=${cursive}\\p{M}*\\u200d)(?!\\p{M}*${cursive})`,
    `[\\u200c\\u200d](?<=${virama}.)`,
    `\\u200d(?<=\\p{L}\\u200d)(?=${virama}\\p{L})`,
  ].join('|');
}
