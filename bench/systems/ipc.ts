// agent-ipc: the broker is a process of its own; poster and reader are two sessions in this one, through the library.
import assert from 'node:assert/strict';
import { type AgentMail, open } from '../../src/index.ts';
import { freePort } from '../../test/support/places.ts';
import { makeBenchFolder } from '../support/bench-folder.ts';
import { BenchProcess } from '../support/bench-process.ts';
import { nowUs } from '../support/measure.ts';
import type { GrownStore, Memory } from './growth.ts';
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

  /** `waits`: how many are parked, each on a mailbox of its own, in a process beside those that are measured. */
  static async start(name = 'ipc', waits = 0): Promise<Ipc> {
    const store = { home: makeBenchFolder(), port: await freePort() };
    const args = [store.home, `${store.port}`];
    const processes = [new BenchProcess('broker-process.js', ...args)];
    await processes[0]?.next();
    if (waits > 0) {
      const counts = [crowdSessions, waits / crowdSessions].map(String);
      const crowd = new BenchProcess('team-process.js', ...args, ...counts);
      await crowd.next();
      processes.unshift(crowd);
    }
    return new Ipc(name, store, processes, await openBoth(store));
  }

  /** Beside the messages of a store, whose broker is started. */
  static async beside(name: string, store: GrownStore): Promise<Ipc> {
    await store.start();
    return new Ipc(name, store, [], await openBoth(store));
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

  /** Of the broker's process, which this one has started. */
  memory(): Promise<Memory> {
    const broker = this.#processes.at(-1);
    assert(broker, 'its broker runs');
    return broker.ask<Memory>('memory');
  }

  async close(): Promise<void> {
    for (const mail of [this.#poster, this.#reader]) await mail.close();
    for (const process of this.#processes) await process.end();
  }
}

async function openBoth(place: { readonly home: string; readonly port: number }) {
  const { home, port } = place;
  const options = { home, port, env: {}, program: 'bench' };
  return [await open(options), await open(options)] as const;
}
