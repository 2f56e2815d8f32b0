// Names, ids and messages. They are parsed once, at the edge, into types that are always valid.
import { isUtf8 } from 'node:buffer';
import { oddBlank, unseen } from '../base/characters.ts';
import { crc32 } from '../base/crc32.ts';
import { IpcError } from '../base/errors.ts';
import { bodyBytesMax, idBytesMax, nameBytesMax } from '../base/limits.ts';
import { once } from '../base/once.ts';
import { shared } from '../base/shared-values.ts';

/**
 * 1 to 200 bytes of UTF-8 in NFC, with no invisible character, no blank but the space, and none at its ends:
 * names that look the same to a person or a model are the same.
 */
export type Name = string & { readonly brand: 'Name' };
/** Mailboxes that a post or a read names: at least one, each once. */
export type MailboxList = readonly [Name, ...Name[]];
/** 16 characters of base 32 (80 bits), made from a secret that a client chooses when it starts. */
export type SessionId = string & { readonly brand: 'SessionId' };
/** `SESSION.COUNT`, or any other text that a caller chose. */
export type MessageId = string & { readonly brand: 'MessageId' };

/** The two parts of an id `SESSION.COUNT`. */
export interface GeneratedId {
  readonly session: SessionId;
  readonly count: number;
}

/** The mailbox in which a message waits after its last attempt. */
export const deadLetterMailbox = 'dead-letters' as Name;

/** A message that was posted to `dead-letters` itself is no dead letter. `to`: where it was posted to. */
export function isDeadLetter(mailbox: Name, to: Name): boolean {
  return mailbox === deadLetterMailbox && to !== deadLetterMailbox;
}

/** How a client that has the key describes itself. A label for people, not a proof. */
export interface Origin {
  /** Name of the program; in the library, the `program` given to `open`. */
  readonly program: string;
  /** Process id on that machine. */
  readonly pid: number;
  /** Host name of the machine. */
  readonly machine: string;
  /** Its working folder when it started; absent where none is known, as in mail of earlier versions. */
  readonly folder?: string;
}

/** A message without its body: what the engine keeps in memory. */
export interface Envelope {
  readonly id: MessageId;
  /** Ascending over the whole store, from 1, with gaps. */
  readonly number: number;
  readonly to: Name;
  /** '' when the sender gave no name. */
  readonly from: Name | '';
  /** The broker's wall clock when it stored the message, in milliseconds since 1970. */
  readonly time: number;
  /** The id of the message that this one answers, or ''. */
  readonly answers: MessageId | '';
  /** Its position in a chain of answers: 0 for a message that answers none, 1 for an answer to that, and so on. */
  readonly depth: number;
  readonly origin: Origin;
  readonly bodyBytes: number;
  /** CRC-32 of the body, as the poster computed it. */
  readonly checksum: number;
}

/** A message that a session holds. After a crash its number may belong to another message; its id never does. */
export interface Hold {
  readonly number: number;
  readonly id: MessageId;
}

/**
 * How a hold ended whose message was not settled: its session released the message, or released it as rejected, or
 * the session itself ended, in order or by the loss of its connection.
 */
export type HoldEnd = 'released' | 'disconnected' | 'rejected';

/** The last session that held a message and did not settle it. */
export interface PastHold {
  /** Name of that session; '' when it had none. */
  readonly name: Name | '';
  /** When it got the message, on the broker's wall clock, in milliseconds since 1970. */
  readonly from: number;
  /** When its hold ended, on the same clock. */
  readonly to: number;
  readonly ended: HoldEnd;
}

const controlCharacter = once(() => /\p{Cc}/u);
/** Most names are like this, and replay reads many. */
const plainName = /^[!-~](?:[ -~]{0,198}[!-~])?$/;
export const sessionIdCharacters = 16;
export const countDigitsMax = 15;

// The codes of the characters at both ends of 0-9 and of a-v.
export const digit0 = 0x30;
const digit9 = 0x39;
const letterA = 0x61;
const letterV = 0x76;

/** The regular expressions that check a name that is not plain. */
const oddForms = once(() => ({
  unseenOrBlank: new RegExp(`[${unseen}]|${oddBlank}`, 'u'),
  allUnseen: new RegExp(`[${unseen}]`, 'gu'),
  allOddBlanks: new RegExp(oddBlank, 'gu'),
}));

