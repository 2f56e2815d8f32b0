// The seam to time, event loop and randomness. The simulator passes a runtime that follows a seed.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';

export interface Runtime {
  /** Id of this process. */
  readonly pid: number;
  /** When this process began, in milliseconds since 1970. */
  readonly started: number;
  /** Milliseconds on a clock that never jumps. */
  now(): number;
  /** Milliseconds since 1970. */
  time(): number;
  /** Calls `callback` once, after `ms` milliseconds. */
  setTimer(callback: () => void, ms: number): Timer;
  /** Calls `callback` every `ms` milliseconds. */
  setTicker(callback: () => void, ms: number): Timer;
  clearTimer(timer: Timer | undefined): void;
  /** Calls `callback` after the event that is being processed, and before the next one (process.nextTick). */
  beforeNextEvent(callback: () => void): void;
  /** Calls `callback` once the events at hand are processed (setImmediate). */
  defer(callback: () => void): void;
  randomBytes(count: number): Buffer;
}

export interface Timer {
  /** The timer no longer keeps the process alive. */
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
  beforeNextEvent: (callback) => process.nextTick(callback),
  defer: (callback) => void setImmediate(callback),
  randomBytes,
};
