// The output of the demo: one line for each call and each result, as they happen.
import { performance } from 'node:perf_hooks';
import { styleText } from 'node:util';

/** A check failed: the demo ends and exits with 1. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}

type Style = Parameters<typeof styleText>[0];

/** Widths of columns, in characters. */
const nameWidth = 5;
const whatWidth = 27;
const detailMax = 60;

export class Story {
  readonly #beganMs = performance.now();
  readonly #hasColours =
    process.stdout.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  #chapters = 0;

  /** Since the start of the demo. */
  get seconds(): string {
    return ((performance.now() - this.#beganMs) / 1_000).toFixed(3);
  }

  text(line = ''): void {
    process.stdout.write(`${line}\n`);
  }

  chapter(title: string): void {
    this.text();
    this.text(this.style('bold', `${++this.#chapters}. ${title}`));
  }

  /** `→` a call, `←` its result, ` ` what happens to a process. */
  line(name: string, arrow: '→' | '←' | ' ', what: string, detail = ''): void {
    const time = this.style('dim', `${this.seconds.padStart(8)} s`);
    const who = this.style('cyan', name.padEnd(nameWidth));
    const rest = detail === '' ? what : `${what.padEnd(whatWidth)} ${detail}`;
    this.text(`${time}  ${who} ${arrow} ${rest}`);
  }

  promise(isKept: boolean, what: string, instead: string): void {
    if (!isKept) throw new BrokenPromise(`${what}\n  instead: ${instead}`);
    this.text(`${' '.repeat(12)}${this.style('green', `✓ ${what}`)}`);
  }

  broken(error: unknown): void {
    const what = error instanceof BrokenPromise ? error.message : String(error);
    this.text(this.style('red', `✗ not as promised: ${what}`));
  }

  style(style: Style, text: string): string {
    return this.#hasColours ? styleText(style, text) : text;
  }
}

/** A body on one line. */
export function quoted(body: string): string {
  const text = JSON.stringify(body);
  return text.length <= detailMax ? text : `${text.slice(0, detailMax - 2)}…"`;
}
