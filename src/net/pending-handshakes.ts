// The connections of one listener that have not proved the key yet, at most `pendingHandshakesMax`. Those that
// have sent their hello and those that have not each have half of the slots, so neither can crowd out the
// others. When one more connection comes, the oldest of those that exceed their half is closed: no connection is
// closed before as many others have come, or have sent their hello, after it. Until then it has been read.
// A connection that has proved the key is not counted here. An honest peer that is closed too early has read
// no byte, so it dials again.
import type { Socket } from 'node:net';
import { pendingHandshakesMax } from '../base/limits.ts';
import { helloBytes } from '../protocol/handshake.ts';

export class PendingHandshakes {
  /** Had not sent their hello when #evict() last looked at them. Oldest first. */
  readonly #silent = new Set<Socket>();
  /** Oldest hello first, as far as #evict() has noticed it. */
  readonly #greeted = new Set<Socket>();
  readonly #max: number;

  constructor(max = pendingHandshakesMax) {
    this.#max = max;
  }

  get count(): number {
    return this.#silent.size + this.#greeted.size;
  }

  /** Counts the socket until `proof` is settled; it may be closed before that. */
  async track<Proven>(socket: Socket, proof: Promise<Proven>): Promise<Proven> {
    if (this.count >= this.#max) this.#evict();
    this.#silent.add(socket);
    try {
      return await proof;
    } finally {
      this.#silent.delete(socket);
      this.#greeted.delete(socket);
    }
  }

  #evict(): void {
    const [evicted] = this.#silentBeyondHalf() ?? this.#greeted;
    if (evicted === undefined) return;
    this.#silent.delete(evicted);
    this.#greeted.delete(evicted);
    evicted.destroy();
  }

  /** The oldest silent connection, if there are more than half. */
  #silentBeyondHalf(): [Socket] | undefined {
    for (const socket of this.#silent) {
      if (this.#silent.size * 2 <= this.#max) return undefined;
      if (socket.bytesRead < helloBytes) return [socket];
      this.#silent.delete(socket);
      this.#greeted.add(socket);
    }
    return undefined;
  }
}
