// Work of the owner that nobody waits for, such as that on history. While it goes on, mail has most of the event loop: with
// a turn of it between every two parts, a broker with much mail would spend nearly all its time on the parts.
import type { Runtime } from '../base/runtime.ts';

/** How long a part blocks the event loop, in milliseconds; a long step takes longer. */
const partMs = 1;
/** After each part, the event loop is free for so many times as long as the part took. */
const restShare = 3;
/** A step is longer when the disk is slow, or this process stood still. A close waits for the rest that has begun. */
const restMsMax = 100;

/** Takes all steps. `isUrgent`: they must be done soon, so there is only a turn of the event loop between two parts. */
export async function besideMail<Result>(
  steps: Generator<void, Result>,
  runtime: Pick<Runtime, 'now' | 'defer' | 'setTimer'>,
  isUrgent: () => boolean,
): Promise<Result> {
  let since = runtime.now();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    const tookMs = runtime.now() - since;
    if (tookMs < partMs) continue;
    await new Promise<void>((resolve) => {
      if (isUrgent()) runtime.defer(resolve);
      else runtime.setTimer(resolve, Math.min(restShare * tookMs, restMsMax));
    });
    since = runtime.now();
  }
}
