// Counts steps instead of time: the blocks that V8 executes in some files, and the elements that its built-in
// functions walk over or move. The count of an action is the same on every machine, however busy it is.
import { type Profiler, Session } from 'node:inspector';

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** How many elements a call of a method of Array.prototype walks over or moves, beyond its callback. */
const arrayCosts: Readonly<Record<string, (length: number, args: readonly unknown[]) => number>> = {
  concat: (length) => length,
  includes: (length) => length,
  indexOf: (length) => length,
  slice: (length, [begin = 0, end = length]) => spanOf(length, Number(begin), Number(end)),
  sort: (length) => length,
  splice: (length, [begin]) => spanOf(length, Number(begin), length),
  toSorted: (length) => length,
  unshift: (length) => length,
};

export class StepCounter {
  readonly #session = new Session();
  readonly #files: RegExp;
  /** Of the methods that are replaced while an action is counted. */
  readonly #restore: (() => void)[] = [];
  #elements = 0;

  /** Counts the blocks of the files whose URL matches. They must be loaded. */
  constructor(files: RegExp) {
    this.#files = files;
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  count(action: () => void): number {
    this.#takeBlocks();
    this.#elements = 0;
    this.#replaceMethods();
    try {
      action();
    } finally {
      for (const restore of this.#restore.splice(0)) restore();
    }
    return this.#takeBlocks() + this.#elements;
  }

  end(): void {
    this.#session.disconnect();
  }

  #replaceMethods(): void {
    for (const iterator of [[][Symbol.iterator](), new Map().keys(), new Set().keys()]) {
      this.#replace(Object.getPrototypeOf(iterator), 'next', () => 1);
    }
    for (const [name, costOf] of Object.entries(arrayCosts)) {
      this.#replace(Array.prototype as never, name, (self, args) =>
        costOf((self as unknown[]).length, args),
      );
    }
  }

  /** Executions of blocks since the last call. */
  #takeBlocks(): number {
    const coverage = this.#post('Profiler.takePreciseCoverage');
    const { result } = coverage as unknown as Profiler.TakePreciseCoverageReturnType;
    let blocks = 0;
    for (const { url, functions } of result) {
      if (!this.#files.test(url)) continue;
      for (const { ranges } of functions) for (const { count } of ranges) blocks += count;
    }
    return blocks;
  }

  /** The session is that of this thread, so the response comes before post() returns. */
  #post(method: string, params: object = {}): object | undefined {
    let response: object | undefined;
    let failure: Error | null = null;
    this.#session.post(method, params, (error, result) => {
      failure = error;
      response = result;
    });
    if (failure) throw failure;
    return response;
  }

  #replace(
    prototype: Record<string, Method>,
    name: string,
    costOf: (self: unknown, args: readonly unknown[]) => number,
  ): void {
    const original = prototype[name] as Method;
    const counter = this;
    prototype[name] = function counted(...args) {
      counter.#elements += costOf(this, args);
      return original.apply(this, args);
    };
    this.#restore.push(() => {
      prototype[name] = original;
    });
  }
}

function spanOf(length: number, begin: number, end: number): number {
  const from = begin < 0 ? Math.max(0, length + begin) : Math.min(begin, length);
  const to = end < 0 ? length + end : Math.min(end, length);
  return Math.max(0, to - from);
}
