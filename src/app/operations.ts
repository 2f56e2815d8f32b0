// The operations, which are the same for all three faces, in two tables: the parameters with their parsers,
// and the operations with the parameters that each takes. The types of calls and results follow from them.
import { IpcError } from '../base/errors.ts';
import {
  portBrokerDefault,
  portDirectDefault,
  sendMsDefault,
  waitMsDefault,
} from '../base/limits.ts';
import type {
  Delivery,
  Held,
  LeftUnread,
  MailService,
  PostResult,
  WaitArguments,
} from '../model/mail-service.ts';
import type { MailboxList, MessageId, Name } from '../model/message.ts';
import type { AppContext, BrokerAddress } from './context.ts';
import {
  type Address,
  listIn,
  parseBind,
  parseBrokerHost,
  parseHost,
  parseMailboxes,
  parseMessage,
  parseNameValue,
  parsePort,
  parseReadMailboxes,
  parseTickets,
  parseTimeout,
  requireOneAnswerMailbox,
  requireOneMailbox,
  requireOneToShow,
  shown,
  timeoutMax,
  timeoutMin,
} from './parameters.ts';

/** What a face adds to a call beside the parameters. */
export interface CallExtras {
  readonly signal?: AbortSignal | undefined;
}

/** An operation of a broker gets the mail of that broker, which its face found once for the whole call. */
interface BrokerCallExtras extends CallExtras {
  readonly mail: MailService;
  /** The id of the message, if the caller chose it. */
  readonly id?: MessageId | undefined;
  /** Of a post: the message that it answers. Of a wait: the question whose answer it waits for. */
  readonly answers?: MessageId | undefined;
  readonly settles?: readonly Held[] | undefined;
  readonly bytesMax?: number | undefined;
  readonly messagesMax?: number | undefined;
  /** Of a wait that ends without a message: what it leaves behind. */
  readonly onTimeout?: WaitArguments['onTimeout'];
}

export interface Parameter<Value = unknown> {
  readonly type: 'string' | 'integer';
  /** The operations that take a list of them as well as one. */
  readonly lists?: { readonly of: string; readonly words: string };
  /** The operations that take it, when they are few. */
  readonly of?: string;
  readonly what: string;
  /** The defaults of its operations. */
  readonly otherwise?: string;
  parse(value: unknown, parameter: string): Value;
}

const parameterTable = {
  host: {
    type: 'string',
    what: 'HOST:PORT of receiver or broker',
    parse: parseBrokerHost,
  },
  port: {
    type: 'integer',
    what: 'the port',
    otherwise: `receive ${portDirectDefault}, broker ${portBrokerDefault}`,
    parse: parsePort,
  },
  message: {
    type: 'string',
    of: 'send, post, ask',
    what: 'text, up to 1 MB',
    parse: parseMessage,
  },
  timeout: {
    type: 'integer',
    what: `whole seconds, ${timeoutMin}-${timeoutMax}`,
    otherwise: `wait, ask, receive ${waitMsDefault / 1_000} (task: no end)`,
    parse: parseTimeout,
  },
  bind: {
    type: 'string',
    what: 'address to listen on; 0.0.0.0: all',
    otherwise: '127.0.0.1',
    parse: parseBind,
  },
  to: {
    type: 'string',
    lists: { of: 'post', words: 'or a JSON list, stored for all or none: ["a","b"]' },
    of: 'post, ask',
    what: 'the mailbox that gets the message',
    parse: (value: unknown, parameter: string) =>
      parseMailboxes(listIn(value, parameter), parameter),
  },
  from: { type: 'string', of: 'send, post', what: 'your name, for answers', parse: parseNameValue },
  mailbox: {
    type: 'string',
    lists: { of: 'fetch, wait, watch', words: 'or a list' },
    what: 'the mailbox to read',
    parse: (value: unknown, parameter: string) =>
      parseReadMailboxes(listIn(value, parameter), parameter),
  },
  after: {
    type: 'string',
    what: 'ticket of an earlier result, or a JSON list',
    parse: (value: unknown, parameter: string) => parseTickets(listIn(value, parameter), parameter),
  },
} as const satisfies Readonly<Record<string, Parameter>>;

export type ParameterName = keyof typeof parameterTable;

