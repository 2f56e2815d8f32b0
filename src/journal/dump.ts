// `ipc store dump`: the records of a store, one object each. Changes nothing.

import type { JournalRecord } from '../model/records.ts';
import { type Disk, realDisk } from './disk.ts';
import { isValid, type RawRecord, type SegmentId } from './record-framing.ts';
import { refuseNewer, replay, survey } from './recovery.ts';

/** One record: where it lies, its kind, and its fields. */
export interface DumpLine extends SegmentId {
  readonly offset: number;
  readonly bytes: number;
  readonly kind: JournalRecord['kind'] | 'lost' | 'unknown';
  readonly [field: string]: unknown;
}

/** Yields the lines of one segment after the other, oldest first. */
export async function* dumpStore(
  folder: string,
  disk: Disk = realDisk,
): AsyncGenerator<readonly DumpLine[]> {
  refuseNewer(disk, folder);
  const { segments } = await survey(disk, folder, Number.POSITIVE_INFINITY);
  for (const extent of segments) {
    const { epoch, segment } = extent;
    const lines: DumpLine[] = [];
    const add = (offset: number, end: number, fields: Pick<DumpLine, 'kind'> & object) => {
      lines.push({ epoch, segment, offset, bytes: end - offset, ...fields });
    };
    await replay(disk, folder, extent, {
      record: (raw, record) => add(raw.offset, raw.end, fieldsOf(raw, record)),
      lost: ({ offset, end }) => add(offset, end, { kind: 'lost' }),
    });
    yield lines;
  }
}

/** Names of fields that the output had before the code renamed them. Programs read them. */
const printedNames: Readonly<Partial<Record<JournalRecord['kind'], Record<string, string>>>> = {
  posted: { ackedUpTo: 'mark' },
  session: { ackedUpTo: 'mark', numbers: 'answers' },
};

function fieldsOf(raw: RawRecord, record: JournalRecord | undefined): Pick<DumpLine, 'kind'> {
  if (!record) return { kind: 'unknown', type: raw.type } as Pick<DumpLine, 'kind'>;
  const { kind, ...fields } = record;
  const named = Object.entries(fields).map(([name, value]) => [
    printedNames[kind]?.[name] ?? name,
    value,
  ]);
  const line = { kind, ...Object.fromEntries(named) };
  if (kind !== 'posted' && kind !== 'copied') return line;
  const { body } = record;
  const isDamaged = !isValid(raw) || body === undefined;
  return { ...line, damaged: isDamaged, body: isDamaged ? undefined : body.toString('utf8') };
}
