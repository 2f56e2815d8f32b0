// One connection as its broker serves it, so that no peer takes more than its part of the loop, of
// the disk's queue, or of memory.
// 1. In one turn it may bring so many requests and bytes; then it is left unread until the next turn,
//    which comes after all others were read.  2. What it leaves unread of ours fills its buffer; while
//    that is full it is left unread, too.  3. Of its posts and settles so many may wait for the disk.
import { IpcError } from '../base/errors.ts';
import { postsInFlightMax, turnBytesMax, turnRequestsMax, unreadBytesMax } from '../base/limits.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Request } from '../model/requests.ts';
import type { Connection } from '../net/connection.ts';

export interface PeerLimits {
  readonly turnRequestsMax: number;
  readonly turnBytesMax: number;
  readonly unreadBytesMax: number;
  readonly postsInFlightMax: number;
}

export const peerLimits: PeerLimits = {
  turnRequestsMax,
  turnBytesMax,
  unreadBytesMax,
  postsInFlightMax,
};

/** Why it is not read from. */
type Pause = 'starting' | 'share' | 'unread' | 'ending';

export class Peer {
  readonly connection: Connection;
  readonly #limits: PeerLimits;
  readonly #runtime: Pick<Runtime, 'defer'>;
  readonly #pauses = new Set<Pause>();
  #requestsLeft = 0;
  #bytesLeft = 0;
  #isTurnOpen = false;
  #inFlight = 0;
  #saidHello = false;

  constructor(connection: Connection, limits: PeerLimits, runtime: Pick<Runtime, 'defer'>) {
    this.connection = connection;
    this.#limits = limits;
    this.#runtime = runtime;
  }

  pause(why: Pause): void {
    this.#pauses.add(why);
    this.connection.pause();
  }

  resume(why: Pause): void {
    if (this.#pauses.delete(why) && this.#pauses.size === 0) this.connection.resume();
  }

  /** Charges what came to its part of this turn. */
  charge(bytes: number): void {
    if (!this.#isTurnOpen) this.#openTurn();
    this.#spend(1, bytes);
  }

  get saidHello(): boolean {
    return this.#saidHello;
  }

  /** Throws when too many of its posts and settles wait for the disk already. */
  check(request: Request): void {
    const { kind } = request;
    // Each further mailbox of a post is work like a request.
    if (request.kind === 'post') this.#spend(request.alsoTo.length, 0);
    if (kind === 'hello') this.#saidHello = true;
    // They look at every message.
    if (kind === 'status' || kind === 'retry') this.pause('share');
    const { postsInFlightMax: max } = this.#limits;
    if ((kind !== 'post' && kind !== 'settle') || this.#inFlight < max) return;
    throw new IpcError(
      'too_many_unanswered',
      `${max} posts and settles wait for the disk, the limit`,
    );
  }

  /** An answer waits for the disk; `answered` follows. */
  written(): void {
    this.#inFlight += 1;
  }

  answered(): void {
    this.#inFlight -= 1;
  }

  send(buffers: readonly Buffer[], onWritten?: () => void): void {
    this.connection.send(buffers, () => {
      if (this.connection.bufferedBytes * 2 <= this.#limits.unreadBytesMax) this.resume('unread');
      onWritten?.();
    });
    if (this.connection.bufferedBytes >= this.#limits.unreadBytesMax) this.pause('unread');
  }

  #spend(requests: number, bytes: number): void {
    this.#requestsLeft -= requests;
    this.#bytesLeft -= bytes;
    if (this.#requestsLeft <= 0 || this.#bytesLeft <= 0) this.pause('share');
  }

  #openTurn(): void {
    this.#isTurnOpen = true;
    this.#requestsLeft = this.#limits.turnRequestsMax;
    this.#bytesLeft = this.#limits.turnBytesMax;
    this.#runtime.defer(() => {
      this.#isTurnOpen = false;
      this.resume('share');
    });
  }
}
