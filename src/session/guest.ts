// Asks the owner of a broker, as a client that never owns it and makes nothing: no key, no folder, no broker.

import { IpcError } from '../base/errors.ts';
import type { StatusCounts } from '../client/client.ts';
import { Client } from '../client/client.ts';
import type { Origin } from '../model/message.ts';
import type { Welcome } from '../model/requests.ts';
import { type DialTarget, dial } from '../net/connect.ts';
import type { Keys } from '../protocol/handshake.ts';

export type OwnerReport = Pick<Welcome, 'pid' | 'addresses'> & StatusCounts;

export async function askOwner(
  target: DialTarget,
  keys: Keys,
  origin: Origin,
): Promise<OwnerReport> {
  const ended = new IpcError('no_broker', 'the broker has just ended');
  // The client would hide the system's error.
  const connections = [await dial(target, keys)];
  const client = new Client(origin, {
    connect: async () => {
      const connection = connections.pop();
      if (connection) return connection;
      throw ended;
    },
    describeSilentOwner: async () => new IpcError('owner_silent', 'the broker does not answer'),
    welcomed: () => {},
    isStandby: () => false,
  });
  try {
    const counts = await client.status();
    if (!client.welcome) throw ended;
    const { pid, addresses } = client.welcome;
    return { pid, addresses, ...counts };
  } finally {
    await client.close(0);
  }
}
