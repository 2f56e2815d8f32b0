import { type Runtime, systemRuntime } from './runtime.ts';

/** A random text in base 32, with five random bits per character. */
export function randomId(
  characters: number,
  runtime: Pick<Runtime, 'randomBytes'> = systemRuntime,
): string {
  const bytes = [...runtime.randomBytes(characters)];
  return bytes.map((byte) => (byte % 32).toString(32)).join('');
}
