// `ipc store check`: reads all of a store and says what is in it, and what is wrong. Changes nothing.

import type { Envelope, Name } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { CorruptionScanner, describeCorruption } from './corruption.ts';
import { type Disk, realDisk } from './disk.ts';
import { fileSystemWarnings } from './filesystem.ts';
import { listEpochs, listSegments } from './paths.ts';
import { Quarantine } from './quarantine.ts';
import type { Extent } from './record-codec.ts';
import { type Log, type LogSegment, refuseNewer, replay, survey } from './recovery.ts';

/** How often a store that changes under the reader is read, before what was found is believed. */
const readingsMax = 5;

export interface MailboxReport {
  readonly mailbox: Name;
  readonly messages: number;
  /** Of their bodies. */
  readonly bytes: number;
}

export interface StoreReport {
  /** undefined when there is none, or none that can be read. */
  readonly store: string | undefined;
  /** The newest, 0 when there is none. */
  readonly epoch: number;
  readonly sound: boolean;
  /** What is wrong, in sentences. */
  readonly faults: readonly string[];
  /** What earlier owners found damaged, in sentences, until its note is deleted. */
  readonly kept: readonly string[];
  /** Of the disk that it lies on. */
  readonly warnings: readonly string[];
  /** Those that count, oldest first. */
  readonly segments: readonly Extent[];
  readonly records: Readonly<Record<string, number>>;
  /** Those with live messages, by name. */
  readonly mailboxes: readonly MailboxReport[];
  /** Live messages. */
  readonly messages: number;
  /** Of their bodies. */
  readonly bytes: number;
}

export async function checkStore(folder: string, disk: Disk = realDisk): Promise<StoreReport> {
  for (let readings = 1; ; readings++) {
    const names = segmentNames(disk, folder);
    const report = await readStore(disk, folder);
    // A live owner may have removed a segment in between.
    const unchanged = names === segmentNames(disk, folder);
    if (report.sound || unchanged || readings === readingsMax) return report;
  }
}

function segmentNames(disk: Disk, folder: string): string {
  return JSON.stringify(listEpochs(disk, folder).map((id) => listSegments(disk, folder, id)));
}

async function readStore(disk: Disk, folder: string): Promise<StoreReport> {
  refuseNewer(disk, folder);
  const contents = new Contents();
  const finder = new CorruptionScanner();
  const log = await survey(disk, folder, Number.POSITIVE_INFINITY);
  for (const segment of log.segments) {
    if (segment.nextNumber !== undefined) finder.below(segment.nextNumber);
    await replay(disk, folder, segment, {
      record: (raw, record) => {
        contents.add(record);
        if (record) finder.read(segment, raw, record);
      },
      lost: (bytes) => finder.lost(segment, bytes),
    });
  }
  const nextNumber = Math.max(log.nextNumber, contents.nextNumber) + finder.numbersLost;
  const faults = finder.end(nextNumber).flatMap(describeCorruption);
  return {
    ...contents.report(),
    store: log.store,
    epoch: listEpochs(disk, folder).at(-1) ?? 0,
    sound: faults.length === 0,
    faults,
    kept: new Quarantine(disk, folder).reports(),
    warnings: await fileSystemWarnings(disk, folder),
    segments: extents(log),
  };
}

function extents(log: Log): Extent[] {
  const extent = ({ epoch, segment, bytes }: LogSegment) => ({ epoch, segment, bytes });
  return log.segments.map(extent);
}

/** What the records come to. */
class Contents {
  readonly #records: Record<string, number> = {};
  /** Above all that were met. */
  nextNumber = 1;
  readonly #messages = new Map<number, { mailbox: Name; bytes: number }>();

  /** undefined for a record of a kind that this program does not know. */
  add(record: JournalRecord | undefined): void {
    const kind = record?.kind ?? 'unknown';
    this.#records[kind] = (this.#records[kind] ?? 0) + 1;
    if (record) this.#apply(record);
  }

  #place({ number, bodyBytes: bytes }: Envelope, mailbox: Name): void {
    this.nextNumber = Math.max(this.nextNumber, number + 1);
    this.#messages.set(number, { mailbox, bytes });
  }

  report(): Pick<StoreReport, 'records' | 'mailboxes' | 'messages' | 'bytes'> {
    const mailboxes = new Map<Name, MailboxReport>();
    for (const { mailbox, bytes } of this.#messages.values()) {
      const sum = mailboxes.get(mailbox) ?? { mailbox, messages: 0, bytes: 0 };
      mailboxes.set(mailbox, {
        mailbox,
        messages: sum.messages + 1,
        bytes: sum.bytes + bytes,
      });
    }
    return {
      records: this.#records,
      mailboxes: [...mailboxes.values()].sort((one, other) =>
        one.mailbox < other.mailbox ? -1 : 1,
      ),
      messages: this.#messages.size,
      bytes: [...mailboxes.values()].reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  #apply(record: JournalRecord): void {
    switch (record.kind) {
      case 'posted': {
        for (const envelope of envelopesOf(record)) this.#place(envelope, envelope.to);
        for (const number of record.settles) this.#messages.delete(number);
        return;
      }
      case 'copied': {
        const { envelope, mailbox } = record;
        this.#place(envelope, mailbox);
        return;
      }
      case 'moved': {
        const message = this.#messages.get(record.number);
        if (message) message.mailbox = record.mailbox;
        return;
      }
      case 'settled':
        for (const number of record.numbers) this.#messages.delete(number);
        return;
    }
  }
}
