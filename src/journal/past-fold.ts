// The fold of a store's past: takes the bytes of its files in order, and makes batches of events of them.
//
// 1. readCounting() says which records count, and their numbers. A record with a number that was seen already is a
//    repetition. Numbers that are missing are a gap: those records are not kept any more, or are corrupt.
// 2. Records without a number, which prologues repeat, give events only of messages that no earlier record told of. In
//    segments of versions without stamps all records give events, in the order of the log.
import { type EventOfRecord, eventsOf } from '../engine/record-events.ts';
import type { EventBatch, EventCursor, EventGap, MailEvent } from '../model/mail-events.ts';
import type { Envelope } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { readCounting } from './counting-records.ts';
import { isResidue, prologueOf, startOf } from './history-file.ts';
import { MailTracker } from './known-mail.ts';
import { hasMoreAt, numberAt, settlesAt } from './meta-fields.ts';
import { type PastFilter, wantedOf } from './past-filter.ts';
import { PostRepeats } from './post-repeats.ts';
import { decodeRecord, kindOfType, unlessCorrupt } from './record-codec.ts';
import {
  type RecordHeader,
  rawRecordAt,
  recordHeaderBytes,
  type SegmentId,
  typeAt,
} from './record-framing.ts';
import type { StampRecord } from './record-types.ts';

export interface FoldOptions {
  /** Only events of records with higher numbers; absent: all, also those of records that have no number. */
  readonly after?: number | undefined;
  /** How many bytes of each body are wanted. 0 for none: then a corrupt body goes unnoticed. */
  readonly partBytesMax: number;
  /** Absent: all messages are wanted. */
  readonly filter?: PastFilter | undefined;
}

export interface FileToFold extends SegmentId {
  /** How many of its first bytes count; undefined if the numbers of its records alone say what counts. */
  readonly bytes: number | undefined;
  /** The first segment of the next epoch is there. */
  readonly isFollowed: boolean;
  /** As of HistorySource. */
  nextOwnStart(): number;
}

/** All events of one record are in one batch. */
const batchEventsMax = 1_000;
const batchBytesMax = 256 * 1024;
const noBytes: Buffer = Buffer.alloc(0);

/** The file that is being read. */
interface OpenFile extends SegmentId {
  /** Those that count. */
  readonly bytes: Buffer;
  /** An earlier version wrote it, so all that it has counts. */
  readonly isWithoutStamps: boolean;
  /** It begins with no prologue: its records without numbers lie between the others. */
  readonly isPacked: boolean;
  /** The number of the last record up to here. */
  reached: number;
  /** Messages of which a record without a number told first. */
  readonly learned: Set<number>;
  /** What records without numbers said last of other messages. */
  readonly restated: Map<number, Restated>;
}

/** Applied once all such records were read: most of them repeat what is known. */
interface Restated {
  readonly moved: MovedRecord | undefined;
  readonly last: StateRecord;
}

type MovedRecord = Extract<JournalRecord, { kind: 'moved' }>;
type StateRecord = Extract<JournalRecord, { kind: 'offered' | 'released' }> | MovedRecord;

export class PastFold {
  #after: number | undefined;
  readonly #partBytesMax: number;
  readonly #filter: PastFilter | undefined;
  readonly #mail = new MailTracker();
  /** Of all messages, also of those that are not wanted. */
  readonly #repeats = new PostRepeats();
  #file: OpenFile | undefined;
  #steps: Generator<void> | undefined;
  /** The highest number of a record so far, and its epoch; 0 before the first one. */
  #last = 0;
  #epoch = 0;
  /** When the next record was written, as far as that is known. */
  #time = 0;
  #ready: EventBatch[] = [];
  #events: MailEvent[] = [];
  #eventBytes = 0;
  /** The body of the last `stored` event, and the part of it that the event has. */
  #lastPart = { source: noBytes, copy: noBytes };
  #gap: EventGap | undefined;
  /** There was a gap behind `after`. */
  #hasGap = false;

