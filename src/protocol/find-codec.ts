// The headers of a find and of its response.
import type { ByteReader, ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { findIdsMax } from '../base/limits.ts';
import { readMessageId, readNameOrNone, readStoredName, readTime } from '../model/envelope.ts';
import type { FoundMessage, FoundPlace, FoundState } from '../model/look-results.ts';
import type { FindRequest, FoundResponse } from '../model/requests.ts';
import type { Frame } from './frame.ts';
import { readHeader, readListUpTo } from './header-fields.ts';
import { readHolder, writeHolder } from './look-codec.ts';

/** An id of one character, with its length. */
const idBytesMin = 2;
/** A state and two numbers. */
const foundBytesMin = 17;
/** A state is its place in this list. */
const states: readonly FoundState[] = ['unknown', 'forgotten', 'settled', 'ready', 'held'];

export function writeFindHeader(writer: ByteWriter, { answersIn, ids }: FindRequest): void {
  writer.text(answersIn);
  writer.texts(ids);
}

export function decodeFind(frame: Frame): FindRequest {
  const find = readHeader(frame, (reader) => ({
    kind: 'find' as const,
    request: frame.request,
    answersIn: readNameOrNone(reader),
    ids: reader.list(idBytesMin, readMessageId),
  }));
  if (find.ids.length <= findIdsMax) return find;
  throw new IpcError('bad_parameter', `${find.ids.length} ids at once; limit ${findIdsMax}`);
}

export function writeFoundHeader(writer: ByteWriter, { found }: FoundResponse): void {
  writer.list(found, (_, { state, number = 0, answeredBy = 0, place }) => {
    writer.u8(states.indexOf(state)).u64(number).u64(answeredBy);
    if (!place) return;
    writer.text(place.mailbox).text(place.to).u64(place.time).u32(place.attempt);
    if (state === 'held') writeHolder(writer, place.holder);
  });
}

export function decodeFound(frame: Frame): FoundResponse {
  const found = readHeader(frame, (reader) =>
    readListUpTo(reader, findIdsMax, foundBytesMin, readFound),
  );
  return { kind: 'found', request: frame.request, found };
}

function readFound(reader: ByteReader): FoundMessage {
  const code = reader.u8();
  const state = states[code];
  if (!state) throw new IpcError('bad_frame', `a message in the state ${code}`);
  const number = reader.u64() || undefined;
  const answeredBy = reader.u64() || undefined;
  const isUnsettled = state === 'ready' || state === 'held';
  const place = isUnsettled ? readPlace(reader, state === 'held') : undefined;
  const mayHaveNumber = isUnsettled || state === 'settled';
  if ((isUnsettled && number === undefined) || (!mayHaveNumber && number !== undefined)) {
    throw new IpcError('bad_frame', `a message that is ${state}, with the number ${number}`);
  }
  return { state, number, answeredBy, place };
}

function readPlace(reader: ByteReader, isHeld: boolean): FoundPlace {
  const mailbox = readStoredName(reader);
  const to = readStoredName(reader);
  const time = readTime(reader);
  const attempt = reader.u32();
  const holder = isHeld ? readHolder(reader) : undefined;
  if (attempt === 0 || (isHeld && !holder)) {
    throw new IpcError('bad_frame', 'a message that was found has no attempt or no holder');
  }
  return { mailbox, to, time, attempt, holder };
}
