// The headers of an erase and of its response.
import type { ByteWriter } from '../base/binary.ts';
import type { ErasedResponse, EraseRequest } from '../model/erase-requests.ts';
import { parseName } from '../model/message.ts';
import type { Frame } from './frame.ts';
import { readHeader } from './header-fields.ts';

export function writeEraseHeader(writer: ByteWriter, { mailbox }: EraseRequest): void {
  writer.text(mailbox);
}

export function decodeErase(frame: Frame): EraseRequest {
  const mailbox = readHeader(frame, (reader) => reader.text());
  return {
    kind: 'erase',
    request: frame.request,
    mailbox: mailbox === '' ? '' : parseName(mailbox, 'mailbox'),
  };
}

export function writeErasedHeader(writer: ByteWriter, { messages, bytes }: ErasedResponse): void {
  writer.u64(messages).u64(bytes);
}

export function decodeErased(frame: Frame): ErasedResponse {
  const erased = readHeader(frame, (reader) => ({ messages: reader.u64(), bytes: reader.u64() }));
  return { kind: 'erased', request: frame.request, ...erased };
}
