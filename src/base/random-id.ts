import { type Machine, realMachine } from './runtime.ts';

/** Five random bits a character, in base 32. */
export function randomText(
  characters: number,
  machine: Pick<Machine, 'randomBytes'> = realMachine,
): string {
  const bytes = [...machine.randomBytes(characters)];
  return bytes.map((byte) => (byte % 32).toString(32)).join('');
}
