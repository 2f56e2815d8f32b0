// Between the listeners and the broker: a socket whose peer proves the key becomes a connection. Any other is
// closed without a byte.
import type { Socket } from 'node:net';
import { accept } from '../net/connect.ts';
import type { Connection, ConnectionTimes } from '../net/connection.ts';
import { PendingHandshakes } from '../net/pending-handshakes.ts';
import type { Keys } from '../protocol/handshake.ts';
import type { Listeners } from './listeners.ts';

export class Acceptor {
  readonly #listeners: Pick<Listeners, 'serve'>;
  /** Returns the keys that are valid at this moment. */
  readonly #keys: () => Keys;
  readonly #times: ConnectionTimes | undefined;
  readonly #pendingHandshakes = new PendingHandshakes();
  /** Of the store's own Unix socket, which strangers cannot reach: they take no place from its connections. */
  readonly #pendingAtSocket = new PendingHandshakes();

  /** `times`: shorter times for tests. */
  constructor(listeners: Pick<Listeners, 'serve'>, keys: () => Keys, times?: ConnectionTimes) {
    this.#listeners = listeners;
    this.#keys = keys;
    this.#times = times;
  }

  /** From now on, connections that have proved the key go to `onConnection`. */
  serve(onConnection: (connection: Connection) => void): void {
    this.#listeners.serve(async (socket) => {
      const connection = await this.#accept(socket).catch(() => undefined);
      if (!connection) return;
      connection.endWhenRetired(this.#keys);
      onConnection(connection);
    });
  }

  #accept(socket: Socket): Promise<Connection> {
    const isAtSocket = socket.localAddress === undefined;
    const pending = isAtSocket ? this.#pendingAtSocket : this.#pendingHandshakes;
    return pending.track(socket, accept(socket, this.#keys(), this.#times));
  }
}
