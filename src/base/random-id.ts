import { type Runtime, systemRuntime } from './runtime.ts';

/** Five random bits a character, in base 32. */
export function randomId(
  characters: number,
  runtime: Pick<Runtime, 'randomBytes'> = systemRuntime,
): string {
  const bytes = [...runtime.randomBytes(characters)];
  return bytes.map((byte) => (byte % 32).toString(32)).join('');
}
