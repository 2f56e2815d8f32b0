// The records of a file that count, in the order in which they lie there. Does no I/O.
//
// 1. Those with the number at which a later file begins, or a higher one, do not count, nor does what is behind them.
// 2. Behind a hole of lost bytes the numbers are not known, up to the next stamp; then they are counted backwards. If no
//    stamp follows, a power loss may have left the hole: nothing behind it was acknowledged, and it does not count. In the
//    newest file it does, without numbers: of a log, only what counts is read.
// 3. A prologue, the residue, and files of earlier versions have records without numbers, which count behind a hole, too.
import type { JournalRecord } from '../model/records.ts';
import { type FileContent, isResidue, prologueOf } from './history-file.ts';
import { kindOfType } from './record-codec.ts';
import { type LostBytes, type RecordHeader, typeAt } from './record-framing.ts';
import { deduplicationKinds, type StampRecord, typeOf } from './record-types.ts';
import { readEach } from './recovery.ts';
import type { RecordPlace } from './sequence.ts';

/** Records of these kinds are in prologues, without numbers; two of them may be elsewhere as well. */
const snapshotKinds: ReadonlySet<JournalRecord['kind']> = new Set([
  ...deduplicationKinds,
  'paused',
] as const);

export interface CountingReader {
  /** `place`: undefined if it has no number. */
  take(header: RecordHeader, place: RecordPlace | undefined): void;
  /** Behind the records that it says the numbers of. */
  stamp?(stamp: StampRecord): void;
  lost?(): void;
}

export interface HistorySource extends FileContent {
  /** The number behind the prologue of the next segment of the epoch; 0 if that is not known. Asked only if it matters. */
  nextOwnStart(): number;
}

export interface CountingFile extends HistorySource {
  /** Records with this number or a higher one do not count; Infinity for the newest file. */
  readonly end: number;
}

/** Reads some records at each step. */
export function* readCounting(file: CountingFile, reader: CountingReader): Generator<void> {
  const { id, bytes, end } = file;
  const hole = new Hole(file, reader);
  // The first stamp of a packed file says where it begins.
  let isBegin = bytes.length > 0 && typeAt(bytes, 0) === typeOf.stamp;
  let isOver = false;
  yield* readEach(
    bytes,
    { ...id, bytes: bytes.length },
    {
      lost: (lost) => {
        isBegin = false;
        reader.lost?.();
        hole.begin(lost);
      },
      stamp: (stamp) => {
        if (isOver) return;
        hole.end(stamp);
        isOver = stamp.sequence >= end && !isBegin;
        isBegin = false;
        reader.stamp?.(stamp);
      },
      header: (header, place) => {
        if (isOver) return;
        if (place ? place.sequence < end : !hole.holds(header)) reader.take(header, place);
      },
      record: () => {},
    },
  );
  hole.endOfFile();
}

/** The records behind a hole, until a stamp says their numbers. */
class Hole {
  readonly #file: CountingFile;
  readonly #reader: CountingReader;
  #headers: RecordHeader[] = [];
  /** Of the last stamp. */
  #time = 0;
  /** Where records have no numbers; undefined before the first hole. */
  #unnumberedEnd: number | undefined;
  #isOpen = false;

  constructor(file: CountingFile, reader: CountingReader) {
    this.#file = file;
    this.#reader = reader;
  }

  begin({ end }: LostBytes): void {
    this.#unnumberedEnd ??= unnumberedEnd(this.#file);
    this.#isOpen = true;
    // No stamp says the numbers of records between two holes. The zeros at the end of a file are none.
    if (end < this.#file.bytes.length) this.#take(0, 0);
  }

  /** Whether the number of a record without one may be said by the next stamp. */
  holds(header: RecordHeader): boolean {
    if (!this.#isOpen || header.offset < (this.#unnumberedEnd ?? 0)) return false;
    const { offset, bodyOffset, end } = header;
    this.#headers.push({ offset, bodyOffset, end });
    return true;
  }

  end({ sequence, time }: StampRecord): void {
    this.#take(sequence, time);
    this.#isOpen = false;
    if (sequence > 0) this.#time = time;
  }

  endOfFile(): void {
    if (this.#headers.length > 0) this.#take(this.#file.nextOwnStart(), this.#time);
  }

  /** `next`: the number of the record behind them; 0 if that is not known. */
  #take(next: number, timeNext: number): void {
    const headers = this.#headers;
    this.#headers = [];
    const { bytes, end } = this.#file;
    const kinds = headers.map(({ offset }) => kindOfType(typeAt(bytes, offset)));
    // Of a prologue whose header is corrupt: its records have no numbers.
    const isPrologue = kinds.some((kind) => kind !== undefined && snapshotKinds.has(kind));
    for (const [index, header] of headers.entries()) {
      const sequence = isPrologue ? 0 : next - headers.length + index;
      const place = { sequence, time: this.#time || timeNext };
      if (sequence > 0 && sequence < end) this.#reader.take(header, place);
      else if (end === Number.POSITIVE_INFINITY) this.#reader.take(header, undefined);
    }
  }
}

function unnumberedEnd({ id, bytes }: FileContent): number {
  const prologue = prologueOf(bytes, id);
  const isEarlier = prologue?.isWhole === true && prologue.ownStart === undefined;
  return isEarlier || isResidue(id) ? Number.POSITIVE_INFINITY : (prologue?.end ?? 0);
}
