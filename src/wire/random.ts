import { randomBytes } from 'node:crypto';

/** Five random bits a character, in base 32. */
export function randomText(characters: number): string {
  return [...randomBytes(characters)].map((byte) => (byte % 32).toString(32)).join('');
}
