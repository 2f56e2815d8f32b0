// Brings ready messages and parked waits together.
import type { MessageId, Name } from '../model/message.ts';
import type { SessionConnection } from './connections.ts';
import { firstReadyOf } from './mailbox-reads.ts';
import type { LiveMessage, State } from './state.ts';
import type { Waiter } from './wait-lines.ts';
import type { Waiters } from './waiters.ts';

/** Mail that a step may have made ready, or that may be delivered again. */
export interface ReadyMail {
  readonly mailbox: Name;
  /** The message that it answers; '' for none. */
  readonly answers: MessageId | '';
}

export class Matching {
  readonly #state: State;
  readonly #waiters: Waiters<SessionConnection>;
  readonly #mayDeliver: (owner: SessionConnection) => boolean;
  readonly #serve: (waiter: Waiter<SessionConnection>, message: LiveMessage) => void;

  /** `mayDeliver`: to an owner of waits. `serve`: ends the wait with the message. */
  constructor(
    state: State,
    waiters: Waiters<SessionConnection>,
    mayDeliver: (owner: SessionConnection) => boolean,
    serve: (waiter: Waiter<SessionConnection>, message: LiveMessage) => void,
  ) {
    this.#state = state;
    this.#waiters = waiters;
    this.#mayDeliver = mayDeliver;
    this.#serve = serve;
  }

  /**
   * Serves the waits for which the changes may have brought a message. An answer goes to a wait for that
   * answer. All other messages, lowest number first, go to the wait that was parked first.
   */
  match(changes: readonly ReadyMail[]): void {
    for (const { mailbox, answers } of changes) if (answers) this.#serveAll(mailbox, answers);
    this.#serveAny(changes);
  }

  /** match() for messages that have become ready. */
  matchReady(messages: readonly LiveMessage[]): void {
    for (const { mailbox, envelope } of messages) {
      if (envelope.answers) this.#serveAll(mailbox, envelope.answers);
    }
    this.#serveAny(messages);
  }

  /** Serves the waits of an owner that were passed over while it might get no delivery. */
  caughtUp(owner: SessionConnection): void {
    while (this.#mayDeliver(owner)) {
      const line = this.#waiters.putBack(owner);
      if (!line) return;
      this.#serveAll(line.mailbox, line.answers);
    }
  }

  /** A message of a mailbox that the wait lists before this one. */
  #listedBefore(waiter: Waiter<SessionConnection>, mailbox: Name): LiveMessage | undefined {
    if (waiter.mailboxCount === 1) return undefined;
    return firstReadyOf(this.#waiters.firstOn(waiter, mailbox, this.#mayDeliver), '', this.#state);
  }

  /** The waits that take any message. */
  #serveAny(changes: readonly Pick<ReadyMail, 'mailbox'>[]): void {
    const [first] = changes;
    if (first && changes.length === 1) return this.#serveAll(first.mailbox, '');
    const mailboxes = new Set(changes.map(({ mailbox }) => mailbox));
    for (const mailbox of mailboxes) this.#serveAll(mailbox, '');
  }

  #serveAll(mailbox: Name, answers: MessageId | ''): void {
    // Nearly every post finds no wait, and then its message is not looked at.
    while (this.#waiters.count(mailbox) > 0) {
      const message = this.#state.nextFor(mailbox, answers);
      const waiter = message && this.#waiters.oldest(mailbox, answers, this.#mayDeliver);
      if (!waiter) return;
      this.#serve(waiter, this.#listedBefore(waiter, mailbox) ?? message);
    }
  }
}
