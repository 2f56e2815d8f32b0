// Text of a peer, made safe to show to a model or a person: nothing in it is hidden, moves the cursor,
// colours the terminal, or changes the direction of text.
import { neededUnseen, unseen } from '../base/characters.ts';
import { quoted } from '../base/quoted.ts';
import type { Name, Origin } from '../model/message.ts';

/** Emoji and scripts keep what they need; the group is what is hidden. */
const hidden = new RegExp(`${neededUnseen}|[\\t\\n]|\\r\\n|([${unseen}])`, 'gu');
/** Characters of the name of a program or machine that are shown. */
const originCharactersMax = 40;

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
  const text = source.replace(hidden, (kept: string, character: string | undefined) => {
    if (character === undefined) return kept;
    count++;
    return numbered(character);
  });
  return { text, count };
}

/** The same, on one line. */
export function sanitizeLine(text: string): string {
  return sanitize(text).text.replace(/[\t\r\n]/g, numbered);
}

/**
 * The name is the sender's claim, so the program that sent the message stands beside it, without its process id:
 * the words stay the same when an agent is started again.
 */
export function sentBy(from: Name | '', origin: Origin): string {
  const session = placed(origin);
  return from === ''
    ? `from unknown (no address to answer; ${session})`
    : `from ${quoted(from)} (${session})`;
}

/** `"claude-code" on "laptop" in "~/shop"`. */
export function placed({ program, machine, folder }: Origin): string {
  const where = folder === undefined ? '' : ` in ${shownFolder(folder)}`;
  return `${quoted(clipped(program))} on ${quoted(clipped(machine))}${where}`;
}

function numbered(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}

function clipped(text: string): string {
  return text.length > originCharactersMax
    ? `${text.slice(0, originCharactersMax).toWellFormed()}…`
    : text;
}

/** In quotes. Its end says more than its beginning. */
export function shownFolder(text: string): string {
  const isLong = text.length > originCharactersMax;
  return quoted(isLong ? `…${text.slice(-originCharactersMax).toWellFormed()}` : text);
}
