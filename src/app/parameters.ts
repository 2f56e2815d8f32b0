// Parsers of values, from parameters and from the environment. An error names the parameter, shows the value
// unless it may be a secret, and says which form it must have.
import { isIP, isIPv6 } from 'node:net';
import { type ErrorCode, errorTable, IpcError } from '../base/errors.ts';
import {
  bodyBytesMax,
  mailboxesPerPostMax,
  mailboxesPerReadMax,
  portBrokerDefault,
  portMax,
  sendsPerHourMax,
  ticketsPerCallMax,
  waitMsMax,
  waitMsMin,
} from '../base/limits.ts';
import type { HistoryBound } from '../journal/history-limits.ts';
import type { MailElsewhere, StoredMessage } from '../model/mail-ahead.ts';
import type { PostResult } from '../model/mail-service.ts';
import { type MailboxList, type Name, parseBody, parseName } from '../model/message.ts';
import { isNatsAddress, parseNatsAddress } from '../nats/nats-address.ts';

/** Where a session or a broker listens: a name or an address, and a port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The same where a port of its own is needless: the broker's port has a default. */
export interface BrokerHost {
  /** A host, or the address of a NATS server in full, which may have a password. */
  readonly host: string;
  readonly port?: number;
}

export const timeoutMin = waitMsMin / 1_000;
export const timeoutMax = waitMsMax / 1_000;

/** Keeps the form apart from the value: an error may say the form even where the value is a secret. */
class InvalidValue extends IpcError {
  readonly form: string;

  constructor(code: ErrorCode, parameter: string, value: unknown, form: string, hint?: string) {
    super(code, `${parameter} is ${shown(value)}; it must be ${form}`, hint ? { hint } : {});
    this.form = form;
  }
}

/** A value as an error shows it: short, and on one line. */
export function shown(value: unknown): string {
  const text = jsonOf(value) ?? plainOf(value);
  return text.length > 60 ? `${text.slice(0, 60).toWellFormed()}…` : text;
}

/** undefined for a value that JSON cannot express: of a program that uses the library, or nested too deep. */
function jsonOf(value: unknown): string | undefined {
  if (typeof value === 'number') return undefined;
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function plainOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? 'a list' : 'an object';
}

export function parseText(value: unknown, parameter: string): string {
  if (typeof value === 'string') return value;
  throw new InvalidValue('bad_parameter', parameter, value, 'a text');
}

const lineForm = '1 to 300 visible ASCII characters without spaces';

export function parseLine(value: unknown, parameter: string, form = lineForm): string {
  const text = parseText(value, parameter);
  if (/^[\x21-\x7e]{1,300}$/.test(text)) return text;
  throw new InvalidValue('bad_parameter', parameter, text, form);
}

const listForm = 'a list as JSON, like ["a","b"]';

/**
 * Over MCP a list comes as its JSON text, as advertised. One that is no JSON is refused: taken for a name, it would be a
 * mailbox that nobody reads. `[7]` and `[A` are names.
 */
export function listIn(value: unknown, parameter: string): unknown {
  if (typeof value !== 'string' || !looksLikeList(value)) return value;
  try {
    return JSON.parse(value.trim());
  } catch {
    throw new InvalidValue('bad_parameter', parameter, value, listForm);
  }
}

