// What a terminal gets that a pipe or a file does not: colours, and a line that says how long a wait
// still lasts, which is gone before anything else is written.
import { performance } from 'node:perf_hooks';
import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import { speaksJson } from './argv.ts';

type Style = 'bold' | 'dim' | 'green' | 'red';

/** A wait that is answered at once shows nothing. */
const quietMs = 300;
const tickMs = 1_000;

const eraseLine = '\r\u001b[K';
/** Between them a line that is too long is cut, not wrapped: it could not be erased. */
const wrapOff = '\u001b[?7l';
const wrapOn = '\u001b[?7h';

/** https://no-color.org: a variable that is there and not empty. */
export function isColoured(stream: Pick<WriteStream, 'isTTY'>): boolean {
  return canMove(stream) && !process.env.NO_COLOR;
}

/** For stderr. */
export function painted(style: Style, text: string): string {
  return isColoured(process.stderr) ? styled(style, text) : text;
}

/** Whatever stdout is: newer Nodes would look at that. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false });
}

let isDrawn = false;

/** Before anything is written. */
export function eraseWaiting(): void {
  if (!isDrawn) return;
  isDrawn = false;
  process.stderr.write(eraseLine);
}

/** `what`: is waited for. `seconds`: how long; undefined: until it is ended. Returns what ends it. */
export function showWaiting(what: string, seconds: number | undefined): () => void {
  if (speaksJson || !canMove(process.stderr)) return () => {};
  const until = performance.now() + (seconds ?? 0) * 1_000;
  const draw = () => {
    const left = Math.max(0, Math.ceil((until - performance.now()) / 1_000));
    const time = seconds === undefined ? '' : `: ${left} s left`;
    const line = painted('dim', `Waiting for ${what}${time}. Ctrl-C ends it.`);
    process.stderr.write(`${eraseLine}${wrapOff}${line}${wrapOn}`);
    isDrawn = true;
  };
  const first = setTimeout(draw, quietMs);
  const ticks = setInterval(draw, tickMs);
  return () => {
    clearTimeout(first);
    clearInterval(ticks);
    eraseWaiting();
  };
}

export async function whileWaiting<T>(
  what: string,
  seconds: number,
  wait: () => Promise<T>,
): Promise<T> {
  const end = showWaiting(what, seconds);
  try {
    return await wait();
  } finally {
    end();
  }
}

/** A dumb terminal only writes on. */
function canMove({ isTTY }: Pick<WriteStream, 'isTTY'>): boolean {
  return isTTY && process.env.TERM !== 'dumb';
}
