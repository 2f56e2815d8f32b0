// Splits what a host writes into lines. A line that is too long is not kept: only its two ends are, for
// the id of its request.
import { lineBytesMax } from '../base/limits.ts';

export interface InputLine {
  /** With its line end. Of a line that is too long: its first and last KiB, in one piece. */
  readonly bytes: Buffer;
  readonly isTooLong: boolean;
}

const newline = 0x0a;
const endBytes = 1_024;

export class LineReader {
  /** The line that has not ended yet. */
  #chunks: Buffer[] = [];
  #bytes = 0;

  *push(chunk: Buffer): Generator<InputLine> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start) + 1;
      if (end === 0) break;
      this.#keep(chunk.subarray(start, end));
      yield this.#finish();
      start = end;
    }
    this.#keep(chunk.subarray(start));
  }

  #keep(bytes: Buffer): void {
    this.#bytes += bytes.length;
    this.#chunks.push(bytes);
    if (this.#bytes <= lineBytesMax) return;
    const kept = Buffer.concat(this.#chunks);
    this.#chunks = [Buffer.concat([kept.subarray(0, endBytes), kept.subarray(-endBytes)])];
  }

  #finish(): InputLine {
    const line = { bytes: Buffer.concat(this.#chunks), isTooLong: this.#bytes > lineBytesMax };
    this.#chunks = [];
    this.#bytes = 0;
    return line;
  }
}

const idPattern = '"id"\\s*:\\s*("(?:[^"\\\\]|\\\\.)*"|-?\\d{1,15})';
const idFirst = new RegExp(`^\\s*\\{\\s*"jsonrpc"\\s*:\\s*"2\\.0"\\s*,\\s*${idPattern}\\s*,`);
const idLast = new RegExp(`,\\s*${idPattern}\\s*\\}\\s*$`);

/**
 * The id of a request that cannot be parsed, or null. It is found where hosts write it: at once behind
 * "jsonrpc", or as the last member.
 */
export function idIn({ bytes }: InputLine): string | number | null {
  const [start, end] = [bytes.subarray(0, endBytes), bytes.subarray(-endBytes)];
  const found = idFirst.exec(start.toString('latin1')) ?? idLast.exec(end.toString('latin1'));
  if (!found?.[1]) return null;
  try {
    return JSON.parse(Buffer.from(found[1], 'latin1').toString('utf8'));
  } catch {
    return null;
  }
}
