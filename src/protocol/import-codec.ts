// The headers of an import and of its response.
import type { ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { readFlag, readName, readNumber } from '../model/envelope.ts';
import type { ImportedResponse, ImportRequest } from '../model/import-requests.ts';
import { deadLetterMailbox, parseName } from '../model/message.ts';
import type { Frame } from './frame.ts';
import {
  checkBody,
  readCount,
  readFullEnvelope,
  readHeader,
  readLastHold,
  writeFullEnvelope,
  writeLastHold,
} from './header-fields.ts';
import { importSession } from './session-secret.ts';

const storeIdForm = /^[0-9a-f]{32}$/;

export function writeImportHeader(writer: ByteWriter, request: ImportRequest): void {
  const { store, mailbox, attempt, previous, movedUpTo, envelope, lastHold } = request;
  writer.text(store).text(mailbox).u32(attempt);
  writer.u64(previous).u64(movedUpTo);
  writeFullEnvelope(writer, envelope);
  writeLastHold(writer, lastHold);
}

export function decodeImport(frame: Frame): ImportRequest {
  const { request, body } = frame;
  const fields = readHeader(frame, (reader) => ({
    store: reader.text(),
    mailbox: readName(reader),
    attempt: reader.u32(),
    previous: readCount(reader),
    movedUpTo: readCount(reader),
    envelope: readFullEnvelope(reader),
    ...readLastHold(reader),
  }));
  const { store, mailbox, attempt, envelope } = fields;
  if (!storeIdForm.test(store)) throw new IpcError('bad_frame', 'a store id has 32 hex digits');
  const isInPlace = mailbox === envelope.to || mailbox === deadLetterMailbox;
  if (attempt === 0 || envelope.bodyBytes !== body.length || !isInPlace) {
    throw new IpcError('bad_frame', `an import of message ${envelope.number} contradicts itself`);
  }
  // Names of earlier versions are stored as the names that look the same.
  parseName(envelope.to, 'to');
  checkBody(body, envelope.checksum);
  const keySession = importSession(store, mailbox);
  return { kind: 'import', request, keySession, ...fields, body };
}

export function writeImportedHeader(
  writer: ByteWriter,
  { number, duplicate }: ImportedResponse,
): void {
  writer.u64(number).u8(Number(duplicate));
}

export function decodeImported(frame: Frame): ImportedResponse {
  const imported = readHeader(frame, (reader) => ({
    number: readNumber(reader),
    duplicate: readFlag(reader),
  }));
  return { kind: 'imported', request: frame.request, ...imported };
}
