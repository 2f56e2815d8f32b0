// Owners of a store on a stream in memory, and sessions that reach the newest of them.
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError } from '../../../src/base/errors.ts';
import { randomId } from '../../../src/base/random-id.ts';
import { Client } from '../../../src/client/client.ts';
import { makeClaim } from '../../../src/nats/claim.ts';
import { type WireSocket, wirePair } from '../../../src/nats/wire-socket.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { connectionOf, NatsOwner } from '../../../src/session/nats-owner.ts';
import type { Random } from '../random.ts';
import { type FakeFaults, type FakeServer, FakeStream } from './fake-stream.ts';

export const history = { bytesMax: 1024 ** 2, ageMsMax: 3_600_000 };

/** The sessions that are connected to one owner, in the same process. */
class FakeGuests {
  readonly connections = new Set<Connection>();
  #onConnection: ((connection: Connection) => void) | undefined;
  isOpen = true;

  take(socket: WireSocket): void {
    const connection = connectionOf(socket);
    if (!this.#onConnection) return connection.destroy();
    this.connections.add(connection);
    this.#onConnection(connection);
  }

  serve(onConnection: (connection: Connection) => void): void {
    this.#onConnection = onConnection;
  }

  interrupt(): void {
    for (const each of this.connections) each.destroy();
    this.connections.clear();
  }

  close(): void {
    this.isOpen = false;
  }
}

export interface FakeOwner {
  readonly owner: NatsOwner;
  readonly stream: FakeStream;
  readonly guests: FakeGuests;
  /** How it ended by itself. */
  readonly failures: IpcError[];
}

export class FakeTeam {
  readonly #server: FakeServer;
  readonly #home: string;
  readonly #random: Random;
  readonly #clients: Client[] = [];
  readonly #owners: FakeOwner[] = [];
  current: FakeOwner | undefined;
  #hasEnded = false;

  constructor(server: FakeServer, home: string, random: Random) {
    this.#server = server;
    this.#home = home;
    this.#random = random;
  }

  /** Claims the store, and serves it. The owner before goes on running, and does not know. */
  async own(faults: FakeFaults = {}): Promise<FakeOwner> {
    const stream = new FakeStream(this.#server, this.#random);
    const claim = { claim: randomId(22), pid: 1, program: 'test', machine: 'here' };
    let sequence: number | undefined;
    while (sequence === undefined) {
      const { lastSequence } = await stream.state();
      sequence = await makeClaim(stream, claim, lastSequence);
    }
    const failures: IpcError[] = [];
    const guests = new FakeGuests();
    const owner = await NatsOwner.start({
      ...{ stream, claim, sequence, guests, history, port: 1, home: this.#home },
      owner: { program: 'test' },
      warnings: () => [],
      onFailed: (error) => failures.push(error),
    });
    stream.faults = faults;
    const made = { owner, stream, guests, failures };
    this.#owners.push(made);
    this.current = made;
    return made;
  }

  /** Its process is gone, and so is all that it had under way. */
  kill({ owner, stream, guests }: FakeOwner): void {
    stream.cut();
    guests.interrupt();
    owner.end(new IpcError('closed', 'the process is gone'));
  }

  client(name: string): Client {
    const client = new Client(
      { program: name, pid: process.pid, machine: 'here' },
      {
        connect: () => this.#connect(),
        describeSilentOwner: async () => new IpcError('owner_silent', 'no owner'),
        welcomed: () => {},
        isStandby: () => false,
      },
    );
    this.#clients.push(client);
    return client;
  }

  async end(): Promise<void> {
    this.#hasEnded = true;
    await Promise.all(this.#clients.map((each) => each.close(0)));
    for (const each of this.#owners) this.kill(each);
    await Promise.all(this.#owners.map(({ owner }) => owner.close(0).catch(() => {})));
  }

  /** As a session does: it looks for an owner for a while. */
  async #connect(): Promise<Connection> {
    while (!this.current?.guests.isOpen) {
      if (this.#hasEnded) throw new IpcError('unreachable', 'no owner');
      await sleep(5);
    }
    const [own, other] = wirePair();
    this.current.guests.take(other);
    return connectionOf(own);
  }
}
