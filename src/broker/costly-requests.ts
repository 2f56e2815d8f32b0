// Requests that look at more than one message, or show many mailboxes, take milliseconds. They run one at a time,
// whichever peers send them, and between two of them all other requests have the event loop for a multiple of the
// time that the last one took. So however many peers ask, others wait little longer than for one such request. A
// request that finds no other runs at once.
import type { Runtime } from '../base/runtime.ts';
import type { Request } from '../model/requests.ts';

export function isCostly({ kind }: Request): boolean {
  switch (kind) {
    case 'status':
    case 'retry':
    case 'peek':
    case 'drop':
    case 'pause':
      return true;
    default:
      return false;
  }
}

/** Multiple of the time of a request for which the next one waits. */
const pauseShare = 3;
/** A process that stood still meanwhile, or a busy machine, must not make it long. */
const pauseMsMax = 25;

export class CostlyRequests {
  readonly #runtime: Pick<Runtime, 'now' | 'defer' | 'setTimer'>;
  readonly #waiting: (() => void)[] = [];
  #isBusy = false;

  constructor(runtime: Pick<Runtime, 'now' | 'defer' | 'setTimer'>) {
    this.#runtime = runtime;
  }

  /** Returns when `work` is done. */
  run(work: () => void): Promise<void> {
    return new Promise((resolve) => {
      const run = () => {
        this.#run(work);
        resolve();
      };
      if (this.#isBusy) this.#waiting.push(run);
      else run();
    });
  }

  #run(work: () => void): void {
    this.#isBusy = true;
    const began = this.#runtime.now();
    work();
    // The response is encoded and sent at the end of the turn, which was scheduled by the work.
    this.#runtime.defer(() => {
      const pauseMs = Math.min(pauseMsMax, (this.#runtime.now() - began) * pauseShare);
      if (pauseMs < 1) this.#next();
      else this.#runtime.setTimer(() => this.#next(), pauseMs).unref();
    });
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#isBusy = false;
  }
}
