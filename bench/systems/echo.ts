// The limit of a hand-over: bytes to another Node process and back over bare TCP.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { BenchProcess } from '../support/bench-process.ts';
import { nowUs } from '../support/measure.ts';

export class Echo {
  readonly #process: BenchProcess;
  readonly #socket: Socket;

  private constructor(process: BenchProcess, socket: Socket) {
    this.#process = process;
    this.#socket = socket;
  }

  static async start(): Promise<Echo> {
    const process = new BenchProcess('echo-process.js');
    const port = await process.next<number>();
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new Echo(process, socket);
  }

  /** The microseconds until all bytes are back. */
  goAround(body: Buffer): Promise<number> {
    return new Promise((resolve) => {
      const startUs = nowUs();
      let missing = body.length;
      const onData = (chunk: Buffer) => {
        missing -= chunk.length;
        if (missing > 0) return;
        this.#socket.off('data', onData);
        resolve(nowUs() - startUs);
      };
      this.#socket.on('data', onData);
      this.#socket.write(body);
    });
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.#process.end();
  }
}
