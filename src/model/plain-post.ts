// A post as nearly all are. A replay reads up to a million of them, so it has no object for each.
import type { ByteReader } from '../base/binary.ts';
import { shared } from '../base/shared-values.ts';
import { TextTable } from '../base/text-table.ts';
import {
  countDigitsMax,
  digit0,
  type Envelope,
  isDigit,
  type MessageId,
  type Name,
  type Origin,
  parseSessionId,
  parseStoredName,
  type SessionId,
  sessionIdCharacters,
  sessionMessageId,
} from './message.ts';

/**
 * A `posted` record of one message, under a generated id, that settles nothing, came from no other store, and whose body
 * is valid. The next one is read into the same object, so what is to be kept of it has to be copied.
 */
export class PlainPost implements Omit<Envelope, 'id'> {
  readonly kind = 'plain';
  /** Its id, in two parts. */
  session = '' as SessionId;
  count = 0;
  number = 0;
  to = '' as Name;
  /**
   * A number below textSlots, by which a table finds what belongs to `to`. Equal names mostly have the same number, and
   * few other names have it.
   */
  toSlot = 0;
  from: Name | '' = '';
  time = 0;
  answers: MessageId | '' = '';
  depth = 0;
  origin: Origin = { program: '', pid: 0, machine: '' };
  bodyBytes = 0;
  checksum = 0;
  ackedUpTo = 0;

  envelope(): Envelope {
    const { session, count, number, to, from, time, answers } = this;
    const { origin, bodyBytes, checksum, depth } = this;
    const id = sessionMessageId(session, count);
    return { id, number, to, from, time, answers, origin, bodyBytes, checksum, depth };
  }
}

const sessions = new TextTable<SessionId>((text) => shared(parseSessionId(text)));
const recipients = new TextTable<Name>((text) => shared(parseStoredName(text)));
const dot = 0x2e;

/** Reads a message id in its two parts. False, or bad_id, if it is not a generated one: see countIn(). */
export function readGeneratedId(reader: ByteReader, post: PlainPost): boolean {
  const digits = reader.u8() - sessionIdCharacters - 1;
  if (digits < 1 || digits > countDigitsMax) return false;
  post.session = reader.partIn(sessionIdCharacters, sessions);
  if (reader.u8() !== dot) return false;
  let count = 0;
  for (let index = 0; index < digits; index++) {
    const code = reader.u8();
    if (!isDigit(code)) return false;
    count = 10 * count + code - digit0;
    if (count === 0) return false;
  }
  post.count = count;
  return true;
}

export function readRecipient(reader: ByteReader, post: PlainPost): void {
  post.to = reader.textIn(recipients);
  post.toSlot = recipients.slot;
}