/** The values of the parameters after they were parsed. */
type Values = { [P in ParameterName]: ReturnType<(typeof parameterTable)[P]['parse']> };

export const parameters: { readonly [P in ParameterName]: Parameter<Values[P]> } = parameterTable;

/** The parameters of a call after `parseParameters`: they cannot be wrong. Timeouts are in seconds. */
type Given<Needs extends ParameterName, Takes extends ParameterName, Default> = {
  readonly [P in Needs]: P extends 'host' ? Address : Values[P];
} & { readonly [P in Exclude<Takes, keyof Default>]?: Values[P] } & {
  readonly [P in Takes & keyof Default]: Values[P];
};

interface Operation<Needs extends ParameterName, Takes extends ParameterName, Default, Extras, R> {
  readonly what: string;
  readonly needs: readonly Needs[];
  readonly takes: readonly Takes[];
  readonly defaults: Default;
  run(given: Given<Needs, Takes, Default>, context: AppContext, extras: Extras): Promise<R>;
}

/** Lets the compiler infer the types of a row. */
function operation<
  Needs extends ParameterName,
  Takes extends ParameterName,
  Default extends { readonly [P in Takes]?: Values[P] },
  Extras,
  R,
>(row: Operation<Needs, Takes, Default, Extras, R>): Operation<Needs, Takes, Default, Extras, R> {
  return row;
}

const send = operation({
  what: 'Hand a message to the session that receives at HOST:PORT.',
  needs: ['host', 'message'],
  takes: ['from', 'timeout', 'after'],
  defaults: { timeout: sendMsDefault / 1_000 },
  async run({ host, message, from, timeout }, context, { signal }: CallExtras) {
    const sender: Name | '' = from ?? context.name ?? '';
    const timeoutMs = timeout * 1_000;
    const call = { ...host, from: sender, body: message, timeoutMs, signal };
    const to = `${host.host}:${host.port}`;
    await context.rateLimited(sender, [to], () => context.direct.send(call));
  },
});

const receive = operation({
  what: 'Listen on a port for one message of a send.',
  needs: [],
  takes: ['port', 'timeout', 'bind', 'after'],
  defaults: { port: portDirectDefault, timeout: waitMsDefault / 1_000 },
  run: ({ port, bind = '127.0.0.1', timeout }, { direct }, { signal }: CallExtras) =>
    direct.receive({ port, bind, timeoutMs: timeout * 1_000, signal }),
});

const ping = operation({
  what: 'Ask whether a session or a broker listens at HOST:PORT.',
  needs: ['host'],
  takes: ['timeout', 'after'],
  defaults: { timeout: sendMsDefault / 1_000 },
  run: ({ host, timeout }, { direct }, { signal }: CallExtras) =>
    direct.ping({ ...host, timeoutMs: timeout * 1_000, signal }),
});

const start = operation({
  what: 'Own the broker, or join the session that owns it; choose where it listens.',
  needs: [],
  takes: ['port', 'bind', 'after'],
  defaults: {},
  run: ({ bind }, _context, { mail, signal }: BrokerCallExtras) => mail.start({ bind, signal }),
});

const stop = operation({
  what: 'Give the broker up; only its owner can.',
  needs: [],
  takes: ['port', 'after'],
  defaults: {},
  run: (_given, _context, { mail, signal }: BrokerCallExtras) => mail.stop({ signal }),
});

const post = operation({
  what: 'Store a message in a mailbox, or in several.',
  needs: ['to', 'message'],
  takes: ['from', 'host', 'port', 'after'],
  defaults: {},
  async run(given, context, { mail, signal, id, answers, settles }: BrokerCallExtras) {
    const from = given.from ?? context.name;
    const [to, ...alsoTo] = given.to;
    const options = { signal, alsoTo, from, id, answers, settles };
    return context.rateLimited(from ?? '', given.to, () => mail.post(to, given.message, options));
  },
});

const fetch = operation({
  what: 'Read what is in a mailbox now.',
  needs: ['mailbox'],
  takes: ['host', 'port', 'after'],
  defaults: {},
  run: ({ mailbox }, _context, { mail, signal, bytesMax, messagesMax }: BrokerCallExtras) =>
    mail.fetch(mailbox, { signal, bytesMax, messagesMax }),
});