  constructor({ after, partBytesMax, filter }: FoldOptions) {
    this.#after = after;
    this.#filter = filter;
    this.#partBytesMax = partBytesMax;
  }

  /** Of the record with the highest number that was read; 0 in both if there is none. */
  get last(): EventCursor {
    return { epoch: this.#epoch, sequence: this.#last };
  }

  /** After end(): files that have grown, and new ones, can be read. `after`: as in the options; not before `last`. */
  resume(after: number): void {
    this.#after = after;
    this.#hasGap = false;
  }

  /** `numberEnd`: records of the file with this number or a higher one do not count. */
  begin(file: FileToFold, bytes: Buffer, numberEnd = Number.POSITIVE_INFINITY): void {
    const { epoch, segment } = file;
    const prologue = prologueOf(bytes, file);
    const isSame = this.#file?.epoch === epoch && this.#file.segment === segment;
    const isWithoutStamps = prologue?.isWhole === true && prologue.ownStart === undefined;
    // The number at which the next epoch begins says it better than the length: of what was carried over there, something
    // may be corrupt. A packed file, which has no prologue, counts as a whole.
    const start = startOf(bytes, file)?.sequence;
    const isNumbered = prologue
      ? prologue.ownStart !== undefined && file.isFollowed
      : start !== undefined;
    const counting = isNumbered ? bytes.length : (file.bytes ?? bytes.length);
    // There is no number by which a second copy would be known. A later file that begins before this one has all of it.
    const isCovered = (isSame && isWithoutStamps) || (start ?? 0) > numberEnd;
    const length = isCovered ? 0 : Math.min(counting, bytes.length);
    const open: OpenFile = {
      ...{ epoch, segment, isWithoutStamps, bytes: bytes.subarray(0, length) },
      isPacked: !prologue && start !== undefined && !isResidue(file),
      reached: 0,
      learned: new Set(),
      restated: new Map(),
    };
    this.#file = open;
    const nextOwnStart = () => file.nextOwnStart();
    this.#steps = readCounting(
      { id: { epoch, segment }, bytes: open.bytes, end: numberEnd, nextOwnStart },
      {
        stamp: (stamp) => this.#stamp(open, stamp),
        take: (header, place) => this.#read(open, header, place?.sequence ?? 0),
      },
    );
  }

  /** Reads some records on. False at the end of the file. */
  step(): boolean {
    return this.#steps?.next().done === false;
  }

  /** The batches that are complete. */
  batches(): EventBatch[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  end(): EventBatch {
    // A fold that is kept for the next reading keeps no bytes of a file.
    this.#file = this.#steps = undefined;
    return this.#batch(false);
  }

  /** `sequence`: 0 if the record has no number. */
  #read(file: OpenFile, header: RecordHeader, sequence: number): void {
    const { bytes } = file;
    if (sequence > 0) file.reached = sequence;
    const isSeen = sequence > 0 && sequence <= this.#last;
    if (isSeen && file.learned.size === 0) return;
    const isNext = sequence > 0 && !isSeen;
    if (isNext) this.#reach(file, sequence);
    if (this.#isUnwanted(bytes, header)) return;
    const record = this.#decode(bytes, header);
    if (!record) return;
    if (isNext) this.#apply(record, sequence);
    else this.#repeated(file, record, isSeen);
  }

  #decode(bytes: Buffer, header: RecordHeader): JournalRecord | undefined {
    // Without checksums of bodies that nobody wants, a store is read in half the time.
    const isChecked = this.#partBytesMax > 0 || this.#filter !== undefined;
    return unlessCorrupt(decodeRecord, rawRecordAt(bytes, header, isChecked), undefined);
  }

