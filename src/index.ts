// The library: `open` a broker, of this machine or another, then post, wait, fetch, send, receive.
import { IpcError } from './core/errors.ts';
import {
  fetchBytesMax,
  fetchMessagesMax,
  portDirectDefault,
  sendMsDefault,
  waitMsDefault,
  waitMsMax,
} from './core/limits.ts';
import type { BrokerStatus, Delivery, Mail, StartResult, StopResult } from './core/mail.ts';
import {
  type Name,
  type Origin,
  parseBody,
  parseMessageId,
  parseName,
  parseNamedId,
} from './core/message.ts';
import { answerTo } from './operations.ts';
import { type Environment, Place } from './place.ts';
import { parseHost, parsePort, parseSendsPerHour } from './values.ts';

export { type ErrorCode, type ErrorKind, errorTable, IpcError } from './core/errors.ts';
export type { BrokerStatus, StartResult, StopResult } from './core/mail.ts';
export type { Origin } from './core/message.ts';

export interface OpenOptions {
  /** The broker's port; IPC_PORT or 19901 unless given. */
  readonly port?: number;
  /** `HOST:PORT` of a broker, perhaps on another machine; IPC_BROKER unless given. */
  readonly host?: string;
  /** The state folder; IPC_HOME or ~/.agent-ipc unless given. */
  readonly home?: string;
  /** The sender's name for posts that give none. */
  readonly name?: string;
  /** What this process is called in envelopes. */
  readonly program?: string;
  /** Messages an hour from one sender to one mailbox, or to one HOST:PORT; no limit unless given. */
  readonly sendsPerHour?: number;
  readonly env?: Environment;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface PostOptions extends CallOptions {
  readonly from?: string;
  /** Your own: a post repeated with the same id is stored once. */
  readonly id?: string;
  /** The message that this one answers; it is settled in the same step. */
  readonly answers?: Message;
}

export interface WaitOptions extends CallOptions {
  /** 60 s unless given. */
  readonly timeoutMs?: number;
}

export interface AskOptions extends WaitOptions {
  /** Where the answer is read; the name given to open() unless given. */
  readonly mailbox?: string;
  /** The message that this question answers; it is settled in the same step. */
  readonly answers?: Message;
}

export interface FetchOptions extends CallOptions {
  /** 8 MiB unless given, and at most; one message comes also when it is larger. */
  readonly bytesMax?: number;
  /** 1,000 unless given, and at most. */
  readonly messagesMax?: number;
}

export interface SendOptions extends CallOptions {
  readonly from?: string;
  /** 10 s unless given. */
  readonly timeoutMs?: number;
}

export interface ReceiveOptions extends WaitOptions {
  /** 19900 unless given. */
  readonly port?: number;
  /** An address of this machine; 127.0.0.1 unless given. */
  readonly bind?: string;
}

export interface StartOptions extends CallOptions {
  /** One more address of this machine to listen on; 127.0.0.1 closes the others. */
  readonly bind?: string;
}

export interface Stored {
  readonly id: string;
  readonly number: number;
  /** It was stored before under the same id. */
  readonly duplicate: boolean;
  /** A reader was waiting for it. */
  readonly reader: boolean;
}

export interface Fetched {
  readonly messages: readonly Message[];
  /** Messages left there that nobody holds. */
  readonly remaining: number;
}

/** Point to point: the sender waits until it is confirmed or refused. */
export interface DirectMessage {
  /** '' when the sender gave no address. */
  readonly from: string;
  /** What the sender's process said of itself: program, pid, machine. */
  readonly origin: Origin;
  readonly body: Buffer;
  readonly text: string;
  confirm(): Promise<void>;
  refuse(): void;
}

/** What a post settles that answers a message. */
let deliveryOf: (message: Message) => Delivery;

/** Held by this process until it is settled or released. */
export class Message {
  readonly id: string;
  /** Counts up over the whole store, with gaps. */
  readonly number: number;
  /** Where it was read. */
  readonly mailbox: string;
  readonly to: string;
  /** '' when the sender gave no address. */
  readonly from: string;
  /** What the sender's process said of itself: program, pid, machine. */
  readonly origin: Origin;
  /** When it was stored. */
  readonly time: Date;
  /** 1 for the first time it is handed over. */
  readonly attempt: number;
  /** The id of the message that this one answers, or ''. */
  readonly answers: string;
  /** The disk damaged the body: `body` and `text` throw. It can be settled like any other. */
  readonly damaged: boolean;
  readonly #mail: Mail;
  readonly #delivery: Delivery;

