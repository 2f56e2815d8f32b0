// The library: `open` a broker, on this machine or another, then post, wait, fetch, send, receive.

import { AppContext } from '../app/context.ts';
import { notices } from '../app/notices.ts';
import { answerTo } from '../app/operations.ts';
import {
  parseHost,
  parseMailboxes,
  postedMessage,
  postedMessages,
  requireOneMailbox,
} from '../app/parameters.ts';
import { peekPages } from '../app/peek.ts';
import { IpcError } from '../base/errors.ts';
import { largeBytesMin, postMemory } from '../base/large-memory.ts';
import {
  fetchBytesMax,
  fetchMessagesMax,
  mailboxesPerReadMax,
  peekMessagesDefault,
  portDirectDefault,
  sendMsDefault,
  waitMsDefault,
  waitMsMax,
} from '../base/limits.ts';
import type { Notice } from '../model/mail-ahead.ts';
import type {
  BrokerStatus,
  Delivery,
  MailService,
  PostResult,
  RetryResult,
  StartResult,
  StopResult,
} from '../model/mail-service.ts';
import {
  checkBytes,
  type MailboxList,
  parseBody,
  parseMessageId,
  parseName,
} from '../model/message.ts';
import { type WatchEvent, watchEvents } from './library-events.ts';
import {
  type DirectMessage,
  type Found,
  foundOf,
  type Glimpse,
  glimpseOf,
  handleOf,
  Message,
  type MessageHandle,
  notHeldError,
} from './library-message.ts';
import {
  type AskOptions,
  type CallOptions,
  type DropOptions,
  type FetchOptions,
  type FindOptions,
  noOptions,
  type OpenOptions,
  type PeekOptions,
  type PingOptions,
  type PostOptions,
  parseOptions,
  type ReceiveOptions,
  type RetryOptions,
  type SendOptions,
  type StartOptions,
  type WaitOptions,
  type WatchEventsOptions,
  type WatchOptions,
} from './library-options.ts';
import type { Dropped, Fetched, Peeked, Stored } from './library-results.ts';

/** How others see that a session of a program is woken. */
const wakePath = 'library';

const postOptionNames = ['from', 'id', 'answers', 'signal'] as const;
const waitOptionNames = ['timeoutMs', 'signal'] as const;

