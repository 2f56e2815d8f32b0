// Runs seeds one after the other: `node run.js FIRST COUNT` prints one line of JSON for each that fails.
Error.stackTraceLimit = Number(process.env.STACK ?? 0);

import { simulate } from './simulation.ts';

const [first = 1, count = 1] = process.argv.slice(2).map(Number);
const began = performance.now();
let steps = 0;
let entries = 0;
for (let seed = first; seed < first + count; seed++) {
  const outcome = await simulate(seed);
  steps += outcome.steps;
  entries += outcome.history.entries.length;
  if (outcome.violations.length > 0) {
    console.log(seed, outcome.violations.slice(0, 3));
  }
  if (process.env.SHOW) console.log(outcome.history.text());
}
console.log({
  ms: (performance.now() - began) / count,
  steps: steps / count,
  entries: entries / count,
});