  /** Nothing in the record is about a message that is wanted, as far as that is seen at a glance. */
  #isUnwanted(bytes: Buffer, { offset, bodyOffset, end }: RecordHeader): boolean {
    const meta = offset + recordHeaderBytes;
    switch (kindOfType(typeAt(bytes, offset))) {
      case 'posted': {
        const mayWant =
          this.#filter?.mayWant?.({ bytes, fields: meta, body: bodyOffset, end }) ?? true;
        const settles = settlesAt(bytes, meta);
        if (mayWant || hasMoreAt(bytes, typeAt(bytes, offset), settles)) return false;
        if (this.#knowsAny(bytes, settles)) return false;
        this.#repeats.reach(numberAt(bytes, meta));
        return true;
      }
      case 'offered':
      case 'released':
      case 'moved':
        return !this.#mail.has(numberAt(bytes, meta));
      case 'settled':
        return !this.#knowsAny(bytes, meta);
      case 'copied':
      case 'paused':
      case undefined:
        return false;
      default:
        return true;
    }
  }

  /** `at`: of a list of numbers. */
  #knowsAny(bytes: Buffer, at: number): boolean {
    const count = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : 0;
    const end = Math.min(at + 4 + 8 * count, bytes.length - 7);
    for (let item = at + 4; item < end; item += 8) {
      const number = numberAt(bytes, item);
      if (this.#mail.has(number) || this.#repeats.has(number)) return true;
    }
    return false;
  }

  #stamp(file: OpenFile, { sequence, time }: StampRecord): void {
    // The file, or a copy of it, was read before: what its records without numbers say may be out of date.
    if (sequence > this.#last) this.#endRestated(file, file.restated.keys());
    else if (sequence > 0) file.restated.clear();
    file.reached = Math.max(file.reached, sequence - 1);
    if (sequence > 0) this.#time = time;
  }

  /** The record with this number is the next one. What is missing before it is a gap. */
  #reach({ epoch }: OpenFile, sequence: number): void {
    const before = this.#last === 0 ? this.#after : Math.max(this.#last, this.#after ?? 0);
    if (this.#last > 0 && sequence > this.#last + 1) this.#mail.gap();
    if (before !== undefined && sequence > before + 1) {
      if (this.#events.length > 0 || this.#gap) this.#ready.push(this.#batch(true));
      this.#gap = { from: before + 1, to: sequence - 1 };
      this.#hasGap = true;
    }
    this.#last = sequence;
    this.#epoch = epoch;
  }

  /** A record without a number, or with one that was seen already. */
  #repeated(file: OpenFile, record: JournalRecord, isSeen = false): void {
    if (file.isWithoutStamps) return this.#apply(record, this.#last);
    // The files that were packed into this one were read before, since an owner packed them meanwhile.
    if (file.isPacked && file.reached < this.#last) return;
    switch (record.kind) {
      case 'posted': {
        const [envelope, ...also] = this.#newIn(envelopesOf(record), isSeen);
        if (!envelope) return this.#applySettles(file, record.settles, isSeen);
        this.#endRestated(file, record.settles);
        return this.#learn(file, { ...record, envelope, also });
      }
      case 'copied': {
        const { number } = record.envelope;
        // It may be read again when it has more; a message that is unknown by then has ended.
        const isEnded = isResidue(file) && this.#repeats.isReached(number);
        if (this.#isUnknown(record.envelope) && !isSeen && !isEnded) this.#learn(file, record);
        if (isResidue(file)) this.#repeats.reach(number);
        return;
      }
      case 'offered':
      case 'released':
      case 'moved':
        if (file.learned.has(record.number)) this.#apply(record, this.#last);
        else if (!isSeen) this.#restate(file, record);
        return;
      case 'settled':
        return this.#applySettles(file, record.numbers, isSeen);
    }
  }

  /** The messages of a repeated record of which nothing was told. */
  #newIn(messages: readonly Envelope[], isSeen: boolean): readonly Envelope[] {
    if (isSeen) return [];
    if (messages.length > 1) return this.#repeats.newIn(messages);
    return messages.filter((each) => this.#isUnknown(each));
  }

  #restate({ restated }: OpenFile, record: StateRecord): void {
    if (!this.#mail.has(record.number)) return;
    const before = restated.get(record.number);
    const moved = record.kind === 'moved' ? record : before?.moved;
    restated.set(record.number, { moved, last: record });
  }

  /** A version without stamps may have written what the records say, at the end of the log. */
  #endRestated({ restated }: OpenFile, numbers: Iterable<number>): void {
    for (const number of [...numbers]) {
      const { moved, last } = restated.get(number) ?? {};
      restated.delete(number);
      const isMoved = moved && this.#mail.message(number)?.mailbox !== moved.mailbox;
      if (isMoved) this.#apply(moved, this.#last);
      if (last && last !== moved) this.#apply(last, this.#last);
    }
  }

  /** Of a message that is known to be settled there is no event. */
  #applySettles(file: OpenFile, all: readonly number[], isSeen: boolean): void {
    const numbers = all.filter((number) => !isSeen || file.learned.has(number));
    if (numbers.length === 0) return;
    this.#endRestated(file, numbers);
    this.#apply({ kind: 'settled', numbers }, this.#last);
  }

