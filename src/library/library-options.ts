// What the calls of the library may be given beside what they need. A program without types may give
// anything: what is wrong is named, with the form it must have, before the call does anything.

import type { Environment } from '../app/environment.ts';
import { unknownParameter } from '../app/operations.ts';
import {
  parseBind,
  parseHost,
  parsePort,
  parseSendsPerHour,
  parseText,
  shown,
} from '../app/parameters.ts';
import { IpcError } from '../base/errors.ts';
import { fetchBytesMax, fetchMessagesMax, waitMsMax } from '../base/limits.ts';
import { parseMessageId, parseName, parseNamedId } from '../model/message.ts';

/** An option has the same form in each call that takes it. */
const parsers = {
  answers: (value: unknown) => value,
  bind: (value: unknown) => parseBind(value, 'bind'),
  bytesMax: (value: unknown) => parseAmount(value, 'bytesMax', fetchBytesMax),
  env: parseEnvironment,
  from: (value: unknown) => parseName(value as string, 'from'),
  home: (value: unknown) => parseText(value, 'home'),
  host: (value: unknown) => parseHost(value),
  id: (value: unknown) => parseNamedId(value as string),
  ids: parseIds,
  mailbox: (value: unknown) => parseName(value as string, 'mailbox'),
  messagesMax: (value: unknown) => parseAmount(value, 'messagesMax', fetchMessagesMax),
  name: (value: unknown) => parseName(value as string, 'name'),
  port: (value: unknown) => parsePort(value),
  program: (value: unknown) => parseText(value, 'program'),
  sendsPerHour: (value: unknown) => parseSendsPerHour(value),
  signal: parseSignal,
  timeoutMs: parseMs,
  to: (value: unknown) => parseName(value as string, 'to'),
  unread: parseFlag,
};

type OptionName = keyof typeof parsers;
type Options = { readonly [K in OptionName]?: ReturnType<(typeof parsers)[K]> | undefined };

/** Throws `cancelled` when the signal among them was aborted before: nothing is begun then. */
export function parseOptions<K extends OptionName>(
  call: string,
  given: unknown,
  names: readonly K[],
): Pick<Options, K> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const what = `the options of ${call} must be an object, not ${shown(given)}`;
    throw new IpcError('bad_parameter', what);
  }
  const parsed: Partial<Record<OptionName, unknown>> = {};
  for (const [key, value] of Object.entries(given)) {
    const name = names.find((legal) => legal === key);
    if (name === undefined) throw unknownParameter(call, key, names);
    if (value !== undefined) parsed[name] = parsers[name](value);
  }
  const options = parsed as Options;
  if (options.signal?.aborted) throw new IpcError('cancelled', 'the call was cancelled');
  return options;
}

function parseAmount(value: unknown, parameter: string, max: number): number {
  const isWhole = typeof value === 'number' && Number.isInteger(value);
  if (isWhole && value >= 0 && value <= max) return value;
  throw badForm(value, parameter, `a whole number from 0 to ${max}`);
}

function parseMs(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= waitMsMax) return value;
  const what = `timeoutMs is ${shown(value)}; it must be from 0 to ${waitMsMax}`;
  throw new IpcError('bad_timeout', what, { hint: `give milliseconds from 0 to ${waitMsMax}` });
}

function parseSignal(value: unknown): AbortSignal {
  if (value instanceof AbortSignal) return value;
  throw badForm(value, 'signal', 'an AbortSignal');
}

function parseFlag(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw badForm(value, 'unread', 'true or false');
}

function parseIds(value: unknown) {
  if (Array.isArray(value)) return value.map((id) => parseMessageId(id));
  throw badForm(value, 'ids', 'a list of ids');
}

function parseEnvironment(value: unknown): Environment {
  if (typeof value === 'object' && value !== null) return value as Environment;
  throw badForm(value, 'env', 'an object of texts, as process.env is');
}

function badForm(value: unknown, parameter: string, form: string): IpcError {
  const what = `${parameter} is ${shown(value)}; it must be ${form}`;
  return new IpcError('bad_parameter', what);
}
