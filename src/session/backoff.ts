// Pauses between a session's attempts to own the store after its own brokers failed. A fault that a new
// owner meets again (a file size limit, a broken disk, an unusable folder) must not cost one epoch after
// the other, and a healthy standby gets the time to take over first.
import type { IpcError } from '../base/errors.ts';
import type { Runtime } from '../base/runtime.ts';

/** After the first failure: time for a standby to take over; then this session tries once more. */
const firstPauseMs = 250;
/** After a second failure; doubled with each further one. */
const nextPauseMs = 2_000;
const pauseMsMax = 300_000;
/** While a call waits, the pause is not longer than this. */
const askedPauseMsMax = nextPauseMs;
/** A broker that worked this long before it failed begins the count anew. */
const healthyMs = 60_000;

export class Backoff {
  readonly #runtime: Pick<Runtime, 'now'>;
  #failures = 0;
  #failedAt = 0;
  #error: IpcError | undefined;
  /** When this session's broker opened the store; undefined while it has none. */
  #openedAt: number | undefined;

  constructor(runtime: Pick<Runtime, 'now'>) {
    this.#runtime = runtime;
  }

  /** The error of the last attempt to own; undefined if it succeeded, or if there was none. */
  get error(): IpcError | undefined {
    return this.#error;
  }

  opened(): void {
    this.#openedAt = this.#runtime.now();
    this.#error = undefined;
  }

  failed(error: IpcError): void {
    const now = this.#runtime.now();
    const wasHealthy = this.#openedAt !== undefined && now - this.#openedAt >= healthyMs;
    this.#failures = wasHealthy ? 1 : this.#failures + 1;
    this.#failedAt = now;
    this.#openedAt = undefined;
    this.#error = error;
  }

  /** `isAsked`: a call waits for a broker. */
  isPaused(isAsked: boolean): boolean {
    if (this.#failures === 0) return false;
    const pauseMs = isAsked ? Math.min(this.#pauseMs, askedPauseMsMax) : this.#pauseMs;
    return this.#runtime.now() - this.#failedAt < pauseMs;
  }

  get #pauseMs(): number {
    if (this.#failures === 1) return firstPauseMs;
    return Math.min(nextPauseMs * 2 ** (this.#failures - 2), pauseMsMax);
  }
}
