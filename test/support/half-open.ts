// A path to a broker that can drop everything without notice to either end. It uses a Unix socket,
// because no proof is bound to its name.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { dial } from '../../src/net/connect.ts';
import type { Connection } from '../../src/net/connection.ts';
import type { TestBroker } from './brokers.ts';

export class HalfOpenWay {
  /** While true, bytes of both directions are dropped and the sockets stay open. */
  isDead = false;
  /** Called with the bytes from the broker; they are dropped if it returns false. */
  onAnswer: (chunk: Buffer) => boolean = () => true;
  readonly #server: Server;
  readonly #path: string;
  readonly #broker: TestBroker;
  readonly #sockets = new Set<Socket>();

  static async open(context: TestContext, broker: TestBroker): Promise<HalfOpenWay> {
    const way = new HalfOpenWay(broker);
    context.after(() => way.#close());
    await new Promise<void>((resolve) => way.#server.listen(way.#path, resolve));
    return way;
  }

  private constructor(broker: TestBroker) {
    this.#broker = broker;
    this.#path = join(broker.home, 'way.sock');
    this.#server = createServer((near) => this.#join(near));
  }

  connect = (): Promise<Connection> => dial({ path: this.#path }, this.#broker.keys);

  /** Breaks all connections, visibly for both ends. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near: Socket): void {
    const far = connect({ path: join(this.#broker.folder, 'owner.sock') });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        if (!this.isDead) other.destroy();
      });
      one.on('data', (chunk) => {
        const passes = one === near || this.onAnswer(chunk);
        if (!this.isDead && passes) other.write(chunk);
      });
    }
  }

  #close(): void {
    this.#server.close();
    this.cut();
  }
}
