// A flood of unauthenticated connections to one port, as many as the other side keeps open.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** The number of concurrent connection attempts. */
const dialsAtOnce = 400;

export class Flood {
  readonly open = new Set<Socket>();
  made = 0;
  /** Bytes received on all connections. */
  receivedBytes = 0;
  readonly #address: { readonly host: string; readonly port: number };
  readonly #greeting: Buffer;

  /** `greeting`: the bytes that each connection sends; none by default. */
  constructor(host: string, port: number, greeting: Buffer = Buffer.alloc(0)) {
    this.#address = { host, port };
    this.#greeting = greeting;
  }

  /** Resolves when `count` connection attempts were made. */
  async run(count: number): Promise<void> {
    let left = count;
    const dialler = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await this.#dial();
      }
    };
    await Promise.all(Array.from({ length: dialsAtOnce }, dialler));
  }

  /** Keeps `count` connections open or being dialled, and dials again as soon as one is closed. */
  keep(count: number): void {
    while (this.open.size < count) void this.#dial();
    setImmediate(() => this.keep(count));
  }

  end(): void {
    for (const socket of this.open) socket.destroy();
  }

  async #dial(): Promise<void> {
    const socket = connect(this.#address);
    this.open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.open.delete(socket));
    socket.on('data', (bytes) => {
      this.receivedBytes += bytes.length;
    });
    const stood = await once(socket, 'connect').catch(() => undefined);
    if (!stood) return;
    this.made += 1;
    if (this.#greeting.length > 0) socket.write(this.#greeting);
  }
}
