// Connections of strangers to one port, as many as the other side lets stand.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** That many dial at the same time. */
const dialsAtOnce = 400;

export class Flood {
  readonly open = new Set<Socket>();
  made = 0;
  /** Bytes that were answered. */
  heard = 0;
  readonly #address: { readonly host: string; readonly port: number };
  readonly #words: Buffer;

  /** `words`: what each says; nothing unless given. */
  constructor(host: string, port: number, words: Buffer = Buffer.alloc(0)) {
    this.#address = { host, port };
    this.#words = words;
  }

  /** Resolves when `count` connections stood. */
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

  end(): void {
    for (const socket of this.open) socket.destroy();
  }

  async #dial(): Promise<void> {
    const socket = connect(this.#address);
    this.open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.open.delete(socket));
    socket.on('data', (bytes) => {
      this.heard += bytes.length;
    });
    const stood = await once(socket, 'connect').catch(() => undefined);
    if (!stood) return;
    this.made += 1;
    if (this.#words.length > 0) socket.write(this.#words);
  }
}
