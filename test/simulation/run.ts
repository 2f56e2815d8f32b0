// `node run.js FIRST COUNT [INVARIANT] [damaged]` simulates COUNT seeds, up to the first that violates
// INVARIANT (any by default), and prints a report in JSON. With `damaged`, every history ends with a
// flipped bit, not only some. It is a separate process so that leftovers of a simulation end with it.
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { simulate } from './simulation.ts';

export interface Report {
  /** The number of simulated seeds. */
  readonly count: number;
  /** Events and simulated milliseconds in total. */
  readonly steps: number;
  readonly ms: number;
  /** A hash of all histories. */
  readonly hash: string;
  /** The last seed, if it violated an invariant. */
  readonly failed?: { readonly seed: number; readonly violations: readonly string[] };
}

const [first = 1, count = 1] = process.argv.slice(2, 4).map(Number);
const invariant = process.argv[4] ?? '';
const options = { isDamaged: process.argv[5] === 'damaged' };
const hash = createHash('sha256');
let report = { count: 0, steps: 0, ms: 0 };
for (let seed = first; seed < first + count; seed++) {
  // Failed assertions in a broker or a session arrive here, from their promise or event.
  process.once('uncaughtException', (error) => {
    end({ seed, violations: [`crash: ${error.stack}`] });
  });
  const { violations: all, history, steps, ms } = await simulate(seed, options);
  const violations = all.filter((violation) => violation.startsWith(invariant));
  process.removeAllListeners('uncaughtException');
  hash.update(history.hash());
  report = { count: report.count + 1, steps: report.steps + steps, ms: report.ms + ms };
  if (violations.length > 0) end({ seed, violations });
}
end(undefined);

function end(failed: Report['failed']): never {
  const whole: Report = { ...report, hash: hash.digest('hex'), ...(failed && { failed }) };
  writeSync(process.stdout.fd, JSON.stringify(whole));
  process.exit();
}
