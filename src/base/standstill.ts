// Time in which this process itself stood still is nobody's silence. A process can be stopped together with
// its peers (SIGSTOP, a paused container or virtual machine, a laptop that sleeps) while the clock goes on.
// Meanwhile it read nothing, so it cannot know whether a peer was silent. Everything that measures a peer's
// silence, or the time that a peer has for something, asks here, and then gives each peer its whole time anew.
//
// A deadline that a user asked for (the timeout of a wait) is not silence, and stays where it was.
import { type Runtime, systemRuntime, type Timer } from './runtime.ts';

/** Notices that the event loop did not turn when it should have. */
export class Standstill {
  readonly #runtime: Pick<Runtime, 'now'>;
  readonly #gapMsMax: number;
  #lastTurn: number;

  /** While the process runs, `hasEnded` is called at least every `turnMs`. */
  constructor(turnMs: number, runtime: Pick<Runtime, 'now'>) {
    this.#runtime = runtime;
    this.#gapMsMax = 1.5 * turnMs;
    this.#lastTurn = runtime.now();
  }

  /** Whether the process stood still since the last call. */
  hasEnded(): boolean {
    return this.endedMs() > 0;
  }

  /** How long the process stood still since the last call; 0 if it did not. */
  endedMs(): number {
    const now = this.#runtime.now();
    const gapMs = now - this.#lastTurn;
    this.#lastTurn = now;
    return gapMs > this.#gapMsMax ? gapMs : 0;
  }
}

const turnMsMax = 250;
/** A time limit has at least as many turns. */
const turnsMin = 8;

/**
 * The time that a peer has for something, counted in turns. It begins anew when this process stood still for a
 * considerable part of it; a shorter standstill only does not count, or a long time would never be over in a
 * process that is often busy.
 */
export class Patience {
  /** Called once when the time is over, after what the peer sent meanwhile was read. */
  onOver: (() => void) | undefined;
  readonly limitMs: number;
  readonly #turnMs: number;
  readonly #runtime: Runtime;
  readonly #standstill: Standstill;
  readonly #ticker: Timer;
  #turns = 0;
  #hasEnded = false;

  constructor(limitMs: number, runtime = systemRuntime) {
    this.limitMs = limitMs;
    this.#turnMs = Math.min(Math.ceil(limitMs / turnsMin), turnMsMax);
    this.#runtime = runtime;
    const standstillMs = Math.max(turnMsMax, Math.ceil(limitMs / turnsMin));
    this.#standstill = new Standstill(standstillMs, runtime);
    this.#ticker = runtime.setTicker(() => this.#turn(), this.#turnMs).unref();
  }

  /** In whole turns, since its beginning, or since the process last stood still. */
  get passedMs(): number {
    return this.#turns * this.#turnMs;
  }

  end(): void {
    this.#hasEnded = true;
    this.#runtime.clearTimer(this.#ticker);
  }

  #turn(): void {
    this.#turns = this.#standstill.hasEnded() ? 0 : this.#turns + 1;
    if (this.passedMs < this.limitMs) return;
    this.#runtime.clearTimer(this.#ticker);
    // Bytes that came while the process was busy wait in the kernel, and are read first.
    this.#runtime.defer(() => {
      if (!this.#hasEnded) this.onOver?.();
    });
  }
}

/** Runs `work` with the time that its peer has. */
export async function withPatience<Result>(
  limitMs: number,
  work: (patience: Patience) => Promise<Result>,
): Promise<Result> {
  const patience = new Patience(limitMs);
  try {
    return await work(patience);
  } finally {
    patience.end();
  }
}
