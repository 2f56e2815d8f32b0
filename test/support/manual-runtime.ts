// A runtime whose clock a test advances. Timers fire in the order of their deadlines.
import { type Runtime, systemRuntime, type Timer } from '../../src/base/runtime.ts';

interface ManualTimer extends Timer {
  due: number;
  readonly callback: () => void;
}

export class ManualRuntime implements Runtime {
  readonly pid = 1;
  readonly started = 0;
  #now = 0;
  readonly #timers = new Set<ManualTimer>();

  now(): number {
    return this.#now;
  }

  time(): number {
    return this.#now;
  }

  setTimer(callback: () => void, ms: number): Timer {
    const timer: ManualTimer = { due: this.#now + ms, callback, unref: () => timer };
    this.#timers.add(timer);
    return timer;
  }

  setTicker(callback: () => void, ms: number): Timer {
    const timer: ManualTimer = {
      due: this.#now + ms,
      callback: () => {
        timer.due = this.#now + ms;
        this.#timers.add(timer);
        callback();
      },
      unref: () => timer,
    };
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: Timer | undefined): void {
    this.#timers.delete(timer as ManualTimer);
  }

  beforeNextEvent(callback: () => void): void {
    systemRuntime.beforeNextEvent(callback);
  }

  defer(callback: () => void): void {
    systemRuntime.defer(callback);
  }

  randomBytes(count: number): Buffer {
    return Buffer.alloc(count, 7);
  }

  /** Time goes by without this process: the timers that become due fire with the next `pass`. */
  standStill(ms: number): void {
    this.#now += ms;
  }

  /** Advances the clock; the effects of a timer happen before the next timer fires. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await new Promise(setImmediate);
      const [next] = [...this.#timers].sort((one, other) => one.due - other.due);
      if (!next || next.due > end) break;
      this.#now = Math.max(this.#now, next.due);
      this.#timers.delete(next);
      next.callback();
    }
    this.#now = end;
  }
}