function looksLikeList(value: string): boolean {
  const text = value.trim();
  const [opens, closes] = [text.startsWith('['), text.endsWith(']')];
  if (!opens && !closes) return false;
  const inside = text.slice(opens ? 1 : 0, closes ? -1 : undefined).trim();
  const isQuoted = /^["']/.test(inside) && (opens || /["']$/.test(inside));
  return isQuoted || (opens && closes && (inside === '' || inside.includes(',')));
}

/** Names on the command line, where each is an argument: a list as MCP takes it would be a mailbox that nobody reads. */
export function refuseLists(names: readonly unknown[], parameter: string): void {
  const list = names.find((name) => typeof name === 'string' && looksLikeList(name));
  if (list === undefined) return;
  throw new IpcError('bad_parameter', `${parameter} is ${shown(list)}, a list as MCP takes it`, {
    hint: 'give each name by itself: `ipc post a --to b`, `ipc wait a b`; a question goes to one mailbox',
  });
}

/** Tickets of earlier results, in any form: those of other sessions are reported, and settle nothing. */
export function parseTickets(value: unknown, parameter: string): readonly string[] {
  const isList = Array.isArray(value);
  const form = isList ? lineForm : `${lineForm}; several tickets are ${listForm}`;
  const tickets = (isList ? value : [value]).map((each) => parseLine(each, parameter, form));
  if (tickets.length <= ticketsPerCallMax) return [...new Set(tickets)];
  const what = `${parameter} names ${tickets.length} tickets; the limit is ${ticketsPerCallMax}`;
  throw new IpcError('bad_parameter', what);
}

export function parseBind(value: unknown, parameter: string): string {
  const text = parseLine(value, parameter);
  const isBare = (each: string) => isIP(each) !== 0 || /^[^:[\]]+$/.test(each);
  if (text.split(',').every(isBare)) return text;
  const form = 'an address without a port, which goes into "port"';
  throw new InvalidValue('bad_parameter', parameter, text, form);
}

export function parseNameValue(value: unknown, parameter: string): Name {
  return parseName(parseText(value, parameter), parameter);
}

/** A name, or a list of names. A name that is in it twice, as when two teams overlap, counts once. */
export function parseMailboxes(
  value: unknown,
  parameter: string,
  max = mailboxesPerPostMax,
): MailboxList {
  if (typeof value === 'string') return [parseName(value, parameter)];
  const list = Array.isArray(value) ? value : [value];
  const names = list.map((name, index) => {
    const what = list.length > 1 ? `name ${index + 1} of ${parameter}` : parameter;
    if (typeof name === 'string') return parseName(name, what);
    throw new InvalidValue('bad_name', what, name, 'a text');
  });
  const [first, ...rest] = new Set(names);
  const form = `1 to ${max} mailboxes`;
  if (first === undefined || rest.length >= max) {
    const what = `${parameter} names ${list.length}; it must be ${form}`;
    throw new IpcError('bad_parameter', what);
  }
  return [first, ...rest];
}

/** The mailboxes of a wait or fetch. */
export function parseReadMailboxes(value: unknown, parameter: string): MailboxList {
  const given = Array.isArray(value) ? value : parseText(value, parameter);
  return parseMailboxes(given, parameter, mailboxesPerReadMax);
}

/** One of the messages that a post stored, with its mailbox. */
export interface PostedMessage extends StoredMessage {
  readonly to: Name;
  readonly duplicate: boolean;
  /** The same for all messages of a post. */
  readonly elsewhere: readonly MailElsewhere[];
}

/** The messages that a post stored, in the order of its mailboxes. */
export function postedMessages(to: MailboxList, result: PostResult): PostedMessage[] {
  return [result, ...result.also].map((message, index) =>
    postedMessage(to[index] as Name, message, result),
  );
}

/** One of the messages that a post stored. */
export function postedMessage(
  to: Name,
  { id, number, reader, watched, paused, before, holder, same }: StoredMessage,
  { duplicate, elsewhere }: PostResult,
): PostedMessage {
  return {
    to,
    id,
    number,
    duplicate,
    reader,
    watched,
    paused,
    before,
    holder,
    same,
    elsewhere,
  };
}

/** An ask goes to one mailbox, because it waits for one answer. */
export function requireOneMailbox({ length }: MailboxList): void {
  if (length === 1) return;
  throw new IpcError('bad_parameter', `to names ${length}; an ask goes to one mailbox`, {
    hint: 'post to them, then wait for their answers in your own mailbox',
  });
}

export function requireOneToShow({ length }: MailboxList): void {
  if (length === 1) return;
  const what = `mailbox names ${length}; broker_status shows what is in one`;
  throw new IpcError('bad_parameter', what, { hint: 'call it once for each' });
}

export function requireOneAnswerMailbox({ length }: MailboxList): void {
  if (length === 1) return;
  throw new IpcError(
    'bad_parameter',
    `mailbox names ${length}; an ask is answered in one mailbox`,
    {
      hint: 'name your own mailbox, which gets the answer',
    },
  );
}

export function parseMessage(value: unknown, parameter: string): Buffer {
  if (value instanceof Uint8Array || typeof value === 'string') return parseBody(value, parameter);
  const limit = `a text of at most ${bodyBytesMax} bytes`;
  throw new InvalidValue('bad_parameter', parameter, value, limit);
}

function wholeNumber(value: unknown): number | undefined {
  if (typeof value === 'string') return /^[0-9]{1,9}$/.test(value) ? Number(value) : undefined;
  return typeof value === 'number' && Number.isInteger(value) ? value : undefined;
}

export function parseTimeout(value: unknown, parameter = 'timeout'): number {
  const seconds = wholeNumber(value);
  if (seconds !== undefined && seconds >= timeoutMin && seconds <= timeoutMax) return seconds;
  const form = `whole seconds from ${timeoutMin} to ${timeoutMax}`;
  throw new InvalidValue('bad_timeout', parameter, value, form);
}

/** A count from 1 to `max`. */
export function parseCount(
  value: unknown,
  parameter: string,
  max: number,
  code: ErrorCode = 'bad_parameter',
): number {
  const count = wholeNumber(value);
  if (count !== undefined && count >= 1 && count <= max) return count;
  const form = `a whole number from 1 to ${max}`;
  throw new InvalidValue(code, parameter, value, form, errorTable.bad_parameter.hint);
}

const unitMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const timeForm = /^\d{4}-\d\d-\d\d(T.*)?$/;

/** `30s`, `5m`, `2h` or `2d`, as milliseconds. */
export function parseAge(value: unknown, parameter: string): number {
  const [, digits = '', unit = ''] = /^([1-9][0-9]{0,5})([smhd])$/.exec(String(value)) ?? [];
  const ms = unitMs[unit];
  if (ms !== undefined) return Number(digits) * ms;
  throw new InvalidValue('bad_parameter', parameter, value, ageForm);
}

const ageForm = 'a whole number from 1 to 999999 and a unit: 30s, 5m, 2h, 2d';
const sinceForm = 'a time in UTC, such as 2026-11-22 or 2026-11-22T14:02';

/** A length of time before now as for parseAge(), or a time in UTC, as milliseconds since 1970. */
export function parseSince(value: unknown, parameter: string, nowMs: number): number {
  const text = String(value);
  if (/^\d+[smhd]$/.test(text)) return nowMs - parseAge(value, parameter);
  const isUtc = /[Z+]|T.*-/.test(text) || !text.includes('T');
  const time = timeForm.test(text) ? Date.parse(isUtc ? text : `${text}Z`) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new InvalidValue('bad_parameter', parameter, value, `${ageForm}; or ${sinceForm}`);
  }
  if (isDate(text.slice(0, 10))) return time;
  throw new InvalidValue('bad_parameter', parameter, value, 'a date that the calendar has');
}

