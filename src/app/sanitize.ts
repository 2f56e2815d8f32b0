// What a peer wrote, as a model or a person is shown it: nothing in it is hidden, moves the cursor,
// colours the terminal, or turns the direction of text.
import type { Name, Origin } from '../model/message.ts';

/**
 * Controls; what formats text; what is left out when it is drawn, fillers, selectors and tags, in which
 * text can be hidden; the separators of lines.
 */
const unseen = '\\p{Cc}\\p{Cf}\\p{Default_Ignorable_Code_Point}\\p{Zl}\\p{Zp}';
const seen = `[^\\s${unseen}]`;
/** Emoji need both, and many scripts the second: one of each behind what is seen, for a row hides text. */
const selector = '[\\ufe0e\\ufe0f]';
const joiner = '[\\u200c\\u200d]';
const hidden = new RegExp(
  `(?<!${seen})${selector}|(?<!${seen}${selector}?)${joiner}` +
    `|(?!${selector}|${joiner}|[\\t\\n]|\\r\\n)[${unseen}]`,
  'gu',
);
const hiddenInName = new RegExp(`[${unseen}]`, 'gu');
/** Characters of a program's or a machine's name that are shown. */
const originCharactersMax = 40;

export interface Sanitized {
  readonly text: string;
  /** How many characters are shown by their numbers. */
  readonly count: number;
}

/** Texts that come in parts; the last of them is kept, since its parts are asked for in a row. */
const longCharacters = 20_000;
let lastLong: { readonly source: string; readonly shown: Sanitized } | undefined;

/** `\u{1b}` for each character that would not be seen; the rest as it is. */
export function sanitize(text: string): Sanitized {
  if (text.length < longCharacters) return show(text);
  if (lastLong?.source !== text) lastLong = { source: text, shown: show(text) };
  return lastLong.shown;
}

function show(source: string): Sanitized {
  let count = 0;
  const text = source.replace(hidden, (character) => {
    count++;
    return numbered(character);
  });
  return { text, count };
}

/** On one line. */
export function sanitizeLine(text: string): string {
  return sanitize(text).text.replace(/[\t\r\n]/g, numbered);
}

/** A peer's word on one line, in quotes, with nothing in it that hides or turns text. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(hiddenInName, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** The name is the sender's claim; beside it stands the session that sent it. */
export function sentBy(from: Name | '', { program, pid, machine }: Origin): string {
  const session = `${quoted(clipped(program))} pid ${pid} on ${quoted(clipped(machine))}`;
  return from === ''
    ? `from unknown (no address to answer; ${session})`
    : `from ${quoted(from)} (${session})`;
}

function numbered(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}

function clipped(text: string): string {
  return text.length > originCharactersMax
    ? `${text.slice(0, originCharactersMax).toWellFormed()}…`
    : text;
}
