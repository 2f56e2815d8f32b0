// Text of a peer as a part of a line of this program.
import { unseen } from './characters.ts';
import { errorCharactersMax } from './limits.ts';
import { once } from './once.ts';

/** Every hidden character is one of these, and most texts have none. */
const unusual = /[^ -~]/;
const hidden = once(() => new RegExp(`[${unseen}]`, 'gu'));

/** On one line, in quotes, with nothing in it that hides or turns text. */
export function quoted(text: string): string {
  const json = JSON.stringify(text);
  if (!unusual.test(json)) return json;
  return json.replace(hidden(), (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** The same, cut so that no more than `charactersMax` are in the quotes, escapes included. */
export function quotedStart(text: string, charactersMax: number): string {
  let end = 0;
  let length = 0;
  for (const character of text) {
    length += quoted(character).length - 2;
    if (length > charactersMax) return quoted(`${text.slice(0, end)}…`);
    end += character.length;
  }
  return quoted(text);
}

/** The message of an error that came over the wire: a model must not take a peer's words for this program's. */
export function saidBy(peer: 'broker' | 'receiver', text: string): string {
  return `the ${peer} says: ${quotedStart(text, errorCharactersMax)}`;
}
