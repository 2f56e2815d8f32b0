// Results as lines of JSON. Times are microseconds of the monotonic clock that all processes of a machine
// share.

export interface Summary {
  readonly count: number;
  readonly medianUs: number;
  readonly p99Us: number;
}

export function nowUs(): number {
  return Number(process.hrtime.bigint()) / 1_000;
}

/** The measured durations of one action. */
export class Series {
  readonly #samplesUs: number[] = [];

  add(sampleUs: number): void {
    this.#samplesUs.push(sampleUs);
  }

  async time(action: () => Promise<unknown>): Promise<void> {
    const startUs = nowUs();
    await action();
    this.add(nowUs() - startUs);
  }

  /** Discards the warm-up runs, in which code is compiled and files get their first blocks. */
  clear(): void {
    this.#samplesUs.length = 0;
  }

  summary(): Summary {
    const sorted = this.#samplesUs.toSorted((one, other) => one - other);
    const at = (share: number) => rounded(sorted[Math.ceil(sorted.length * share) - 1] ?? 0);
    return { count: sorted.length, medianUs: at(0.5), p99Us: at(0.99) };
  }
}

export function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0;
}

export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Prints one line. Its name contains the parameters, so that the lines of two runs can be compared. */
export function print(name: string, figures: object): void {
  process.stdout.write(`${JSON.stringify({ name, ...figures })}\n`);
}
