// Reads a line of the host. Every line gets an answer: its result, or an error of JSON-RPC. Without an answer
// stay blank lines, notifications and responses: nobody waits for one, and two sides that answer each other's
// errors would never stop.
import { isUtf8 } from 'node:buffer';
import { type JSONRPCMessage, parseJSONRPCMessage } from '@modelcontextprotocol/server';
import { shown } from '../app/parameters.ts';
import { IpcError } from '../base/errors.ts';
import { lineBytesMax } from '../base/limits.ts';
import { type InputLine, idIn, isNotificationLine } from './line-reader.ts';
import { isPlainCall, type PlainCall } from './plain-call.ts';

export type ParsedLine =
  | { readonly kind: 'call'; readonly call: PlainCall }
  | { readonly kind: 'message'; readonly message: JSONRPCMessage }
  | { readonly kind: 'blank' }
  | Refusal;

export interface Refusal {
  readonly kind: 'refused';
  readonly error: IpcError;
  /** The answer's id and code; undefined if the line gets no answer. */
  readonly answer: { readonly id: string | number | null; readonly code: number } | undefined;
}

/** Error codes of JSON-RPC. */
const parseErrorCode = -32_700;
const invalidRequestCode = -32_600;

export function parseLine(line: InputLine): ParsedLine {
  const { bytes, isTooLong } = line;
  if (isTooLong) {
    const what = `a line of more than ${lineBytesMax} bytes was not read`;
    const error = new IpcError('body_too_large', what);
    const answer = { id: idIn(line), code: invalidRequestCode };
    return { kind: 'refused', error, answer: isNotificationLine(line) ? undefined : answer };
  }
  if (!isUtf8(bytes)) {
    return refused('a line is not UTF-8', { id: idIn(line), code: parseErrorCode });
  }
  // Also takes away a byte order mark, which some hosts write.
  const text = bytes.toString('utf8').trim();
  if (text === '') return { kind: 'blank' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const hint = 'write one JSON-RPC message in each line';
    return refused('a line is not JSON', { id: null, code: parseErrorCode }, hint);
  }
  if (isPlainCall(value)) return { kind: 'call', call: value };
  try {
    return { kind: 'message', message: parseJSONRPCMessage(value) };
  } catch {
    return refusedValue(value);
  }
}

/** For JSON that is not a message of MCP. */
function refusedValue(value: unknown): ParsedLine {
  if (Array.isArray(value)) {
    const hint = 'write each message of the batch in a line of its own';
    return refused('a line is a batch', { id: null, code: invalidRequestCode }, hint);
  }
  const members: Record<string, unknown> = typeof value === 'object' ? { ...value } : {};
  const { id, method } = members;
  const isResponse = !('method' in members) && ('result' in members || 'error' in members);
  const isNotification = typeof method === 'string' && !('id' in members);
  const answer =
    isResponse || isNotification ? undefined : { id: exactId(id), code: invalidRequestCode };
  const hint = 'write "jsonrpc":"2.0", "id", "method" and "params" as MCP defines them';
  return refused('a line is JSON, but not a message of MCP', answer, hint);
}

/** For a request under the id of a call in flight. A call that is cancelled, `isGone`, gets no other answer. */
export function repeatedId(id: string | number, isGone: boolean): Refusal {
  const what = `a request has the id of an open call, ${shown(id)}, and was not run`;
  const hint = 'give each request an id of its own';
  return refused(what, { id: isGone ? id : null, code: invalidRequestCode }, hint);
}

/** null for an id that an answer could not repeat exactly. */
function exactId(id: unknown): string | number | null {
  if (typeof id === 'string') return id;
  return typeof id === 'number' && Math.abs(id) <= Number.MAX_SAFE_INTEGER ? id : null;
}

function refused(what: string, answer: Refusal['answer'], hint?: string): Refusal {
  return {
    kind: 'refused',
    error: new IpcError('bad_body', what, hint === undefined ? {} : { hint }),
    answer,
  };
}
