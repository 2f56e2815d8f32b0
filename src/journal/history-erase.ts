// Takes the messages of one mailbox, or all, out of history. What their records were is not told any more; an empty
// record in the place of each keeps the numbers of the others.
import type { Name } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import type { CountingFile } from './counting-records.ts';
import { isResidue, startOf } from './history-file.ts';
import { Packer } from './history-pack.ts';
import { PostRepeats } from './post-repeats.ts';
import { segmentSeed } from './record-framing.ts';
import { stampOfNone } from './sequence.ts';

/** Decides record by record, over all files of history in their order. */
export class HistoryEraser {
  readonly #mailbox: Name | '';
  readonly #isLive: (number: number) => boolean;
  /** Numbers of messages that are erased. */
  readonly #gone = new Set<number>();
  readonly #repeats = new PostRepeats();

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
   * What is left of a file, in steps; undefined if nothing is. A file of an earlier version, without stamps, is left out as
   * a whole.
   */
  *rest(file: CountingFile): Generator<void, readonly Buffer[] | undefined> {
    const { id, bytes } = file;
    // Of what records without a number say, nothing is left out.
    const packer = new Packer(segmentSeed(id), true);
    yield* packer.add(file, (record, isNumbered) => {
      if (record?.kind === 'copied' && isResidue(id)) this.#repeats.reach(record.envelope.number);
      return record && this.#edit(record, isNumbered);
    });
    // The stamp that says where it begins may be corrupt.
    const start = startOf(bytes, id) ?? (isResidue(id) ? stampOfNone : packer.start);
    return this.#mailbox === '' || !start ? undefined : packer.buffers(start);
  }

  /** The record as it stays; undefined if nothing of it does. */
  #edit(record: JournalRecord, isNumbered: boolean): JournalRecord | undefined {
    switch (record.kind) {
      case 'posted': {
        const all = envelopesOf(record);
        const isRepeated = !isNumbered && all.length > 1;
        const fresh = isRepeated ? this.#repeats.newIn(all) : all;
        this.#repeats.apply(record, fresh);
        const left = all.filter((envelope) => !this.#isErased(envelope.to));
        for (const each of all) if (!left.includes(each)) this.#gone.add(each.number);
        if (left.length === all.length) return record;
        // Without the others, it would not be known that a record repeats one.
        const [envelope, ...also] = left.filter((each) => fresh.includes(each));
        if (envelope) return { ...record, envelope, also };
        // What it settled may be of another mailbox.
        return record.settles.length > 0 ? { kind: 'settled', numbers: record.settles } : undefined;
      }
      case 'copied':
        this.#repeats.apply(record);
        if (!this.#isErased(record.envelope.to)) return record;
        this.#gone.add(record.envelope.number);
        return undefined;
      case 'offered':
      case 'released':
      case 'moved':
        return this.#gone.has(record.number) ? undefined : record;
      default:
        this.#repeats.apply(record);
        return record;
    }
  }

  #isErased(to: Name): boolean {
    return this.#mailbox === '' || this.#mailbox === to;
  }
}
