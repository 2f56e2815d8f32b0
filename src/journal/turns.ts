// Work that takes long, in steps, so that the event loop does other things in between.
import type { Runtime } from '../base/runtime.ts';

/** How long a part of the work blocks the event loop, in milliseconds; a long step takes longer. */
const partMs = 5;
/** The same of work beside mail. */
const partMsBesideMail = 1;
/** After each part of work beside mail, the event loop is free for so many times as long as the part took. */
const restShare = 3;
/** A step is longer when the disk is slow, or this process stood still. A close waits for the rest that has begun. */
const restMsMax = 100;

/** Takes all steps, with a turn of the event loop between two parts. */
export function inTurns<Result>(
  steps: Generator<void, Result>,
  runtime: Pick<Runtime, 'now' | 'defer'>,
): Promise<Result> {
  return inParts(steps, runtime, partMs, () => turnOf(runtime));
}

/**
 * The same for work that nobody waits for, such as that on history: mail has most of the event loop. With a turn of it
 * between every two parts, a broker with much mail would spend nearly all its time on the parts. When the work
 * `isUrgent`, there is only a turn.
 */
export function besideMail<Result>(
  steps: Generator<void, Result>,
  runtime: Pick<Runtime, 'now' | 'defer' | 'setTimer'>,
  isUrgent: () => boolean,
): Promise<Result> {
  return inParts(steps, runtime, partMsBesideMail, (tookMs) => {
    if (isUrgent()) return turnOf(runtime);
    const restMs = Math.min(restShare * tookMs, restMsMax);
    return new Promise((resolve) => void runtime.setTimer(resolve, restMs));
  });
}

async function inParts<Result>(
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

function turnOf(runtime: Pick<Runtime, 'defer'>): Promise<void> {
  return new Promise((resolve) => runtime.defer(resolve));
}