const wait = operation({
  what: 'Block until a message is in a mailbox, or the timeout is over.',
  needs: ['mailbox'],
  takes: ['timeout', 'host', 'port', 'after'],
  defaults: { timeout: waitMsDefault / 1_000 },
  run: ({ mailbox, timeout }, _context, { mail, signal, answers, onTimeout }: BrokerCallExtras) =>
    mail.wait(mailbox, { timeoutMs: timeout * 1_000, answers, signal, onTimeout }),
});

const watch = operation({
  what: 'Be woken when there is mail in a mailbox; without one, no more.',
  needs: [],
  takes: ['mailbox', 'host', 'port', 'after'],
  defaults: {},
  /**
   * Looks once, and returns how many messages are unread, and which of the mailboxes are paused; undefined if the broker
   * does not answer in time. The face decides how it waits for a notice.
   */
  async run({ mailbox }, _context, { mail, signal }: BrokerCallExtras): Promise<WatchLook> {
    let look: WatchLook = { unread: mailbox ? undefined : 0, paused: [] };
    if (!mailbox) return look;
    const onTimeout = ({ remaining, paused = [] }: LeftUnread) => {
      look = { unread: remaining, paused };
    };
    const notice = await mail.watch(mailbox, { timeoutMs: 0, onTimeout, signal });
    return notice ? { unread: notice.unread, paused: [] } : look;
  },
});

const ask = operation({
  what: 'Post a question and wait for the answer to it.',
  needs: ['to', 'message'],
  takes: ['mailbox', 'timeout', 'host', 'port', 'after'],
  defaults: { timeout: waitMsDefault / 1_000 },
  async run(given, context, { mail, signal, id }: BrokerCallExtras): Promise<AskResult> {
    const mailbox = answerMailbox(given, context);
    const stored = await post.run({ ...given, from: mailbox }, context, { mail, signal, id });
    const { timeout } = given;
    const own = { mailbox: [mailbox], timeout } as const;
    const waiting = wait.run(own, context, { mail, signal, answers: stored.id });
    return { stored, answer: await answerTo(stored, waiting, id) };
  },
});

const status = operation({
  what: 'Say who is there, what waits, and what a mailbox has.',
  needs: [],
  takes: ['mailbox', 'host', 'port', 'after'],
  defaults: {},
  run: (_given, _context, { mail, signal }: BrokerCallExtras) => mail.status({ signal }),
});

const operationTable = {
  send,
  receive,
  ping,
  broker_start: start,
  broker_stop: stop,
  post,
  fetch,
  wait,
  watch,
  ask,
  broker_status: status,
};

type OperationTable = typeof operationTable;
export type OperationName = keyof OperationTable;
export type OperationParameters<K extends OperationName> = Parameters<OperationTable[K]['run']>[0];
type ExtrasOf<K extends OperationName> = Parameters<OperationTable[K]['run']>[2];
type ResultOf<K extends OperationName> = Awaited<ReturnType<OperationTable[K]['run']>>;

export const operations: { readonly [K in OperationName]: OperationRow<K> } = operationTable;
export const operationNames = Object.keys(operations) as readonly OperationName[];

interface OperationRow<K extends OperationName> {
  readonly what: string;
  readonly needs: readonly ParameterName[];
  readonly takes: readonly ParameterName[];
  readonly defaults: { readonly port?: number; readonly timeout?: number };
  run(
    given: OperationParameters<K>,
    context: AppContext,
    extras: ExtrasOf<K>,
  ): Promise<ResultOf<K>>;
}

export interface CallOf<K extends OperationName> {
  readonly operation: K;
  readonly given: OperationParameters<K>;
}

export type OperationCall = { [K in OperationName]: CallOf<K> }[OperationName];

/** The first look of a watch. */
export interface WatchLook {
  readonly unread: number | undefined;
  readonly paused: readonly Name[];
}

/** A question that was stored, and its answer if one came in time. */
export interface AskResult {
  readonly stored: PostResult;
  readonly answer: Delivery | undefined;
}

