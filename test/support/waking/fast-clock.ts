// Loaded before a program: its clock, and all its timers, run FAST_CLOCK times as fast.
import { performance } from 'node:perf_hooks';

const factor = Number(process.env.FAST_CLOCK);
const { setTimeout: set, setInterval: repeat } = globalThis;
const date = Date.now.bind(Date);
const now = performance.now.bind(performance);
const begun = date();

performance.now = () => now() * factor;
Date.now = () => begun + (date() - begun) * factor;
globalThis.setTimeout = Object.assign(
  ((callback: () => void, ms = 0, ...args: []) =>
    set(callback, ms / factor, ...args)) as typeof set,
  set,
);
globalThis.setInterval = ((callback: () => void, ms = 0, ...args: []) =>
  repeat(callback, ms / factor, ...args)) as typeof repeat;
