/** Longest text that is kept. */
const textBytesMax = 64;

/**
 * Texts of ASCII by their bytes: what many records or frames have in common is decoded and parsed once, and is in memory
 * once. Each text has one place, which the last one has that was read.
 */
export class TextTable<Text extends string> {
  /** Made by the first read: a process that only posts has none, and ends sooner. */
  #texts: (Text | undefined)[] | undefined;
  readonly #places: number;
  readonly #parse: (text: string) => Text;

  /** `places`: how many are kept, a power of two. With 16,384 of the longest texts a table takes 1.5 MB. */
  constructor(parse: (text: string) => Text, places = 16_384) {
    this.#places = places;
    this.#parse = parse;
  }

  /** The text in these bytes; `decode` is called if it is not there. */
  read(bytes: Uint8Array, from: number, end: number, decode: () => string): Text {
    if (end - from > textBytesMax) return this.#parse(decode());
    let sum = end - from;
    for (let at = from; at < end; at++) sum = (Math.imul(sum, 31) + (bytes[at] as number)) | 0;
    const place = (sum ^ (sum >>> 14)) & (this.#places - 1);
    this.#texts ??= new Array(this.#places).fill(undefined);
    const known = this.#texts[place];
    if (known !== undefined && isText(known, bytes, from, end)) return known;
    const text = decode();
    const parsed = this.#parse(text);
    // Only ASCII has as many units as bytes; and `parse` may have changed the text.
    if (parsed === text && text.length === end - from) this.#texts[place] = parsed;
    return parsed;
  }
}

function isText(text: string, bytes: Uint8Array, from: number, end: number): boolean {
  if (text.length !== end - from) return false;
  for (let at = from; at < end; at++) {
    if (text.charCodeAt(at - from) !== bytes[at]) return false;
  }
  return true;
}
