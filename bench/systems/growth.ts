// What grows with the messages in a store: memory, restart and takeover. The stores are written by a process that only
// has the journal, and what is measured begins with the start, or the end, of a broker's process.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../test/support/places.ts';
import { makeBenchFolder } from '../support/bench-folder.ts';
import { BenchProcess } from '../support/bench-process.ts';
import { bodyOf } from '../support/mail.ts';
import { nowUs } from '../support/measure.ts';
import { queuedMailboxes, queuedMessages } from './scale.ts';
import { ServerProcess } from './server-process.ts';

const bodyBytes = 256;
const ping = 'PING\r\n';
const pong = '+PONG\r\n';
const retryMs = 2;

export interface Memory {
  /** On the heap of V8 and beside it, after garbage collections. */
  readonly heapBytes: number;
}

/** A store with messages for many mailboxes, and the broker of its own process, which may be started again. */
export class GrownStore {
  readonly home: string;
  readonly port: number;
  #broker: BenchProcess | undefined;

  private constructor(home: string, port: number) {
    this.home = home;
    this.port = port;
  }

  static async fill(messages: number): Promise<GrownStore> {
    const store = new GrownStore(makeBenchFolder(), await freePort());
    const folder = join(store.home, `broker-${store.port}`);
    const filler = new BenchProcess(
      'fill-process.js',
      ...[folder, `${messages}`, `${queuedMailboxes}`],
    );
    await filler.next();
    await filler.end();
    return store;
  }

  /** The microseconds from the start of the process until it serves. */
  async start(): Promise<number> {
    const startUs = nowUs();
    this.#broker = new BenchProcess('broker-process.js', this.home, `${this.port}`);
    await this.#broker.next();
    return nowUs() - startUs;
  }

  memory(): Promise<Memory> {
    assert(this.#broker, 'its broker runs');
    return this.#broker.ask<Memory>('memory');
  }

  async stop(): Promise<void> {
    await this.#broker?.end();
    this.#broker = undefined;
  }

  /** The microseconds from the kill of the owner to the first hand-over between two other sessions. */
  async takeOver(): Promise<number> {
    await this.start();
    assert(this.#broker, 'its broker runs');
    const survivors = new BenchProcess('takeover-process.js', this.home, `${this.port}`);
    await survivors.next();
    this.#broker.isKilled = true;
    const takenUs = await survivors.ask<number>(this.#broker.pid);
    this.#broker = undefined;
    await survivors.end();
    return takenUs;
  }
}

/** The bytes that a message takes beside its body: `grown` has many more than `empty`. */
export async function bytesPerMessage(grown: GrownStore, empty: Memory): Promise<number> {
  await grown.start();
  const { heapBytes } = await grown.memory();
  await grown.stop();
  return (heapBytes - empty.heapBytes) / queuedMessages;
}

/** Connections that park the waits of a broker. */
const waitingSessions = 10;
/** How often as many waits come and go before those that are measured. */
const crowdsBefore = 2;

/**
 * The bytes that a broker keeps of each parked wait, on so many mailboxes. As many are parked before the first reading,
 * and others have come and gone before: else the code that V8 compiles meanwhile would count, which is another each time.
 */
export async function bytesPerWait(waits: number, mailboxes: number): Promise<number> {
  const place = [makeBenchFolder(), `${await freePort()}`];
  const broker = new BenchProcess('broker-process.js', ...place);
  await broker.next();
  const counts = [waitingSessions, waits / waitingSessions, mailboxes].map(String);
  const waitingTeam = async () => {
    const team = new BenchProcess('team-process.js', ...place, ...counts);
    await team.next();
    return team;
  };
  for (let crowd = 0; crowd < crowdsBefore; crowd++) await (await waitingTeam()).end();
  const team = await waitingTeam();
  const before = await broker.ask<Memory>('memory');
  await team.ask('more');
  const after = await broker.ask<Memory>('memory');
  await team.end();
  await broker.end();
  return (after.heapBytes - before.heapBytes) / waits;
}

/** Redis with the same messages in as many lists. Its append-only file is never rewritten: it has all commands. */
export class GrownRedis {
  readonly #port: number;
  readonly #args: readonly string[];

  private constructor(port: number) {
    this.#port = port;
    const place = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', makeBenchFolder()];
    const log = ['--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0'];
    this.#args = [...place, '--save', '', ...log];
  }

  static async fill(): Promise<GrownRedis> {
    const redis = new GrownRedis(await freePort());
    const server = await ServerProcess.start('redis-server', redis.#args, redis.#port);
    await redis.#push();
    await server.end();
    return redis;
  }

  /** The microseconds from the start of the process until it has loaded all. */
  async restart(): Promise<number> {
    const startUs = nowUs();
    const server = await ServerProcess.start('redis-server', this.#args, this.#port);
    while (!(await lastLine(this.#port, [ping])).endsWith(pong)) await sleep(retryMs);
    const loadedUs = nowUs() - startUs;
    await server.end();
    return loadedUs;
  }

  async #push(): Promise<void> {
    const body = bodyOf(bodyBytes).toString();
    const commands = function* () {
      for (let index = 0; index < queuedMessages; index++) {
        const list = `reader-${index % queuedMailboxes}`;
        yield `*3\r\n$5\r\nRPUSH\r\n$${list.length}\r\n${list}\r\n$${body.length}\r\n${body}\r\n`;
      }
      yield ping;
    };
    assert((await lastLine(this.#port, commands())).endsWith(pong), 'all was pushed');
  }
}

/** Sends the commands, of which the last is a PING, and returns the end of what the server says to that. */
async function lastLine(port: number, commands: Iterable<string>): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  Readable.from(commands, { objectMode: true, highWaterMark: 1_000 }).pipe(socket, { end: false });
  let last = '';
  socket.on('data', (bytes: Buffer) => {
    last = (last + bytes.toString('latin1')).slice(-200);
    // While it loads, the server answers each command with this error.
    if (last.endsWith(pong) || last.includes('-LOADING')) socket.destroy();
  });
  await once(socket, 'close');
  return last;
}
