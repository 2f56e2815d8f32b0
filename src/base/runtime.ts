// What a broker and its clients ask of the machine beside disk and network: time, turns of the loop,
// chance. The simulator passes one that follows a seed.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';

export interface Runtime {
  /** Of this process. */
  readonly pid: number;
  /** When this process began, in milliseconds since 1970. */
  readonly started: number;
  /** Milliseconds on a clock that never jumps. */
  now(): number;
  /** Milliseconds since 1970. */
  time(): number;
  /** Calls once. */
  setTimer(callback: () => void, ms: number): Timer;
  /** Calls again and again. */
  setTicker(callback: () => void, ms: number): Timer;
  clearTimer(timer: Timer | undefined): void;
  /** Calls when the loop has done what is at hand. */
  defer(callback: () => void): void;
  randomBytes(count: number): Buffer;
}

export interface Timer {
  /** From then on it does not keep the process alive. */
  unref(): this;
}

export const systemRuntime: Runtime = {
  pid: process.pid,
  started: Math.round(performance.timeOrigin),
  now: () => performance.now(),
  time: () => Date.now(),
  setTimer: (callback, ms) => setTimeout(callback, ms),
  setTicker: (callback, ms) => setInterval(callback, ms),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
  defer: (callback) => void setImmediate(callback),
  randomBytes,
};
