// Finds the messages that were stored in files of history and have not ended there, each as the last record of it left it.
// Nearly all have ended, and to decode their records would take most of the time:
//
// 1. read() reads only headers, and the numbers of the messages that a record is about. It keeps where the records of a
//    message lie, until the message ends.
// 2. decoded() decodes the records of one that has not ended.
//
// Does no I/O.
import type { Envelope } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { CopiedRecord, JournalRecord, PostedRecord } from '../model/records.ts';
import { type CountingFile, readCounting } from './counting-records.ts';
import { type FileContent, isResidue } from './history-file.ts';
import { isPlainPostAt, numberAt } from './meta-fields.ts';
import { newInRepeat } from './post-repeats.ts';
import { decodeRecord, kindOfType, unlessCorrupt } from './record-codec.ts';
import { type RecordHeader, rawRecordAt, recordHeaderBytes, typeAt } from './record-framing.ts';

/** A record of a message that has not ended. */
export interface RecordOfMessage {
  readonly file: FileContent;
  readonly header: RecordHeader;
  /** A record without a number repeats what may be known. */
  readonly isNumbered: boolean;
  /** The record before it of the same message. */
  readonly before: RecordOfMessage | undefined;
}

export class UnendedMail {
  /** The last record of each message, by its number. */
  readonly records = new Map<number, RecordOfMessage>();
  /** As of newInRepeat(). */
  #newest = 0;

  read(file: CountingFile): Generator<void> {
    return readCounting(file, {
      take: (header, place) => this.#take(file, header, place !== undefined),
    });
  }

  /** Whether the file has records of messages that have not ended. If not, its bytes are not needed any more. */
  needs(file: FileContent): boolean {
    for (const last of this.records.values()) {
      for (let each: RecordOfMessage | undefined = last; each; each = each.before) {
        if (each.file === file) return true;
      }
    }
    return false;
  }

  #take(file: FileContent, header: RecordHeader, isNumbered: boolean): void {
    const { bytes } = file;
    const type = typeAt(bytes, header.offset);
    const meta = header.offset + recordHeaderBytes;
    // 0 is the number of no message.
    const number = meta + 8 <= header.bodyOffset ? numberAt(bytes, meta) : 0;
    switch (kindOfType(type)) {
      case 'posted':
        if (!isPlainPostAt(bytes, type, meta)) return this.#takePost(file, header, isNumbered);
        this.#newest = Math.max(this.#newest, number);
        return this.#add(number, file, header, isNumbered);
      case 'copied':
        if (isResidue(file.id)) this.#newest = Math.max(this.#newest, number);
        return this.#add(number, file, header, isNumbered);
      case 'offered':
      case 'released':
      case 'moved':
        if (this.records.has(number)) this.#add(number, file, header, isNumbered);
        return;
      case 'settled': {
        const record = recordAt(file, header);
        if (record?.kind === 'settled') this.#end(record.numbers);
        return;
      }
      case undefined:
        // Throws store_newer unless it may be skipped.
        recordAt(file, header);
    }
  }

  /** A post to several mailboxes, or one that settles other messages. */
  #takePost(file: FileContent, header: RecordHeader, isNumbered: boolean): void {
    const record = recordAt(file, header);
    if (record?.kind !== 'posted') return;
    const messages = envelopesOf(record);
    const isRepeated = !isNumbered && record.also.length > 0;
    const fresh = isRepeated
      ? newInRepeat(messages, this.#newest, (each) => this.#isKnown(each))
      : messages;
    for (const { number } of fresh) this.#add(number, file, header, isNumbered);
    const numbers = messages.map(({ number }) => number);
    this.#newest = Math.max(this.#newest, ...numbers);
    this.#end(record.settles);
  }

  #isKnown({ number, id }: Envelope): boolean {
    const last = this.records.get(number);
    return last !== undefined && decoded(number, last)?.envelope.id === id;
  }

  #add(number: number, file: FileContent, header: RecordHeader, isNumbered: boolean): void {
    const before = this.records.get(number);
    this.records.set(number, { file, header, isNumbered, before });
  }

  #end(numbers: readonly number[]): void {
    for (const number of numbers) this.records.delete(number);
  }
}

/** The message as its records left it; undefined if none is valid that has its envelope. */
export function decoded(number: number, last: RecordOfMessage): CopiedRecord | undefined {
  const records: RecordOfMessage[] = [];
  for (let each: RecordOfMessage | undefined = last; each; each = each.before) records.push(each);
  return records.reduceRight<CopiedRecord | undefined>((message, { file, header, isNumbered }) => {
    const record = recordAt(file, header);
    return record ? after(message, number, record, isNumbered) : message;
  }, undefined);
}

/** A corrupt body is copied with its checksum, so it stays corrupt. */
function recordAt({ bytes }: FileContent, header: RecordHeader): JournalRecord | undefined {
  return unlessCorrupt(decodeRecord, rawRecordAt(bytes, header, false), undefined);
}

function after(
  message: CopiedRecord | undefined,
  number: number,
  record: JournalRecord,
  isNumbered: boolean,
): CopiedRecord | undefined {
  const isNew = ({ id }: Envelope) => isNumbered || message?.envelope.id !== id;
  switch (record.kind) {
    case 'posted': {
      const envelope = envelopesOf(record).find((each) => each.number === number);
      return envelope && isNew(envelope) ? fresh(envelope, record) : message;
    }
    case 'copied':
      return isNew(record.envelope) ? record : message;
    case 'offered': {
      const { attempt, holder, holding } = record;
      return message && { ...message, attempt, holder, holding };
    }
    case 'released': {
      const { attempt, lastHold } = record;
      return message && { ...message, attempt, ...heldNoMore, ...(lastHold && { lastHold }) };
    }
    case 'moved': {
      const { mailbox, attempt, lastHold } = record;
      const held = { ...heldNoMore, ...(lastHold && { lastHold }) };
      return message && { ...message, mailbox, attempt, ...held };
    }
    default:
      return message;
  }
}

function fresh(envelope: Envelope, { body }: PostedRecord): CopiedRecord {
  return { kind: 'copied', envelope, mailbox: envelope.to, attempt: 1, holder: '', body };
}

const heldNoMore = { holder: '', holding: undefined } as const;
