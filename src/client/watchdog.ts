// Finds out that the broker is silent. One timer for all calls of a link: when nothing has come from the
// broker for half of `silenceMs`, a ping is sent; any byte counts as a sign of life. After the other half the
// calls are reported as silent, each once.
import type { Runtime, Timer } from '../base/runtime.ts';
import { Standstill } from '../base/standstill.ts';
import type { Connection } from '../net/connection.ts';
import type { OpenCall } from './pending-call.ts';

export interface Watched {
  readonly silenceMs: number;
  /** The connection for the calls; undefined while there is none. */
  connection(): Connection | undefined;
  calls(): Iterable<OpenCall>;
  ping(): void;
  /** The broker has been silent to these calls for `silenceMs`. */
  silent(calls: readonly OpenCall[]): void;
}

type SilentCall = OpenCall & { silentSince: number };

export class Watchdog {
  readonly #runtime: Runtime;
  readonly #watched: Watched;
  readonly #pingMs: number;
  #timer: Timer | undefined;
  #standstill: Standstill | undefined;

  constructor(runtime: Runtime, watched: Watched) {
    this.#runtime = runtime;
    this.#watched = watched;
    this.#pingMs = watched.silenceMs / 2;
  }

  /** Watches the call until the broker sends something or the caller is gone. */
  watch(call: OpenCall): void {
    const now = this.#runtime.now();
    call.silentSince = now;
    if (this.#timer !== undefined) return;
    this.#standstill = new Standstill(this.#pingMs, this.#runtime);
    this.#checkAt(now + this.#pingMs);
  }

  stop(): void {
    this.#runtime.clearTimer(this.#timer);
  }

  #checkAt(due: number): void {
    this.#timer = this.#runtime.setTimer(() => this.#check(), due - this.#runtime.now());
  }

  /** Runs at least every `#pingMs`. */
  #check(): void {
    this.#timer = undefined;
    const now = this.#runtime.now();
    const connection = this.#watched.connection();
    const isWatched = (call: OpenCall): call is SilentCall => isSilent(call, connection);
    const calls = [...this.#watched.calls()].filter(isWatched);
    const stoodStill = this.#standstill?.hasEnded();
    // No broker could respond, or this process could read no response: the time begins anew.
    const beginsAnew = connection === undefined || stoodStill;
    if (beginsAnew) for (const call of calls) call.silentSince = now;
    const overdue = calls.filter(({ silentSince }) => now - silentSince >= this.#watched.silenceMs);
    if (overdue.length > 0) this.#watched.silent(overdue);
    for (const call of overdue as OpenCall[]) call.silentSince = undefined;
    this.#checkAgain(calls.filter(({ silentSince }) => silentSince !== undefined));
  }

  #checkAgain(calls: readonly SilentCall[]): void {
    if (calls.length === 0) return;
    const first = Math.min(...calls.map(({ silentSince }) => silentSince));
    const isPingDue = this.#runtime.now() - first >= this.#pingMs;
    if (isPingDue) this.#watched.ping();
    this.#checkAt(first + (isPingDue ? this.#watched.silenceMs : this.#pingMs));
  }
}

/**
 * Ends the watch of a call when its broker has sent something since: the silence of the next broker does
 * not end that call.
 */
function isSilent(call: OpenCall, connection: Connection | undefined): call is SilentCall {
  const { silentSince = Number.POSITIVE_INFINITY } = call;
  if (connection && silentSince <= connection.lastReceived) call.silentSince = undefined;
  return call.hasCaller && call.silentSince !== undefined;
}
