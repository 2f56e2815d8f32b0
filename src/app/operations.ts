import { IpcError } from '../base/errors.ts';
import {
  portBrokerDefault,
  portDirectDefault,
  sendMsDefault,
  waitMsDefault,
} from '../base/limits.ts';
import type { ReceivedMessage } from '../direct/receive.ts';
import type {
  BrokerStatus,
  Delivery,
  FetchResult,
  Held,
  MailService,
  PostResult,
  StartResult,
  StopResult,
} from '../model/mail-service.ts';
import type { MessageId, Name } from '../model/message.ts';
import {
  type Address,
  checkAsked,
  type MailboxList,
  parseBind,
  parseHost,
  parseLine,
  parseMailboxes,
  parseMessage,
  parseNameValue,
  parsePort,
  parseTimeout,
  shown,
  timeoutMax,
  timeoutMin,
} from './parameters.ts';

/** How a call names its broker; neither: the default one of this machine. */
export interface BrokerAddress {
  readonly host?: Address;
  readonly port?: number;
}

interface ReadCall extends BrokerAddress {
  readonly mailbox: Name;
  readonly after?: string;
}

/** Each operation's parameters after `parseCall`: they cannot be wrong. Timeouts are in seconds. */
export interface Parameters {
  send: {
    readonly host: Address;
    readonly message: Buffer;
    readonly from?: Name;
    readonly timeout: number;
    readonly after?: string;
  };
  receive: {
    readonly port: number;
    readonly bind?: string;
    readonly timeout: number;
    readonly after?: string;
  };
  ping: { readonly host: Address; readonly timeout: number; readonly after?: string };
  broker_start: { readonly port?: number; readonly bind?: string; readonly after?: string };
  broker_stop: { readonly port?: number; readonly after?: string };
  post: BrokerAddress & {
    readonly to: MailboxList;
    readonly message: Buffer;
    readonly from?: Name;
    readonly after?: string;
  };
  fetch: ReadCall;
  wait: ReadCall & { readonly timeout: number };
  ask: BrokerAddress & {
    readonly to: MailboxList;
    readonly message: Buffer;
    /** Where the answer is read. */
    readonly mailbox?: Name;
    readonly timeout: number;
    readonly after?: string;
  };
  broker_status: BrokerAddress & { readonly after?: string };
}

export type OperationName = keyof Parameters;

/** Point to point; all others are of a broker. */
type DirectName = 'send' | 'receive' | 'ping';

export interface CallOf<K extends OperationName> {
  readonly operation: K;
  readonly given: Parameters[K];
}

export type OperationCall = { [K in OperationName]: CallOf<K> }[OperationName];

