// Between the doors and the broker: who proves the key becomes a connection; a stranger who does not
// is gone without a word.
import type { Socket } from 'node:net';
import { accept } from '../net/connect.ts';
import type { Connection, ConnectionTimes } from '../net/connection.ts';
import { PendingHandshakes } from '../net/pending-handshakes.ts';
import type { Keys } from '../protocol/handshake.ts';
import type { Listeners } from './listeners.ts';

export class Acceptor {
  readonly #doors: Pick<Listeners, 'serve'>;
  /** Those that are good at this moment. */
  readonly #keys: () => Keys;
  readonly #times: ConnectionTimes | undefined;
  readonly #pendingHandshakes = new PendingHandshakes();

  /** `times`: less patience, for tests. */
  constructor(doors: Pick<Listeners, 'serve'>, keys: () => Keys, times?: ConnectionTimes) {
    this.#doors = doors;
    this.#keys = keys;
    this.#times = times;
  }

  /** From now on whoever proves the key is handed to `welcome`. */
  serve(welcome: (connection: Connection) => void): void {
    this.#doors.serve(async (socket) => {
      const connection = await this.#admit(socket).catch(() => undefined);
      if (!connection) return;
      connection.endWhenRetired(this.#keys);
      welcome(connection);
    });
  }

  #admit(socket: Socket): Promise<Connection> {
    return this.#pendingHandshakes.meet(socket, accept(socket, this.#keys(), this.#times));
  }
}
