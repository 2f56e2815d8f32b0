// Takes the messages of one mailbox, or all, out of history. What their records were is not told any more; an empty
// record in the place of each keeps the numbers of the others.
import type { Name } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { type FileContent, startOf } from './history-file.ts';
import { Packer } from './history-pack.ts';
import { segmentSeed } from './record-framing.ts';

/** Decides record by record, over all files of history in their order. */
export class HistoryEraser {
  readonly #mailbox: Name | '';
  readonly #isLive: (number: number) => boolean;
  /** Numbers of messages that are erased. */
  readonly #gone = new Set<number>();

  /** `isLive`: the message is not settled. It stays in the log, and is not counted. */
  constructor(mailbox: Name | '', isLive: (number: number) => boolean) {
    this.#mailbox = mailbox;
    this.#isLive = isLive;
  }

  /** Settled messages so far. */
  get messages(): number {
    return [...this.#gone].filter((number) => !this.#isLive(number)).length;
  }

  /**
   * Returns what is left of a file; undefined if nothing is. Records with the number `end` or a higher one do not count.
   * A file of an earlier version, without stamps, is left out as a whole.
   */
  rest({ id, bytes }: FileContent, end: number): readonly Buffer[] | undefined {
    const start = startOf(bytes, id);
    const first = start ?? { kind: 'stamp', sequence: Number.MAX_VALUE, time: 0 };
    // Of what records without a number say, nothing is left out.
    const packer = new Packer(segmentSeed(id), first, true);
    packer.add(bytes, id, end, (record) => this.#edit(record));
    return this.#mailbox === '' || !start ? undefined : packer.buffers;
  }

  /** The record as it stays; undefined if nothing of it does. */
  #edit(record: JournalRecord | undefined): JournalRecord | undefined {
    switch (record?.kind) {
      case 'posted': {
        const all = envelopesOf(record);
        const left = all.filter((envelope) => !this.#isErased(envelope.to));
        for (const each of all) if (!left.includes(each)) this.#gone.add(each.number);
        if (left.length === all.length) return record;
        const [envelope, ...also] = left;
        if (envelope) return { ...record, envelope, also };
        // What it settled may be of another mailbox.
        return record.settles.length > 0 ? { kind: 'settled', numbers: record.settles } : undefined;
      }
      case 'copied':
        if (!this.#isErased(record.envelope.to)) return record;
        this.#gone.add(record.envelope.number);
        return undefined;
      case 'offered':
      case 'released':
      case 'moved':
        return this.#gone.has(record.number) ? undefined : record;
      default:
        return record;
    }
  }

  #isErased(to: Name): boolean {
    return this.#mailbox === '' || this.#mailbox === to;
  }
}
