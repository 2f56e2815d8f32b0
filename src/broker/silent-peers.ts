// Peers that send no hello, since each counts against `connectionsMax`.
import type { Peer } from './peer.ts';

export class SilentPeers {
  /** Those that had sent no hello at the last check. */
  #silent = new Set<Peer>();

  /** Closes those that were silent at the last check, too. */
  check(peers: readonly Peer[]): void {
    for (const peer of this.#silent) if (!peer.saidHello) peer.connection.destroy();
    this.#silent = new Set(peers.filter((peer) => !peer.saidHello));
  }

  /** They get the whole time anew. */
  clear(): void {
    this.#silent.clear();
  }
}
