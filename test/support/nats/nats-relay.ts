// A way between one session and its NATS server that a test cuts: its connections break, or stand still without a word.
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { freePort } from '../places.ts';

export class NatsRelay {
  readonly port: number;
  /** Connections that it has taken. */
  joined = 0;
  readonly #to: number;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  #isStill = false;
  #bytesPerSecond = Number.POSITIVE_INFINITY;
  #awaited = { bytes: 0, resolve: () => {} };

  private constructor(port: number, to: number) {
    this.port = port;
    this.#to = to;
  }

  static async open(context: TestContext, to: number): Promise<NatsRelay> {
    const relay = new NatsRelay(await freePort(), to);
    context.after(() => relay.close());
    await relay.reopen();
    return relay;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async reopen(): Promise<void> {
    const server = createServer((socket) => this.#join(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
  }

  /** Every connection breaks, and no new one is taken. */
  close(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Nothing passes any more; what is sent waits. */
  stop(): void {
    this.#isStill = true;
    for (const socket of this.#sockets) socket.pause();
  }

  continue(): void {
    this.#isStill = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** So much passes in a second, in each direction of each connection. */
  slowDown(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when so many more bytes have passed. */
  passes(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#awaited = { bytes, resolve };
    });
  }

  #pass(from: Socket, to: Socket, bytes: Buffer): void {
    to.write(bytes);
    this.#awaited.bytes -= bytes.length;
    if (this.#awaited.bytes <= 0) this.#awaited.resolve();
    if (this.#bytesPerSecond === Number.POSITIVE_INFINITY) return;
    from.pause();
    const passedMs = (bytes.length / this.#bytesPerSecond) * 1_000;
    setTimeout(() => {
      if (!this.#isStill) from.resume();
    }, passedMs);
  }

  #join(socket: Socket): void {
    this.joined++;
    const other = connect(this.#to, '127.0.0.1');
    for (const [one, to] of [
      [socket, other],
      [other, socket],
    ] as const) {
      this.#sockets.add(one);
      one.on('data', (bytes) => this.#pass(one, to, bytes));
      one.on('error', () => {});
      one.once('close', () => {
        this.#sockets.delete(one);
        to.destroy();
      });
      if (this.#isStill) one.pause();
    }
  }
}