interface DirectCall {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Point to point, with the key and the origin of this process. */
export interface Direct {
  send(call: DirectCall & Address & { from: Name | ''; body: Buffer }): Promise<void>;
  receive(call: DirectCall & { port: number; bind: string }): Promise<ReceivedMessage | undefined>;
  ping(call: DirectCall & Address): Promise<{ readonly ms: number }>;
}

/** `PORT` of this machine, or `HOST:PORT` of another. */
export type BrokerName = string;

export interface BrokerSession {
  readonly port: number;
  /** Tells it from the others that this process uses. */
  readonly name: BrokerName;
  readonly mail: MailService;
}

/** What a process lends to its calls. */
export interface OperationContext {
  readonly direct: Direct;
  /** The sender's name for calls that give none. */
  readonly name: Name | undefined;
  /** Lets a message go, or refuses it because too many went from the sender to one of the addresses. */
  guarded<Result>(
    from: string,
    to: readonly string[],
    send: () => Promise<Result>,
  ): Promise<Result>;
}

/** What a face adds to a call that its caller cannot say. */
export interface CallExtras {
  readonly signal?: AbortSignal | undefined;
  /** An id given by hand. */
  readonly id?: MessageId | undefined;
  /** Of a post: the message that it answers. Of a wait: the one whose answer it is for. */
  readonly answers?: MessageId | undefined;
  readonly settles?: readonly Held[] | undefined;
  readonly bytesMax?: number | undefined;
  readonly messagesMax?: number | undefined;
}

/** An operation of a broker gets the mail of that broker, which its face found once for the whole call. */
export type MannerOf<K extends OperationName> = K extends DirectName
  ? CallExtras
  : CallExtras & { readonly mail: MailService };

/** A question that was stored, and its answer if one came in time. */
export interface AskResult {
  readonly stored: PostResult;
  readonly answer: Delivery | undefined;
}

export interface Results {
  send: undefined;
  receive: ReceivedMessage | undefined;
  ping: { readonly ms: number };
  broker_start: StartResult;
  broker_stop: StopResult;
  post: PostResult;
  fetch: FetchResult;
  wait: Delivery | undefined;
  ask: AskResult;
  broker_status: BrokerStatus;
}

export type ParameterName =
  | 'host'
  | 'port'
  | 'message'
  | 'timeout'
  | 'bind'
  | 'to'
  | 'from'
  | 'mailbox'
  | 'after';

interface Parameter {
  readonly type: 'string' | 'integer';
  /** The operation that takes a list of them as well. */
  readonly listOf?: OperationName;
  /** The operations that take it, when they are few. */
  readonly of?: string;
  readonly what: string;
  /** What its operations take when it is not given. */
  readonly otherwise?: string;
  parse(value: unknown, parameter: string): unknown;
}

export const parameters: Readonly<Record<ParameterName, Parameter>> = {
  host: { type: 'string', what: 'HOST:PORT of the receiver, or of the broker', parse: parseHost },
  port: {
    type: 'integer',
    what: 'the port',
    otherwise: `receive ${portDirectDefault}, broker ${portBrokerDefault}`,
    parse: parsePort,
  },
  message: {
    type: 'string',
    of: 'send, post, ask',
    what: 'text, up to 1 MB; "" counts as absent',
    parse: parseMessage,
  },
  timeout: {
    type: 'integer',
    what: `whole seconds, ${timeoutMin}-${timeoutMax}`,
    otherwise: `wait, ask, receive ${waitMsDefault / 1_000}, send, ping ${sendMsDefault / 1_000}`,
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
    listOf: 'post',
    of: 'post, ask',
    what: 'the mailbox that gets the message',
    parse: (value, parameter) => parseMailboxes(listIn(value), parameter),
  },
  from: { type: 'string', of: 'send, post', what: 'your name, for answers', parse: parseNameValue },
  mailbox: {
    type: 'string',
    of: 'fetch, wait, ask',
    what: 'the mailbox to read',
    parse: parseNameValue,
  },
  after: { type: 'string', what: 'ticket of an earlier result', parse: parseLine },
};

/** For a schema that all operations share. */
export function describeParameter({ of, what, otherwise, listOf }: Parameter): string {
  const whose = of === undefined ? '' : `${of}: `;
  const given = otherwise === undefined ? '' : `; by default ${otherwise}`;
  const list = listOf === undefined ? '' : `; ${listOf}: ${listWords}, as JSON: ["a","b"]`;
  return `${whose}${what}${given}${list}`;
}

export const listWords = 'or a list, stored for all or none';

interface Operation<K extends OperationName> {
  readonly what: string;
  readonly needs: readonly ParameterName[];
  readonly takes: readonly ParameterName[];
  readonly defaults?: Partial<Parameters[K]>;
  run(given: Parameters[K], context: OperationContext, manner: MannerOf<K>): Promise<Results[K]>;
}

export const operations: { readonly [K in OperationName]: Operation<K> } = {
  send: {
    what: 'Hand a message to the session that receives at HOST:PORT.',
    needs: ['host', 'message'],
    takes: ['from', 'timeout', 'after'],
    defaults: { timeout: sendMsDefault / 1_000 },
    async run({ host, message, from, timeout }, context, { signal }) {
      const sender: Name | '' = from ?? context.name ?? '';
      const timeoutMs = timeout * 1_000;
      const call = { ...host, from: sender, body: message, timeoutMs, signal };
      const to = `${host.host}:${host.port}`;
      await context.guarded(sender, [to], () => context.direct.send(call));
      return undefined;
    },
  },
  receive: {
    what: 'Listen on a port for one message of a send.',
    needs: [],
    takes: ['port', 'timeout', 'bind', 'after'],
    defaults: { port: portDirectDefault, timeout: waitMsDefault / 1_000 },
    run: ({ port, bind = '127.0.0.1', timeout }, { direct }, { signal }) =>
      direct.receive({ port, bind, timeoutMs: timeout * 1_000, signal }),
  },
  ping: {
    what: 'Ask whether a session or a broker listens at HOST:PORT.',
    needs: ['host'],
    takes: ['timeout', 'after'],
    defaults: { timeout: sendMsDefault / 1_000 },
    run: ({ host, timeout }, { direct }, { signal }) =>
      direct.ping({ ...host, timeoutMs: timeout * 1_000, signal }),
  },
  broker_start: {
    what: 'Own the broker, or join its owner.',
    needs: [],
    takes: ['port', 'bind', 'after'],
    run: ({ bind }, _context, { mail, signal }) => mail.start({ bind, signal }),
  },
  broker_stop: {
    what: 'Give the broker up; only its owner can.',
    needs: [],
    takes: ['port', 'after'],
    run: (_given, _context, { mail, signal }) => mail.stop({ signal }),
  },
  post: {
    what: 'Store a message in a mailbox, or in several.',
    needs: ['to', 'message'],
    takes: ['from', 'host', 'port', 'after'],
    async run(given, context, { mail, signal, id, answers, settles }) {
      const from = given.from ?? context.name;
      const [to, ...alsoTo] = given.to;
      const options = { signal, alsoTo, from, id, answers, settles };
      return context.guarded(from ?? '', given.to, () => mail.post(to, given.message, options));
    },
  },
  fetch: {
    what: 'Read what is in a mailbox now.',
    needs: ['mailbox'],
    takes: ['host', 'port', 'after'],
    run: ({ mailbox }, _context, { mail, signal, bytesMax, messagesMax }) =>
      mail.fetch(mailbox, { signal, bytesMax, messagesMax }),
  },
  wait: {
    what: 'Block until a message is in a mailbox, or the timeout is over.',
    needs: ['mailbox'],
    takes: ['timeout', 'host', 'port', 'after'],
    defaults: { timeout: waitMsDefault / 1_000 },
    run: ({ mailbox, timeout }, _context, { mail, signal, answers }) =>
      mail.wait(mailbox, { timeoutMs: timeout * 1_000, answers, signal }),
  },
  ask: {
    what: 'Post a question and wait for the answer to it.',
    needs: ['to', 'message'],
    takes: ['mailbox', 'timeout', 'host', 'port', 'after'],
    defaults: { timeout: waitMsDefault / 1_000 },
    async run(given, context, { mail, signal }) {
      const { post, waitFor } = askInParts(given, context.name);
      const stored = await operations.post.run(post, context, { mail, signal });
      const waiting = operations.wait.run(waitFor, context, { mail, signal, answers: stored.id });
      return { stored, answer: await answerTo(stored, waiting) };
    },
  },
  broker_status: {
    what: 'Say who owns the broker and what waits in it.',
    needs: [],
    takes: ['host', 'port', 'after'],
    run: (_given, _context, { mail, signal }) => mail.status({ signal }),
  },
};

/** An ask is a post, and then a wait for the answer to it. */
export function askInParts(
  { mailbox: named, timeout, after, ...post }: Parameters['ask'],
  name: Name | undefined,
): { post: Parameters['post']; waitFor: Parameters['wait'] } {
  const mailbox = named ?? name;
  if (mailbox === undefined) {
    throw new IpcError('missing_parameter', 'ask needs "mailbox", where you are answered', {
      hint: 'give it, or a name in IPC_NAME',
    });
  }
  return {
    post: { ...post, from: mailbox, ...(after !== undefined && { after }) },
    waitFor: { mailbox, timeout },
  };
}

/** A question that is stored stays so, whatever becomes of the wait: whoever asks again asks twice. */
export function answerTo<Answer>(
  { number }: Pick<PostResult, 'number'>,
  waiting: Promise<Answer>,
): Promise<Answer> {
  return waiting.catch((error: unknown) => {
    if (!(error instanceof IpcError)) throw error;
    throw new IpcError(error.code, `${error.message}; the question is stored as #${number}`, {
      cause: error,
      maybeStored: true,
      hint: 'wait for the answer in your mailbox; asked again, the question is stored twice',
    });
  });
}

export const operationNames = Object.keys(operations) as readonly OperationName[];

export function run<K extends OperationName>(
  call: CallOf<K>,
  context: OperationContext,
  manner: MannerOf<K>,
): Promise<Results[K]> {
  return operations[call.operation].run(call.given, context, manner);
}

/** Accepts anything: null and '' are absent, "60" is 60; what is wrong is named, with the remedy. */
export function parseCall(given: unknown): OperationCall {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new IpcError('bad_parameter', `the parameters must be an object, not ${shown(given)}`);
  }
  const { operation, ...rest } = given as Record<string, unknown>;
  return parseParameters(parseOperation(operation), rest);
}

