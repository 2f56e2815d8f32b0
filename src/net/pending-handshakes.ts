// The connections of one listener that have not proved the key yet, at most `pendingHandshakesMax`. When one
// more comes, the oldest that has not sent its hello is closed, or else the oldest of all. A connection that
// has proved the key is not counted here. An honest peer that is closed too early has read no byte, so it
// dials again.
import type { Socket } from 'node:net';
import { pendingHandshakesMax } from '../base/limits.ts';
import { helloBytes } from '../protocol/handshake.ts';

export class PendingHandshakes {
  /** Oldest first. */
  readonly #sockets = new Set<Socket>();
  readonly #max: number;

  constructor(max = pendingHandshakesMax) {
    this.#max = max;
  }

  get count(): number {
    return this.#sockets.size;
  }

  /** Counts the socket until `proof` is settled; it may be closed before that. */
  async track<Proven>(socket: Socket, proof: Promise<Proven>): Promise<Proven> {
    if (this.#sockets.size >= this.#max) this.#evict();
    this.#sockets.add(socket);
    try {
      return await proof;
    } finally {
      this.#sockets.delete(socket);
    }
  }

  #evict(): void {
    const [oldest] = this.#sockets;
    const evicted = this.#oldestSilent() ?? oldest;
    if (evicted === undefined) return;
    this.#sockets.delete(evicted);
    evicted.destroy();
  }

  #oldestSilent(): Socket | undefined {
    for (const socket of this.#sockets) if (socket.bytesRead < helloBytes) return socket;
    return undefined;
  }
}
