// The connections of one listening program, and what all of them keep in memory together: bytes that
// their peers have not read, or not sent whole. Beyond the limit the peer that has stood still for
// longest is closed, without a word, since words are what it does not read. It dials again, and what it
// held or was posting is offered, or sent, once more. Who reads and writes on is not touched.
import { bufferedBytesMax } from '../base/limits.ts';
import type { Connection } from './connection.ts';

export class BufferBudget {
  /** What each kept when it was last weighed. */
  readonly #kept = new Map<Connection, number>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = bufferedBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** Until it is closed. */
  add(connection: Connection): void {
    this.#kept.set(connection, 0);
    connection.onKept = () => this.#weigh(connection);
    this.#weigh(connection);
  }

  #weigh(connection: Connection): void {
    const before = this.#kept.get(connection) ?? 0;
    const now = connection.isOver ? 0 : connection.keptBytes;
    this.#bytes += now - before;
    if (connection.isOver) this.#kept.delete(connection);
    else this.#kept.set(connection, now);
    if (this.#bytes > this.#bytesMax) this.#stillest()?.destroy();
  }

  #stillest(): Connection | undefined {
    let stillest: Connection | undefined;
    for (const connection of this.#kept.keys()) {
      if (connection.stillSince < (stillest?.stillSince ?? Number.POSITIVE_INFINITY)) {
        stillest = connection;
      }
    }
    return stillest;
  }
}
