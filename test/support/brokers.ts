// A broker in this process, with a disk and limits of the test's own, and clients to it.
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Admission } from '../../src/broker/admission.ts';
import { claim } from '../../src/broker/claim.ts';
import { Client } from '../../src/broker/client.ts';
import { Doors } from '../../src/broker/doors.ts';
import { Broker, type BrokerOptions } from '../../src/broker/server.ts';
import { IpcError } from '../../src/core/errors.ts';
import { dial } from '../../src/wire/dial.ts';
import type { Keys } from '../../src/wire/handshake.ts';
import { freePort, makeHome } from './places.ts';

export interface TestBroker {
  readonly broker: Broker;
  readonly port: number;
  readonly folder: string;
  readonly keys: Keys;
  /** A client that dials this broker and never owns one. */
  client(): Client;
}

export async function startBroker(
  context: TestContext,
  options: Partial<BrokerOptions> & { goodKeys?: () => Keys } = {},
): Promise<TestBroker> {
  const clients: Client[] = [];
  let broker: Broker | undefined;
  // Hooks run in the order in which they are registered: the folder goes last.
  context.after(async () => {
    for (const client of clients) await client.close(100);
    await broker?.close();
  });
  const folder = join(await makeHome(context), 'broker');
  await mkdir(folder, { mode: 0o700 });
  const port = await freePort();
  const keys: Keys = [randomBytes(32)];
  const won = await claim(port, folder);
  if (won.kind !== 'won') throw new Error(`port ${port} is ${won.kind}`);
  const doors = new Doors(port, won.listeners);
  broker = await Broker.start({
    doors,
    admission: new Admission(doors, options.goodKeys ?? (() => keys)),
    folder,
    onFailed: () => {},
    ...options,
  });
  const client = () => {
    const made = new Client(
      { program: 'test', pid: process.pid, machine: 'here' },
      {
        connect: () => dial({ host: '127.0.0.1', port }, keys),
        silent: async () => new IpcError('owner_silent', 'the broker does not answer'),
        welcomed: () => {},
        isStandby: () => false,
      },
    );
    clients.push(made);
    return made;
  };
  return { broker, port, folder, keys, client };
}