/** Date.parse() takes 2026-02-30 for 2026-03-02. `text`: as 2026-11-22. */
function isDate(text: string): boolean {
  return new Date(`${text}T00:00Z`).toISOString().startsWith(text);
}

/** 0: no limit. */
export function parseSendsPerHour(value: unknown, parameter = 'sendsPerHour'): number {
  const count = wholeNumber(value);
  if (count !== undefined && count >= 0 && count <= sendsPerHourMax) return count;
  const form = `a whole number from 0 (no limit) to ${sendsPerHourMax}`;
  throw new InvalidValue('bad_parameter', parameter, value, form);
}

const historyUnits: Readonly<Record<string, number>> = {
  ...{ KB: 1_024, MB: 1_024 ** 2, GB: 1_024 ** 3 },
  ...{ m: 60_000, h: 3_600_000, d: 86_400_000 },
};

/** `0` or `off`; an age, a size, or both with a comma between them. A part that is not given has no limit. */
export function parseHistory(value: unknown, parameter = 'history'): HistoryBound {
  const text = String(value).trim();
  if (text === '0' || text.toLowerCase() === 'off') return { bytesMax: 0, ageMsMax: 0 };
  const bound = { bytesMax: Number.POSITIVE_INFINITY, ageMsMax: Number.POSITIVE_INFINITY };
  const parts = text.split(',').map((part) => /^ *([0-9]{1,6}) ?([mhd]|[KMG]B) *$/.exec(part));
  for (const [, count, unit = ''] of parts.map((part) => part ?? [])) {
    const field = unit.endsWith('B') ? 'bytesMax' : 'ageMsMax';
    const limit = Number(count) * (historyUnits[unit] ?? 0);
    const isOnce = bound[field] === Number.POSITIVE_INFINITY;
    if (!isOnce || !(limit > 0)) {
      const form =
        'off, an age such as 30d (m, h or d), a size such as 256MB (KB, MB or GB), or 30d,256MB';
      throw new InvalidValue('bad_parameter', parameter, value, form);
    }
    bound[field] = limit;
  }
  return bound;
}

