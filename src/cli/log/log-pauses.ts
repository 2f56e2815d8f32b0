// When people paused and resumed deliveries, among the messages that `ipc log` prints.
import type { MailEvent, PausedEvent, ResumedEvent } from '../../model/mail-events.ts';
import type { Name } from '../../model/message.ts';
import type { MessageQuery } from './message-query.ts';

export type PauseEvent = PausedEvent | ResumedEvent;

export class LogPauses {
  readonly #isShown: boolean;
  readonly #mailbox: Name | undefined;
  readonly #sinceMs: number;
  /** Not printed yet, in their order. */
  #waiting: PauseEvent[] = [];

  /** None is shown among messages that were picked by something else than their `mailbox` and time. */
  constructor({ from, to, with: name, text, near, sinceMs = 0 }: MessageQuery, mailbox?: Name) {
    const picks = [from, to === mailbox ? undefined : to, name, text, near];
    this.#isShown = picks.every((each) => each === undefined);
    this.#mailbox = mailbox;
    this.#sinceMs = sinceMs;
  }

  add(event: MailEvent): void {
    if (event.kind !== 'paused' && event.kind !== 'resumed') return;
    const { mailbox, time } = event;
    if (!this.#isShown || time < this.#sinceMs) return;
    const isOfAll = this.#mailbox === undefined || mailbox === '';
    if (isOfAll || mailbox === this.#mailbox) this.#waiting.push(event);
  }

  /** Takes those that are before the record with this number. */
  before(sequence: number): readonly PauseEvent[] {
    const later = this.#waiting.findIndex((event) => event.sequence >= sequence);
    return this.#waiting.splice(0, later === -1 ? this.#waiting.length : later);
  }
}
