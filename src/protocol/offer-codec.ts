// The headers of what a read gets: of an offer, and of the end of a wait or fetch.
import type { ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { readFlag, readStoredName } from '../model/envelope.ts';
import type { EndResponse, Offer } from '../model/requests.ts';
import type { Frame } from './frame.ts';
import {
  checkChecksum,
  checkNoBody,
  headerReader,
  readFullEnvelope,
  readHeader,
  readLastHold,
  readOtherFolder,
  writeFullEnvelope,
  writeLastHold,
} from './header-fields.ts';
import { readElsewhere, readPaused, writeElsewhere, writePaused } from './receipt-fields.ts';

export function writeOfferHeader(writer: ByteWriter, offer: Offer, isDamaged: boolean): void {
  writer.u32(offer.attempt).u32(offer.others).u8(Number(isDamaged));
  writer.text(offer.mailbox);
  writeFullEnvelope(writer, offer.envelope);
  writeLastHold(writer, offer.lastHold);
  writer.u32(offer.remaining);
  writeElsewhere(writer, offer.elsewhere);
  writer.text(offer.otherFolder ?? '');
}

export function decodeOffer(frame: Frame): { response: Offer; body: Buffer | undefined } {
  const { request, body } = frame;
  const reader = headerReader(frame);
  const attempt = reader.u32();
  const others = reader.u32();
  const isDamaged = readFlag(reader);
  const mailbox = readStoredName(reader);
  const envelope = readFullEnvelope(reader);
  const history = readLastHold(reader);
  const remaining = reader.u32();
  const elsewhere = readElsewhere(reader);
  const folder = readOtherFolder(reader);
  reader.end();
  const kind = 'offer';
  const usual: Offer = { kind, request, envelope, mailbox, attempt, others, remaining, elsewhere };
  // Nearly every offer is without them, and a spread takes as long as reading the envelope.
  const isUsual = history.lastHold === undefined && folder.otherFolder === undefined;
  const response = isUsual ? usual : { ...usual, ...history, ...folder };
  if (attempt === 0) throw new IpcError('bad_frame', 'an offer with the attempt 0');
  if (isDamaged) {
    checkNoBody(frame);
    return { response, body: undefined };
  }
  const { bodyBytes, checksum } = envelope;
  if (body.length !== bodyBytes) {
    throw new IpcError('bad_frame', `a body of ${body.length} bytes instead of ${bodyBytes}`);
  }
  checkChecksum(body, checksum);
  return { response, body };
}

export function writeEndHeader(
  writer: ByteWriter,
  { remaining, elsewhere, otherFolder = '', paused }: EndResponse,
): void {
  writer.u32(remaining);
  writeElsewhere(writer, elsewhere);
  writer.text(otherFolder);
  writePaused(writer, paused);
}

export function decodeEnd(frame: Frame): EndResponse {
  return readHeader(frame, (reader) => {
    const remaining = reader.u32();
    const elsewhere = readElsewhere(reader);
    const rest = { ...readOtherFolder(reader), ...readPaused(reader) };
    return { kind: 'end', request: frame.request, remaining, elsewhere, ...rest };
  });
}
