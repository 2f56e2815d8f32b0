// The limit of a broker in Node: see bare-queue-process.ts.
import { join } from 'node:path';
import { BareQueueClient } from '../support/bare-queue-client.ts';
import { makeBenchFolder } from '../support/bench-folder.ts';
import { BenchProcess } from '../support/bench-process.ts';
import { nowUs } from '../support/measure.ts';
import { kinds } from '../support/queue-frames.ts';
import type { QueueSystem } from './system.ts';

export class BareQueue implements QueueSystem {
  readonly name = 'bare_queue';
  readonly port: number;
  readonly #process: BenchProcess;
  readonly #poster: BareQueueClient;
  readonly #reader: BareQueueClient;

  private constructor(
    process: BenchProcess,
    port: number,
    poster: BareQueueClient,
    reader: BareQueueClient,
  ) {
    this.#process = process;
    this.port = port;
    this.#poster = poster;
    this.#reader = reader;
  }

  static async start(): Promise<BareQueue> {
    const process = new BenchProcess('bare-queue-process.js', join(makeBenchFolder(), 'queue'));
    const port = await process.next<number>();
    const poster = await BareQueueClient.connect(port);
    return new BareQueue(process, port, poster, await BareQueueClient.connect(port));
  }

  async post(body: Buffer): Promise<void> {
    await this.#poster.call(kinds.post, body);
  }

  async handOver(body: Buffer): Promise<number> {
    const waiting = this.#reader.call(kinds.wait).then(() => nowUs());
    // On the same connection, so its response follows the parking of the wait.
    await this.#reader.call(kinds.clear);
    const startUs = nowUs();
    const stored = this.post(body);
    const arrivedUs = await waiting;
    await stored;
    await this.#reader.call(kinds.settle);
    return arrivedUs - startUs;
  }

  async take(): Promise<void> {
    await this.#reader.call(kinds.wait);
    await this.#reader.call(kinds.settle);
  }

  async clear(): Promise<void> {
    await this.#poster.call(kinds.clear);
  }

  async close(): Promise<void> {
    for (const client of [this.#poster, this.#reader]) client.close();
    await this.#process.end();
  }
}
