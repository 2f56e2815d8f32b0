// The JSON of a POST. Each field is checked where it is used.
import type { IncomingMessage } from 'node:http';
import { shown } from '../app/parameters.ts';
import { IpcError } from '../base/errors.ts';
import { pageBodyBytesMax, pageIdsMax } from '../base/page-limits.ts';
import { type MessageId, type Name, parseMessageId, parseName } from '../model/message.ts';
import { HttpFault } from './http-fault.ts';

export type BodyFields = Readonly<Record<string, unknown>>;

/** A form of another page cannot have this type without asking first (CORS). */
export async function readFields(request: IncomingMessage): Promise<BodyFields> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
    throw new HttpFault(415, 'bad_request', 'the Content-Type must be application/json');
  }
  const bytes = await readBytes(request);
  const value = parseJson(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as BodyFields;
  }
  throw new HttpFault(400, 'bad_request', 'the body must be a JSON object');
}

/** Reads no further than the limit: the connection is closed then. */
async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = Number(request.headers['content-length'] ?? 0);
  if (bytes > pageBodyBytesMax) throw tooLarge();
  bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > pageBodyBytesMax) throw tooLarge();
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): HttpFault {
  return new HttpFault(413, 'too_large', `the body has more than ${pageBodyBytesMax} bytes`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpFault(400, 'bad_request', 'the body is no JSON');
  }
}

export function textField(fields: BodyFields, key: string): string {
  const value = fields[key];
  if (typeof value === 'string') return value;
  throw new IpcError('bad_parameter', `${key} is ${shown(value)}; it must be a text`);
}

export function nameField(fields: BodyFields, key: string): Name {
  return parseName(textField(fields, key), key);
}

/** undefined when it is absent. */
export function idField(fields: BodyFields, key: string): MessageId | undefined {
  return fields[key] === undefined ? undefined : parseMessageId(textField(fields, key));
}

/** A list of texts, each once; undefined when it is absent. */
export function listField<Item>(
  fields: BodyFields,
  key: string,
  parse: (text: string) => Item,
): readonly Item[] | undefined {
  const value = fields[key];
  if (value === undefined) return undefined;
  const isList = Array.isArray(value) && value.every((each) => typeof each === 'string');
  if (isList && value.length > 0 && value.length <= pageIdsMax) {
    return [...new Set((value as string[]).map(parse))];
  }
  const what = `${key} must be a list of 1 to ${pageIdsMax} texts`;
  throw new IpcError('bad_parameter', what);
}
