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

  /** Returns the lines that end in this chunk. As a rule it is one line, which is not copied. */
  push(chunk: Buffer): readonly InputLine[] {
    const lines: InputLine[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start) + 1;
      if (end === 0) break;
      this.#keep(chunk.subarray(start, end));
      lines.push(this.#finish());
      start = end;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines;
  }

  #keep(bytes: Buffer): void {
    this.#bytes += bytes.length;
    this.#chunks.push(bytes);
    if (this.#bytes <= lineBytesMax) return;
    const kept = Buffer.concat(this.#chunks);
    this.#chunks = [Buffer.concat([kept.subarray(0, endBytes), kept.subarray(-endBytes)])];
  }

  #finish(): InputLine {
    const [first, ...more] = this.#chunks;
    const bytes = first && more.length === 0 ? first : Buffer.concat(this.#chunks);
    const line = { bytes, isTooLong: this.#bytes > lineBytesMax };
    this.#chunks = [];
    this.#bytes = 0;
    return line;
  }
}

const idMember = '"id"\\s*:\\s*("(?:[^"\\\\]|\\\\.)*"|-?\\d{1,15})';
const shortMember = '"(?:jsonrpc|method)"\\s*:\\s*"[^"\\\\]*"';
const idFirst = new RegExp(`^\\{\\s*(?:${shortMember}\\s*,\\s*)*${idMember}\\s*,`);
const idLast = new RegExp(`,\\s*${idMember}(?:\\s*,\\s*${shortMember})*\\s*\\}$`);
/** MCP names all notifications like this. */
const notification = '"method"\\s*:\\s*"notifications/[^"\\\\]*"';
const notificationFirst = new RegExp(`^\\{\\s*(?:${shortMember}\\s*,\\s*)?${notification}\\s*,`);
const notificationLast = new RegExp(`,\\s*${notification}(?:\\s*,\\s*${shortMember})?\\s*\\}$`);

/**
 * The id of a request that cannot be parsed, or null. It is found where hosts write it: before "params", or
 * after it; "jsonrpc" and "method" may be on either side of it.
 */
export function idIn(line: InputLine): string | number | null {
  const [start, end] = endsOf(line);
  const found = idFirst.exec(start) ?? idLast.exec(end);
  if (!found?.[1]) return null;
  try {
    return JSON.parse(found[1]);
  } catch {
    return null;
  }
}

/** Whether a line that cannot be parsed is a notification, as hosts write it: nobody waits for an answer. */
export function isNotificationLine(line: InputLine): boolean {
  const [start, end] = endsOf(line);
  const isNamed = notificationFirst.test(start) || notificationLast.test(end);
  return isNamed && idIn(line) === null;
}

function endsOf({ bytes }: InputLine): readonly [string, string] {
  const [start, end] = [bytes.subarray(0, endBytes), bytes.subarray(-endBytes)];
  return [start.toString('utf8').trimStart(), end.toString('utf8').trimEnd()];
}
