import { indexBytesPerMessage, pastHoldBytes } from '../base/limits.ts';
import {
  countIn,
  type Envelope,
  generatedIdLength,
  type Origin,
  type PastHold,
} from '../model/message.ts';
import type { PlainPost } from '../model/plain-post.ts';

/** The part of an envelope that determines how much memory its message takes. */
export type IndexedTexts = Pick<Envelope, 'id' | 'to' | 'from' | 'answers' | 'origin'>;

/** The envelope that was counted last, and its bytes: a post counts its messages for each limit. */
let lastCounted: IndexedTexts | undefined;
let lastBytes = 0;

/**
 * Memory that a message takes beside its body. Usual mail takes less, since messages share their names and origins;
 * mail that shares nothing, each message in a mailbox of its own, takes a tenth more. It depends on the envelope
 * alone, so each owner of a store counts the same.
 */
export function indexBytesOf(envelope: IndexedTexts): number {
  if (envelope === lastCounted) return lastBytes;
  lastCounted = envelope;
  const { id } = envelope;
  // A generated id is ASCII, and its characters need not be read again.
  lastBytes = (countIn(id) > 0 ? id.length : textBytes(id)) + bytesBesideId(envelope);
  return lastBytes;
}

/** indexBytesOf() for a message with a generated id. */
export function plainIndexBytes(post: PlainPost): number {
  return generatedIdLength(post.count) + bytesBesideId(post);
}

function bytesBesideId({ to, from, answers, origin }: Omit<IndexedTexts, 'id'>): number {
  const ofOthers = textBytes(to) + textBytes(from) + textBytes(answers);
  return indexBytesPerMessage + originBytes(origin) + ofOthers;
}

/** The origin that was counted last, and its bytes: messages of one process share theirs. */
let lastOrigin: Origin | undefined;
let lastOriginBytes = 0;

function originBytes(origin: Origin): number {
  if (origin === lastOrigin) return lastOriginBytes;
  const { program, machine, folder } = origin;
  lastOrigin = origin;
  lastOriginBytes = textBytes(program) + textBytes(machine) + textBytes(folder);
  return lastOriginBytes;
}

/** Memory that the past hold of a message takes. */
export function pastHoldBytesOf(lastHold: PastHold | undefined): number {
  return lastHold ? pastHoldBytes + textBytes(lastHold.name) : 0;
}

/** V8 keeps ASCII in one byte a unit, and other texts in two. */
function textBytes(text = ''): number {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return 2 * text.length;
  return text.length;
}
