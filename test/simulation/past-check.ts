// Checks what a store tells of its past against the history of a simulation: each message that a broker acknowledged is
// told, with its body, once, and so is each settle that a broker confirmed. Nothing is told twice, and nothing is missing
// but what was in files of history that were given up because the disk was full. A power loss may bring back one of
// them, but not the one behind it which said what of it does not count.

import { basename } from 'node:path';
import { bodyBytesMax } from '../../src/base/limits.ts';
import { readEach } from '../../src/journal/recovery.ts';
import { readEvents } from '../../src/journal/store-reader.ts';
import { envelopesOf } from '../../src/model/post.ts';
import type { CrashDisk } from '../support/disk/crash-disk.ts';
import type { Entry } from './history.ts';
import { Undone } from './undone.ts';

export async function pastViolations(
  disk: CrashDisk,
  folder: string,
  entries: readonly Entry[],
): Promise<string[]> {
  const found: string[] = [];
  const bodies = new Map<string, string>();
  const ended = new Set<string>();
  const gone = givenUp(disk);
  const hasLostPower = entries.some((entry) => {
    return entry.kind === 'fault' && entry.what.startsWith('power');
  });
  const once = (known: { has(id: string): boolean }, id: string, what: string) => {
    const mayBeBack = hasLostPower && gone.stored.has(id);
    if (known.has(id) && !mayBeBack) found.push(`past: ${id} is told to be ${what} twice`);
  };
  const options = { disk: disk.process(), partBytesMax: bodyBytesMax };
  for await (const { events, gap } of readEvents(folder, options)) {
    for (let sequence = gap?.from ?? 1; sequence <= (gap?.to ?? 0); sequence++) {
      if (!gone.sequences.has(sequence)) found.push(`past: record ${sequence} is missing`);
    }
    for (const event of events) {
      if (event.kind === 'stored') {
        const { id, number } = event.envelope;
        once(bodies, id, 'stored');
        bodies.set(id, event.part?.toString() ?? '');
        if (gone.settled.has(number)) gone.ended.add(id);
      } else if (event.kind === 'settled' || event.kind === 'dropped') {
        once(ended, event.message.id, 'settled');
        ended.add(event.message.id);
      }
    }
  }
  const acked = new Set<string>();
  const undone = new Undone();
  for (const entry of entries) undone.take(entry);
  const isTold = (id: string) => bodies.has(id) || gone.stored.has(id) || undone.has(id);
  const isEndTold = (id: string) => {
    if (ended.has(id) || gone.stored.has(id) || gone.ended.has(id)) return true;
    return undone.has(id) && !bodies.has(id);
  };
  for (const entry of entries) {
    if (entry.kind === 'acked') acked.add(entry.id);
    else if (entry.kind === 'stored') {
      const body = bodies.get(entry.id) ?? (isTold(entry.id) ? entry.body : undefined);
      if (body === entry.body) continue;
      found.push(`past: ${entry.id} was stored as ${entry.body}, not ${body}`);
    } else if (entry.kind === 'settled') {
      const untold = entry.ids.filter((id) => acked.has(id) && !isEndTold(id));
      found.push(...untold.map((id) => `past: ${id} was settled, which is not told`));
    }
  }
  for (const id of acked) if (!isTold(id)) found.push(`past: ${id} is not told`);
  return found;
}

/** What was in files of history that were removed to make room. */
function givenUp({ givenUp: files }: CrashDisk) {
  const sequences = new Set<number>();
  const stored = new Set<string>();
  /** Numbers of messages. */
  const settled = new Set<number>();
  for (const { path, bytes } of files) {
    const name = /^([0-9]+)-([0-9]+)\.log$/.exec(basename(path));
    if (!name) continue;
    const id = { epoch: Number(name[1]), segment: Number(name[2]), bytes: bytes.length };
    const steps = readEach(bytes, id, {
      lost: () => {},
      record: (_, record, place) => {
        if (place) sequences.add(place.sequence);
        if (record?.kind === 'copied') stored.add(record.envelope.id);
        if (record?.kind === 'posted') for (const each of envelopesOf(record)) stored.add(each.id);
        const ends = record?.kind === 'posted' ? record.settles : [];
        for (const number of record?.kind === 'settled' ? record.numbers : ends)
          settled.add(number);
      },
    });
    for (const _ of steps);
  }
  return { sequences, stored, settled, ended: new Set<string>() };
}
