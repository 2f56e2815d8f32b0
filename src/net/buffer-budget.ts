// Limits the memory that all connections of one listener use together: for bytes that their peers have
// not read, and for frames that their peers have not sent whole. Beyond the limit the connection that has
// been stalled for longest is closed. It gets no error frame, because its peer does not read. As after
// any lost connection, its messages are redelivered, and the peer connects and sends its posts again. A peer
// that keeps reading and writing is never closed.
import { bufferBudgetBytes } from '../base/limits.ts';
import type { Connection } from './connection.ts';

export class BufferBudget {
  readonly #connections = new Set<Connection>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = bufferBudgetBytes) {
    this.#bytesMax = bytesMax;
  }

  /** Counts the connection until it is closed. */
  add(connection: Connection): void {
    let before = 0;
    const count = (): void => {
      const now = connection.isClosed ? 0 : connection.memoryBytes;
      this.#bytes += now - before;
      before = now;
      if (connection.isClosed) this.#connections.delete(connection);
      if (this.#bytes > this.#bytesMax) this.#longestStalled()?.destroy();
    };
    this.#connections.add(connection);
    connection.onMemoryChange = count;
    count();
  }

  #longestStalled(): Connection | undefined {
    let longest: Connection | undefined;
    for (const connection of this.#connections) {
      if (connection.stalledSince < (longest?.stalledSince ?? Number.POSITIVE_INFINITY)) {
        longest = connection;
      }
    }
    return longest;
  }
}
