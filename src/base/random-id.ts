import { systemRuntime } from './runtime.ts';

/** Made at a time: a call of the system takes as long for these as for the few of one text. */
const bytesMade = 256;
let unused: Buffer = Buffer.alloc(0);

/** A random text in base 32, with five random bits per character. */
export function randomId(characters: number): string {
  if (unused.length < characters) {
    unused = systemRuntime.randomBytes(Math.max(bytesMade, characters));
  }
  let text = '';
  for (const byte of unused.subarray(0, characters)) text += (byte % 32).toString(32);
  unused = unused.subarray(characters);
  return text;
}
