// The headers of a post and of its response. What only a post to several mailboxes has is at the end.
import type { ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { idBytesMax, mailboxesPerPostMax } from '../base/limits.ts';
import {
  readFlag,
  readHolds,
  readMessageId,
  readMessageIdOrNone,
  readName,
  readNameOrNone,
  readNumber,
  writeHolds,
} from '../model/envelope.ts';
import type { StoredMessage } from '../model/mail-ahead.ts';
import { mailboxesOf, namedMessageId } from '../model/post.ts';
import type { PostRequest, StoredResponse } from '../model/requests.ts';
import type { Frame } from './frame.ts';
import {
  checkBody,
  checkCount,
  headerReader,
  nameBytesMin,
  readChosenId,
  readCount,
  readOptionalList,
  writeOptionalList,
  writeOptionalNames,
} from './header-fields.ts';
import {
  aheadBytesMin,
  readAhead,
  readElsewhere,
  writeAhead,
  writeElsewhere,
} from './receipt-fields.ts';

/** The smallest item: a number, an id of one character and a flag. */
const storedBytesMin = 8 + 2 + 1 + aheadBytesMin;

export function writePostHeader(writer: ByteWriter, post: PostRequest): void {
  writer.u64(post.count).u64(post.ackedUpTo).u32(post.checksum);
  writer.text(post.id).text(post.to).text(post.from).text(post.answers);
  writeHolds(writer, post.settles);
  writeOptionalNames(writer, post.alsoTo);
}

export function decodePost(frame: Frame): PostRequest {
  const { request, body } = frame;
  const reader = headerReader(frame);
  const post: PostRequest = {
    kind: 'post',
    request,
    count: readCount(reader),
    ackedUpTo: readCount(reader),
    checksum: reader.u32(),
    id: readChosenId(reader),
    to: readName(reader),
    from: readNameOrNone(reader),
    answers: readMessageIdOrNone(reader),
    settles: readHolds(reader),
    alsoTo: readOptionalList(reader, nameBytesMin, readName),
    body,
  };
  reader.end();
  if ((post.count === 0) !== (post.id !== '')) {
    throw new IpcError('bad_frame', 'a post has either a count or an id');
  }
  checkMailboxes(post);
  checkBody(body, post.checksum);
  return post;
}

export function writeStoredHeader(writer: ByteWriter, stored: StoredResponse): void {
  writer.u64(stored.number).text(stored.id);
  writer.u8(Number(stored.duplicate)).u8(readerCode(stored));
  writeHolds(writer, stored.notHeld);
  writeAhead(writer, stored);
  writeElsewhere(writer, stored.elsewhere);
  writeOptionalList(writer, stored.also, writeAlso);
}

function writeAlso(writer: ByteWriter, also: StoredMessage): void {
  writer.u64(also.number).text(also.id).u8(readerCode(also));
  writeAhead(writer, also);
}

export function decodeStored(frame: Frame): StoredResponse {
  const bytes = headerReader(frame);
  const number = readNumber(bytes);
  const id = readMessageId(bytes);
  const duplicate = readFlag(bytes);
  const { reader, watched, paused } = readReader(bytes);
  const notHeld = readHolds(bytes);
  const { before, holder, same } = readAhead(bytes);
  const elsewhere = readElsewhere(bytes);
  const also = readOptionalList(bytes, storedBytesMin, readAlso);
  bytes.end();
  return {
    kind: 'stored',
    request: frame.request,
    number,
    id,
    duplicate,
    reader,
    watched,
    paused,
    notHeld,
    before,
    holder,
    same,
    elsewhere,
    also,
  };
}

function readAlso(reader: ByteReader): StoredMessage {
  const number = readNumber(reader);
  const id = readMessageId(reader);
  return { number, id, ...readReader(reader), ...readAhead(reader) };
}

type Prospect = Pick<StoredMessage, 'reader' | 'watched' | 'paused'>;

/**
 * 0: nobody waits; 1: a session that waited has the message; 2: a session that watches will be told; 3: deliveries are
 * paused.
 */
function readerCode({ reader, watched, paused }: Prospect): number {
  if (reader) return 1;
  if (paused) return 3;
  return watched ? 2 : 0;
}

function readReader(reader: ByteReader): Prospect {
  const code = reader.u8();
  if (code <= 3) return { reader: code === 1, watched: code === 2, paused: code === 3 };
  throw new IpcError('bad_frame', `a stored message with the reader ${code}`);
}

/** Also checks the counts and ids of all messages of the post: each mailbox gets a message with its own. */
function checkMailboxes(post: PostRequest): void {
  if (post.alsoTo.length === 0) return;
  checkCount(post.count + post.alsoTo.length);
  const names = mailboxesOf(post);
  if (names.length > mailboxesPerPostMax) {
    const what = `a post to ${names.length} mailboxes; limit ${mailboxesPerPostMax}`;
    throw new IpcError('bad_parameter', what);
  }
  if (new Set(names).size < names.length) {
    throw new IpcError('bad_parameter', 'a post names a mailbox twice');
  }
  if (post.id === '') return;
  const bytes = Buffer.byteLength(namedMessageId(post.id, post.alsoTo.length));
  if (bytes <= idBytesMax) return;
  const what = `of several messages the ids are ID, ID/2, ID/3: the last one has ${bytes} bytes`;
  throw new IpcError('bad_id', `${what}; limit ${idBytesMax}`);
}
