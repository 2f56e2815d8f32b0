// What makes a session's id its own. Every message shows the id of its poster, so the id alone proves nothing: it
// is made from a secret, and only a hello with that secret is the session's. The secret is in no response, in no
// record of the journal, and in no text for people.
import { createHash } from 'node:crypto';
import type { SessionId } from '../model/message.ts';

export const sessionSecretBytes = 16;
/** 80 bits. */
const idDigits = 20;
const idCharacters = 16;

/** The first 80 bits of a hash of the secret, in base 32. */
export function sessionIdOf(secret: Buffer): SessionId {
  const hash = createHash('sha256').update('agent-ipc session 1\0', 'latin1').update(secret);
  const bits = BigInt(`0x${hash.digest('hex').slice(0, idDigits)}`);
  return bits.toString(32).padStart(idCharacters, '0') as SessionId;
}
