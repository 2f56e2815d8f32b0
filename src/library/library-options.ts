// The options of the library's calls: their types, and their checks. A program without types may pass
// anything; a wrong option is an error that names it and its form, before the call does anything.

import { setMaxListeners } from 'node:events';
import type { Environment } from '../app/environment.ts';
import { unknownParameter } from '../app/operations.ts';
import {
  parseBind,
  parseBrokerHost,
  parseCount,
  parsePort,
  parseSendsPerHour,
  parseText,
  shown,
} from '../app/parameters.ts';
import { cancelled, IpcError } from '../base/errors.ts';
import { eventMailboxesMax } from '../base/event-limits.ts';
import { fetchBytesMax, fetchMessagesMax, waitMsMax, watchMsMax } from '../base/limits.ts';
import type { EventCursor } from '../model/mail-events.ts';
import {
  type MessageId,
  type Name,
  parseMessageId,
  parseName,
  parseNamedId,
} from '../model/message.ts';
import type { Message } from './library-message.ts';

/** Where the mail is, and under which names it is used. */
export interface OpenOptions {
  /** The broker's port on this machine, 1 to 65535. Default: IPC_PORT, or 19901. */
  readonly port?: number | undefined;
  /**
   * `HOST` or `HOST:PORT` of a broker, perhaps on another machine, or `nats://HOST` of a NATS server, on which `port`
   * is the number of the stream. Default: `port` if given, or IPC_BROKER.
   */
  readonly host?: string | undefined;
  /** The state folder, an absolute path. Default: IPC_HOME, or ~/.agent-ipc. */
  readonly home?: string | undefined;
  /** The sender's name for posts and sends without `from`. Default: IPC_NAME. */
  readonly name?: string | undefined;
  /** The name of this process in `origin`, cut after 50 characters. Default: 'library'. */
  readonly program?: string | undefined;
  /** Limit of messages an hour from one sender to one mailbox, or to one HOST:PORT. Default: 0, no limit. */
  readonly sendsPerHour?: number | undefined;
  /**
   * Replaces process.env: IPC_HOME, IPC_PORT, IPC_BROKER, IPC_NAME, IPC_KEY, IPC_KEY_FILE, IPC_NATS_CREDS, IPC_NATS_CA.
   */
  readonly env?: Environment | undefined;
}

/** Options of every call. */
export interface CallOptions {
  /**
   * Ends the call when it is aborted: the call throws `cancelled`. With a signal that is already aborted
   * the call does not begin. Each call says what an abort leaves behind.
   */
  readonly signal?: AbortSignal | undefined;
}

/** What a `post` may be given, all of it optional. */
export interface PostOptions extends CallOptions {
  /** The mailbox for answers to the sender. Default: the name given to `open`. */
  readonly from?: string | undefined;
  /** An id of your own, of 1 to 200 bytes: a post repeated with the same id is stored once. */
  readonly id?: string | undefined;
  /** The message that this one answers. This session must have read it; it is settled in the same step. */
  readonly answers?: Message | undefined;
}

/** What a `wait` may be given, all of it optional. */
export interface WaitOptions extends CallOptions {
  /** Milliseconds, 0 to 300,000; Infinity, in a `wait` or an `ask`, for no end. Default: 60,000. */
  readonly timeoutMs?: number | undefined;
}

