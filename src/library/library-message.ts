// A message as a program that uses the library sees it.

import { firstLine, partText } from '../app/peek.ts';
import { IpcError } from '../base/errors.ts';
import type { FoundMessage, FoundState } from '../model/look-results.ts';
import type { MailElsewhere } from '../model/mail-ahead.ts';
import type { Delivery, Held, MailService, PeekedMessage } from '../model/mail-service.ts';
import type { HoldEnd, Origin, PastHold } from '../model/message.ts';
import type { Holder } from '../model/requests.ts';
import {
  type CallOptions,
  noOptions,
  parseOptions,
  type ReleaseOptions,
} from './library-options.ts';

const signalOnly = ['signal'] as const;

/** How the library acts on a message; programs do not see it. */
export interface MessageHandle {
  readonly mail: MailService;
  readonly delivery: Delivery;
  /** It was settled, released or answered: a loop over messages leaves it alone. */
  isOver: boolean;
}

/** The last session that had a message and did not settle it. */
export interface LastHold {
  /** Its name: the one that it posted under, else the mailbox that it read last; '' for none. */
  readonly name: string;
  /** When it got the message, by the clock of the broker's machine. */
  readonly from: Date;
  /** When its hold ended, by the same clock. */
  readonly to: Date;
  /**
   * How its hold ended: it `released` the message, or `rejected` it, or it `disconnected`: the session ended, in
   * order or not, without saying that the message was done.
   */
  readonly ended: HoldEnd;
}

/** @throws `bad_parameter` unless `mail` read the message: a post would be stored without settling it. */
export let handleOf: (message: Message, mail: MailService) => MessageHandle;

/**
 * A message that was read. This process holds it until it is settled, released, or answered with
 * `post(..., { answers })`; until then no other session gets it. There is no time limit. `close()` and the
 * end of the process release it. Made by `wait`, `ask`, `fetch` and `messages`.
 */
export class Message {
  /** `SESSION.COUNT`, or the id that the poster chose. The same at each attempt. */
  readonly id: string;
  /** Numbers increase over the whole store, with gaps. */
  readonly number: number;
  /** Where it was read: `to`, or `dead-letters`. */
  readonly mailbox: string;
  /** The mailbox that it was posted to. */
  readonly to: string;
  /** The mailbox for answers to the sender; '' when the sender gave none. */
  readonly from: string;
  /** What the sender's process says of itself: a label, not a proof. */
  readonly origin: Origin;
  /** When it was stored, by the clock of the broker's machine. */
  readonly time: Date;
  /** How many times it was delivered, this time included. After 20 attempts it waits in `dead-letters`. */
  readonly attempt: number;
  /** Who had it before and did not settle it; undefined for a message that nobody gave up. */
  readonly lastHold: LastHold | undefined;
  /** The id of the message that this one answers, or ''. */
  readonly answers: string;
  /** Its position in a chain of answers: 0 for a message that answers none, 1 for an answer to that, and so on. */
  readonly depth: number;
  /** Messages that were left in its mailbox when it was delivered, and that no session held. */
  readonly remaining: number;
  /** Unread mail of other mailboxes that this session read, or that had its name, then; of at most 3 of them. */
  readonly elsewhere: readonly MailElsewhere[];
  /** The disk damaged the body: `body` and `text` throw. It can be settled like any other. */
  readonly damaged: boolean;
  readonly #handle: MessageHandle;

  static {
    handleOf = (message, mail) => {
      // A program without types may pass anything.
      const isMessage = typeof message === 'object' && message !== null && #handle in message;
      const handle = isMessage ? message.#handle : undefined;
      if (handle?.mail === mail) return handle;
      throw new IpcError('bad_parameter', 'answers must be a message that this session read');
    };
  }

  /** @internal */
  constructor(mail: MailService, delivery: Delivery) {
    const { envelope, mailbox, attempt, lastHold, body } = delivery;
    this.id = envelope.id;
    this.number = envelope.number;
    this.mailbox = mailbox;
    this.to = envelope.to;
    this.from = envelope.from;
    this.origin = envelope.origin;
    this.time = new Date(envelope.time);
    this.attempt = attempt;
    this.lastHold = withDates(lastHold);
    this.answers = envelope.answers;
    this.depth = envelope.depth;
    this.remaining = delivery.remaining;
    this.elsewhere = delivery.elsewhere;
    this.damaged = body === undefined;
    this.#handle = { mail, delivery, isOver: false };
  }

