// Loaded into every test file before its tests. Node 20 has no time limit for each test and waits
// forever for a file that leaves a socket open; here both end the file, and say which test it was
// or what was left open.
import { afterEach, beforeEach } from 'node:test';

const testMsMax = process.env.IPC_TEST_LONG === '1' ? 1_800_000 : 120_000;
/** From the end of one test to the next, or to the end of the process. */
const restMsMax = 15_000;

/** @type {Map<unknown, NodeJS.Timeout>} */
const running = new Map();
// Without unref() a limit itself would keep the process alive: that of a test that skips itself is
// never cleared.
let rest = setTimeout(() => end('no test began'), testMsMax).unref();

beforeEach((test) => {
  clearTimeout(rest);
  const late = () => end(`still running after ${testMsMax / 1_000} s: ${test.name}`);
  running.set(test, setTimeout(late, testMsMax).unref());
});

afterEach((test) => {
  clearTimeout(running.get(test));
  running.delete(test);
  clearTimeout(rest);
  if (running.size > 0) return;
  rest = setTimeout(
    () => end(`left open after ${test.name}: ${process.getActiveResourcesInfo().join(' ')}`),
    restMsMax,
  ).unref();
});

/** @param {string} reason */
function end(reason) {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}