export function parseName(text: string, parameter = 'name'): Name {
  // A caller in plain JavaScript may pass anything.
  if (typeof text !== 'string') throw new IpcError('bad_name', `${parameter} must be a string`);
  if (plainName.test(text)) return text as Name;
  if (text === '') throw new IpcError('bad_name', `${parameter} is empty`);
  if (!text.isWellFormed()) throw new IpcError('bad_name', `${parameter} has a lone surrogate`);
  if (controlCharacter().test(text))
    throw new IpcError('bad_name', `${parameter} has a control character`);
  const [character] = oddForms().unseenOrBlank.exec(text) ?? [];
  if (character !== undefined) {
    const what = `${codePoint(character)}, which is invisible or looks like a space`;
    throw new IpcError('bad_name', `${parameter} has the character ${what}`);
  }
  if (text !== text.trim())
    throw new IpcError('bad_name', `${parameter} begins or ends with a space`);
  return inBytes(text.normalize('NFC'), parameter);
}

/** A session is started with a label, which need not be a name. */
export function validName(label = ''): Name | undefined {
  try {
    return parseName(label);
  } catch {
    return undefined;
  }
}

function inBytes(text: string, parameter: string): Name {
  const bytes = Buffer.byteLength(text);
  if (bytes <= nameBytesMax) return text as Name;
  throw new IpcError('bad_name', `${parameter} has ${bytes} bytes; the limit is ${nameBytesMax}`);
}

/**
 * A name in a record or in a response. Older versions stored names that are refused today: they are read as
 * the name that looks the same, so that their mail can be fetched. Throws for what was never a name.
 */
export function parseStoredName(text: string): Name {
  if (plainName.test(text)) return text as Name;
  if (text === '' || !text.isWellFormed() || controlCharacter().test(text))
    throw new IpcError('bad_name', 'a stored name is malformed');
  inBytes(text, 'a stored name');
  const { allUnseen, allOddBlanks } = oddForms();
  const seen = text.replace(allUnseen, '').replace(allOddBlanks, ' ').normalize('NFC').trim();
  if (seen !== '') return clipped(seen);
  return clipped([...text].map(codePoint).join(' '));
}

/** NFC makes a few texts longer. */
function clipped(text: string): Name {
  if (Buffer.byteLength(text) <= nameBytesMax) return text as Name;
  const start = Buffer.from(text).subarray(0, nameBytesMax).toString('utf8');
  return start.replace(/\ufffd$/, '').trim() as Name;
}

function codePoint(character: string): string {
  return `U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`;
}

export function parseSessionId(text: string): SessionId {
  if (!/^[0-9a-v]{16}$/.test(text))
    throw new IpcError('bad_id', 'a session id has 16 characters from 0-9 and a-v');
  return text as SessionId;
}

export function sessionMessageId(session: SessionId, count: number): MessageId {
  const id = `${session}.${count}` as MessageId;
  // Its parts are asked for next. They need not be read from it then, and its session is no second string.
  lastId = id;
  lastCount = count;
  lastSession = session;
  return id;
}

/** The characters of an id of a session with that count. */
export function generatedIdLength(count: number): number {
  let length = sessionIdCharacters + 2;
  for (let rest = count; rest >= 10; rest /= 10) length++;
  return length;
}

/** An id of either form. */
export function parseMessageId(text: string): MessageId {
  // A caller in plain JavaScript may pass anything.
  const isGenerated = typeof text === 'string' && countIn(text) > 0;
  return isGenerated ? (text as MessageId) : parseNamedId(text);
}

/** An id that a caller chose. The form of SESSION.COUNT is refused. */
export function parseNamedId(text: string): MessageId {
  if (
    typeof text !== 'string' ||
    text === '' ||
    !text.isWellFormed() ||
    controlCharacter().test(text)
  ) {
    throw new IpcError('bad_id', 'an id must be non-empty text without control characters');
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > idBytesMax)
    throw new IpcError('bad_id', `the id has ${bytes} bytes; the limit is ${idBytesMax}`);
  if (countIn(text) > 0)
    throw new IpcError('bad_id', `the id ${text} has the form of generated ids`);
  return text as MessageId;
}

/** The session and count of a generated id; undefined for an id that a caller chose. */
export function splitId(id: MessageId): GeneratedId | undefined {
  const count = countIn(id);
  return count > 0 ? { session: sessionIn(id), count } : undefined;
}

