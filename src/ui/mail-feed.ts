// The events of a broker's mail, as the server of the page needs them: the past from the oldest that is kept, and then
// those that happen. It hides where the past is read.
import { waitMsMax } from '../base/limits.ts';
import type { EventBatch, EventCursor, MailEvent } from '../model/mail-events.ts';
import type { MailService } from '../model/mail-service.ts';

export interface PastOptions {
  /** Bytes of each body that are wanted. */
  readonly partBytesMax: number;
  readonly signal: AbortSignal;
}

export interface PastEvents {
  readonly events: readonly MailEvent[];
  /** Behind these events. */
  readonly next: EventCursor;
}

export interface MailFeed {
  /** All events that are kept, oldest first, up to those that there are. Ends at once after them. */
  past(options: PastOptions): AsyncIterable<PastEvents>;
  /** Events behind the cursor, at most `partBytesMax` of each body; waits for them. May be without events. */
  live(after: EventCursor, options: PastOptions): Promise<EventBatch>;
}

/** Asks the broker for both. */
export class BrokerFeed implements MailFeed {
  readonly #mail: Pick<MailService, 'events'>;

  constructor(mail: Pick<MailService, 'events'>) {
    this.#mail = mail;
  }

  async *past({ partBytesMax, signal }: PastOptions): AsyncGenerator<PastEvents, void> {
    let after: EventCursor | 'start' = 'start';
    for (;;) {
      const given = { after, timeoutMs: 0, partBytesMax, signal };
      const batch: EventBatch = await this.#mail.events(given);
      yield batch;
      if (!batch.hasMore) return;
      after = batch.next;
    }
  }

  live(after: EventCursor, { partBytesMax, signal }: PastOptions): Promise<EventBatch> {
    return this.#mail.events({ after, timeoutMs: waitMsMax, partBytesMax, signal });
  }
}
