// A retired key does not keep open what it opened, on whichever side it was retired.
import { heartbeatMs } from '../core/limits.ts';
import type { Connection } from './connection.ts';
import type { Keys } from './handshake.ts';

/** Looks as often as a heartbeat. `keys`: those that are good at this moment. */
export function endWhenRetired(connection: Connection, keys: () => Keys): void {
  const timer = setInterval(() => {
    if (connection.isOver) clearInterval(timer);
    else if (!keys().some((key) => key.equals(connection.key))) connection.destroy();
  }, heartbeatMs);
  timer.unref();
}
