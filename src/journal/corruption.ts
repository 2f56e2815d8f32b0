// What a disk damaged, as it is found: ranges in which no record can be read, and messages whose body
// is not what was posted. Which messages are missing is told by the numbers around a range.
import { damageListedMax } from '../base/limits.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';
import { isValid, type LostBytes, type RawRecord, type SegmentId } from './record-framing.ts';

export interface LostRange {
  readonly offset: number;
  readonly bytes: number;
  /**
   * Numbers of messages that may have lain there, the first few; a copy that was lost is not among them.
   * None when many more are not there than the range can have held: what they were cannot be told.
   */
  readonly missing: readonly number[];
  /** How many more, at most. */
  readonly missingMore: number;
}

export interface SegmentCorruption extends SegmentId {
  readonly lost: readonly LostRange[];
  /** Numbers of messages whose bodies are damaged. */
  readonly messages: readonly number[];
  /** Ranges and messages that are not listed. */
  readonly more: number;
}

/** No record that stores a message is smaller, and none has another one of the same post in less. */
const postedBytesMin = 68;
const alsoBytesMin = 12;

interface Found {
  readonly id: SegmentId;
  readonly lost: (LostBytes & { readonly after: number; before: number | undefined })[];
  readonly messages: Set<number>;
}

/** Of one replay. */
export class CorruptionScanner {
  readonly #found = new Map<string, Found>();
  /** Ranges with no message stored after them yet. */
  #open: Found['lost'] = [];
  /** Numbers met since the first range: they are not missing. */
  readonly #met = new Set<number>();
  #highest = 0;
  #hasLost = false;

  lost(id: SegmentId, { offset, end }: LostBytes): void {
    const range = { offset, end, after: this.#highest, before: undefined };
    this.#of(id).lost.push(range);
    this.#open.push(range);
    this.#hasLost = true;
  }

  /** What the log tells, in its order. A copy may say of a message that another segment damaged it. */
  read(id: SegmentId, raw: RawRecord, record: JournalRecord): void {
    switch (record.kind) {
      case 'posted': {
        const numbers = envelopesOf(record).map(({ number }) => number);
        this.#stored(id, raw, numbers);
        this.#meet(record.settles);
        for (const number of numbers) this.#posted(number);
        return;
      }
      case 'copied':
        return this.#stored(id, raw, [record.envelope.number]);
      case 'settled':
        return this.#meet(record.numbers);
    }
  }

  /** All numbers given so far lie below: a header says so. */
  below(nextNumber: number): void {
    for (const range of this.#open) range.before = nextNumber;
    this.#open = [];
  }

  /** Numbers that a range at the end of the log can have held. */
  get numbersLost(): number {
    return this.#open.reduce((sum, range) => sum + messagesMax(range), 0);
  }

  /** `nextNumber`: above all that can have been given. */
  end(nextNumber: number): SegmentCorruption[] {
    this.below(nextNumber);
    return [...this.#found.values()].map(({ id, lost, messages }) => ({
      epoch: id.epoch,
      segment: id.segment,
      lost: lost.slice(0, damageListedMax).map((range) => this.#describe(range)),
      messages: [...messages].slice(0, damageListedMax),
      more:
        Math.max(0, lost.length - damageListedMax) + Math.max(0, messages.size - damageListedMax),
    }));
  }

  #describe(range: Found['lost'][number]): LostRange {
    const { offset, end, after, before = 0 } = range;
    const where = { offset, bytes: end - offset };
    const most = messagesMax(range);
    const missing: number[] = [];
    let missingMore = 0;
    for (let number = after + 1; most > 0 && number < before; number++) {
      if (this.#met.has(number)) continue;
      if (missing.length < damageListedMax) missing.push(number);
      else if (++missingMore > most) return { ...where, missing: [], missingMore: most };
    }
    return { ...where, missing, missingMore };
  }

  #stored(id: SegmentId, raw: RawRecord, numbers: readonly number[]): void {
    this.#meet(numbers);
    if (isValid(raw)) return;
    for (const number of numbers) this.#of(id).messages.add(number);
  }

  #posted(number: number): void {
    if (number <= this.#highest) return;
    this.below(number);
    this.#highest = number;
  }

  #meet(numbers: readonly number[]): void {
    if (this.#hasLost) for (const number of numbers) this.#met.add(number);
  }

  #of(id: SegmentId): Found {
    const key = `${id.epoch} ${id.segment}`;
    const found = this.#found.get(key) ?? { id, lost: [], messages: new Set() };
    this.#found.set(key, found);
    return found;
  }
}

/** As many as it can have held. */
function messagesMax({ offset, end }: LostBytes): number {
  return Math.max(0, 1 + Math.floor((end - offset - postedBytesMin) / alsoBytesMin));
}

/** In sentences. */
export function describeCorruption({
  epoch,
  segment,
  lost,
  messages,
  more,
}: SegmentCorruption): string[] {
  const where = `segment ${segment} of epoch ${epoch}`;
  const ranges = lost.map(
    (range) => `${where}: ${range.bytes} bytes at byte ${range.offset} are lost${missed(range)}`,
  );
  const bodies = messages.map((number) => `${where}: the body of message #${number} is damaged`);
  return [...ranges, ...bodies, ...(more > 0 ? [`${where}: ${more} more, not listed`] : [])];
}

function missed({ missing, missingMore }: LostRange): string {
  if (missing.length === 0 && missingMore === 0) return '';
  if (missing.length === 0) return `; messages that may have been there: up to ${missingMore}`;
  const rest = missingMore > 0 ? `, and ${missingMore} more` : '';
  const list = missing.map((number) => `#${number}`).join(' ');
  return `; messages that may have been there: ${list}${rest}`;
}
