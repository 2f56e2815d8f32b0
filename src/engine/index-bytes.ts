import { indexBytesPerMessage, pastHoldBytes } from '../base/limits.ts';
import type { Envelope, PastHold } from '../model/message.ts';

/** The part of an envelope that determines how much memory its message takes. */
export type IndexedTexts = Pick<Envelope, 'id' | 'to' | 'from' | 'answers' | 'origin'>;

/**
 * Memory that a message takes beside its body. Usual mail takes less, since messages share their names and origins;
 * mail that shares nothing, each message in a mailbox of its own, takes a tenth more. It depends on the envelope
 * alone, so each owner of a store counts the same.
 */
export function indexBytesOf({ id, to, from, answers, origin }: IndexedTexts): number {
  const { program, machine, folder = '' } = origin;
  const own = textBytes(id) + textBytes(to) + textBytes(from) + textBytes(answers);
  return indexBytesPerMessage + own + textBytes(program) + textBytes(machine) + textBytes(folder);
}

/** Memory that the past hold of a message takes. */
export function pastHoldBytesOf(lastHold: PastHold | undefined): number {
  return lastHold ? pastHoldBytes + textBytes(lastHold.name) : 0;
}

/** V8 keeps ASCII in one byte a unit, and other texts in two. */
function textBytes(text: string): number {
  if (text === '') return 0;
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length;
}