  constructor(mail: Mail, delivery: Delivery) {
    const { envelope, mailbox, attempt, body } = delivery;
    this.id = envelope.id;
    this.number = envelope.number;
    this.mailbox = mailbox;
    this.to = envelope.to;
    this.from = envelope.from;
    this.origin = envelope.origin;
    this.time = new Date(envelope.time);
    this.attempt = attempt;
    this.answers = envelope.answers;
    this.damaged = body === undefined;
    this.#mail = mail;
    this.#delivery = delivery;
  }

  /** Throws `message_damaged` when it is, so that nothing is not taken for the message. */
  get body(): Buffer {
    const { body, envelope } = this.#delivery;
    if (body) return body;
    const what = `the disk damaged the body of #${envelope.number} from ${envelope.from || 'unknown'}`;
    throw new IpcError('message_damaged', what);
  }

  /** As `body`. */
  get text(): string {
    return this.body.toString('utf8');
  }

  /** Done. Throws `not_held` when another session holds it by now. */
  async settle(options?: CallOptions): Promise<void> {
    const notHeld = await this.#mail.settle([this.#delivery], options);
    if (notHeld.length > 0) throw notHeldError(this.number);
  }

  /** Back into the mailbox. `unread`: the attempt does not count. */
  release(options?: { unread?: boolean }): Promise<void> {
    return this.#mail.release([this.#delivery], options);
  }

  static {
    deliveryOf = (message) => message.#delivery;
  }
}

export class AgentMail {
  readonly #place: Place;
  readonly #mail: Mail;

  constructor(place: Place, mail: Mail) {
    this.#place = place;
    this.#mail = mail;
  }

  /** Resolves when the message is synced to disk. */
  async post(
    to: string,
    text: string | Uint8Array,
    { from, id, answers, signal }: PostOptions = {},
  ): Promise<Stored> {
    if (answers !== undefined && !(answers instanceof Message)) {
      throw new IpcError('bad_parameter', 'answers must be a message that was read');
    }
    const settled = answers && deliveryOf(answers);
    const [mailbox, body] = [parseName(to, 'to'), copyBody(text)];
    const options = {
      from: this.#sender(from),
      id: id === undefined ? undefined : parseNamedId(id),
      answers: settled?.envelope.id,
      settles: settled && [settled],
      signal,
    };
    const result = await this.#place.guarded(options.from ?? '', mailbox, () =>
      this.#mail.post(mailbox, body, options),
    );
    if (answers && result.notHeld.length > 0) throw notHeldError(answers.number);
    const { number, duplicate, reader } = result;
    return { id: result.id, number, duplicate, reader };
  }