export function parseParameters<K extends OperationName>(
  operation: K,
  given: Readonly<Record<string, unknown>>,
): OperationCall {
  const { needs, takes, defaults } = operations[operation];
  const legal = [...needs, ...takes];
  const parsed: Record<string, unknown> = { ...defaults };
  for (const [key, value] of Object.entries(given)) {
    if (!legal.some((name) => name === key)) throw unknownParameter(operation, key, legal);
    if (isAbsent(value)) continue;
    parsed[key] = parameters[key as ParameterName].parse(value, key);
  }
  for (const name of needs) {
    if (parsed[name] === undefined) throw missingParameter(operation, name);
  }
  checkBroker(parsed);
  if (operation === 'ask') checkAsked(parsed.to as MailboxList);
  return { operation, given: parsed } as unknown as OperationCall;
}

/** Over MCP a list comes as the text of it, as advertised. `[7]` is a name, and no list of names. */
function listIn(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*\[\s*(".*)?\]\s*$/s.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function parseOperation(value: unknown): OperationName {
  const list = operationNames.join(', ');
  if (isAbsent(value)) {
    throw new IpcError('missing_parameter', `operation is missing; it is one of: ${list}`);
  }
  const name = operationNames.find((known) => known === value);
  if (name !== undefined) return name;
  throw new IpcError('unknown_operation', `operation is ${shown(value)}; it is one of: ${list}`);
}

function isAbsent(value: unknown): boolean {
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

/** One broker, named once. */
function checkBroker({ host, port }: { host?: Address; port?: number }): void {
  if (host === undefined || port === undefined || host.port === port) return;
  const both = `host names port ${host.port} and port is ${port}`;
  throw new IpcError('bad_parameter', `${both}; give one of the two`);
}
