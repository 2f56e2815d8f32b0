// Text in columns of a terminal. A line that is wider on the terminal than it was counted to be would break the whole
// screen, so text is first made such that every terminal counts it alike.
import { eastAsianWidth } from 'get-east-asian-width';
import { sanitizeLine } from '../../app/sanitize.ts';

export type Style = 'title' | 'selected' | 'dim' | 'good' | 'busy' | 'bad' | 'strong';

export interface Span {
  readonly text: string;
  readonly style?: Style | undefined;
}

/** One line of the screen. */
export type Row = readonly Span[];

/**
 * Terminals disagree on how wide the parts of an emoji are: joiners and selectors, and the colours of skin. Without them
 * its pictures stand one beside the other, with two columns each.
 */
const emojiParts = /[\ufe0e\ufe0f\u20e3\u{1f3fb}-\u{1f3ff}]|\u200d(?=\p{Extended_Pictographic})/gu;
/** Two of them are a flag, of two or of four columns. Their letters have one column each. */
const flagLetters = /[\u{1f1e6}-\u{1f1ff}]/gu;
const firstFlagLetter = 0x1f1e6;
const withoutWidth = /^[\p{Mn}\p{Me}\p{Cf}\u200b]$/u;
const plain = /^[ -~]*$/;

/** One line that holds nothing that a terminal obeys, or counts otherwise than `columnsOf`. */
export function shown(text: string): string {
  if (plain.test(text)) return text;
  return sanitizeLine(text.replace(/[\t\r\n]+/g, ' ').normalize('NFC'))
    .replace(emojiParts, '')
    .replace(flagLetters, (letter) =>
      String.fromCharCode(65 + (letter.codePointAt(0) ?? 0) - firstFlagLetter),
    );
}

/** `text`: as `shown` returns it. */
export function columnsOf(text: string): number {
  if (plain.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += widthOf(character);
  return columns;
}

/** Cut to at most that many columns, with an ellipsis for what is missing. */
export function cut(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  return columns <= 0 ? '' : `${start(text, columns - 1)}…`;
}

/** The same, but the end is kept, which says more of a path. */
export function cutFront(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  if (columns <= 0) return '';
  const characters = [...text];
  let used = 1;
  let from = characters.length;
  while (from > 0 && used + widthOf(characters[from - 1] ?? '') <= columns) {
    used += widthOf(characters[--from] ?? '');
  }
  // A mark without the character that it belongs to would change the ellipsis.
  while (from < characters.length && widthOf(characters[from] ?? '') === 0) from++;
  return `…${characters.slice(from).join('')}`;
}

/** Cut or filled up to exactly that many columns. */
export function fit(text: string, columns: number): string {
  const line = cut(text, columns);
  return line + ' '.repeat(Math.max(0, columns - columnsOf(line)));
}

/** The same, to the right. */
export function fitRight(text: string, columns: number): string {
  const line = cut(text, columns);
  return ' '.repeat(Math.max(0, columns - columnsOf(line))) + line;
}

/** The lines of a text, broken at spaces where that is possible, each of at most that many columns. */
export function wrapped(text: string, columns: number): string[] {
  return text.split(/\r\n|[\r\n]/).flatMap((line) => wrappedLine(shown(line), columns));
}

/** Cut or filled up to exactly that many columns. */
export function fitRow(row: Row, columns: number): Row {
  const spans: Span[] = [];
  let left = columns;
  for (const span of row) {
    const text = cut(span.text, left);
    if (text === '') continue;
    spans.push({ ...span, text });
    left -= columnsOf(text);
  }
  if (left > 0) spans.push({ text: ' '.repeat(left), style: spans.at(-1)?.style });
  return spans;
}

/** All of the row in one style, as a title or a selected row has it. */
export function restyled(row: Row, style: Style): Row {
  return [{ text: row.map(({ text }) => text).join(''), style }];
}

export function textOf(row: Row): string {
  return row.map(({ text }) => text).join('');
}

function wrappedLine(line: string, columns: number): string[] {
  const lines: string[] = [];
  let rest = line;
  while (columnsOf(rest) > columns) {
    // One column has no room for a wide character; the row is cut later.
    const whole = start(rest, Math.max(2, columns));
    const space = rest[whole.length] === ' ' ? whole.length : whole.lastIndexOf(' ');
    const end = space > 0 ? space : whole.length;
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(space > 0 ? end + 1 : end);
  }
  return [...lines, rest];
}

/** As many of its first characters as that many columns hold. */
function start(text: string, columns: number): string {
  let used = 0;
  let end = 0;
  for (const character of text) {
    used += widthOf(character);
    if (used > columns) break;
    end += character.length;
  }
  return text.slice(0, end);
}

function widthOf(character: string): number {
  if (plain.test(character)) return character.length;
  if (withoutWidth.test(character)) return 0;
  return eastAsianWidth(character.codePointAt(0) ?? 0);
}
