// Hits of a search within a text, in upper or lower case. What is hidden in a text, or turns it around, is shown by its
// number, as in `ipc log`: the person acts on what is read here.
import { sanitize } from '../../../base/visible-text.ts';

export interface TextPart {
  readonly text: string;
  readonly isHit: boolean;
}

export function isHit(text: string, search: string): boolean {
  return text.toLowerCase().includes(search.toLowerCase());
}

/** The text in parts, which are the whole text when put together. At most `hitsMax` hits are marked. */
export function markedParts(text: string, search: string, hitsMax = 200): TextPart[] {
  return split(text, search, hitsMax).map((part) => ({ ...part, text: sanitize(part.text).text }));
}

function split(text: string, search: string, hitsMax: number): TextPart[] {
  const lower = text.toLowerCase();
  // A few characters are longer in lower case; then no place in it is a place in the text.
  if (search === '' || lower.length !== text.length) return [{ text, isHit: false }];
  const sought = search.toLowerCase();
  const parts: TextPart[] = [];
  let end = 0;
  for (let hits = 0; hits < hitsMax; hits++) {
    const at = lower.indexOf(sought, end);
    if (at === -1) break;
    if (at > end) parts.push({ text: text.slice(end, at), isHit: false });
    end = at + sought.length;
    parts.push({ text: text.slice(at, end), isHit: true });
  }
  if (end < text.length || parts.length === 0) parts.push({ text: text.slice(end), isHit: false });
  return parts;
}

const lineCharacters = 240;

/** One line of a text for a list: blanks are single, and the first hit is within it. */
export function lineOf(text: string, search: string): string {
  const line = text.slice(0, 4_000).replace(/\s+/g, ' ').trim();
  if (search === '') return line.slice(0, lineCharacters);
  const at = line.toLowerCase().indexOf(search.toLowerCase());
  const start = at > 60 ? at - 30 : 0;
  return `${start > 0 ? '… ' : ''}${line.slice(start, start + lineCharacters)}`;
}
