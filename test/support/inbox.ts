// The inbox of a host, as Claude Code has it: a Unix socket that takes an authentication and a message.
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { makeHome } from './places.ts';

interface Arrival {
  readonly text: string;
  readonly atMs: number;
}

export class Inbox {
  readonly path: string;
  readonly #arrived: Arrival[] = [];
  readonly #waiting: ((arrival: Arrival) => void)[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  static async open(context: TestContext): Promise<Inbox> {
    const inbox = new Inbox(join(await makeHome(context), 'inbox.sock'));
    const server: Server = createServer((socket) => {
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      socket.on('end', () => inbox.#take(text.trim().split('\n')));
    });
    server.listen(inbox.path);
    await once(server, 'listening');
    context.after(() => server.close());
    return inbox;
  }

  /** The environment of the host's child processes. */
  get env() {
    return { CLAUDE_CODE_MESSAGING_SOCKET: this.path, CLAUDE_CODE_MESSAGING_TOKEN: 'token' };
  }

  /** How many messages have come and were not taken by `next`. */
  get unread(): number {
    return this.#arrived.length;
  }

  next(): Promise<Arrival> {
    const arrival = this.#arrived.shift();
    return arrival
      ? Promise.resolve(arrival)
      : new Promise((resolve) => void this.#waiting.push(resolve));
  }

  #take(lines: readonly string[]): void {
    const { message } = JSON.parse(lines.at(-1) ?? '{}');
    const arrival = { text: message?.content, atMs: Date.now() };
    const waiting = this.#waiting.shift();
    if (waiting) waiting(arrival);
    else this.#arrived.push(arrival);
  }
}
