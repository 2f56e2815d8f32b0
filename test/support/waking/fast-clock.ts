// Loaded before a program: its clock, and all its timers, run FAST_CLOCK times as fast.
const factor = Number(process.env.FAST_CLOCK);
const { setTimeout: set, setInterval: repeat } = globalThis;
const date = Date.now.bind(Date);
const { hrtime } = process;
const begun = date();

// The program reads this clock: see plainClock in scripts/build/.
process.hrtime = Object.assign((): [number, number] => {
  const [seconds, nanoseconds] = hrtime();
  const all = (seconds + nanoseconds / 1e9) * factor;
  return [Math.floor(all), (all % 1) * 1e9];
}, hrtime);
Date.now = () => begun + (date() - begun) * factor;
globalThis.setTimeout = Object.assign(
  ((callback: () => void, ms = 0, ...args: []) =>
    set(callback, ms / factor, ...args)) as typeof set,
  set,
);
globalThis.setInterval = ((callback: () => void, ms = 0, ...args: []) =>
  repeat(callback, ms / factor, ...args)) as typeof repeat;
