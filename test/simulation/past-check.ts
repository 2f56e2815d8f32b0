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
  for (const entry of entries) {
    if (entry.kind === 'acked') acked.add(entry.id);
    else if (entry.kind === 'stored' && bodies.get(entry.id) !== entry.body) {
      found.push(`past: ${entry.id} was stored as ${entry.body}, not ${bodies.get(entry.id)}`);
    } else if (entry.kind === 'settled') {
      const untold = entry.ids.filter((id) => acked.has(id) && !ended.has(id));
      found.push(...untold.map((id) => `past: ${id} was settled, which is not told`));
    }
  }
  for (const id of acked) if (!bodies.has(id)) found.push(`past: ${id} is not told`);
  return found;
}