/**
 * A session's mail, from `open`. Every failure is an `IpcError` with a code of docs/guide/errors.md. Besides the
 * codes listed at each call, any call may throw:
 * - a usage error (`kind.fault`), before it does anything: a wrong name, option or amount;
 * - `cancelled`, when its signal is aborted; `closed`, after `close()`;
 * - a code that says why no broker was reached: `owner_silent`, `unreachable`, `no_broker`, `key_mismatch`,
 *   `port_taken`, `home_unusable` and the like. If `kind.retry` is true, the same call may succeed later.
 *
 * The first call that needs a broker owns it, or joins its owner. From then on the process stays alive
 * until `close()`, because other sessions' mail may depend on it.
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
   * UTF-8, copied at once, so the caller may reuse its buffer. After an error with `maybeStored` the message
   * may have been stored. Posting it again is safe: the same text in answer to the same message, or the
   * same `id`, is stored once. A post whose signal is aborted before it was sent is not stored; after that
   * it may be.
   * @throws `mailbox_full`, `store_full`, `too_many_mailboxes`, `too_many_posts`: a limit is reached.
   * `id_conflict`: another message has that id. `not_held`: the post is stored, do not repeat it, but
   * another session now holds the message that it answers. `storage_failed`: the disk failed.
   * `owner_replaced`: another session took the broker over meanwhile.
   */
  post(to: string, text: string | Uint8Array, options?: PostOptions): Promise<Stored>;
  /** Stores a message in each of 1 to 100 mailboxes, or in none. The result names each mailbox once. */
  post(to: readonly string[], text: string | Uint8Array, options?: PostOptions): Promise<Stored[]>;
  /** Stores a message in one mailbox or in several. */
  post(
    to: string | readonly string[],
    text: string | Uint8Array,
    options?: PostOptions,
  ): Promise<Stored | Stored[]>;
  /** Stores a message in one mailbox or in several. */
  post(
    to: string | readonly string[],
    text: string | Uint8Array,
    options: PostOptions = noOptions,
  ): Promise<Stored | Stored[]> {
    try {
      const given = parseOptions('post', options, postOptionNames);
      const { from = this.#context.name, id, answers, signal } = given;
      const answered = answers === undefined ? undefined : handleOf(answers as Message, this.#mail);
      const mailboxes = parseMailboxes(to, 'to');
      const body = copyBody(text);
      const call = {
        alsoTo: mailboxes.slice(1),
        from,
        id,
        answers: answered?.delivery.envelope.id,
        settles: answered && [answered.delivery],
        signal,
      };
      const send = () => this.#mail.post(mailboxes[0], body, call);
      return this.#context.rateLimited(from ?? '', mailboxes, send).then((result) => {
        // The broker has all of it. Of a post that failed, a connection may still have a part to write.
        postMemory.release(body);
        if (answered) checkAnswered(answered, result);
        if (typeof to === 'string') return postedMessage(mailboxes[0], result, result);
        return postedMessages(mailboxes, result);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The first message of a mailbox, held until it is settled or released; undefined on timeout. `from`: a mailbox,
   * or a list of up to 16, of which the first that has mail is served. A failover does not end the wait. After an
   * abort, a message that was already on its way is released unread.
   * @throws `too_many_waits`, `too_many_holds`; also when the time is over, and no mail could be read on a NATS server:
   * `unreachable`, `owner_silent` or `no_broker`.
   */
  wait(
    from: string | readonly string[],
    options: WaitOptions = noOptions,
  ): Promise<Message | undefined> {
    try {
      const { timeoutMs = waitMsDefault, signal } = parseOptions('wait', options, waitOptionNames);
      return this.#mail.wait(mailboxesIn(from), { timeoutMs, signal }).then(this.#messageOf);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Posts a question and waits for its answer in the caller's own mailbox; other mail stays there.
   * undefined on timeout: the question stays stored. So it does after an error of the wait, or an abort;
   * that error has `maybeStored`, and the answer will arrive in the mailbox. Asked again with the same `id`,
   * the question is stored once, and the call waits for its answer, which may be in the mailbox already.
   * @throws As `post` and `wait`; `missing_parameter` when there is no mailbox.
   */
  async ask(
    to: string,
    text: string | Uint8Array,
    options: AskOptions = {},
  ): Promise<Message | undefined> {
    const names = ['mailbox', 'id', 'answers', 'timeoutMs', 'signal'] as const;
    const given = parseOptions('ask', options, names);
    const { mailbox: from = this.#context.name, timeoutMs = waitMsDefault, signal } = given;
    const mailboxes = parseMailboxes(to, 'to');
    requireOneMailbox(mailboxes);
    if (from === undefined) {
      const what = 'ask needs a mailbox to read the answer from';
      throw new IpcError('missing_parameter', what, { hint: 'give it, or a name to open()' });
    }
    const post = { from, id: given.id, answers: options.answers, signal };
    const stored = await this.post(mailboxes[0], text, post);
    const question = parseMessageId(stored.id);
    const waiting = this.#mail.wait(from, { timeoutMs, answers: question, signal });
    const delivery = await answerTo(stored, waiting, given.id);
    return this.#messageOf(delivery);
  }

  /**
   * The messages that are in a mailbox now, oldest first; each is held until it is settled or released. `from`: a
   * mailbox, or a list of up to 16, of which the first is emptied first. After an abort, messages that were already on
   * their way are released unread.
   * @throws `too_many_holds`.
   */
  async fetch(from: string | readonly string[], options: FetchOptions = {}): Promise<Fetched> {
    const given = parseOptions('fetch', options, ['bytesMax', 'messagesMax', 'signal']);
    const { bytesMax = fetchBytesMax, messagesMax = fetchMessagesMax, signal } = given;
    const call = { bytesMax, messagesMax, signal };
    const { deliveries, ...left } = await this.#mail.fetch(mailboxesIn(from), call);
    return { messages: deliveries.map((each) => new Message(this.#mail, each)), ...left };
  }

  /**
   * Looks at the messages of a mailbox, oldest first, whether they are ready or a session holds them. Nothing
   * is taken and nothing changes: no attempt counts, and every message stays where it is.
   * @throws `version_mismatch`: the session that owns the broker is older, and cannot do it.
   */
  async peek(name: string, options: PeekOptions = {}): Promise<Peeked> {
    const given = parseOptions('peek', options, ['max', 'full', 'signal']);
    const { max = peekMessagesDefault, full = false, signal } = given;
    const messages: Glimpse[] = [];
    let remaining = 0;
    for await (const page of peekPages(this.#mail, parseName(name), { max, full, signal })) {
      messages.push(...page.messages.map((message) => glimpseOf(message, full)));
      remaining = page.remaining;
    }
    return { messages, remaining };
  }

  /**
   * Says what has become of messages, by their ids, in the order of the list. Nothing changes. An id is remembered
   * until its session has acknowledged the post and its message is settled, so most settled messages are `forgotten`
   * soon, and `unknown` when their session has ended. The broker does not know when a message was settled.
   * @throws `version_mismatch`: the session that owns the broker is older, and cannot do it.
   */
  async find(ids: readonly string[], options: FindOptions = {}): Promise<Found[]> {
    const given = parseOptions('find', options, ['mailbox', 'signal']);
    const { mailbox: answersIn = this.#context.name, signal } = given;
    const wanted = parseOptions('find', { ids }, ['ids']).ids ?? [];
    const found = await this.#mail.find(wanted, { answersIn, signal });
    return found.map((message, index) => foundOf(wanted[index] as string, message));
  }

  /**
   * Drops messages of a mailbox: settles them without reading them. Only what is stored when the call begins
   * and is ready; what a session holds stays. Resolves when that is synced to disk. An abort does not undo
   * what was already dropped. A message that is posted again under its id stays dropped.
   * @throws `version_mismatch`: the session that owns the broker is older, and cannot do it.
   */
  async drop(name: string, options: DropOptions = {}): Promise<Dropped> {
    const given = parseOptions('drop', options, ['ids', 'olderThanMs', 'signal']);
    const { ids, olderThanMs: ageMsMin, signal } = given;
    const mailbox = parseName(name);
    // To the mail service an empty list means all.
    if (ids?.length === 0) return { dropped: [], held: 0 };
    const { dropped, held } = await this.#mail.drop(mailbox, { ids, ageMsMin, signal });
    return { dropped, held };
  }

  /**
   * The messages of a mailbox, one after the other, without end: the worker pattern. `from`: a mailbox, or a list
   * of up to 16; a message of the first comes before one of the next. A message is settled when the loop asks for
   * the next one. Leaving the loop, by `break`, `return` or a throw, releases the current message, unless it was
   * already settled, released or answered. After an abort the loop settles the current message and throws
   * `cancelled` when it asks for the next one.
   * @throws As `wait` and `settle`. A new loop may be started after any of them.
   */
  async *messages(
    from: string | readonly string[],
    options: CallOptions = {},
  ): AsyncGenerator<Message, void> {
    const { signal } = parseOptions('messages', options, ['signal']);
    for (;;) {
      const message = await this.wait(from, { timeoutMs: waitMsMax, signal });
      if (!message) continue;
      let isDone = false;
      try {
        yield message;
        isDone = true;
      } finally {
        if (!handleOf(message, this.#mail).isOver)
          await (isDone ? message.settle() : message.release());
      }
    }
  }

  /**
   * With a mailbox: a notice each time that there is unread mail in it which no reader took for a second, also of mail
   * that was there before, for a program that is to read it. `from`: a mailbox, or a list of up to 16. It reads nothing:
   * no message is held, and no attempt counts. The same unread message is reported once, and again after it was read and
   * released. Of several sessions that watch a mailbox only one is told; the next one is told when a message was read, or
   * after 20 s. Failovers do not end the watch. Leaving the loop ends it, and so does the timeout; while the body of the
   * loop runs, nothing is watched. After an abort the loop throws `cancelled`.
   * @throws `too_many_waits`; `version_mismatch`: the session that owns the broker is older, and cannot do it.
   */
  watch(from: string | readonly string[], options?: WatchOptions): AsyncGenerator<Notice, void>;
  /**
   * Without a mailbox: everything that happens to mail, to whomever it belongs, for a program that only looks on: stored,
   * delivered, requeued, settled and so on, in order and each once, also over failovers. It settles, holds and changes
   * nothing, and no reader waits for it. It begins when the loop does. A loop that falls behind is served from the disk;
   * what is not kept any more is an event of the kind `gap`. Leaving the loop ends it, and so does the timeout: 0 yields
   * what is there now. After an abort the loop throws `cancelled`.
   * @throws `too_many_waits`; `version_mismatch`: the session that owns the broker is older, and cannot do it.
   */
  watch(options?: WatchEventsOptions): AsyncGenerator<WatchEvent, void>;
  /** Notices of unread mail, or all that happens to mail. */
  watch(
    from?: string | readonly string[] | WatchEventsOptions,
    options: WatchOptions = {},
  ): AsyncGenerator<Notice, void> | AsyncGenerator<WatchEvent, void> {
    if (typeof from === 'string' || Array.isArray(from)) return this.#notices(from, options);
    return this.#events(from as WatchEventsOptions | undefined);
  }

  /**
   * Point to point, without a broker: sends a message to the session that receives at `host`, HOST:PORT.
   * Resolves when that session has confirmed it; the call is retried until the timeout. `text` as in
   * `post`.
   * @throws `unreachable`, `busy`: it was not received. `cut_off`, with `maybeStored`: after the message
   * was sent no confirmation came in time, or the call was aborted. `host_unknown`, `key_mismatch`,
   * `wrong_service`, `port_taken` (another program listens there), `too_many_posts`.
   */
  async send(host: string, text: string | Uint8Array, options: SendOptions = {}): Promise<void> {
    const given = parseOptions('send', options, ['from', 'timeoutMs', 'signal']);
    const { from = this.#context.name ?? '', timeoutMs = sendMsDefault, signal } = given;
    const body = copyBody(text);
    const address = parseHost(host);
    const send = () => this.#context.direct.send({ ...address, from, body, timeoutMs, signal });
    await this.#context.rateLimited(from, [`${address.host}:${address.port}`], send);
  }

  /**
   * Listens on a port for the first message of any sender that has the key; undefined on timeout. The port
   * is free again after that. An abort before the message is confirmed refuses it.
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
   * Checks whether a session receives, or a broker listens, at `host`, HOST:PORT. `ms`: the round trip
   * time.
   * @throws `unreachable`, `host_unknown`, `key_mismatch`, `port_taken`.
   */
  async ping(host: string, options: PingOptions = {}): Promise<{ readonly ms: number }> {
    const given = parseOptions('ping', options, ['timeoutMs', 'signal']);
    const { timeoutMs = sendMsDefault, signal } = given;
    return this.#context.direct.ping({ ...parseHost(host), timeoutMs, signal });
  }

  /** The owner of the broker, and the state of its mailboxes. */
  async status(options: CallOptions = {}): Promise<BrokerStatus> {
    return this.#mail.status(parseOptions('status', options, ['signal']));
  }

  /**
   * Moves messages of `dead-letters` back into the mailboxes that they were posted to, with their attempts
   * counted anew. Ids that are not there are skipped. An abort does not undo what was already moved.
   */
  async retry(options: RetryOptions = {}): Promise<RetryResult> {
    const given = parseOptions('retry', options, ['to', 'ids', 'signal']);
    // To the mail service an empty list means all.
    if (given.ids?.length === 0) return { moved: [], stayed: [] };
    return this.#mail.retry(given);
  }

  /**
   * Owns the broker, or joins its owner. No other call needs it first: each does so by itself. An abort only
   * ends the call; this session may own the broker all the same.
   * @throws `address_unusable`. `not_owner`: this session is on another machine than the owner, or beyond a
   * tunnel, and may not change where it listens.
   */
  async start(options: StartOptions = {}): Promise<StartResult> {
    return this.#mail.start(parseOptions('start', options, ['bind', 'signal']));
  }

  /**
   * Gives the broker up; only its owner can. This session does not own it again until it calls `start()`.
   * An abort only ends the wait for a successor: the broker is given up all the same.
   * @throws `not_owner`, which names the owner.
   */
  async stop(options: CallOptions = {}): Promise<StopResult> {
    return this.#mail.stop(parseOptions('stop', options, ['signal']));
  }

  /**
   * Releases all held messages, hands the broker over, and lets the process end; within about 2 s on a
   * healthy disk, whatever peers do. Open calls throw `closed`, except `send`, `receive` and `ping`, which
   * end by their own timeout or signal. Calling it again does nothing.
   */
  close(): Promise<void> {
    return this.#context.close();
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#notices(
    from: string | readonly string[],
    options: WatchOptions,
  ): AsyncGenerator<Notice, void> {
    const given = parseOptions('watch', options, ['timeoutMs', 'signal']);
    const { timeoutMs = Number.POSITIVE_INFINITY, signal } = given;
    yield* notices(this.#mail, mailboxesIn(from), { timeoutMs, signal, path: wakePath });
  }

  async *#events(options: WatchEventsOptions = {}): AsyncGenerator<WatchEvent, void> {
    const names = ['since', 'after', 'mailboxes', 'bodies', 'timeoutMs', 'signal'] as const;
    const { since, after, mailboxes, signal, ...given } = parseOptions('watch', options, names);
    const { bodies = false, timeoutMs = Number.POSITIVE_INFINITY } = given;
    yield* watchEvents(this.#mail, { since, after, mailboxes, bodies, timeoutMs, signal });
  }

  #messageOf = (delivery: Delivery | undefined): Message | undefined =>
    delivery && new Message(this.#mail, delivery);
}

/**
 * Opens a session's mail. Nothing is bound, created or written before its first call; only a name in `host`
 * is looked up.
 * @throws IpcError `home_unusable`, `host_unknown`, or a usage error (`kind.fault`).
 */
export async function open(options: OpenOptions = {}): Promise<AgentMail> {
  const names = ['port', 'host', 'home', 'name', 'program', 'sendsPerHour', 'env'] as const;
  const { program = 'library', env = process.env, ...rest } = parseOptions('open', options, names);
  const context = new AppContext({ ...rest, program, env });
  const { mail } = await context.broker({});
  return new AgentMail(context, mail);
}

function mailboxesIn(from: string | readonly string[]): MailboxList {
  return parseMailboxes(from, 'mailbox', mailboxesPerReadMax);
}

/** The post that answers the message is stored. @throws `not_held` when that did not settle the message. */
function checkAnswered(answered: MessageHandle, { notHeld, number }: PostResult): void {
  answered.isOver = true;
  if (notHeld.length > 0) throw notHeldError(answered.delivery.envelope.number, number);
}

/** A copy, because a post may be resent long after the call. */
function copyBody(text: string | Uint8Array): Buffer {
  if (typeof text === 'string') return parseBody(text, 'text');
  checkBytes(text, 'text');
  if (text.length < largeBytesMin) return Buffer.from(text);
  const copy = postMemory.take(text.length);
  copy.set(text);
  postMemory.hold(copy);
  return copy;
}