  #isUnknown({ number, id }: Envelope): boolean {
    return this.#mail.message(number)?.envelope.id !== id;
  }

  #learn(file: OpenFile, record: Extract<JournalRecord, { envelope: Envelope }>): void {
    this.#apply(record, this.#last, true);
    const all = record.kind === 'posted' ? envelopesOf(record) : [record.envelope];
    for (const { number } of all) file.learned.add(number);
  }

  #apply(record: JournalRecord, sequence: number, isCopy = record.kind === 'copied'): void {
    const kept = this.#filter ? wantedOf(record, this.#filter, this.#mail) : undefined;
    // A copy tells again of a message that was posted before. Without a gap that was told already, or is before `after`.
    const isTold = isCopy && this.#after !== undefined && !this.#hasGap;
    if (!isTold && (this.#after === undefined || sequence > this.#after)) {
      for (const event of eventsOf(record, this.#mail)) {
        if (kept && 'envelope' in event && !kept.includes(event.envelope.number)) continue;
        if (kept && 'message' in event && !this.#isKept(event.message.number, kept)) continue;
        this.#add(event, sequence, timeIn(event, record));
      }
    }
    this.#mail.apply(record, kept);
    this.#repeats.apply(record);
    const isFull = this.#events.length >= batchEventsMax || this.#eventBytes >= batchBytesMax;
    if (isFull) this.#ready.push(this.#batch(true));
  }

  #isKept(number: number, kept: readonly number[]): boolean {
    return this.#mail.has(number) || kept.includes(number);
  }

  #add(each: EventOfRecord, sequence: number, time = this.#time): void {
    // Records without stamps have no time of their own: that of what was before them is the nearest.
    if (time > this.#time) this.#time = time;
    // Not a spread, which takes longer than all else that is done with an event.
    const event = Object.assign(each, { sequence, time }) as MailEvent;
    this.#events.push(event);
    if (event.kind !== 'stored' || !event.part) return;
    // A copy: the file's bytes should not stay in memory as long as the event does. The messages of a post share it.
    const { source, copy } = this.#lastPart;
    const isSame = source === event.part;
    const part = isSame ? copy : Buffer.from(event.part.subarray(0, this.#partBytesMax));
    this.#lastPart = { source: event.part, copy: part };
    Object.assign(event, { part });
    if (!isSame) this.#eventBytes += part.length;
  }

  #batch(hasMore: boolean): EventBatch {
    const batch = { events: this.#events, next: this.last, gap: this.#gap, hasMore };
    this.#events = [];
    this.#eventBytes = 0;
    this.#lastPart = { source: noBytes, copy: noBytes };
    this.#gap = undefined;
    return batch;
  }
}

/** The time of the event, if the record has it. */
function timeIn(event: EventOfRecord, record: JournalRecord): number | undefined {
  switch (event.kind) {
    case 'stored':
      return event.envelope.time;
    case 'requeued':
    case 'deadLettered':
      return event.lastHold?.to;
    case 'delivered':
      return 'holding' in record ? record.holding?.since : undefined;
    default:
      return undefined;
  }
}
