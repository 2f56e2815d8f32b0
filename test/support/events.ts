// What a session sees that follows the events of a broker.
import type { Client } from '../../src/client/client.ts';
import type { EventBatch, EventCursor, EventGap, MailEvent } from '../../src/model/mail-events.ts';
import type { EventsArguments } from '../../src/model/mail-service.ts';

/** An event in a few words: `delivered #1 to ann, attempt 2`. */
export function inWords(event: MailEvent): string {
  switch (event.kind) {
    case 'stored':
      return `stored #${event.envelope.number} in ${event.envelope.to} "${event.part?.toString() ?? 'damaged'}"`;
    case 'paused':
    case 'resumed':
      return `${event.kind} ${event.mailbox || 'all'}`;
    case 'delivered':
      return `delivered #${event.message.number} to ${event.name || 'none'}, attempt ${event.attempt}`;
    case 'requeued':
      return `requeued #${event.message.number} in ${event.mailbox}, attempt ${event.attempt}`;
    case 'settled':
      return `settled #${event.message.number} by ${event.by ?? event.name}`;
    default:
      return `${event.kind} #${event.message.number}`;
  }
}

/** Follows events from a place on, batch by batch. */
export class Following {
  readonly #client: Pick<Client, 'events'>;
  readonly #options: Omit<EventsArguments, 'after' | 'timeoutMs'>;
  after: EventsArguments['after'];
  readonly events: MailEvent[] = [];
  readonly gaps: EventGap[] = [];
  batches = 0;

  constructor(
    client: Pick<Client, 'events'>,
    after: EventsArguments['after'],
    options: Partial<EventsArguments> = {},
  ) {
    this.#client = client;
    this.after = after;
    this.#options = { partBytesMax: 100, ...options };
  }

  get words(): string[] {
    return this.events.map(inWords);
  }

  async next(timeoutMs = 0): Promise<EventBatch> {
    const batch = await this.#client.events({ ...this.#options, after: this.after, timeoutMs });
    this.after = batch.next;
    this.events.push(...batch.events);
    if (batch.gap) this.gaps.push(batch.gap);
    this.batches += 1;
    return batch;
  }

  /** Until this many events were seen. */
  async until(count: number): Promise<string[]> {
    while (this.events.length < count) await this.next(60_000);
    return this.words;
  }

  /** All that there is now. */
  async all(): Promise<string[]> {
    while ((await this.next()).hasMore);
    return this.words;
  }
}

/** Where a session begins that wants to see what happens from now on. */
export async function now(client: Pick<Client, 'events'>): Promise<EventCursor> {
  return (await client.events({ after: 'now', timeoutMs: 0, partBytesMax: 0 })).next;
}
