// `ipc store check`: reads all of a store, and reports its content and its faults. Changes nothing.

import { PausedMailboxes } from '../engine/paused-mailboxes.ts';
import type { DeadLetterCount } from '../model/look-results.ts';
import { type Envelope, isDeadLetter, type Name } from '../model/message.ts';
import type { PausedNames } from '../model/pause-requests.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { CorruptionScanner, describeCorruption } from './corruption.ts';
import { type Disk, realDisk } from './disk.ts';
import { fileSystemWarnings } from './filesystem.ts';
import { checkHistory, type HistoryReport } from './history-check.ts';
import { listEpochs, listSegments } from './paths.ts';
import { Quarantine } from './quarantine.ts';
import { type Log, type LogSegment, refuseNewer, replay, survey } from './recovery.ts';
import type { Extent } from './segment-header.ts';

/** How often a store that changes during the reading is read, before its faults are reported. */
const readingsMax = 5;

export interface MailboxReport {
  readonly mailbox: Name;
  readonly messages: number;
  /** Length of their bodies. */
  readonly bytes: number;
}

export interface StoreReport {
  /** The store's id; undefined if there is none that can be read. */
  readonly store: string | undefined;
  /** The newest epoch; 0 if there is none. */
  readonly epoch: number;
  readonly sound: boolean;
  /** Sentences for people. */
  readonly faults: readonly string[];
  readonly history: HistoryReport;
  /** What is in quarantine, in sentences. */
  readonly kept: readonly string[];
  /** Warnings about the file system, in sentences. */
  readonly warnings: readonly string[];
  /** The segments that count, oldest first. */
  readonly segments: readonly Extent[];
  readonly records: Readonly<Record<string, number>>;
  /** The mailboxes with live messages, in the order of their names. */
  readonly mailboxes: readonly MailboxReport[];
  /** How many messages are live. */
  readonly messages: number;
  /** Length of their bodies. */
  readonly bytes: number;
  /** Those that were given up, by the mailbox that they were posted to. */
  readonly deadLetters: readonly DeadLetterCount[];
  /** Mailboxes from which deliveries are paused. */
  readonly paused: PausedNames;
}

export async function checkStore(folder: string, disk: Disk = realDisk): Promise<StoreReport> {
  for (let readings = 1; ; readings++) {
    const names = segmentNames(disk, folder);
    const report = await readStore(disk, folder);
    // A running owner may have removed a segment meanwhile.
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
  const scanner = new CorruptionScanner();
  const log = await survey(disk, folder, Number.POSITIVE_INFINITY);
  for (const segment of log.segments) {
    if (segment.nextNumber !== undefined) scanner.below(segment.nextNumber);
    await replay(disk, folder, segment, {
      record: (raw, record) => {
        contents.add(record);
        if (record) scanner.read(segment, raw, record);
      },
      lost: (bytes) => scanner.lost(segment, bytes),
    });
  }
  const nextNumber = Math.max(log.nextNumber, contents.nextNumber) + scanner.numbersLost;
  const faults = scanner.end(nextNumber).flatMap(describeCorruption);
  return {
    ...contents.report(),
    store: log.store,
    epoch: listEpochs(disk, folder).at(-1) ?? 0,
    sound: faults.length === 0,
    faults,
    history: await checkHistory(disk, folder),
    kept: new Quarantine(disk, folder).reports(),
    warnings: fileSystemWarnings(await disk.fileSystemType(folder), folder),
    segments: extents(log),
  };
}

function extents(log: Log): Extent[] {
  const extent = ({ epoch, segment, bytes }: LogSegment) => ({ epoch, segment, bytes });
  return log.segments.map(extent);
}

type Contained = Pick<
  StoreReport,
  'records' | 'mailboxes' | 'messages' | 'bytes' | 'deadLetters' | 'paused'
>;

/** The fold of the records. */
class Contents {
  readonly #records: Record<string, number> = {};
  /** Above the number of every message so far. */
  nextNumber = 1;
  readonly #messages = new Map<number, { mailbox: Name; to: Name; bytes: number }>();
  readonly #paused = new PausedMailboxes();

  /** `record`: undefined if its type is unknown. */
  add(record: JournalRecord | undefined): void {
    const kind = record?.kind ?? 'unknown';
    this.#records[kind] = (this.#records[kind] ?? 0) + 1;
    if (record) this.#apply(record);
  }

  #place({ number, to, bodyBytes: bytes }: Envelope, mailbox: Name): void {
    this.nextNumber = Math.max(this.nextNumber, number + 1);
    this.#messages.set(number, { mailbox, to, bytes });
  }

  report(): Contained {
    const mailboxes = new Map<Name, MailboxReport>();
    const deadLetters = new Map<Name, number>();
    for (const { mailbox, to, bytes } of this.#messages.values()) {
      const sum = mailboxes.get(mailbox) ?? { mailbox, messages: 0, bytes: 0 };
      mailboxes.set(mailbox, {
        mailbox,
        messages: sum.messages + 1,
        bytes: sum.bytes + bytes,
      });
      if (isDeadLetter(mailbox, to)) deadLetters.set(to, (deadLetters.get(to) ?? 0) + 1);
    }
    return {
      records: this.#records,
      mailboxes: [...mailboxes.values()].sort((one, other) =>
        one.mailbox < other.mailbox ? -1 : 1,
      ),
      messages: this.#messages.size,
      bytes: [...mailboxes.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      deadLetters: [...deadLetters].map(([to, messages]) => ({ to, messages })),
      paused: [...this.#paused.names],
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
      case 'paused':
        return this.#paused.apply(record);
    }
  }
}