/** What a `watch` may be given, all of it optional. */
export interface WatchOptions extends CallOptions {
  /** Milliseconds until the watch ends, 0 to 604,800,000, which is a week; Infinity for no end. Default: Infinity. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Which events a `watch` without mailboxes as its first argument yields. Without `since` and `after` it begins with what
 * happens from now on.
 */
export interface WatchEventsOptions extends WatchOptions {
  /** Begin with what happened at this time, or after it, as far as that is kept; `new Date(0)` for all. Not with `after`. */
  readonly since?: Date | undefined;
  /** Go on behind the event, of this watch or an earlier one, that has this `cursor`. Not with `since`. */
  readonly after?: EventCursor | undefined;
  /** Only events of messages that were posted to these mailboxes or are in them, at most 100. Default: all. */
  readonly mailboxes?: readonly string[] | undefined;
  /** The whole texts of stored messages, not only their first lines. Default: false. */
  readonly bodies?: boolean | undefined;
}

/** What an `ask` may be given, all of it optional. */
export interface AskOptions extends WaitOptions {
  /** An id of your own for the question, as in a post: asked again with it, the question is stored once. */
  readonly id?: string | undefined;
  /** The mailbox where the answer is read. Default: the name given to `open`. */
  readonly mailbox?: string | undefined;
  /** The message that this question answers. This session must have read it; it is settled in the same step. */
  readonly answers?: Message | undefined;
}

/** Limits of what one `fetch` returns. */
export interface FetchOptions extends CallOptions {
  /**
   * Limit of all bodies together, in bytes; at most 8 MiB, which is the default. The first message is
   * returned even if it alone exceeds the limit, except that 0 returns none.
   */
  readonly bytesMax?: number | undefined;
  /** Limit of messages; at most 1,000, which is the default. */
  readonly messagesMax?: number | undefined;
}

/** What a `peek` shows. */
export interface PeekOptions extends CallOptions {
  /** Limit of messages, 1 to 1,000. Default: 20. */
  readonly max?: number | undefined;
  /** Their whole texts, not only the first lines. Default: false. */
  readonly full?: boolean | undefined;
}

/** Where a `find` looks for answers. */
export interface FindOptions extends CallOptions {
  /** The mailbox in which the answers arrive. Default: the name given to `open`, else the sender's of each message. */
  readonly mailbox?: string | undefined;
}

/** Which messages a `drop` settles. Default: all that are ready. */
export interface DropOptions extends CallOptions {
  /** Only those with these ids; an empty list drops none. */
  readonly ids?: readonly string[] | undefined;
  /** Only those that were stored at least this long ago, by the broker's clock. */
  readonly olderThanMs?: number | undefined;
}

/** How long a `ping` is retried. */
export interface PingOptions extends CallOptions {
  /** Milliseconds during which the call is retried, 1 to 300,000. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
}

/** How a `send` names its sender, and how long it is retried. */
export interface SendOptions extends PingOptions {
  /** The sender's name. Default: the name given to `open`. */
  readonly from?: string | undefined;
}

/** Where a `receive` listens, and for how long. */
export interface ReceiveOptions extends WaitOptions {
  /** 1 to 65535. Default: 19900. */
  readonly port?: number | undefined;
  /** An address of this machine; 0.0.0.0 for all. Default: 127.0.0.1. */
  readonly bind?: string | undefined;
}

/** How a `release` counts the attempt. */
export interface ReleaseOptions extends CallOptions {
  /** The message was not looked at: the attempt does not count. Default: false. */
  readonly unread?: boolean | undefined;
}

/** Where the owner of the broker is to listen. */
export interface StartOptions extends CallOptions {
  /**
   * The addresses of this machine to listen on, with commas between them; 0.0.0.0 for all of IPv4. All others
   * but 127.0.0.1 are closed. Default: as before.
   */
  readonly bind?: string | undefined;
}

/** Which dead letters are retried. Default: all. */
export interface RetryOptions extends CallOptions {
  /** Only those posted to this mailbox. */
  readonly to?: string | undefined;
  /** Only those with these ids; an empty list retries none. */
  readonly ids?: readonly string[] | undefined;
}

/** One parser for each option: it has the same form in every call that takes it. */
const parsers = {
  after: parseCursor,
  answers: (value: unknown) => value,
  bind: parseBind,
  bodies: parseFlag,
  bytesMax: (value: unknown, option: string) => parseAmount(value, option, fetchBytesMax),
  env: parseEnvironment,
  from: parseNameOption,
  full: parseFlag,
  home: parseText,
  host: parseBrokerHost,
  id: (value: unknown) => parseNamedId(value as string),
  ids: parseIds,
  mailbox: parseNameOption,
  max: (value: unknown, option: string) => parseCount(value, option, fetchMessagesMax),
  messagesMax: (value: unknown, option: string) => parseAmount(value, option, fetchMessagesMax),
  mailboxes: parseNames,
  name: parseNameOption,
  olderThanMs: (value: unknown, option: string) =>
    parseAmount(value, option, Number.MAX_SAFE_INTEGER),
  port: parsePort,
  program: parseText,
  sendsPerHour: parseSendsPerHour,
  signal: parseSignal,
  since: parseDate,
  timeoutMs: parseMs,
  to: parseNameOption,
  unread: parseFlag,
};

type OptionName = keyof typeof parsers;
type Options = { readonly [K in OptionName]?: ReturnType<(typeof parsers)[K]> | undefined };

/** The options of a call that was made without any. */
export const noOptions = Object.freeze({});

/** Throws `cancelled` if the signal among the options is already aborted: nothing has begun then. */
export function parseOptions<K extends OptionName>(
  call: string,
  given: unknown,
  names: readonly K[],
): Pick<Options, K> {
  if (given === noOptions) return noOptions as Options;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const what = `the options of ${call} must be an object, not ${shown(given)}`;
    throw new IpcError('bad_parameter', what);
  }
  const parsed: Partial<Record<OptionName, unknown>> = {};
  for (const name of Object.keys(given) as K[]) {
    if (!names.includes(name)) throw unknownParameter(call, name, names);
    const value = (given as Record<K, unknown>)[name];
    if (value !== undefined) parsed[name] = parsers[name](value, name, call);
  }
  const options = parsed as Options;
  if (options.signal?.aborted) throw cancelled();
  return options;
}

function parseNameOption(value: unknown, option: string): Name {
  return parseName(value as string, option);
}

function parseAmount(value: unknown, option: string, max: number): number {
  const isWhole = typeof value === 'number' && Number.isInteger(value);
  if (isWhole && value >= 0 && value <= max) return value;
  throw badForm(value, option, `a whole number from 0 to ${max}`);
}

/** Calls that a broker's mail ends may go on without end. */
const mayWaitForever: ReadonlySet<string> = new Set(['wait', 'ask', 'watch']);

/** A broker answers what it has now. From point to point no answer comes in no time. */
const needsTime: ReadonlySet<string> = new Set(['send', 'ping']);

function parseMs(value: unknown, option: string, call: string): number {
  const max = call === 'watch' ? watchMsMax : waitMsMax;
  const min = needsTime.has(call) ? 1 : 0;
  if (typeof value === 'number' && value >= min && value <= max) return value;
  const isEndless = mayWaitForever.has(call);
  if (value === Number.POSITIVE_INFINITY && isEndless) return value;
  const form = `from ${min} to ${max}${isEndless ? ', or Infinity' : ''}`;
  const what = `${option} is ${shown(value)}; it must be ${form}`;
  throw new IpcError('bad_timeout', what, { hint: `give milliseconds ${form}` });
}

function parseSignal(value: unknown, option: string): AbortSignal {
  if (!(value instanceof AbortSignal)) throw badForm(value, option, 'an AbortSignal');
  // One signal may end any number of calls at the same time. Node would warn of a leak at the eleventh.
  setMaxListeners(0, value);
  return value;
}

function parseFlag(value: unknown, option: string): boolean {
  if (typeof value === 'boolean') return value;
  throw badForm(value, option, 'true or false');
}

function parseIds(value: unknown, option: string): MessageId[] {
  if (Array.isArray(value)) return value.map((id) => parseMessageId(id));
  throw badForm(value, option, 'a list of ids');
}

function parseNames(value: unknown, option: string): Name[] {
  if (!Array.isArray(value)) throw badForm(value, option, 'a list of mailboxes');
  if (value.length <= eventMailboxesMax) return value.map((name) => parseName(name, option));
  const what = `${option} has ${value.length} mailboxes; the limit is ${eventMailboxesMax}`;
  throw new IpcError('bad_parameter', what);
}

function parseDate(value: unknown, option: string): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value;
  throw badForm(value, option, 'a Date');
}

function parseCursor(value: unknown, option: string): EventCursor {
  const isCount = (each: unknown) => Number.isSafeInteger(each) && (each as number) >= 0;
  const { epoch, sequence } = (value ?? {}) as Partial<EventCursor>;
  if (isCount(epoch) && isCount(sequence)) return { epoch, sequence } as EventCursor;
  throw badForm(value, option, 'the cursor of an event');
}

function parseEnvironment(value: unknown, option: string): Environment {
  if (typeof value === 'object' && value !== null) return value as Environment;
  throw badForm(value, option, 'an object of texts, as process.env is');
}

function badForm(value: unknown, option: string, form: string): IpcError {
  return new IpcError('bad_parameter', `${option} is ${shown(value)}; it must be ${form}`);
}
