// Names, ids and messages. Parsed once at the edge into types that cannot be wrong.
import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { IpcError } from '../base/errors.ts';
import { bodyBytesMax, idBytesMax, nameBytesMax } from '../base/limits.ts';

/** 1 to 200 bytes of UTF-8 without control characters. */
export type Name = string & { readonly brand: 'Name' };
/** 16 characters of base 32 (80 random bits), chosen by a client when it starts. */
export type SessionId = string & { readonly brand: 'SessionId' };
/** `SESSION.COUNT`, or any other text where a caller gave the id by hand. */
export type MessageId = string & { readonly brand: 'MessageId' };

/** Where a message waits after its last attempt. */
export const deadLetterMailbox = 'dead-letters' as Name;

/** What a client says of itself under the key: a label for people, not a proof. */
export interface Origin {
  /** As it calls itself; of the library, the `program` given to `open`. */
  readonly program: string;
  /** Its process on that machine. */
  readonly pid: number;
  /** Host name of the machine. */
  readonly machine: string;
}

/** A message without its body: what the engine keeps in memory. */
export interface Envelope {
  readonly id: MessageId;
  /** Counts up over the whole store, from 1, with gaps. */
  readonly number: number;
  readonly to: Name;
  /** '' when the sender gave no address. */
  readonly from: Name | '';
  /** The broker's wall clock when it stored the message, in milliseconds since 1970. */
  readonly time: number;
  /** The id of the message that this one answers, or ''. */
  readonly answers: MessageId | '';
  readonly origin: Origin;
  readonly bodyBytes: number;
  /** CRC-32 of the body, as the poster computed it. */
  readonly checksum: number;
}

/** A message that a session holds. A number can be given twice when a crash undid the first; an id cannot. */
export interface Hold {
  readonly number: number;
  readonly id: MessageId;
}

const controls = /\p{Cc}/u;
const generated = /^[0-9a-v]{16}\.[1-9][0-9]{0,14}$/;

export function parseName(text: string, parameter = 'name'): Name {
  // A program without types may give anything.
  if (typeof text !== 'string') throw new IpcError('bad_name', `${parameter} must be a text`);
  if (text === '') throw new IpcError('bad_name', `${parameter} is empty`);
  if (!text.isWellFormed()) throw new IpcError('bad_name', `${parameter} has a lone surrogate`);
  if (controls.test(text)) throw new IpcError('bad_name', `${parameter} has a control character`);
  const bytes = Buffer.byteLength(text);
  if (bytes > nameBytesMax) {
    throw new IpcError('bad_name', `${parameter} has ${bytes} bytes; the limit is ${nameBytesMax}`);
  }
  return text as Name;
}

export function parseSessionId(text: string): SessionId {
  if (!/^[0-9a-v]{16}$/.test(text)) throw new IpcError('bad_id', 'not a session id');
  return text as SessionId;
}

export function sessionMessageId(session: SessionId, count: number): MessageId {
  return `${session}.${count}` as MessageId;
}

/** An id of ours, or one given by hand. */
export function parseMessageId(text: string): MessageId {
  return generated.test(text) ? (text as MessageId) : parseNamedId(text);
}

/** An id that a caller gives by hand; one that looks like ours is refused. */
export function parseNamedId(text: string): MessageId {
  if (typeof text !== 'string' || text === '' || !text.isWellFormed() || controls.test(text)) {
    throw new IpcError('bad_id', 'an id is text without control characters');
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > idBytesMax) throw new IpcError('bad_id', `id of ${bytes} bytes; limit ${idBytesMax}`);
  if (generated.test(text)) throw new IpcError('bad_id', `id ${text} has the form of our own ids`);
  return text as MessageId;
}

/** The session and count of an id of ours; undefined for one given by hand. */
export function splitId(id: MessageId): { session: SessionId; count: number } | undefined {
  if (!generated.test(id)) return undefined;
  const dot = id.indexOf('.');
  return { session: id.slice(0, dot) as SessionId, count: Number(id.slice(dot + 1)) };
}

/** The bytes of a body: never mended, so what is handed over is what was posted. */
export function parseBody(body: string | Uint8Array, parameter = 'message'): Buffer {
  if (typeof body === 'string') {
    if (!body.isWellFormed()) throw new IpcError('bad_body', `${parameter} has a lone surrogate`);
    const bytes = Buffer.byteLength(body);
    if (bytes > bodyBytesMax) throw tooLarge(bytes, parameter);
    return Buffer.from(body, 'utf8');
  }
  if (!(body instanceof Uint8Array)) {
    throw new IpcError('bad_body', `${parameter} must be a text, or its bytes in UTF-8`);
  }
  if (body.byteLength > bodyBytesMax) throw tooLarge(body.byteLength, parameter);
  if (!isUtf8(body)) throw new IpcError('bad_body', `${parameter} is not UTF-8`);
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

function tooLarge(bytes: number, parameter: string): IpcError {
  const size = `${bytes} bytes of UTF-8; the limit is ${bodyBytesMax}`;
  return new IpcError('body_too_large', `${parameter} has ${size}`);
}

export function bodyChecksum(body: Uint8Array): number {
  return crc32(body);
}

/** What was posted under an id is what was stored under it. */
export function isSameMessage(
  stored: Envelope,
  posted: {
    readonly to: Name;
    readonly from: Name | '';
    readonly answers: MessageId | '';
    readonly checksum: number;
    readonly body: Buffer;
  },
): boolean {
  return (
    stored.checksum === posted.checksum &&
    stored.bodyBytes === posted.body.length &&
    stored.to === posted.to &&
    stored.from === posted.from &&
    stored.answers === posted.answers
  );
}
