// What makes a session's id its own. Every message shows the id of its poster, so the id alone proves nothing: it
// is made from a secret, and only a hello with that secret is the session's. The secret is in no response, in no
// record of the journal, and in no text for people.
import crypto from 'node:crypto';
import type { Name, SessionId } from '../model/message.ts';

export const sessionSecretBytes = 16;
/** 80 bits. */
const idDigits = 20;
const idCharacters = 16;

/** The first 80 bits of a hash of the secret, in base 32. */
export function sessionIdOf(secret: Buffer): SessionId {
  return hashed(Buffer.concat([Buffer.from('agent-ipc session 1\0', 'latin1'), secret]));
}

/** Stands for a mailbox of another store where deduplication wants a session. No session has a secret that gives it. */
export function importSession(store: string, mailbox: Name): SessionId {
  return hashed(`agent-ipc import 1\0${store}\0${mailbox}`);
}

/** crypto.hash() lets Node compile less than a `Hash` does. A named import would keep an older Node from loading this file. */
function hashed(data: string | Buffer): SessionId {
  const bits = BigInt(`0x${crypto.hash('sha256', data).slice(0, idDigits)}`);
  return bits.toString(32).padStart(idCharacters, '0') as SessionId;
}
