// A broker in this process with a disk and limits chosen by the test, and clients of it.
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { IpcError } from '../../src/base/errors.ts';
import { Acceptor } from '../../src/broker/acceptor.ts';
import { Broker, type BrokerOptions } from '../../src/broker/broker.ts';
import { Listeners } from '../../src/broker/listeners.ts';
import { Client } from '../../src/client/client.ts';
import { dial } from '../../src/net/connect.ts';
import type { Connection, ConnectionTimes } from '../../src/net/connection.ts';
import { keyLine } from '../../src/net/keys.ts';
import type { Keys } from '../../src/protocol/handshake.ts';
import { claim } from './claim.ts';
import { freePort, makeHome } from './places.ts';

export interface OpenOptions extends Partial<BrokerOptions> {
  readonly goodKeys?: () => Keys;
  readonly times?: ConnectionTimes;
}

export interface OpenBroker {
  readonly broker: Broker;
  readonly port: number;
  readonly keys: Keys;
  /** A client that connects to this broker, directly or through `connect`, and never owns one. */
  client(connect?: () => Promise<Connection>): Client;
  /** Closes the clients, and shuts the broker down cleanly. */
  close(): Promise<void>;
}

export interface TestBroker extends OpenBroker {
  /** A home for sessions that join this broker: with the same key, but another store. */
  readonly home: string;
  readonly folder: string;
}

export async function startBroker(
  context: TestContext,
  options: OpenOptions = {},
): Promise<TestBroker> {
  let opened: OpenBroker | undefined;
  // Hooks run in the order of their registration, so the folder is removed last.
  context.after(() => opened?.close());
  const home = await makeHome(context);
  const folder = join(home, 'broker');
  opened = await openBroker(folder, options);
  await writeFile(join(home, 'key'), keyLine(opened.keys[0]), { mode: 0o600 });
  return { ...opened, home, folder };
}

/** Opens a store, existing or new, as its next owner. */
export async function openBroker(
  folder: string,
  { goodKeys, times, ...options }: OpenOptions = {},
): Promise<OpenBroker> {
  const clients: Client[] = [];
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const port = await freePort();
  const keys: Keys = [randomBytes(32)];
  const won = await claim(port, folder);
  if (won.kind !== 'won') throw new Error(`port ${port} is ${won.kind}`);
  const listeners = new Listeners(port, won.listeners);
  const broker = await Broker.start({
    listeners: listeners,
    acceptor: new Acceptor(listeners, goodKeys ?? (() => keys), times),
    folder,
    onFailed: () => {},
    ...options,
  });
  const straight = () => dial({ host: '127.0.0.1', port }, keys);
  const client = (connect = straight) => {
    const made = new Client(
      { program: 'test', pid: process.pid, machine: 'here' },
      {
        connect,
        describeSilentOwner: async () => new IpcError('owner_silent', 'the broker does not answer'),
        welcomed: () => {},
        isStandby: () => false,
      },
    );
    clients.push(made);
    return made;
  };
  const close = async () => {
    for (const each of clients) await each.close(100);
    await broker.close();
  };
  return { broker, port, keys, client, close };
}
