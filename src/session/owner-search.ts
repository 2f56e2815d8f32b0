// Why no mail could be read on a NATS server, for a wait whose time is over. While the server or the owner of the broker
// does not answer, nobody knows whether there is any.
import type { IpcError } from '../base/errors.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Connection } from '../net/connection.ts';

/** A wait without an answer ends this much after its time: a takeover is shorter. */
export const waitSlackMs = 1_000;
/** By then a session has given up its connection to an owner that stands still or cannot store. */
const muteMsMax = 15_000;

export interface Unread {
  /** An owner was found, and has not answered. */
  readonly isOwnerFound: boolean;
  /** How long no mail could be read, at most. */
  readonly ms: number;
  /** Why no owner was found, if anything but a missing answer of the server is known. */
  readonly reason: IpcError | undefined;
}

/** The search of a session for an owner that answers, over several attempts to connect. */
export class OwnerSearch {
  readonly #runtime: Pick<Runtime, 'now'>;
  /** Since when no owner has answered; undefined while none is searched for. */
  #since: number | undefined;
  #reason: IpcError | undefined;
  /** The connection that the last search has found, and when. */
  #found:
    | { readonly connection: Pick<Connection, 'lastReceived'>; readonly at: number }
    | undefined;

  constructor(runtime: Pick<Runtime, 'now'>) {
    this.#runtime = runtime;
  }

  /** An attempt to connect begins. The reason that an earlier one has met may not be true any more. */
  begins(): void {
    this.#since ??= this.#found?.connection.lastReceived ?? this.#runtime.now();
    this.#reason = undefined;
  }

  /** Why there is no owner yet. */
  met(reason: IpcError): void {
    this.#reason = reason;
  }

  found(connection: Pick<Connection, 'lastReceived'>): void {
    this.#since = undefined;
    this.#found = { connection, at: this.#runtime.now() };
  }

  /**
   * For a wait that has lasted `waitedMs`; undefined if it may report that there is no mail. One that an owner has had
   * (`wasSent`) may if it could be read for half of its time: so a loop of waits survives what is over soon.
   */
  unread(wasSent: boolean, waitedMs: number): Unread | undefined {
    const isOwnerFound = this.#since === undefined;
    const reason = isOwnerFound ? undefined : this.#reason;
    if (!wasSent) return { isOwnerFound, ms: waitedMs, reason };
    const ms = this.#runtime.now() - (this.#since ?? this.#found?.at ?? Number.POSITIVE_INFINITY);
    const halfMs = waitedMs / 2;
    const isUnread = isOwnerFound
      ? Math.min(ms, muteMsMax) >= halfMs
      : ms >= Math.min(halfMs, muteMsMax);
    return isUnread ? { isOwnerFound, ms: Math.min(ms, waitedMs), reason } : undefined;
  }
}
