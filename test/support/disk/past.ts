// What the reader of the past says of a store.
import { readEvents, type StoreReadOptions } from '../../../src/journal/store-reader.ts';
import type { EventBatch, EventGap, MailEvent } from '../../../src/model/mail-events.ts';

export interface PastOfStore {
  readonly batches: readonly EventBatch[];
  readonly events: readonly MailEvent[];
  readonly gaps: readonly EventGap[];
}

export async function readPast(
  folder: string,
  options: Partial<StoreReadOptions> = {},
): Promise<PastOfStore> {
  const batches: EventBatch[] = [];
  for await (const batch of readEvents(folder, { partBytesMax: 100, ...options })) {
    batches.push(batch);
  }
  const gaps = batches.flatMap(({ gap }) => gap ?? []);
  return { batches, events: batches.flatMap(({ events }) => events), gaps };
}

/** `stored #1 hello`. */
export function eventInBrief(event: MailEvent): string {
  if (event.kind === 'paused' || event.kind === 'resumed') return event.kind;
  if (event.kind !== 'stored') return `${event.kind} #${event.message.number}`;
  return `stored #${event.envelope.number} ${event.part?.toString()}`;
}