  /** The first message, or undefined when the time is over. */
  async wait(name: string, options: WaitOptions = {}): Promise<Message | undefined> {
    const timeoutMs = parseMs(options.timeoutMs ?? waitMsDefault);
    const { signal } = options;
    const delivery = await this.#mail.wait(parseName(name), { timeoutMs, signal });
    return delivery && new Message(this.#mail, delivery);
  }

  /**
   * Posts a question and waits for the answer to it, in the caller's own mailbox; other mail stays there.
   * undefined when the time is over: the question is stored all the same.
   */
  async ask(
    to: string,
    text: string | Uint8Array,
    { mailbox, answers, signal, timeoutMs = waitMsDefault }: AskOptions = {},
  ): Promise<Message | undefined> {
    const from = this.#sender(mailbox);
    if (from === undefined) {
      const what = 'ask needs a mailbox, where it is answered';
      throw new IpcError('missing_parameter', what, { hint: 'give it, or a name to open()' });
    }
    const ms = parseMs(timeoutMs);
    const stored = await this.post(to, text, {
      from,
      ...(answers && { answers }),
      ...(signal && { signal }),
    });
    const question = parseMessageId(stored.id);
    const waiting = this.#mail.wait(from, { timeoutMs: ms, answers: question, signal });
    const delivery = await answerTo(stored, waiting);
    return delivery && new Message(this.#mail, delivery);
  }

  /** What is there now. */
  async fetch(name: string, options: FetchOptions = {}): Promise<Fetched> {
    const { signal } = options;
    const bytesMax = parseAmount(options.bytesMax ?? fetchBytesMax, 'bytesMax', fetchBytesMax);
    const messagesMax = parseAmount(
      options.messagesMax ?? fetchMessagesMax,
      'messagesMax',
      fetchMessagesMax,
    );
    const call = { bytesMax, messagesMax, signal };
    const { deliveries, remaining } = await this.#mail.fetch(parseName(name), call);
    const messages = deliveries.map((delivery) => new Message(this.#mail, delivery));
    return { messages, remaining };
  }

  /**
   * For ever, one after the other. A message is settled when the loop asks for the next; a loop that
   * is left releases the one in hand, unless that was settled by hand.
   */
  async *messages(name: string, { signal }: CallOptions = {}): AsyncGenerator<Message, void> {
    for (;;) {
      const message = await this.wait(name, { timeoutMs: waitMsMax, ...(signal && { signal }) });
      if (!message) continue;
      let isDone = false;
      try {
        yield message;
        isDone = true;
      } finally {
        if (isDone) await message.settle();
        else await message.release();
      }
    }
  }

  /** Resolves when the receiving session has the message. */
  async send(
    host: string,
    text: string | Uint8Array,
    { from, timeoutMs = sendMsDefault, signal }: SendOptions = {},
  ): Promise<void> {
    const body = copyBody(text);
    const sender = this.#sender(from) ?? '';
    const call = { ...parseHost(host), timeoutMs: parseMs(timeoutMs), signal };
    const send = () => this.#place.direct.send({ ...call, from: sender, body });
    await this.#place.guarded(sender, `${call.host}:${call.port}`, send);
  }

  /** The first message that anybody sends, or undefined when the time is over. */
  async receive(options: ReceiveOptions = {}): Promise<DirectMessage | undefined> {
    const timeoutMs = parseMs(options.timeoutMs ?? waitMsDefault);
    const { signal } = options;
    const port = parsePort(options.port ?? portDirectDefault);
    const { bind = '127.0.0.1' } = options;
    const message = await this.#place.direct.receive({ port, bind, timeoutMs, signal });
    if (!message) return undefined;
    const { from, origin, body } = message;
    const text = body.toString('utf8');
    const [confirm, refuse] = [() => message.confirm(), () => message.refuse()];
    return { from, origin, body, text, confirm, refuse };
  }

  async ping(
    host: string,
    { timeoutMs = sendMsDefault, signal }: WaitOptions = {},
  ): Promise<{ ms: number }> {
    const call = { ...parseHost(host), timeoutMs: parseMs(timeoutMs), signal };
    return this.#place.direct.ping(call);
  }

  status(options?: CallOptions): Promise<BrokerStatus> {
    return this.#mail.status(options);
  }

  /** Owns the broker, or joins its owner. */
  start(options?: StartOptions): Promise<StartResult> {
    return this.#mail.start(options);
  }

  /** Gives the broker up; its owner's only. */
  stop(options?: CallOptions): Promise<StopResult> {
    return this.#mail.stop(options);
  }

  /** Releases what is held, and hands the broker over. */
  close(): Promise<void> {
    return this.#place.close();
  }

  #sender(from: string | undefined): Name | undefined {
    return from === undefined ? this.#place.name : parseName(from, 'from');
  }
}

/** Nothing is bound or written before the first call. */
export async function open(options: OpenOptions = {}): Promise<AgentMail> {
  const { port, host, home, name, program = 'library', env = process.env, sendsPerHour } = options;
  const place = new Place({
    env,
    program,
    home,
    name: name === undefined ? undefined : parseName(name),
    port: port === undefined ? undefined : parsePort(port),
    host: host === undefined ? undefined : parseHost(host),
    sendsPerHour: sendsPerHour && parseSendsPerHour(sendsPerHour),
  });
  const { mail } = await place.broker({});
  return new AgentMail(place, mail);
}

function notHeldError(number: number): IpcError {
  return new IpcError('not_held', `#${number} is held by another session by now`);
}

/** Not a view of the caller's bytes: a post may be sent again long after. */
function copyBody(text: string | Uint8Array): Buffer {
  const body = parseBody(text, 'text');
  return typeof text === 'string' ? body : Buffer.from(body);
}

function parseAmount(amount: number, parameter: string, max: number): number {
  if (Number.isInteger(amount) && amount >= 0 && amount <= max) return amount;
  const form = `a whole number from 0 to ${max}`;
  throw new IpcError('bad_parameter', `${parameter} is ${amount}; it must be ${form}`);
}

function parseMs(ms: number): number {
  if (ms >= 0 && ms <= waitMsMax) return ms;
  throw new IpcError('bad_timeout', `timeoutMs is ${ms}; it must be from 0 to ${waitMsMax}`);
}
