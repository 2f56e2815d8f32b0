// A broker that accepts and does not answer. One timer for all calls of a link: a call that hears
// nothing for a second has a ping sent, whose answer counts, and after another second it is told.
import { silenceMsAnswer } from '../base/limits.ts';
import type { Runtime, Timer } from '../base/runtime.ts';
import type { Connection } from '../net/connection.ts';
import { heard, type OpenCall } from './pending-call.ts';

export interface Watched {
  /** The connection that the calls went to, or will; none while there is no broker. */
  connection(): Connection | undefined;
  calls(): Iterable<OpenCall>;
  ping(): void;
  /** These calls have heard nothing for `silenceMsAnswer`. */
  silent(calls: readonly OpenCall[]): void;
}

const pingMs = silenceMsAnswer / 2;

export class Watchdog {
  readonly #runtime: Runtime;
  readonly #watched: Watched;
  #timer: Timer | undefined;
  #due = 0;

  constructor(runtime: Runtime, watched: Watched) {
    this.#runtime = runtime;
    this.#watched = watched;
  }

  /** The call's silence counts from now on, until it hears something or its caller is gone. */
  watch(call: OpenCall): void {
    const now = this.#runtime.now();
    call.unheardSince = now;
    if (this.#timer === undefined) this.#lookAt(now + pingMs);
  }

  stop(): void {
    this.#runtime.clearTimer(this.#timer);
  }

  #lookAt(due: number): void {
    this.#due = due;
    this.#timer = this.#runtime.setTimer(() => this.#look(), due - this.#runtime.now());
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#runtime.now();
    const connection = this.#watched.connection();
    const unheard = [...this.#watched.calls()].filter((call) => isUnheard(call, connection));
    // There was nobody who could answer, or it was this process that stood still: time begins anew.
    const isAnew = connection === undefined || now - this.#due > pingMs / 2;
    if (isAnew) for (const call of unheard) call.unheardSince = now;
    const silent = unheard.filter(({ unheardSince }) => now - unheardSince >= silenceMsAnswer);
    if (silent.length > 0) this.#watched.silent(silent);
    for (const call of silent) call.unheardSince = heard; // each is told once
    this.#lookAgain(unheard.filter(({ unheardSince }) => unheardSince !== heard));
  }

  #lookAgain(unheard: readonly OpenCall[]): void {
    if (unheard.length === 0) return;
    const first = Math.min(...unheard.map(({ unheardSince }) => unheardSince));
    const isPingDue = this.#runtime.now() - first >= pingMs;
    if (isPingDue) this.#watched.ping();
    this.#lookAt(first + (isPingDue ? silenceMsAnswer : pingMs));
  }
}

/** Also notes that it heard something: another broker's silence is then none of its concern. */
function isUnheard(call: OpenCall, connection: Connection | undefined): boolean {
  if (connection && call.unheardSince <= connection.lastHeard) call.unheardSince = heard;
  return call.hasCaller && call.unheardSince !== heard;
}
