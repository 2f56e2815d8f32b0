// Rounds: in each, every contender of a figure is measured in turn, so that what disturbs the machine disturbs all of
// them, and in random order, since some leave work to do for the disk or the processor. Latencies alternate call by call:
// a process that has slept beside a sync of the disk is slower than one in a loop without pauses, and that must be the
// same for all.
import { median, print, rounded } from '../support/measure.ts';

export type Unit = 'Us' | 'Ms' | 'PerSecond' | 'Bytes' | 'Megabytes' | 'MegabytesPerSecond';

/** One of those compared in a figure. */
export interface Contender {
  readonly name: string;
  /** Measures it for one round, or one call of it where calls alternate. */
  measure(): Promise<number>;
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
  /** How long calls alternate in a round, whose value is their median. */
  readonly alternateMs?: number;
}

/** The values of the rounds of each contender, in the order of the rounds. */
export type Values = ReadonlyMap<string, readonly number[]>;

/** Measures a figure, and prints a line for each contender. */
export async function measureFigure(figure: Figure): Promise<Values> {
  const { name, unit, contenders, rounds, warmups, alternateMs } = figure;
  const values = new Map(contenders.map((contender) => [contender.name, [] as number[]]));
  for (let round = -warmups; round < rounds; round++) {
    const measured =
      alternateMs === undefined
        ? await oneAfterTheOther(contenders)
        : await alternating(contenders, alternateMs);
    if (round < 0) continue;
    for (const [contender, value] of measured) values.get(contender)?.push(value);
  }
  for (const [contender, measured] of values) {
    print(`${name}_${contender}`, {
      rounds: measured.length,
      [`median${unit}`]: rounded(median(measured)),
      [`lowest${unit}`]: rounded(Math.min(...measured)),
      [`highest${unit}`]: rounded(Math.max(...measured)),
    });
  }
  return values;
}

async function oneAfterTheOther(contenders: readonly Contender[]) {
  const values = new Map<string, number>();
  for (const { name, measure, after } of shuffled(contenders)) {
    values.set(name, await measure());
    await after?.();
  }
  return values;
}

async function alternating(contenders: readonly Contender[], ms: number) {
  const samples = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (const end = performance.now() + ms; performance.now() < end; ) {
    for (const { name, measure } of shuffled(contenders)) samples.get(name)?.push(await measure());
  }
  for (const { after } of contenders) await after?.();
  return new Map([...samples].map(([name, taken]) => [name, median(taken)]));
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  const order = items.map((item) => ({ item, place: Math.random() }));
  return order.sort((one, other) => one.place - other.place).map(({ item }) => item);
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