/** An id in two parts, for those that keep many: messages of one session share the first. */
export interface PackedId {
  /** The session; the whole id if a caller chose it. */
  readonly text: SessionId | MessageId;
  /** 0 in an id that a caller chose. */
  readonly count: number;
}

export function packedId(id: MessageId): PackedId {
  const count = countIn(id);
  return { text: count > 0 ? shared(sessionIn(id)) : id, count };
}

export function unpackedId({ text, count }: PackedId): MessageId {
  return count > 0 ? sessionMessageId(text as SessionId, count) : (text as MessageId);
}

/** The id that was last made, or asked for its count, and that count: each is asked several times in a row. */
let lastId = '';
let lastCount = 0;

/** The count in an id of the form SESSION.COUNT; 0 for any other. */
export function countIn(id: string): number {
  if (id === lastId) return lastCount;
  lastCount = readCount(id);
  lastId = id;
  return lastCount;
}

/** A regular expression would take three times as long. */
function readCount(id: string): number {
  const first = sessionIdCharacters + 1;
  if (id.length > first + countDigitsMax || id.charAt(sessionIdCharacters) !== '.') return 0;
  for (let at = 0; at < sessionIdCharacters; at++) {
    const code = id.charCodeAt(at);
    if (!isDigit(code) && (code < letterA || code > letterV)) return 0;
  }
  // It does not begin with a 0, nor does an empty one count.
  if (id.charCodeAt(first) === digit0) return 0;
  let count = 0;
  for (let at = first; at < id.length; at++) {
    const code = id.charCodeAt(at);
    if (!isDigit(code)) return 0;
    count = 10 * count + code - digit0;
  }
  return count;
}

export function isDigit(code: number): boolean {
  return code >= digit0 && code <= digit9;
}

/** The session of the id that was last made, or asked for it: most ids in a row have the same. At first it is none. */
let lastSession = '\0' as SessionId;

/** The session of an id that has a count. */
export function sessionIn(id: MessageId): SessionId {
  if (!id.startsWith(lastSession)) lastSession = id.slice(0, sessionIdCharacters) as SessionId;
  return lastSession;
}

/** The bytes of a body, unchanged. Invalid UTF-8 is refused, not replaced. */
export function parseBody(body: string | Uint8Array, parameter = 'message'): Buffer {
  if (typeof body === 'string') {
    if (!body.isWellFormed()) throw new IpcError('bad_body', `${parameter} has a lone surrogate`);
    // Each character takes a byte or more, so far too long a text is not encoded.
    if (body.length > bodyBytesMax) throw tooLarge(Buffer.byteLength(body), parameter);
    const bytes = Buffer.from(body, 'utf8');
    if (bytes.length > bodyBytesMax) throw tooLarge(bytes.length, parameter);
    return bytes;
  }
  checkBytes(body, parameter);
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/** Throws unless they can be a body. A caller in plain JavaScript may pass anything. */
export function checkBytes(body: Uint8Array, parameter: string): void {
  if (!(body instanceof Uint8Array)) {
    throw new IpcError('bad_body', `${parameter} must be a string, or bytes in UTF-8`);
  }
  if (body.byteLength > bodyBytesMax) throw tooLarge(body.byteLength, parameter);
  if (!isUtf8(body)) throw new IpcError('bad_body', `${parameter} is not UTF-8`);
}

function tooLarge(bytes: number, parameter: string): IpcError {
  const size = `${bytes} bytes of UTF-8; the limit is ${bodyBytesMax}`;
  return new IpcError('body_too_large', `${parameter} has ${size}`);
}

/** The message that ends a worker. */
export function isShutdown(body: Buffer): boolean {
  return body.toString('utf8').trim() === 'shutdown';
}

export function bodyChecksum(body: Uint8Array): number {
  return crc32(body);
}

export type FingerprintedContent = Pick<
  Envelope,
  'to' | 'from' | 'answers' | 'bodyBytes' | 'checksum'
>;

/**
 * What stays of a message that was settled, to recognise another one under its id. 32 bits are enough against
 * chance; no number of bits keeps a peer that knows the content from posting that.
 */
export function fingerprintOf(message: FingerprintedContent): number {
  const { to, from, answers, bodyBytes, checksum } = message;
  // No name and no id has a NUL.
  return crc32(`${to}\0${from}\0${answers}\0${bodyBytes}\0${checksum}`);
}

/** Whether a repeated post has the same content as the stored message. */
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
