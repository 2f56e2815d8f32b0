// One connection to the bare queue.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { QueueFrames } from './queue-frames.ts';

export class BareQueueClient {
  readonly #socket: Socket;
  readonly #frames: QueueFrames;
  readonly #calls = new Map<number, (body: Buffer) => void>();
  #requests = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#frames = new QueueFrames(socket, (_kind, request, body) => {
      this.#calls.get(request)?.(body);
      this.#calls.delete(request);
    });
  }

  static async connect(port: number): Promise<BareQueueClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new BareQueueClient(socket);
  }

  call(kind: number, body?: Buffer): Promise<Buffer> {
    const request = ++this.#requests;
    this.#frames.send(kind, request, body);
    return new Promise((resolve) => {
      this.#calls.set(request, resolve);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
