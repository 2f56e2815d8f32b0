// Connections that have not proved the key yet, of one listening program. They have so many places and
// no more, and never take one from a connection that has proved it: when all are taken, the oldest of
// those that have not even said hello goes, or else the oldest of all. Who was sent away too early
// reads no byte, and dials again.
import type { Socket } from 'node:net';
import { unprovenMax } from '../base/limits.ts';
import { helloBytes } from '../protocol/handshake.ts';

export class PendingHandshakes {
  /** The oldest first. */
  readonly #sockets = new Set<Socket>();
  readonly #max: number;

  constructor(max = unprovenMax) {
    this.#max = max;
  }

  get count(): number {
    return this.#sockets.size;
  }

  /** The socket has a place until `proof` is settled, or until it is sent away. */
  async meet<Proven>(socket: Socket, proof: Promise<Proven>): Promise<Proven> {
    if (this.#sockets.size >= this.#max) this.#sendOneAway();
    this.#sockets.add(socket);
    try {
      return await proof;
    } finally {
      this.#sockets.delete(socket);
    }
  }

  #sendOneAway(): void {
    const [oldest] = this.#sockets;
    const one = this.#oldestSilent() ?? oldest;
    if (one === undefined) return;
    this.#sockets.delete(one);
    one.destroy();
  }

  #oldestSilent(): Socket | undefined {
    for (const socket of this.#sockets) if (socket.bytesRead < helloBytes) return socket;
    return undefined;
  }
}
