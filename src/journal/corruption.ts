// Collects the corruption that a replay finds: ranges without a valid record, and messages with a corrupt
// body. Which messages may be missing follows from the numbers around a range.
import { corruptionListedMax } from '../base/limits.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { isValid, type LostBytes, type RawRecord, type SegmentId } from './record-framing.ts';

export interface LostRange {
  readonly offset: number;
  readonly bytes: number;
  /**
   * The first few numbers of messages that may have been there; a lost copy is not among them. Empty if
   * many more numbers are missing than the range can have held, since it is not known then which they were.
   */
  readonly missing: readonly number[];
  /** At most how many more. */
  readonly missingMore: number;
}

export interface SegmentCorruption extends SegmentId {
  readonly lost: readonly LostRange[];
  /** Numbers of messages with corrupt bodies. */
  readonly messages: readonly number[];
  /** How many ranges and messages are not listed. */
  readonly more: number;
}

/** Length of the smallest record of a post, and of a further message in it. */
const postedBytesMin = 68;
const alsoBytesMin = 12;

interface Found {
  readonly id: SegmentId;
  readonly lost: (LostBytes & { readonly after: number; before: number | undefined })[];
  readonly messages: Set<number>;
}

/** Collects what one replay finds. */
export class CorruptionScanner {
  readonly #found = new Map<string, Found>();
  /** Ranges behind which no message was posted yet. */
  #open: Found['lost'] = [];
  /** Numbers seen since the first range: they are not missing. */
  readonly #seen = new Set<number>();
  #highest = 0;
  #hasLost = false;

  lost(id: SegmentId, { offset, end }: LostBytes): void {
    const range = { offset, end, after: this.#highest, before: undefined };
    this.#foundIn(id).lost.push(range);
    this.#open.push(range);
    this.#hasLost = true;
  }

  /** Takes the records in log order. A valid copy without a body lost it in an earlier segment, not in this one. */
  read(id: SegmentId, raw: RawRecord, record: JournalRecord): void {
    switch (record.kind) {
      case 'posted': {
        const numbers = envelopesOf(record).map(({ number }) => number);
        this.#stored(id, raw, numbers);
        this.#addSeen(record.settles);
        for (const number of numbers) this.#reach(number);
        return;
      }
      case 'copied':
        return this.#stored(id, raw, [record.envelope.number]);
      case 'settled':
        return this.#addSeen(record.numbers);
    }
  }

  /** Takes a record of one message, which has its body and settles nothing. */
  posted(number: number): void {
    if (this.#hasLost) this.#seen.add(number);
    this.#reach(number);
  }

  /** All numbers given so far are below `nextNumber`: a segment header says so. */
  below(nextNumber: number): void {
    if (this.#open.length === 0) return;
    for (const range of this.#open) range.before = nextNumber;
    this.#open = [];
  }

  /** How many numbers the ranges at the end of the log can have held. */
  get numbersLost(): number {
    return this.#open.reduce((sum, range) => sum + messagesMax(range), 0);
  }

  /** `nextNumber`: above every number that can have been given. */
  end(nextNumber: number): SegmentCorruption[] {
    this.below(nextNumber);
    return [...this.#found.values()].map(({ id, lost, messages }) => ({
      epoch: id.epoch,
      segment: id.segment,
      lost: lost.slice(0, corruptionListedMax).map((range) => this.#describe(range)),
      messages: [...messages].slice(0, corruptionListedMax),
      more:
        Math.max(0, lost.length - corruptionListedMax) +
        Math.max(0, messages.size - corruptionListedMax),
    }));
  }

  #describe(range: Found['lost'][number]): LostRange {
    const { offset, end, after, before = 0 } = range;
    const where = { offset, bytes: end - offset };
    const countMax = messagesMax(range);
    const missing: number[] = [];
    let missingMore = 0;
    for (let number = after + 1; countMax > 0 && number < before; number++) {
      if (this.#seen.has(number)) continue;
      if (missing.length < corruptionListedMax) missing.push(number);
      else if (++missingMore > countMax) return { ...where, missing: [], missingMore: countMax };
    }
    return { ...where, missing, missingMore };
  }

  #stored(id: SegmentId, raw: RawRecord, numbers: readonly number[]): void {
    this.#addSeen(numbers);
    if (isValid(raw)) return;
    for (const number of numbers) this.#foundIn(id).messages.add(number);
  }

  #reach(number: number): void {
    if (number <= this.#highest) return;
    this.below(number);
    this.#highest = number;
  }

  #addSeen(numbers: readonly number[]): void {
    if (this.#hasLost) for (const number of numbers) this.#seen.add(number);
  }

  #foundIn(id: SegmentId): Found {
    const key = `${id.epoch} ${id.segment}`;
    const found = this.#found.get(key) ?? { id, lost: [], messages: new Set() };
    this.#found.set(key, found);
    return found;
  }
}

/** How many messages the range can have held. */
function messagesMax({ offset, end }: LostBytes): number {
  return Math.max(0, 1 + Math.floor((end - offset - postedBytesMin) / alsoBytesMin));
}

/** Sentences for people. */
export function describeCorruption({
  epoch,
  segment,
  lost,
  messages,
  more,
}: SegmentCorruption): string[] {
  const where = `segment ${segment} of epoch ${epoch}`;
  const ranges = lost.map(
    (range) => `${where}: ${range.bytes} bytes at byte ${range.offset} are lost${missingIn(range)}`,
  );
  const bodies = messages.map((number) => `${where}: the body of message #${number} is damaged`);
  return [...ranges, ...bodies, ...(more > 0 ? [`${where}: ${more} more, not listed`] : [])];
}

function missingIn({ missing, missingMore }: LostRange): string {
  if (missing.length === 0 && missingMore === 0) return '';
  if (missing.length === 0) return `; messages that may have been there: up to ${missingMore}`;
  const rest = missingMore > 0 ? `, and ${missingMore} more` : '';
  const list = missing.map((number) => `#${number}`).join(' ');
  return `; messages that may have been there: ${list}${rest}`;
}
