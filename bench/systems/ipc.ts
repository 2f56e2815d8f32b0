// agent-ipc: the broker is a process of its own; poster and reader are two sessions in this one, through the library.
import { type AgentMail, open } from '../../src/index.ts';
import { freePort } from '../../test/support/places.ts';
import { makeBenchFolder } from '../support/bench-folder.ts';
import { BenchProcess } from '../support/bench-process.ts';
import { nowUs } from '../support/measure.ts';
import type { QueueSystem } from './system.ts';

const mailbox = 'bench';
/** Connections that park other waits. */
const crowdSessions = 10;

export class Ipc implements QueueSystem {
  readonly name: string;
  readonly home: string;
  readonly port: number;
  readonly #processes: readonly BenchProcess[];
  readonly #poster: AgentMail;
  readonly #reader: AgentMail;

  private constructor(
    name: string,
    store: { readonly home: string; readonly port: number },
    processes: readonly BenchProcess[],
    [poster, reader]: readonly [AgentMail, AgentMail],
  ) {
    this.name = name;
    this.home = store.home;
    this.port = store.port;
    this.#processes = processes;
    this.#poster = poster;
    this.#reader = reader;
  }

  /** `waits`: how many are parked, in a process of their own, beside those that are measured. */
  static async start(name = 'ipc', waits = 0): Promise<Ipc> {
    const store = { home: makeBenchFolder(), port: await freePort() };
    const args = [store.home, `${store.port}`];
    const processes = [new BenchProcess('broker-process.js', ...args)];
    await processes[0]?.next();
    if (waits > 0) {
      const each = `${waits / crowdSessions}`;
      const crowd = new BenchProcess('team-process.js', ...args, `${crowdSessions}`, each);
      await crowd.next();
      processes.unshift(crowd);
    }
    const options = { ...store, env: {}, program: 'bench' };
    return new Ipc(name, store, processes, [await open(options), await open(options)]);
  }

  post(body: Buffer): Promise<unknown> {
    return this.#poster.post(mailbox, body);
  }

  async handOver(body: Buffer): Promise<number> {
    const waiting = this.#reader.wait(mailbox).then((message) => ({ message, arrivedUs: nowUs() }));
    // On the same connection, so its response follows the parking of the wait.
    await this.#reader.fetch('empty');
    const startUs = nowUs();
    const stored = this.#poster.post(mailbox, body);
    const { message, arrivedUs } = await waiting;
    await stored;
    await message?.settle();
    return arrivedUs - startUs;
  }

  async take(): Promise<void> {
    const message = await this.#reader.wait(mailbox);
    await message?.settle();
  }

  clear(): Promise<unknown> {
    return this.#poster.drop(mailbox);
  }

  async close(): Promise<void> {
    for (const mail of [this.#poster, this.#reader]) await mail.close();
    for (const process of this.#processes) await process.end();
  }
}
