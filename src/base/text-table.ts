/** Longest text that is kept, and how many slots there are: with the longest texts they take 6 MB. */
const textBytesMax = 64;
const slotsMin = 64;
const slotsMax = 65_536;
/** Each slot of any table is below it. */
export const textSlots = slotsMax;

/**
 * Texts of ASCII by their bytes: what many records or frames have in common is decoded and parsed once, and is in memory
 * once. Each text has two slots beside each other, where the last two are that were read: with one slot, a fifth of
 * 10,000 names would displace each other again and again. There are more slots when many are taken.
 */
export class TextTable<Text extends string> {
  #texts = emptySlots<Text>(slotsMin);
  #taken = 0;
  readonly #parse: (text: string) => Text;
  #slot = 0;
  /** The text that was read last, if it is in the table: often record after record has the same text. */
  #last: Text | undefined;

  constructor(parse: (text: string) => Text) {
    this.#parse = parse;
  }

  /**
   * The slot of the text that was read last; 0 for a long text. Equal texts have equal slots until the table grows. Other
   * texts may have the same slot.
   */
  get slot(): number {
    return this.#slot;
  }

  /** The text in these bytes; `decode` is called if it is not there. */
  read<Bytes extends Uint8Array>(
    bytes: Bytes,
    from: number,
    end: number,
    decode: (bytes: Bytes, from: number, end: number) => string,
  ): Text {
    const last = this.#last;
    if (last !== undefined && isText(last, bytes, from, end)) return last;
    this.#last = undefined;
    this.#slot = 0;
    if (end - from > textBytesMax) return this.#parse(decode(bytes, from, end));
    let sum = end - from;
    let at = from;
    for (; at + 4 <= end; at += 4) {
      const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      const high = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
      sum = withFour(sum, low | (high << 16));
    }
    for (; at < end; at++) sum = withOne(sum, bytes[at] as number);
    const slot = slotOf(sum, this.#texts.length);
    this.#slot = slot;
    const first = this.#texts[slot];
    if (first !== undefined && isText(first, bytes, from, end)) return this.#found(first);
    const second = this.#texts[slot + 1];
    if (second !== undefined && isText(second, bytes, from, end)) return this.#found(second);
    const text = decode(bytes, from, end);
    const parsed = this.#parse(text);
    // Only ASCII has as many units as bytes; and `parse` may have changed the text.
    if (parsed === text && text.length === end - from) this.#keep(parsed, sum);
    return parsed;
  }

  #found(text: Text): Text {
    this.#last = text;
    return text;
  }

  #keep(text: Text, sum: number): void {
    const { length } = this.#texts;
    const isFull = this.#taken > length / 8;
    if (isFull && length < slotsMax) this.#grow(4 * length);
    const slot = slotOf(sum, this.#texts.length);
    if (this.#texts[slot + 1] === undefined) this.#taken++;
    this.#texts[slot + 1] = this.#texts[slot];
    this.#texts[slot] = text;
  }

  #grow(slots: number): void {
    const before = this.#texts;
    this.#texts = emptySlots(slots);
    this.#taken = 0;
    for (const text of before) {
      if (text !== undefined) this.#keep(text, sumOf(text));
    }
  }
}

function emptySlots<Text>(slots: number): (Text | undefined)[] {
  return new Array<Text | undefined>(slots).fill(undefined);
}

/** The first of the two slots. The sums of names with numbers in them differ little: the product scatters them. */
function slotOf(sum: number, slots: number): number {
  return (Math.imul(sum, 0x9e3779b1) >>> 16) & (slots - 2);
}

function withOne(sum: number, byte: number): number {
  return (Math.imul(sum, 31) + byte) | 0;
}

/** The sum with four more bytes. The shift lets the last of them, which differ most, count in all bits. */
function withFour(sum: number, bytes: number): number {
  const product = Math.imul(sum ^ bytes, 0x9e3779b1);
  return product ^ (product >>> 15);
}

/** The sum that read() makes of the bytes of a text of ASCII. */
function sumOf(text: string): number {
  let sum = text.length;
  let at = 0;
  for (; at + 4 <= text.length; at += 4) {
    const low = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8);
    const high = text.charCodeAt(at + 2) | (text.charCodeAt(at + 3) << 8);
    sum = withFour(sum, low | (high << 16));
  }
  for (; at < text.length; at++) sum = withOne(sum, text.charCodeAt(at));
  return sum;
}

/** Names of one kind differ at their ends. */
function isText(text: string, bytes: Uint8Array, from: number, end: number): boolean {
  if (text.length !== end - from) return false;
  for (let at = end - 1; at >= from; at--) {
    if (text.charCodeAt(at - from) !== bytes[at]) return false;
  }
  return true;
}
