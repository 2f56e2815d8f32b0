// The headers of a retry of dead letters, and of its response.
import type { ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { deadLettersPerRetry } from '../base/limits.ts';
import { readMessageId, readNameOrNone } from '../model/envelope.ts';
import { parseMessageId, parseStoredName } from '../model/message.ts';
import type { DeadLetter, RetriedResponse, RetryRequest } from '../model/requests.ts';
import type { Frame } from './frame.ts';
import { readHeader } from './header-fields.ts';
import { type JsonFields, readJson, writeJson } from './json-header.ts';

/** An id of one character, with its length. */
const idBytesMin = 2;

export function writeRetryHeader(writer: ByteWriter, { after, to, ids }: RetryRequest): void {
  writer.u64(after).text(to);
  writer.texts(ids);
}

export function decodeRetry(frame: Frame): RetryRequest {
  const retry = readHeader(frame, (reader) => ({
    kind: 'retry' as const,
    request: frame.request,
    after: reader.u64(),
    to: readNameOrNone(reader),
    ids: reader.list(idBytesMin, readMessageId),
  }));
  if (retry.ids.length <= deadLettersPerRetry) return retry;
  const what = `${retry.ids.length} ids at once; limit ${deadLettersPerRetry}`;
  throw new IpcError('bad_parameter', what);
}

export function writeRetriedHeader(
  writer: ByteWriter,
  { moved, stayed, next }: RetriedResponse,
): void {
  writeJson(writer, { moved: moved.map(plain), stayed: stayed.map(plain), next });
}

export function decodeRetried(frame: Frame): RetriedResponse {
  const fields = readJson(frame);
  return {
    kind: 'retried',
    request: frame.request,
    moved: fields.objects('moved').map(deadLetter),
    stayed: fields.objects('stayed').map(deadLetter),
    next: fields.whole('next'),
  };
}

function plain({ id, to }: DeadLetter): DeadLetter {
  return { id, to };
}

function deadLetter(fields: JsonFields): DeadLetter {
  return { id: parseMessageId(fields.text('id')), to: parseStoredName(fields.text('to')) };
}
