// Work that takes long, in steps, so that the event loop does other things in between.
import type { Runtime } from '../base/runtime.ts';

type TurnsRuntime = Pick<Runtime, 'now' | 'defer'>;
export type RestRuntime = Pick<Runtime, 'now' | 'setTimer'>;

/** Longest time that the event loop is blocked, in milliseconds. */
const turnMsMax = 5;
/** The same of work beside mail. */
const besideMsMax = 1;
/** Work beside mail rests for this many times as long as it took. */
const restShare = 3;

/** Takes all steps, and yields to the event loop in between. */
export function inTurns<Result>(
  steps: Generator<void, Result>,
  runtime: TurnsRuntime,
): Promise<Result> {
  return take(steps, runtime, turnMsMax, () => new Promise((resolve) => runtime.defer(resolve)));
}

/**
 * The same in a quarter of the time, until it `isUrgent`. A post of 1 MB comes in several turns of the event loop: with a
 * step in each of them it would take many times as long.
 */
export function besideMail<Result>(
  steps: Generator<void, Result>,
  runtime: RestRuntime,
  isUrgent: () => boolean,
): Promise<Result> {
  return take(steps, runtime, besideMsMax, (tookMs) => {
    const restMs = isUrgent() ? 0 : tookMs * restShare;
    return new Promise((resolve) => runtime.setTimer(resolve, restMs));
  });
}

async function take<Result>(
  steps: Generator<void, Result>,
  runtime: Pick<Runtime, 'now'>,
  msMax: number,
  rest: (tookMs: number) => Promise<void>,
): Promise<Result> {
  let since = runtime.now();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    const tookMs = runtime.now() - since;
    if (tookMs < msMax) continue;
    await rest(tookMs);
    since = runtime.now();
  }
}
