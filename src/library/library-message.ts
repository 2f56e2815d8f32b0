// A message in the hands of a program that uses the library.
import { IpcError } from '../base/errors.ts';
import type { Delivery, MailService } from '../model/mail-service.ts';
import type { Origin } from '../model/message.ts';
import { parseOptions } from './library-options.ts';

/** Options that every call takes. */
export interface CallOptions {
  /**
   * Ends the call when it is aborted: it throws `cancelled`. One that is aborted already keeps the call
   * from beginning. What becomes of a call that was begun stands at each.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `release`, which requeues a message. */
export interface ReleaseOptions extends CallOptions {
  /** True when the message was not looked at: the attempt is not counted then. False by default. */
  readonly unread?: boolean | undefined;
}

/** True for a message that was read by this session. */
export let isOf: (message: unknown, mail: MailService) => message is Message;
/** The delivery that a post settles when it answers this message. */
export let deliveryOf: (message: Message) => Delivery;
/** True once the message was settled, released or answered by hand: a loop does nothing with it then. */
export let isOver: (message: Message) => boolean;
/** Notes that a post which answers the message was stored. */
export let answered: (message: Message) => void;

/**
 * A message that was read, and is held by this process until it is settled, released, or answered with
 * `post(..., { answers })`; until then nobody else gets it. There is no time limit. `close()` and the end
 * of the process release it. Made by `wait`, `ask`, `fetch` and `messages`.
 */
export class Message {
  /** `SESSION.COUNT`, or what the poster gave by hand. The same at each attempt. */
  readonly id: string;
  /** Numbers increase over the whole store, with gaps. */
  readonly number: number;
  /** Where it was read: `to`, or `dead-letters`. */
  readonly mailbox: string;
  /** The mailbox that it was posted to. */
  readonly to: string;
  /** The mailbox in which its sender can be answered; '' when the sender gave no address. */
  readonly from: string;
  /** What the sender's process said of itself: a label, not a proof. */
  readonly origin: Origin;
  /** When it was stored, by the clock of the broker's machine. */
  readonly time: Date;
  /** 1 for the first time it is handed over; after 20 it waits in `dead-letters`. */
  readonly attempt: number;
  /** The id of the message that this one answers, or ''. */
  readonly answers: string;
  /** The disk damaged the body: `body` and `text` throw. It can be settled like any other. */
  readonly damaged: boolean;
  readonly #mail: MailService;
  readonly #delivery: Delivery;
  #isOver = false;

  /** @internal */
  constructor(mail: MailService, delivery: Delivery) {
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

  /**
   * The bytes that were posted: UTF-8, at most 1,048,576 of them. The same buffer each time.
   * @throws `message_damaged` when the disk damaged it, so that nothing is not taken for the message.
   */
  get body(): Buffer {
    const { body, envelope } = this.#delivery;
    if (body) return body;
    const what = `the disk damaged the body of #${envelope.number} from ${envelope.from || 'unknown'}`;
    throw new IpcError('message_damaged', what);
  }

  /**
   * The body as a text.
   * @throws `message_damaged`, as `body`.
   */
  get text(): string {
    return this.body.toString('utf8');
  }

  /**
   * Done: resolves when that is synced to disk. A second time is answered like the first. When the call
   * is aborted or fails, the message is settled all the same as soon as a broker hears of it, unless this
   * process ends before.
   * @throws `not_held` when another session holds it by now.
   */
  async settle(options: CallOptions = {}): Promise<void> {
    const { signal } = parseOptions('settle', options, ['signal']);
    this.#isOver = true;
    const notHeld = await this.#mail.settle([this.#delivery], { signal });
    if (notHeld.length > 0) throw notHeldError(this.number);
  }

  /**
   * Back to its place in the mailbox, where it is next again, with `attempt` one higher. Nothing happens
   * when this session does not hold it any more. When the call is aborted, it goes back all the same.
   */
  async release(options: ReleaseOptions = {}): Promise<void> {
    const how = parseOptions('release', options, ['unread', 'signal']);
    this.#isOver = true;
    await this.#mail.release([this.#delivery], how);
  }

  static {
    isOf = (message, mail): message is Message =>
      message instanceof Message && message.#mail === mail;
    deliveryOf = (message) => message.#delivery;
    isOver = (message) => message.#isOver;
    answered = (message) => {
      message.#isOver = true;
    };
  }
}

/** A message of `receive`, while its sender waits: confirm it, or refuse it. */
export interface DirectMessage {
  /** The sender's name; '' when it gave none. */
  readonly from: string;
  /** What the sender's process said of itself: a label, not a proof. */
  readonly origin: Origin;
  /** The bytes that were sent: UTF-8, at most 1,048,576 of them. */
  readonly body: Buffer;
  /** The body, decoded as UTF-8. */
  readonly text: string;
  /**
   * Tells the sender that this session has the message; resolves when it was told, or is gone.
   * @throws IpcError `cancelled` when the message was refused, or the signal of `receive` was aborted.
   */
  confirm(): Promise<void>;
  /** Tells the sender to try again: nobody saw the message. An abort of the `receive` does so, too. */
  refuse(): void;
}

/** `answer`: the number of an answer to it that was stored all the same. */
export function notHeldError(number: number, answer?: number): IpcError {
  const what = `#${number} is held by another session by now`;
  if (answer === undefined) return new IpcError('not_held', what);
  return new IpcError('not_held', `${what}; the answer is stored as #${answer}`, {
    maybeStored: true,
    hint: 'do not post it again',
  });
}
