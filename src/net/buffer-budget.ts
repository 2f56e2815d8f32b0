// Limits the memory that all connections of one listener use together: for bytes that their peers have
// not read, and for frames that their peers have not sent whole. Beyond the limit the connection that has
// been stalled for longest is closed. It gets no error frame, because its peer does not read. As after
// any lost connection, its messages are redelivered, and the peer connects and sends its posts again. A peer
// that keeps reading and writing is never closed.
import { bufferBudgetBytes } from '../base/limits.ts';
import type { Connection } from './connection.ts';

export class BufferBudget {
  /** The bytes of each connection when they were last counted. */
  readonly #connections = new Map<Connection, number>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = bufferBudgetBytes) {
    this.#bytesMax = bytesMax;
  }

  /** Counts the connection until it is closed. */
  add(connection: Connection): void {
    this.#connections.set(connection, 0);
    connection.onMemoryChange = () => this.#count(connection);
    this.#count(connection);
  }

  #count(connection: Connection): void {
    const before = this.#connections.get(connection) ?? 0;
    const now = connection.isClosed ? 0 : connection.memoryBytes;
    this.#bytes += now - before;
    if (connection.isClosed) this.#connections.delete(connection);
    else this.#connections.set(connection, now);
    if (this.#bytes > this.#bytesMax) this.#longestStalled()?.destroy();
  }

  #longestStalled(): Connection | undefined {
    let longest: Connection | undefined;
    for (const connection of this.#connections.keys()) {
      if (connection.stalledSince < (longest?.stalledSince ?? Number.POSITIVE_INFINITY)) {
        longest = connection;
      }
    }
    return longest;
  }
}
