/** Longest text that is kept, and how many slots there are: with the longest texts they take 6 MB. */
const textBytesMax = 64;
const slotsMin = 64;
const slotsMax = 65_536;

/**
 * Texts of ASCII by their bytes: what many records or frames have in common is decoded and parsed once, and is in memory
 * once. Each text has two slots beside each other, where the last two are that were read: with one slot, a fifth of
 * 10,000 names would displace each other again and again. There are more slots when many are taken.
 */
export class TextTable<Text extends string> {
  #texts = emptySlots<Text>(slotsMin);
  #taken = 0;
  readonly #parse: (text: string) => Text;

  constructor(parse: (text: string) => Text) {
    this.#parse = parse;
  }

  /** The text in these bytes; `decode` is called if it is not there. */
  read<Bytes extends Uint8Array>(
    bytes: Bytes,
    from: number,
    end: number,
    decode: (bytes: Bytes, from: number, end: number) => string,
  ): Text {
    if (end - from > textBytesMax) return this.#parse(decode(bytes, from, end));
    let sum = end - from;
    for (let at = from; at < end; at++) sum = (Math.imul(sum, 31) + (bytes[at] as number)) | 0;
    const slot = slotOf(sum, this.#texts.length);
    const first = this.#texts[slot];
    if (first !== undefined && isText(first, bytes, from, end)) return first;
    const second = this.#texts[slot + 1];
    if (second !== undefined && isText(second, bytes, from, end)) return second;
    const text = decode(bytes, from, end);
    const parsed = this.#parse(text);
    // Only ASCII has as many units as bytes; and `parse` may have changed the text.
    if (parsed === text && text.length === end - from) this.#keep(parsed, sum);
    return parsed;
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

/** Of a text of ASCII, the sum that read() makes of its bytes. */
function sumOf(text: string): number {
  let sum = text.length;
  for (let at = 0; at < text.length; at++) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
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
