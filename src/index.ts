// The library: `open` a broker, of this machine or another, then post, wait, fetch, send, receive.

import { AppContext } from './app/context.ts';
import type { Environment } from './app/environment.ts';
import { answerTo } from './app/operations.ts';
import { checkAsked, parseHost, parseMailboxes, storedIn } from './app/parameters.ts';
import { IpcError } from './base/errors.ts';
import {
  fetchBytesMax,
  fetchMessagesMax,
  portDirectDefault,
  sendMsDefault,
  waitMsDefault,
  waitMsMax,
} from './base/limits.ts';
import {
  answered,
  type CallOptions,
  type DirectMessage,
  deliveryOf,
  isOf,
  isOver,
  Message,
  notHeldError,
} from './library/library-message.ts';
import { parseOptions } from './library/library-options.ts';
import type {
  BrokerStatus,
  MailService,
  RetryResult,
  StartResult,
  StopResult,
} from './model/mail-service.ts';
import { parseBody, parseMessageId, parseName } from './model/message.ts';

export { type ErrorCode, type ErrorKind, errorTable, IpcError } from './base/errors.ts';
export {
  type CallOptions,
  type DirectMessage,
  Message,
  type ReleaseOptions,
} from './library/library-message.ts';
export type { BrokerStatus, RetryResult, StartResult, StopResult } from './model/mail-service.ts';
export type { Origin } from './model/message.ts';
export type { DeadLetter, DeadLetterCount, MailboxStatus } from './model/requests.ts';

/** Where the mail is, and as whom it is used. */
export interface OpenOptions {
  /** The broker's port on this machine, 1 to 65535; IPC_PORT or 19901 unless given. */
  readonly port?: number | undefined;
  /** `HOST:PORT` of a broker, perhaps on another machine; IPC_BROKER unless it or `port` is given. */
  readonly host?: string | undefined;
  /** The state folder, an absolute path; IPC_HOME or ~/.agent-ipc unless given. */
  readonly home?: string | undefined;
  /** The sender's name for posts and sends that give none; IPC_NAME unless given. */
  readonly name?: string | undefined;
  /** What this process is called in `origin`; its first 50 characters count. 'library' unless given. */
  readonly program?: string | undefined;
  /** Messages an hour from one sender to one mailbox, or to one HOST:PORT; no limit when 0 or not given. */
  readonly sendsPerHour?: number | undefined;
  /** Instead of process.env: IPC_HOME, IPC_PORT, IPC_BROKER, IPC_NAME, IPC_KEY, IPC_KEY_FILE. */
  readonly env?: Environment | undefined;
}

/** What a post may be given. */
export interface PostOptions extends CallOptions {
  /** Where the sender can be answered; the name given to `open` unless given. */
  readonly from?: string | undefined;
  /** Your own, of 1 to 200 bytes: a post repeated with the same id is stored once. */
  readonly id?: string | undefined;
  /** The message that this one answers, which this session read; it is settled in the same step. */
  readonly answers?: Message | undefined;
}

/** What a wait may be given. */
export interface WaitOptions extends CallOptions {
  /** Milliseconds, 0 to 300,000; 60,000 unless given. */
  readonly timeoutMs?: number | undefined;
}

/** What a question may be given. */
export interface AskOptions extends WaitOptions {
  /** Where the answer is read; the name given to `open` unless given. */
  readonly mailbox?: string | undefined;
  /** The message that this question answers, which this session read; it is settled in the same step. */
  readonly answers?: Message | undefined;
}

/** What a fetch may be given. */
export interface FetchOptions extends CallOptions {
  /**
   * Bytes of all bodies together. 8 MiB unless given, and at most; the first message comes also when it is
   * larger, but for 0, which brings none.
   */
  readonly bytesMax?: number | undefined;
  /** 1,000 unless given, and at most. */
  readonly messagesMax?: number | undefined;
}

/** What a ping may be given. */
export interface PingOptions extends CallOptions {
  /** Milliseconds, 0 to 300,000, in which it is tried again and again; 10,000 unless given. */
  readonly timeoutMs?: number | undefined;
}

/** What a send may be given. */
export interface SendOptions extends PingOptions {
  /** The sender's name; the one given to `open` unless given. */
  readonly from?: string | undefined;
}