/** The mailbox in which an ask is answered. */
export function answerMailbox(
  { mailbox }: { readonly mailbox?: MailboxList },
  { name }: Pick<AppContext, 'name'>,
): Name {
  const own = mailbox?.[0] ?? name;
  if (own !== undefined) return own;
  throw new IpcError('missing_parameter', 'ask needs "mailbox", which gets the answer', {
    hint: 'give it, or a name in IPC_NAME',
  });
}

/**
 * The answer to a stored question. The question stays stored when the wait for its answer fails, and asking
 * again would store it twice unless the caller chose its id: the error says so.
 */
export function answerTo<Answer>(
  { number }: Pick<PostResult, 'number'>,
  waiting: Promise<Answer>,
  id?: MessageId,
): Promise<Answer> {
  return waiting.catch((error: unknown) => {
    if (!(error instanceof IpcError)) throw error;
    throw new IpcError(error.code, `${error.message}; the question is stored as #${number}`, {
      cause: error,
      maybeStored: true,
      hint:
        id === undefined
          ? 'wait for the answer in your mailbox; asked again, the question is stored twice'
          : 'ask again with the same id: the question is stored once',
    });
  });
}

export function run<K extends OperationName>(
  call: CallOf<K>,
  context: AppContext,
  extras: ExtrasOf<K>,
): Promise<ResultOf<K>> {
  return operations[call.operation].run(call.given, context, extras);
}

/** Accepts anything: null and '' are absent, "60" is 60. An error names what is wrong, and the remedy. */
export function parseCall(value: unknown): OperationCall {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new IpcError('bad_parameter', `the parameters must be an object, not ${shown(value)}`);
  }
  const given = value as Record<string, unknown>;
  return parseParameters(parseOperation(given.operation), given);
}

/** `given`: may name the operation as well. */
export function parseParameters<K extends OperationName>(
  operation: K,
  given: Readonly<Record<string, unknown>>,
): { [N in K]: CallOf<N> }[K] {
  const { needs, takes, defaults } = operations[operation];
  const legal = [...needs, ...takes];
  const parsed: Partial<Values> = { ...defaults };
  for (const key of Object.keys(given)) {
    if (key === 'operation') continue;
    const value = given[key];
    const name = legal.find((each) => each === key);
    if (name === undefined) throw unknownParameter(operation, key, legal);
    if (isAbsent(value)) continue;
    // Point to point, where a host is needed, there is no port by default.
    if (name === 'host' && needs.includes(name)) parseHost(value);
    parseInto(parsed, name, value);
  }
  for (const name of needs) {
    if (parsed[name] === undefined) throw missingParameter(operation, name);
  }
  checkBroker(parsed);
  if (operation === 'ask') {
    if (parsed.to) requireOneMailbox(parsed.to);
    if (parsed.mailbox) requireOneAnswerMailbox(parsed.mailbox);
  }
  if (operation === 'broker_status' && parsed.mailbox) requireOneToShow(parsed.mailbox);
  return { operation, given: parsed } as { [N in K]: CallOf<N> }[K];
}

function parseInto<P extends ParameterName>(
  parsed: Partial<Values>,
  name: P,
  value: unknown,
): void {
  parsed[name] = parameters[name].parse(value, name);
}

function parseOperation(value: unknown): OperationName {
  const name = operationNames.find((known) => known === value);
  if (name !== undefined) return name;
  const list = operationNames.join(', ');
  if (isAbsent(value)) {
    throw new IpcError('missing_parameter', `operation is missing; it is one of: ${list}`);
  }
  throw new IpcError('unknown_operation', `operation is ${shown(value)}; it is one of: ${list}`);
}

export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

export function unknownParameter(
  operation: string,
  key: string,
  legal: readonly string[],
): IpcError {
  const list = legal.join(', ');
  return new IpcError(
    'unknown_parameter',
    `${operation} takes no ${shown(key)}; it takes: ${list}`,
  );
}

function missingParameter(operation: OperationName, name: ParameterName): IpcError {
  const what = `${operation} needs "${name}": ${parameters[name].what}`;
  return new IpcError('missing_parameter', what);
}

/** A broker is named once. */
export function checkBroker({ host, port }: BrokerAddress): void {
  if (host === undefined || port === undefined || host.port === undefined || host.port === port)
    return;
  const both = `host names port ${host.port} and port is ${port}`;
  throw new IpcError('bad_parameter', `${both}; give one of the two`);
}
