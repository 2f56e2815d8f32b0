import { setImmediate } from 'node:timers/promises';

/**
 * Lets the mocked timers go on by `ms` until the promise has settled. Once is not enough: a peer gets its whole time anew
 * when this process stood still, and the clock that tells that is not mocked.
 */
export async function tickUntil(
  timers: { tick(ms: number): void },
  ms: number,
  settled: Promise<unknown>,
): Promise<void> {
  let isSettled = false;
  const end = () => {
    isSettled = true;
  };
  settled.then(end, end);
  while (!isSettled) {
    timers.tick(ms);
    await setImmediate();
  }
}