/** What a receive may be given. */
export interface ReceiveOptions extends WaitOptions {
  /** 1 to 65535; 19900 unless given. */
  readonly port?: number | undefined;
  /** An address of this machine, 0.0.0.0 for all; 127.0.0.1 unless given. */
  readonly bind?: string | undefined;
}

/** How a broker is started. */
export interface StartOptions extends CallOptions {
  /** One more address of this machine to listen on, 0.0.0.0 for all; 127.0.0.1 closes the others. */
  readonly bind?: string | undefined;
}

/** Which dead letters are tried again: all, unless one of these is given. */
export interface RetryOptions extends CallOptions {
  /** Those meant for this mailbox. */
  readonly to?: string | undefined;
  /** Those with these ids; an empty list has none. */
  readonly ids?: readonly string[] | undefined;
}

/** What became of a post. */
export interface Stored {
  /** The mailbox. */
  readonly to: string;
  /** The message's id: of an answer to it, it is `answers`. */
  readonly id: string;
  /** Counts up over the whole store, with gaps. */
  readonly number: number;
  /** It was stored before under the same id; nothing was stored now. */
  readonly duplicate: boolean;
  /** A reader was waiting for it. */
  readonly reader: boolean;
}

/** What a fetch found. */
export interface Fetched {
  /** Oldest first. */
  readonly messages: readonly Message[];
  /** Messages left there that nobody holds. */
  readonly remaining: number;
}

/**
 * A session's mail, from `open`. Every fault is an `IpcError` with a code of docs/guide/errors.md. Beside those
 * named at each call, any may throw:
 * - a code whose `kind.fault` is 'call', before it does anything: a wrong name, option or amount;
 * - `cancelled`, when its signal is aborted; `closed`, after `close()`;
 * - what stands between it and a broker: `owner_silent`, `unreachable`, `no_broker`, `key_mismatch`,
 *   `port_taken`, `home_unusable` and the like. Where `kind.retry` is true the same call may succeed later.
 *
 * The first call that needs a broker owns it, or joins its owner. From then on the process stays alive
 * until `close()`, for it may be the one that the others' mail depends on.
 */
export class AgentMail {
  readonly #context: AppContext;
  readonly #mail: MailService;

  /** @internal */
  constructor(context: AppContext, mail: MailService) {
    this.#context = context;
    this.#mail = mail;
  }