export function parsePort(value: unknown, parameter = 'port'): number {
  return portOf(value, parameter);
}

function portOf(value: unknown, parameter: string, hint?: string): number {
  const port = wholeNumber(value);
  if (port !== undefined && port >= 1 && port <= portMax) return port;
  const form = `a whole number from 1 to ${portMax}`;
  throw new InvalidValue('bad_port', parameter, value, form, hint);
}

/** Where a session receives, or a broker listens. */
export function parseHost(value: unknown, parameter = 'host'): Address {
  const text = parseText(value, parameter);
  refuseLogin(text, parameter, 'HOST:PORT');
  const { host, port } = splitHost(text, parameter, errorTable.bad_host.hint) ?? {};
  if (host !== undefined && port !== undefined) return { host, port };
  throw new InvalidValue('bad_host', parameter, text, 'HOST:PORT');
}

/** Where a broker is: the port may be left out. */
export function parseBrokerHost(value: unknown, parameter = 'host'): BrokerHost {
  const text = parseText(value, parameter);
  if (isNatsAddress(text)) {
    parseNatsAddress(text);
    return { host: text };
  }
  const hint = `write HOST or HOST:PORT, for example 127.0.0.1:${portBrokerDefault}, or nats://HOST`;
  refuseLogin(text, parameter, 'HOST, HOST:PORT or nats://HOST', hint);
  const given = splitHost(text, parameter);
  if (given) return given;
  throw new InvalidValue('bad_host', parameter, text, 'HOST or HOST:PORT', hint);
}

/** A URL with a login: its error does not show it. */
function refuseLogin(text: string, parameter: string, form: string, hint?: string): void {
  if (!/:\/\/.*@/.test(text)) return;
  const what = `${parameter} is a URL with a login; it must be ${form}`;
  throw new IpcError('bad_host', what, hint === undefined ? {} : { hint });
}

/**
 * An IPv6 address may do without brackets where no port follows. A number alone is a port, and no host. `portHint`: of
 * the error of a wrong port, where it may not be left out.
 */
function splitHost(text: string, parameter: string, portHint?: string): BrokerHost | undefined {
  if (isIPv6(text)) return { host: text };
  const match = /^(?:\[([^\s[\]]+)\]|([^\s:/@[\]]+))(?::([0-9]{1,9}))?$/.exec(text);
  const [, bracketed, name, port] = match ?? [];
  if (bracketed !== undefined && !isIPv6(bracketed)) return undefined;
  const host = bracketed ?? name;
  if (host === undefined || /^[0-9]+$/.test(host)) return undefined;
  return port === undefined
    ? { host }
    : { host, port: portOf(port, `the port in ${parameter}`, portHint) };
}

/** Parses a value of the environment. An error names the variable alone: the value may be a secret. */
export function parseVariable<T>(value: string, variable: string, parse: (value: string) => T): T {
  try {
    return parse(value);
  } catch (error) {
    throw variableError(error, variable);
  }
}

/** The same error, without the value. */
export function variableError(error: unknown, variable: string): unknown {
  if (!(error instanceof IpcError)) return error;
  const needs = error instanceof InvalidValue ? `; it needs ${error.form}` : '';
  return new IpcError(error.code, `${variable} cannot be used${needs}`, { hint: error.hint });
}