  /**
   * The bytes that were posted: UTF-8, at most 1,048,576 of them. The same buffer each time.
   * @throws `message_damaged` when the disk damaged it, so that nothing is not taken for the message.
   */
  get body(): Buffer {
    const { body, envelope } = this.#handle.delivery;
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
   * Settles (acknowledges) the message: it is never delivered again. Resolves when that is synced to disk.
   * Repeating the call is harmless. If the call is aborted or fails, the message is still settled as soon
   * as a broker can be reached, unless this process ends before.
   * @throws `not_held` when another session holds it by now.
   */
  settle(options: CallOptions = noOptions): Promise<void> {
    try {
      const given = parseOptions('settle', options, signalOnly);
      this.#handle.isOver = true;
      const { mail, delivery } = this.#handle;
      return mail.settle([delivery], given).then(checkHeld);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Releases (requeues) the message: it returns to its place in the mailbox, and is redelivered with
   * `attempt` one higher. Does nothing if this session no longer holds it. It returns even if the call is
   * aborted.
   */
  async release(options: ReleaseOptions = {}): Promise<void> {
    const how = parseOptions('release', options, ['unread', 'signal']);
    this.#handle.isOver = true;
    const { mail, delivery } = this.#handle;
    await mail.release([delivery], how);
  }
}

/** @throws `not_held` when another session holds the message that was settled. */
function checkHeld([notHeld]: readonly Held[]): void {
  if (notHeld) throw notHeldError(notHeld.envelope.number);
}

/** A message that `peek` saw. It was not read: it stays where it is, and this process does not hold it. */
export interface Glimpse {
  /** `SESSION.COUNT`, or the id that the poster chose. */
  readonly id: string;
  /** Numbers increase over the whole store, with gaps. */
  readonly number: number;
  /** Where it is: `to`, or `dead-letters`. */
  readonly mailbox: string;
  /** The mailbox that it was posted to. */
  readonly to: string;
  /** The mailbox for answers to the sender; '' when the sender gave none. */
  readonly from: string;
  /** What the sender's process says of itself: a label, not a proof. */
  readonly origin: Origin;
  /** When it was stored, by the clock of the broker's machine. */
  readonly time: Date;
  /** Which delivery it is in, if a session holds it; else the number that its next delivery will have. */
  readonly attempt: number;
  /** The id of the message that this one answers, or ''. */
  readonly answers: string;
  /** The session that holds it; undefined when it is ready. */
  readonly holder: Holder | undefined;
  /** Who had it before and did not settle it; undefined for a message that nobody gave up. */
  readonly lastHold: LastHold | undefined;
  /** Bytes of its body. */
  readonly bytes: number;
  /** The disk damaged the body. */
  readonly damaged: boolean;
  /** The first line of the body, at most 120 characters, and `…` if it goes on; undefined when it is damaged. */
  readonly line: string | undefined;
  /** The whole body, if the call asked for it with `full`; undefined when it is damaged. */
  readonly text: string | undefined;
}

export function glimpseOf(message: PeekedMessage, full: boolean): Glimpse {
  const { envelope, mailbox, attempt, holder, part } = message;
  const { id, number, to, from, origin, time, answers, bodyBytes: bytes } = envelope;
  return {
    ...{ id, number, mailbox, to, from, origin, time: new Date(time), attempt, answers, holder },
    ...{
      lastHold: withDates(message.lastHold),
      bytes,
      damaged: part === undefined,
      line: firstLine(message),
    },
    text: full ? partText(message) : undefined,
  };
}

export function withDates(lastHold: PastHold | undefined): LastHold | undefined {
  return lastHold && { ...lastHold, from: new Date(lastHold.from), to: new Date(lastHold.to) };
}

/** One message in the result of `find`. */
export interface Found {
  /** The id that was asked for. */
  readonly id: string;
  /**
   * `ready`: no session holds it. `held`: `holder` holds it. `settled`: it was settled. `forgotten`: it was settled, or
   * refused when it was posted; the broker remembers no more. `unknown`: never posted, or settled and forgotten.
   */
  readonly state: FoundState;
  /** Its number in the store; undefined when that is not known any more. */
  readonly number: number | undefined;
  /** The number of an unread message that answers it; undefined when there is none. */
  readonly answeredBy: number | undefined;
  /** Where it is: `to`, or `dead-letters`; undefined unless it is ready or held. */
  readonly mailbox: string | undefined;
  /** The mailbox that it was posted to; undefined unless it is ready or held. */
  readonly to: string | undefined;
  /** When it was stored, by the clock of the broker's machine; undefined unless it is ready or held. */
  readonly time: Date | undefined;
  /** Which delivery it is in, or the number that its next one will have; undefined unless it is ready or held. */
  readonly attempt: number | undefined;
  /** The session that holds it; undefined unless it is held. */
  readonly holder: Holder | undefined;
}

export function foundOf(id: string, { state, number, answeredBy, place }: FoundMessage): Found {
  const { mailbox, to, time, attempt, holder } = place ?? {};
  const stored = time === undefined ? undefined : new Date(time);
  return { id, state, number, answeredBy, mailbox, to, time: stored, attempt, holder };
}

/** A message of `receive`, while its sender waits: confirm it, or refuse it. */
export interface DirectMessage {
  /** The sender's name; '' when it gave none. */
  readonly from: string;
  /** What the sender's process says of itself: a label, not a proof. */
  readonly origin: Origin;
  /** The bytes that were sent: UTF-8, at most 1,048,576 of them. */
  readonly body: Buffer;
  /** The body, decoded as UTF-8. */
  readonly text: string;
  /**
   * Confirms to the sender that this session has the message; resolves when that was sent, or the sender
   * is gone.
   * @throws IpcError `cancelled` when the message was refused, or the signal of `receive` was aborted.
   */
  confirm(): Promise<void>;
  /** Asks the sender to try again: the message was not taken. An abort of the `receive` does so, too. */
  refuse(): void;
}

/** `answer`: the number of the answer to it, which is stored all the same. */
export function notHeldError(number: number, answer?: number): IpcError {
  const what = `#${number} is held by another session by now`;
  if (answer === undefined) return new IpcError('not_held', what);
  return new IpcError('not_held', `${what}; the answer is stored as #${answer}`, {
    maybeStored: true,
    hint: 'do not post it again',
  });
}
