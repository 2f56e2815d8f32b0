// Opens a corrupt store, and asserts that no altered message comes out of it.
import assert from 'node:assert/strict';
import type { CrashDisk } from './crash-disk.ts';
import { type JournalModel, testSession } from './journal-model.ts';
import { append, openStore } from './journal-store.ts';

export const smallFiles = { segmentReserveBytes: 64, segmentGrowthBytes: 64 };

/** The fate of the expected messages when the store was opened. */
export interface Outcome {
  /** Numbers of messages that are gone. */
  readonly lost: number[];
  /** Numbers of messages whose bodies are corrupt. */
  readonly damaged: number[];
  readonly reports: string[];
}

/**
 * Opens the store twice: no message is altered, every lost one is reported, and the next owner reports
 * it again.
 */
export async function openCorruptStore(
  disk: CrashDisk,
  expected: JournalModel,
  what: string,
): Promise<Outcome> {
  const first = await openStore({ disk: disk.process(), limits: smallFiles });
  const reports = first.journal.warnings();
  const lost: number[] = [];
  const damaged: number[] = [];
  for (const [number, { posted }] of expected.messages) {
    const found = first.model.messages.get(number);
    if (!found) lost.push(number);
    else assert.deepEqual(found.posted.envelope, posted.envelope, what);
    const body = found && first.journal.body(number);
    if (found && !body) damaged.push(number);
    if (body) assert.deepEqual(body, posted.body, what);
  }
  if (reports.length === 0) assert.equal(first.model.state(), expected.state(), what);
  assert(first.journal.nextNumber > Math.max(...expected.messages.keys()), what);
  if (lost.length + damaged.length > 0) assert.notDeepEqual(reports, [], what);
  append(first, { kind: 'offered', number: 999, holder: testSession, attempt: 1 });
  await first.journal.close();
  const second = await openStore({ disk: disk.process(), limits: smallFiles });
  assert.equal(second.model.state(), first.model.state(), what);
  assert.deepEqual(second.journal.warnings(), reports, what);
  await second.journal.close();
  return { lost, damaged, reports };
}

export function flipped(bytes: Buffer, offset: number, bit = 0x10): Buffer {
  const copy = Buffer.from(bytes);
  copy[offset] = (copy[offset] ?? 0) ^ bit;
  return copy;
}
