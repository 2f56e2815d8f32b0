// Checks what a store tells of its past against the history of a simulation: each message that a broker acknowledged is
// told, with its body, once, and so is each settle that a broker confirmed. Nothing is told twice, and nothing is missing.

import { bodyBytesMax } from '../../src/base/limits.ts';
import type { Disk } from '../../src/journal/disk.ts';
import { readEvents } from '../../src/journal/store-reader.ts';
import type { Entry } from './history.ts';

export async function pastViolations(
  disk: Disk,
  folder: string,
  entries: readonly Entry[],
): Promise<string[]> {
  const found: string[] = [];
  const bodies = new Map<string, string>();
  const ended = new Set<string>();
  const once = (known: { has(id: string): boolean }, id: string, what: string) => {
    if (known.has(id)) found.push(`past: ${id} is told to be ${what} twice`);
  };
  for await (const { events, gap } of readEvents(folder, { disk, partBytesMax: bodyBytesMax })) {
    if (gap) found.push(`past: the records ${gap.from} to ${gap.to} are missing`);
    for (const event of events) {
      if (event.kind === 'stored') {
        once(bodies, event.envelope.id, 'stored');
        bodies.set(event.envelope.id, event.part?.toString() ?? '');
      } else if (event.kind === 'settled' || event.kind === 'dropped') {
        once(ended, event.message.id, 'settled');
        ended.add(event.message.id);
      }
    }
  }
  const acked = new Set<string>();
  const undone = undoneIds(entries);
  const isUndone = (id: string) => undone.has(id) && !bodies.has(id);
  for (const entry of entries) {
    if (entry.kind === 'acked') acked.add(entry.id);
    else if (entry.kind === 'stored' && bodies.get(entry.id) !== entry.body) {
      if (isUndone(entry.id)) continue;
      found.push(`past: ${entry.id} was stored as ${entry.body}, not ${bodies.get(entry.id)}`);
    } else if (entry.kind === 'settled') {
      const untold = entry.ids.filter((id) => acked.has(id) && !ended.has(id) && !isUndone(id));
      found.push(...untold.map((id) => `past: ${id} was settled, which is not told`));
    }
  }
  for (const id of acked) {
    if (!bodies.has(id) && !isUndone(id)) found.push(`past: ${id} is not told`);
  }
  return found;
}

/**
 * Messages that may have been stored in vain: an owner delivered them before they were durable, a later owner did not have
 * them, and their holder settled them there. Their posts are then acknowledged as duplicates, and no record tells of them.
 */
function undoneIds(entries: readonly Entry[]): ReadonlySet<string> {
  const undone = new Set<string>();
  const acked = new Set<string>();
  /** The epoch of the last delivery. */
  const delivered = new Map<string, number>();
  for (const entry of entries) {
    if (entry.kind === 'offered') delivered.set(entry.message.id, entry.epoch);
    else if (entry.kind === 'acked') acked.add(entry.id);
    else if (entry.kind === 'settled') {
      const { epoch, ids } = entry;
      const lost = ids.filter((id) => !acked.has(id) && (delivered.get(id) ?? epoch) < epoch);
      for (const id of lost) undone.add(id);
    }
  }
  return undone;
}
