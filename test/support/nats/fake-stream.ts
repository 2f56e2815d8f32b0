// A stream in memory, and connections to it that fail by a seed. It decides as a nats-server does: first whether it knows
// the id of a message, then whether the message before it is the last one.
import { IpcError } from '../../../src/base/errors.ts';
import type {
  AppendedMessage,
  AppendResult,
  LogStream,
  StreamMessage,
  StreamState,
} from '../../../src/nats/log-stream.ts';
import type { Random } from '../random.ts';

interface StoredMessage extends StreamMessage {
  readonly id: string;
}

/** What a message takes beside its data. */
const overheadBytes = 150;

export class FakeServer {
  messages: StoredMessage[] = [];
  lastSequence = 0;
  bytesMax = Number.POSITIVE_INFINITY;
  /** How many ids of messages it remembers. */
  idsMax = 1_000;
  /** Sequences by id, oldest first. */
  readonly #ids = new Map<string, number>();
  bytes = 0;

  append({ file, data, id, after }: AppendedMessage): AppendResult {
    const known = this.#ids.get(id);
    if (known !== undefined) return { kind: 'stored', sequence: known };
    if (after !== this.lastSequence) return { kind: 'refused' };
    if (this.bytes + sizeOf({ data }) > this.bytesMax) {
      return { kind: 'unknown', reason: 'maximum bytes exceeded' };
    }
    const sequence = ++this.lastSequence;
    this.messages.push({ sequence, file, data: Buffer.from(data), id });
    this.bytes += sizeOf({ data });
    this.#ids.set(id, sequence);
    for (const oldest of this.#ids.keys()) {
      if (this.#ids.size <= this.idsMax) break;
      this.#ids.delete(oldest);
    }
    return { kind: 'stored', sequence };
  }

  /** Without its files being known to anybody: as a bit flip on its disk. */
  lose(sequence: number): void {
    this.#keep((each) => each.sequence !== sequence);
  }

  purge(file: string, keep: number): void {
    const all = this.messages.filter((each) => each.file === file);
    const gone = new Set(all.slice(0, all.length - keep));
    this.#keep((each) => !gone.has(each));
  }

  #keep(isKept: (message: StoredMessage) => boolean): void {
    this.messages = this.messages.filter(isKept);
    this.bytes = this.messages.reduce((sum, each) => sum + sizeOf(each), 0);
  }
}

/** Each is the chance of one in so many; 0: never. */
export interface FakeFaults {
  /** An append does not arrive. */
  readonly lost?: number;
  /** An append arrives, its response does not. */
  readonly silent?: number;
  /** An append is reported unknown, and arrives later. */
  readonly late?: number;
  /** Anything else fails. */
  readonly failed?: number;
  /** Purges remove a message now and then, and take long. */
  readonly slowPurges?: boolean;
}

/** The connection of one process to it. */
export class FakeStream implements LogStream {
  readonly messageBytesMax: number;
  readonly #server: FakeServer;
  readonly #random: Random;
  faults: FakeFaults;
  #isCut = false;
  /** Nothing arrives until released. */
  #held: Promise<void> = Promise.resolve();
  #sent: Promise<unknown> = Promise.resolve();
  /** Purges that are under way. */
  readonly purges = new Set<Promise<void>>();

  constructor(
    server: FakeServer,
    random: Random,
    faults: FakeFaults = {},
    messageBytesMax = 1_000_000,
  ) {
    this.#server = server;
    this.#random = random;
    this.faults = faults;
    this.messageBytesMax = messageBytesMax;
  }

  /** The process is gone: nothing of it arrives any more, and it hears nothing. */
  cut(): void {
    this.#isCut = true;
  }

  /** What is sent from now on arrives only after the returned function was called. */
  hold(): () => void {
    let release = () => {};
    this.#held = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  async state(): Promise<StreamState> {
    await this.#ask();
    const { lastSequence, bytes, bytesMax } = this.#server;
    return { lastSequence, bytes, bytesMax, created: 'once' };
  }

  append(message: AppendedMessage): Promise<AppendResult> {
    const { lost = 0, silent = 0, late = 0 } = this.faults;
    if (this.#oneIn(lost)) return this.#unknown();
    if (this.#oneIn(late)) {
      void this.#arrive(20).then(() => this.#isCut || this.#server.append(message));
      return this.#unknown();
    }
    const isSilent = this.#oneIn(silent);
    const before = this.#sent;
    // In the order of the calls.
    const arrived = (async () => {
      await Promise.all([before, this.#arrive(3)]);
      return this.#isCut ? never<AppendResult>() : this.#server.append(message);
    })();
    this.#sent = arrived;
    return isSilent ? this.#unknown() : arrived;
  }

  async last(file: string): Promise<StreamMessage | undefined> {
    await this.#ask();
    return this.#server.messages.findLast((each) => each.file === file);
  }

  async at(sequence: number): Promise<StreamMessage | undefined> {
    await this.#ask();
    return this.#server.messages.find((each) => each.sequence === sequence);
  }

  async *read(upTo: number): AsyncIterable<StreamMessage> {
    await this.#ask();
    for (let sequence = 0; sequence < upTo; ) {
      const next = this.#server.messages.find((each) => each.sequence > sequence);
      if (!next || next.sequence > upTo) return;
      sequence = next.sequence;
      yield next;
      if (this.#random.oneIn(20)) await turns(1);
    }
  }

  async files(): Promise<ReadonlySet<string>> {
    await this.#ask();
    return new Set(
      this.#server.messages.map(({ file }) => file).filter((file) => file !== 'claim'),
    );
  }

  purge(file: string, keep = 0): Promise<void> {
    const purge = this.#purge(file, keep).finally(() => this.purges.delete(purge));
    this.purges.add(purge);
    return purge;
  }

  async #purge(file: string, keep: number): Promise<void> {
    await this.#ask();
    if (!this.faults.slowPurges) return this.#server.purge(file, keep);
    await turns(this.#random.below(30));
    // As of when it begins, in parts.
    const all = this.#server.messages.filter((each) => each.file === file);
    for (const { sequence } of all.slice(0, Math.max(0, all.length - keep))) {
      if (this.#isCut) return;
      this.#server.lose(sequence);
      await turns(this.#random.below(2));
    }
  }

  async #ask(): Promise<void> {
    await this.#arrive(3);
    if (this.#isCut) await never();
    const { failed = 0 } = this.faults;
    if (this.#oneIn(failed)) throw new IpcError('unreachable', 'the server does not answer');
  }

  async #unknown(): Promise<AppendResult> {
    await turns(this.#random.below(12));
    if (this.#isCut) await never();
    return { kind: 'unknown', reason: 'no response' };
  }

  async #arrive(turnsMax: number): Promise<void> {
    await this.#held;
    await turns(this.#random.below(turnsMax));
  }

  #oneIn(times: number): boolean {
    return times > 0 && this.#random.oneIn(times);
  }
}

/** Turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

function sizeOf({ data }: { readonly data: Buffer }): number {
  return data.length + overheadBytes;
}
