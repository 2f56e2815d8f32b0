// Rounds: in each, every contender of a figure is measured once, in turn, so that what disturbs the machine disturbs
// all of them.
import { median, print, rounded } from '../support/measure.ts';

export type Unit = 'Us' | 'PerSecond' | 'Megabytes' | 'MegabytesPerSecond';

/** One of those compared in a figure. */
export interface Contender {
  readonly name: string;
  /** Measures it for one round. */
  round(): Promise<number>;
  /** After the round, outside of the measurement. */
  after?: (() => Promise<unknown>) | undefined;
}

export interface Figure {
  readonly name: string;
  readonly unit: Unit;
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  /** Rounds before, in which code is compiled; they do not count. */
  readonly warmups: number;
}

/** The values of the rounds of each contender, in the order of the rounds. */
export type Values = ReadonlyMap<string, readonly number[]>;

/** Measures a figure, and prints a line for each contender. */
export async function measureFigure({ name, unit, contenders, rounds, warmups }: Figure) {
  const values = new Map(contenders.map((contender) => [contender.name, [] as number[]]));
  for (let round = -warmups; round < rounds; round++) {
    for (const contender of contenders) {
      const value = await contender.round();
      await contender.after?.();
      if (round >= 0) values.get(contender.name)?.push(value);
    }
  }
  for (const [contender, measured] of values) {
    print(`${name}_${contender}`, {
      rounds: measured.length,
      [`median${unit}`]: rounded(median(measured)),
      [`lowest${unit}`]: rounded(Math.min(...measured)),
      [`highest${unit}`]: rounded(Math.max(...measured)),
    });
  }
  return values as Values;
}

/** The median of what an action returns, which is repeated for a time. */
export async function medianFor(ms: number, action: () => Promise<number>): Promise<number> {
  const samples: number[] = [];
  for (const end = performance.now() + ms; performance.now() < end; ) samples.push(await action());
  return median(samples);
}

/** How often a second an action ends, if so many are in flight for a time. */
export async function rateFor(ms: number, inFlight: number, action: () => Promise<unknown>) {
  const start = performance.now();
  let count = 0;
  const repeat = async () => {
    while (performance.now() < start + ms) {
      await action();
      count++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, repeat));
  return count / ((performance.now() - start) / 1_000);
}

/** The same, for a number of actions. */
export async function rateOf(count: number, inFlight: number, action: () => Promise<unknown>) {
  const start = performance.now();
  let left = count;
  const repeat = async () => {
    while (left-- > 0) await action();
  };
  await Promise.all(Array.from({ length: inFlight }, repeat));
  return count / ((performance.now() - start) / 1_000);
}
