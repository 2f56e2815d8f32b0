// Ends the calls of a session whose time is over. One timer for all of them: it is set to the earliest end of a call.
// A call that ends before leaves it as it is, since a timer that fires for nothing costs less than one for each call.
import type { Runtime, Timer } from '../base/runtime.ts';
import type { OpenCall } from './pending-call.ts';

export class Deadlines {
  readonly #runtime: Runtime;
  readonly #calls: () => Iterable<OpenCall>;
  readonly #over: (call: OpenCall) => void;
  #timer: Timer | undefined;
  /** When the timer fires, on the runtime's clock. */
  #due = Number.POSITIVE_INFINITY;

  /** `calls`: those that are open. `over`: called once for each call whose time is over. */
  constructor(runtime: Runtime, calls: () => Iterable<OpenCall>, over: (call: OpenCall) => void) {
    this.#runtime = runtime;
    this.#calls = calls;
    this.#over = over;
  }

  /** `endsAt`: on the runtime's clock; infinite for a call that has no end. */
  endAt(call: OpenCall, endsAt: number): void {
    call.endsAt = endsAt;
    if (call.endsAt < this.#due) this.#checkAt(call.endsAt);
  }

  stop(): void {
    this.#runtime.clearTimer(this.#timer);
  }

  #checkAt(due: number): void {
    this.#runtime.clearTimer(this.#timer);
    this.#due = due;
    this.#timer = this.#runtime.setTimer(() => this.#check(), due - this.#runtime.now()).unref();
  }

  #check(): void {
    this.#due = Number.POSITIVE_INFINITY;
    const now = this.#runtime.now();
    let next = Number.POSITIVE_INFINITY;
    for (const call of [...this.#calls()]) {
      if (call.endsAt > now) next = Math.min(next, call.endsAt);
      else {
        call.endsAt = Number.POSITIVE_INFINITY;
        this.#over(call);
      }
    }
    if (next < this.#due) this.#checkAt(next);
  }
}
