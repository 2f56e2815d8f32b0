// Text of a peer in which nothing is hidden, moves the cursor, colours the terminal, or changes the direction of text.
import { neededUnseen, unseen } from './characters.ts';
import { once } from './once.ts';

/** Every hidden character is one of these, and most texts have none. */
const unusual = /[^\t\n -~]/;
/** Emoji and scripts keep what they need; the group is what is hidden. */
const hiddenForm = once(() => new RegExp(`${neededUnseen()}|[\\t\\n]|\\r\\n|([${unseen}])`, 'gu'));

export interface Sanitized {
  readonly text: string;
  /** How many characters were replaced by their numbers. */
  readonly count: number;
}

/** A text of this length may come in parts. The last one is kept, because its parts are read in a row. */
const longCharacters = 20_000;
let lastLong: { readonly source: string; readonly shown: Sanitized } | undefined;

/** Replaces each invisible character by its number, like `\u{1b}`. */
export function sanitize(text: string): Sanitized {
  if (text.length < longCharacters) return show(text);
  if (lastLong?.source !== text) lastLong = { source: text, shown: show(text) };
  return lastLong.shown;
}

function show(source: string): Sanitized {
  let count = 0;
  if (!unusual.test(source)) return { text: source, count };
  const text = source.replace(hiddenForm(), (kept: string, character: string | undefined) => {
    if (character === undefined) return kept;
    count++;
    return numbered(character);
  });
  return { text, count };
}

/** `\u{1b}` */
export function numbered(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
