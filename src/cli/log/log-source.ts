// Where `ipc log` reads: the files of a store on this machine, also beside its broker, or a broker elsewhere.
import { type LiveOptions, liveEvents } from '../../app/live-events.ts';
import { readPast } from '../../app/store-past.ts';
import { bodyBytesMax } from '../../base/limits.ts';
import type { EventBatch, EventCursor, MailEvent } from '../../model/mail-events.ts';
import type { MailService } from '../../model/mail-service.ts';
import type { SearchFilter } from './message-query.ts';

export interface LogSourceOptions {
  readonly filter: SearchFilter;
  /** How many bytes of each body are printed. */
  readonly partBytesMax: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (read: number, all: number) => void;
}

/**
 * All that is kept of the messages that are wanted, in batches. The last one says where live events go on.
 */
export type LogSource = (options: LogSourceOptions) => AsyncGenerator<EventBatch>;

export function storeSource(folder: string): LogSource {
  return (options) => readPast(folder, options);
}

export function brokerSource(mail: Pick<MailService, 'events'>): LogSource {
  return async function* ({ filter, partBytesMax, signal }) {
    const parts = new Parts(filter, partBytesMax);
    const wanted = { timeoutMs: 0, partBytesMax: parts.bytesMax, signal };
    for (let after: EventCursor | 'start' = 'start'; ; ) {
      const batch: EventBatch = await mail.events({ ...wanted, after });
      yield parts.of(batch);
      if (!batch.hasMore) return;
      after = batch.next;
    }
  };
}

export interface FollowOptions
  extends Omit<LogSourceOptions, 'onProgress'>,
    Omit<LiveOptions, 'after'> {
  readonly after: EventCursor;
}

/** The events behind the cursor, and those that come; without end. */
export async function* followed(
  mail: Pick<MailService, 'events'>,
  { filter, partBytesMax, ...options }: FollowOptions,
): AsyncGenerator<EventBatch> {
  const parts = new Parts(filter, partBytesMax);
  for await (const batch of liveEvents(mail, { ...options, partBytesMax: parts.bytesMax })) {
    yield parts.of(batch);
  }
}

/** A broker sends the events of all messages: a filter looks at them here, at whole bodies if it searches text. */
class Parts {
  readonly #filter: SearchFilter;
  readonly #printedBytes: number;

  constructor(filter: SearchFilter, printedBytes: number) {
    this.#filter = filter;
    this.#printedBytes = printedBytes;
  }

  get bytesMax(): number {
    return this.#filter.needsBodies ? bodyBytesMax : this.#printedBytes;
  }

  of(batch: EventBatch): EventBatch {
    return { ...batch, events: batch.events.flatMap((event) => this.#of(event)) };
  }

  /** Events of messages that are not wanted need not go: nothing is known of those messages. */
  #of(event: MailEvent): MailEvent[] {
    if (event.kind !== 'stored') return [event];
    const { envelope, part } = event;
    if (!this.#filter.wants(envelope, part)) return [];
    return [{ ...event, part: part?.subarray(0, this.#printedBytes) }];
  }
}
