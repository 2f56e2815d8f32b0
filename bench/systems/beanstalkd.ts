// beanstalkd with a binlog, and `-f0`: it syncs after each write. Its protocol is short enough for a client of our own.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { freePort } from '../../test/support/places.ts';
import { makeBenchFolder } from '../support/bench-folder.ts';
import { nowUs } from '../support/measure.ts';
import { ServerProcess } from './server-process.ts';
import type { QueueSystem } from './system.ts';

const secondsToRun = 60;
/** Where posts do not pile up. */
const handOverTube = 'handover';

export class Beanstalkd implements QueueSystem {
  readonly name = 'beanstalkd_f0';
  readonly #server: ServerProcess;
  readonly #poster: BeanstalkClient;
  /** Of hand-overs. */
  readonly #sender: BeanstalkClient;
  readonly #reader: BeanstalkClient;

  private constructor(
    server: ServerProcess,
    [poster, sender, reader]: readonly [BeanstalkClient, BeanstalkClient, BeanstalkClient],
  ) {
    this.#server = server;
    this.#poster = poster;
    this.#sender = sender;
    this.#reader = reader;
  }

  static async start(): Promise<Beanstalkd> {
    const port = await freePort();
    const args = ['-l', '127.0.0.1', '-p', `${port}`, '-b', makeBenchFolder(), '-f0'];
    const server = await ServerProcess.start('beanstalkd', args, port);
    const dial = () => BeanstalkClient.connect(port);
    const [poster, sender, reader] = [await dial(), await dial(), await dial()];
    await sender.request(`use ${handOverTube}`);
    await reader.request(`watch ${handOverTube}`);
    await reader.request('ignore default');
    return new Beanstalkd(server, [poster, sender, reader]);
  }

  post(body: Buffer): Promise<unknown> {
    return this.#poster.put(body);
  }

  async handOver(body: Buffer): Promise<number> {
    const waiting = this.#reader.reserve().then((id) => ({ id, arrivedUs: nowUs() }));
    // The server reads what arrived first, and this was sent later.
    await this.#sender.request('list-tube-used');
    const startUs = nowUs();
    const posted = this.#sender.put(body);
    const { id, arrivedUs } = await waiting;
    await posted;
    await this.#reader.delete(id);
    return arrivedUs - startUs;
  }

  async close(): Promise<void> {
    for (const client of [this.#poster, this.#sender, this.#reader]) client.close();
    await this.#server.end();
  }
}

/** Requests are pipelined; their responses come in the same order. */
class BeanstalkClient {
  readonly #socket: Socket;
  readonly #waiting: ((words: string[]) => void)[] = [];
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#read(chunk));
  }

  static async connect(port: number): Promise<BeanstalkClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new BeanstalkClient(socket);
  }

  async put(body: Buffer): Promise<void> {
    const head = `put 0 0 ${secondsToRun} ${body.length}\r\n`;
    const [status] = await this.#send(Buffer.concat([Buffer.from(head), body, lineEnd]));
    if (status !== 'INSERTED') throw new Error(`beanstalkd refuses a message: ${status}`);
  }

  /** Waits for a message; its id. */
  async reserve(): Promise<string> {
    const [, id = ''] = await this.request('reserve');
    return id;
  }

  async delete(id: string): Promise<void> {
    await this.request(`delete ${id}`);
  }

  request(line: string): Promise<string[]> {
    return this.#send(Buffer.from(`${line}\r\n`));
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(bytes: Buffer): Promise<string[]> {
    this.#socket.write(bytes);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #read(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const end = this.#received.indexOf(lineEnd);
      if (end === -1) return;
      const words = this.#received.toString('latin1', 0, end).split(' ');
      const isWithBody = words[0] === 'RESERVED' || words[0] === 'OK';
      const bodyBytes = isWithBody ? Number(words.at(-1)) + lineEnd.length : 0;
      const next = end + lineEnd.length + bodyBytes;
      if (this.#received.length < next) return;
      this.#received = this.#received.subarray(next);
      this.#waiting.shift()?.(words);
    }
  }
}

const lineEnd = Buffer.from('\r\n');