  /**
   * Stores a message in a mailbox; resolves when it is synced to disk. `text`: at most 1,048,576 bytes of
   * UTF-8, taken at once, so the caller's bytes may change. An error with `maybeStored` does not tell
   * whether it was stored: the same text posted again in answer to the same message, or the same `id`, is
   * stored once. So is a post whose signal is aborted after it was sent; before, it is not stored.
   * @throws `mailbox_full`, `store_full`, `too_many_mailboxes`, `too_many_posts`: there is no room now.
   * `id_conflict`: another message has that id. `not_held`: it is stored, so do not post it again, but another
   * session holds what it answers by now. `storage_failed`, `owner_replaced`: the disk, or another owner, came between.
   */
  post(to: string, text: string | Uint8Array, options?: PostOptions): Promise<Stored>;
  /** A message in each of 1 to 100 mailboxes, each named once in the result: all are stored, or none. */
  post(to: readonly string[], text: string | Uint8Array, options?: PostOptions): Promise<Stored[]>;
  /** As above. */
  post(
    to: string | readonly string[],
    text: string | Uint8Array,
    options?: PostOptions,
  ): Promise<Stored | Stored[]>;
  /** As above. */
  async post(
    to: string | readonly string[],
    text: string | Uint8Array,
    options: PostOptions = {},
  ): Promise<Stored | Stored[]> {
    const names = ['from', 'id', 'answers', 'signal'] as const;
    const { from = this.#context.name, id, answers, signal } = parseOptions('post', options, names);
    // Another session's would be stored, but not settled.
    if (answers !== undefined && !isOf(answers, this.#mail)) {
      throw new IpcError('bad_parameter', 'answers must be a message that this session read');
    }
    const settled = answers && deliveryOf(answers);
    const mailboxes = parseMailboxes(to, 'to');
    const body = copyBody(text);
    const [first, ...alsoTo] = mailboxes;
    const call = {
      alsoTo,
      from,
      id,
      answers: settled?.envelope.id,
      settles: settled && [settled],
      signal,
    };
    const result = await this.#context.guarded(from ?? '', mailboxes, () =>
      this.#mail.post(first, body, call),
    );
    if (answers) answered(answers);
    if (answers && result.notHeld.length > 0) throw notHeldError(answers.number, result.number);
    const stored = storedIn(mailboxes, result);
    return typeof to === 'string' ? (stored[0] as Stored) : stored;
  }

  /**
   * The first message of a mailbox, held until it is settled or released; undefined when the time is over.
   * It goes on over the death of a broker. When it is aborted, a message on its way goes back unread.
   * @throws `too_many_waits`, `too_many_holds`.
   */
  async wait(name: string, options: WaitOptions = {}): Promise<Message | undefined> {
    const given = parseOptions('wait', options, ['timeoutMs', 'signal']);
    const { timeoutMs = waitMsDefault, signal } = given;
    const delivery = await this.#mail.wait(parseName(name), { timeoutMs, signal });
    return delivery && new Message(this.#mail, delivery);
  }

  /**
   * Posts a question and waits for the answer to it, in the caller's own mailbox; other mail stays there.
   * undefined when the time is over: the question is stored all the same. What goes wrong after that, an
   * abort too, says so, with `maybeStored`: the answer will be in that mailbox.
   * @throws As `post` and `wait`; `missing_parameter` when there is no mailbox.
   */
  async ask(
    to: string,
    text: string | Uint8Array,
    options: AskOptions = {},
  ): Promise<Message | undefined> {
    const names = ['mailbox', 'answers', 'timeoutMs', 'signal'] as const;
    const given = parseOptions('ask', options, names);
    const { mailbox: from = this.#context.name, timeoutMs = waitMsDefault, signal } = given;
    const mailboxes = parseMailboxes(to, 'to');
    checkAsked(mailboxes);
    if (from === undefined) {
      const what = 'ask needs a mailbox, where it is answered';
      throw new IpcError('missing_parameter', what, { hint: 'give it, or a name to open()' });
    }
    const post = { from, answers: options.answers, signal };
    const stored = await this.post(mailboxes[0], text, post);
    const question = parseMessageId(stored.id);
    const waiting = this.#mail.wait(from, { timeoutMs, answers: question, signal });
    const delivery = await answerTo(stored, waiting);
    return delivery && new Message(this.#mail, delivery);
  }

  /**
   * What is in a mailbox now, oldest first; each message is held until it is settled or released. When it
   * is aborted, what was on its way goes back unread.
   * @throws `too_many_holds`.
   */
  async fetch(name: string, options: FetchOptions = {}): Promise<Fetched> {
    const given = parseOptions('fetch', options, ['bytesMax', 'messagesMax', 'signal']);
    const { bytesMax = fetchBytesMax, messagesMax = fetchMessagesMax, signal } = given;
    const call = { bytesMax, messagesMax, signal };
    const { deliveries, remaining } = await this.#mail.fetch(parseName(name), call);
    const messages = deliveries.map((delivery) => new Message(this.#mail, delivery));
    return { messages, remaining };
  }

  /**
   * The messages of a mailbox for ever, one after the other: the worker pattern. A message is settled when
   * the loop asks for the next one. A loop that is left, by `break`, `return` or a throw, releases the one
   * in hand. One that was settled, released or answered by hand is left as it is. An abort ends the loop
   * with `cancelled` when it asks for the next one: a message in hand is settled first.
   * @throws As `wait` and `settle`. A loop may begin anew after any of them.
   */
  async *messages(name: string, options: CallOptions = {}): AsyncGenerator<Message, void> {
    const { signal } = parseOptions('messages', options, ['signal']);
    for (;;) {
      const message = await this.wait(name, { timeoutMs: waitMsMax, signal });
      if (!message) continue;
      let isDone = false;
      try {
        yield message;
        isDone = true;
      } finally {
        if (!isOver(message)) await (isDone ? message.settle() : message.release());
      }
    }
  }

  /**
   * Point to point, without a broker: hands a message to the session that receives at `host`, HOST:PORT.
   * Resolves when that session has it; until the time is over it is tried again and again. `text` as in
   * `post`.
   * @throws `unreachable`, `busy`: it was not received. `cut_off`, with `maybeStored`: the answer did not
   * come in time, or the call was aborted, after the message was sent. `host_unknown`, `key_mismatch`,
   * `wrong_service`, `too_many_posts`.
   */
  async send(host: string, text: string | Uint8Array, options: SendOptions = {}): Promise<void> {
    const given = parseOptions('send', options, ['from', 'timeoutMs', 'signal']);
    const { from = this.#context.name ?? '', timeoutMs = sendMsDefault, signal } = given;
    const body = copyBody(text);
    const address = parseHost(host);
    const send = () => this.#context.direct.send({ ...address, from, body, timeoutMs, signal });
    await this.#context.guarded(from, [`${address.host}:${address.port}`], send);
  }

  /**
   * Listens on a port for the first message that anybody with the key sends; undefined when the time is
   * over. The port is free again after that. An abort before the message is confirmed refuses it.
   * @throws `port_taken`, `address_unusable`, `host_unknown`.
   */
  async receive(options: ReceiveOptions = {}): Promise<DirectMessage | undefined> {
    const given = parseOptions('receive', options, ['port', 'bind', 'timeoutMs', 'signal']);
    const { port = portDirectDefault, bind = '127.0.0.1', timeoutMs = waitMsDefault } = given;
    const call = { port, bind, timeoutMs, signal: given.signal };
    const message = await this.#context.direct.receive(call);
    if (!message) return undefined;
    const { from, origin, body } = message;
    const text = body.toString('utf8');
    const [confirm, refuse] = [() => message.confirm(), () => message.refuse()];
    return { from, origin, body, text, confirm, refuse };
  }

  /**
   * Asks whether a session receives, or a broker listens, at `host`, HOST:PORT. `ms`: from the question to
   * the answer.
   * @throws `unreachable`, `host_unknown`, `key_mismatch`.
   */
  async ping(host: string, options: PingOptions = {}): Promise<{ readonly ms: number }> {
    const given = parseOptions('ping', options, ['timeoutMs', 'signal']);
    const { timeoutMs = sendMsDefault, signal } = given;
    return this.#context.direct.ping({ ...parseHost(host), timeoutMs, signal });
  }

  /** Who owns the broker, and what is in it. */
  async status(options: CallOptions = {}): Promise<BrokerStatus> {
    return this.#mail.status(parseOptions('status', options, ['signal']));
  }

  /**
   * Puts messages of `dead-letters` back into the mailboxes that they were meant for, with new attempts.
   * What is not there is passed over. An abort does not bring back what was moved before it.
   */
  async retry(options: RetryOptions = {}): Promise<RetryResult> {
    const given = parseOptions('retry', options, ['to', 'ids', 'signal']);
    // Below this no ids are all of them.
    if (given.ids?.length === 0) return { moved: [], stayed: [] };
    return this.#mail.retry(given);
  }

  /**
   * Owns the broker, or joins its owner. No other call needs it: each does so by itself. An abort ends the
   * wait for it alone; this session may own the broker all the same.
   * @throws `not_owner`: another session owns it, and does not listen on `bind`. `address_unusable`.
   */
  async start(options: StartOptions = {}): Promise<StartResult> {
    return this.#mail.start(parseOptions('start', options, ['bind', 'signal']));
  }

  /**
   * Gives the broker up; its owner's only. This session does not own it again before its own `start()`.
   * An abort ends the wait for a successor alone: the broker is given up all the same.
   * @throws `not_owner`, which names the owner.
   */
  async stop(options: CallOptions = {}): Promise<StopResult> {
    return this.#mail.stop(parseOptions('stop', options, ['signal']));
  }

  /**
   * Releases what is held, hands the broker over, and lets the process end; within about 2 s where the
   * disk is sound, whatever peers do. Calls that are open throw `closed`, but for `send`, `receive` and `ping`, which
   * end by their own time or signal. A second time does nothing.
   */
  close(): Promise<void> {
    return this.#context.close();
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * A session's mail. Nothing is bound, made or written before the first call of it; a name in `host` is
 * looked up.
 * @throws IpcError `home_unusable`, `host_unknown`, or a code whose `kind.fault` is 'call'.
 */
export async function open(options: OpenOptions = {}): Promise<AgentMail> {
  const names = ['port', 'host', 'home', 'name', 'program', 'sendsPerHour', 'env'] as const;
  const { program = 'library', env = process.env, ...rest } = parseOptions('open', options, names);
  const context = new AppContext({ ...rest, program, env });
  const { mail } = await context.broker({});
  return new AgentMail(context, mail);
}

/** Not a view of the caller's bytes: a post may be sent again long after. */
function copyBody(text: string | Uint8Array): Buffer {
  const body = parseBody(text, 'text');
  return typeof text === 'string' ? body : Buffer.from(body);
}
