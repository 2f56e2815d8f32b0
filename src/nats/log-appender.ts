// Appends the changes of one owner to the stream of its store, in order, many at a time.
// 1. Each message expects the one before it to be the last of the stream. So none follows one that was lost, and the next
//    one of an owner that was replaced is refused: that is the fencing of this engine. owner-runs.ts has the rest of it.
// 2. When the outcome of one is unknown, it is appended again alone until it is known, and then all behind it.
// 3. A message that is refused was stored before, or another owner has written. The message at its sequence says which.
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError } from '../base/errors.ts';
import { decodeLogMessage, encodeLogMessage, type LogMessage } from './log-message.ts';
import type { LogStream } from './log-stream.ts';
import { ConnectionEnded, StreamGone } from './nats-faults.ts';

export type FileChangeMessage = Omit<LogMessage, 'claim' | 'count'> & { readonly file: string };

interface Pending {
  readonly file: string;
  readonly data: Buffer;
  readonly count: number;
  readonly done: (() => void) | undefined;
}

/** The first pause before a message is appended again, and the longest. */
export interface AppendPauses {
  readonly msMin: number;
  readonly msMax: number;
}

const pausesDefault: AppendPauses = { msMin: 50, msMax: 1_000 };

/** With the pauses between them some 15 s, in which the purge of what was removed may make room. */
const refusalsMax = 20;

export class LogAppender {
  readonly #stream: LogStream;
  readonly #claim: string;
  readonly #pauses: AppendPauses;
  readonly #onLost: (error: IpcError) => void;
  /** The sequence of the message before the first that is pending. */
  #sequence: number;
  #count = 0;
  readonly #pending: Pending[] = [];
  /** How many of the pending ones are sent. */
  #sent = 0;
  /** Grows with each recovery: results of what was sent before one say nothing. */
  #attempt = 0;
  #recovering = false;
  #failure: IpcError | undefined;
  /** Why the last message was not stored, while it is appended again. */
  #trouble: string | undefined;
  readonly #waiting: { readonly count: number; resolve(): void; reject(error: IpcError): void }[] =
    [];

  /** `sequence`: of the claim, after which nothing was appended. */
  constructor(
    stream: LogStream,
    claim: string,
    sequence: number,
    onLost: (error: IpcError) => void,
    pauses = pausesDefault,
  ) {
    this.#pauses = pauses;
    this.#stream = stream;
    this.#claim = claim;
    this.#sequence = sequence;
    this.#onLost = onLost;
  }

  /** How the server refuses what is pending; undefined while all goes well. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** `done` is called when it is stored. Returns the bytes of the message. */
  add({ file, ...change }: FileChangeMessage, done?: () => void): number {
    if (this.#failure) throw this.#failure;
    const count = ++this.#count;
    const data = encodeLogMessage({ claim: this.#claim, count, ...change });
    this.#pending.push({ file, data, count, done });
    this.#send();
    return data.length;
  }

  /** Resolves when all that was added is stored. Throws `owner_replaced`. */
  stored(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#pending.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ count: this.#count, resolve, reject });
    });
  }

  /** Nothing more is appended. */
  stop(error: IpcError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#pending.length = 0;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #send(): void {
    if (this.#recovering) return;
    for (; this.#sent < this.#pending.length; this.#sent++) void this.#append(this.#sent);
  }

  async #append(place: number): Promise<void> {
    const attempt = this.#attempt;
    const pending = this.#pending[place] as Pending;
    const result = await this.#stream.append(this.#messageOf(pending, place));
    // A result that is not that of the first one begins a recovery, which finds out what is stored.
    if (attempt !== this.#attempt || this.#failure) return;
    if (result.kind === 'stored' && result.sequence === this.#sequence + 1) this.#shift();
    else void this.#recover();
  }

  #messageOf({ file, data, count }: Pending, place: number) {
    return { file, data, id: `${this.#claim}.${count}`, after: this.#sequence + place };
  }

  /** The first pending message is stored. */
  #shift(): void {
    const stored = this.#pending.shift() as Pending;
    this.#sequence++;
    this.#sent--;
    this.#trouble = undefined;
    stored.done?.();
    while (this.#waiting[0] && this.#waiting[0].count <= stored.count) {
      this.#waiting.shift()?.resolve();
    }
  }

  async #recover(): Promise<void> {
    this.#attempt++;
    this.#recovering = true;
    this.#sent = 1;
    const { msMin, msMax } = this.#pauses;
    let refusals = 0;
    for (let pauseMs = msMin; !this.#failure; pauseMs = Math.min(2 * pauseMs, msMax)) {
      const first = this.#pending[0] as Pending;
      const result = await this.#stream.append(this.#messageOf(first, 0));
      if (this.#failure) return;
      if (result.kind === 'stored' && result.sequence === this.#sequence + 1) break;
      if (result.kind === 'unknown') {
        this.#trouble = result.reason;
        refusals = result.isFull ? refusals + 1 : 0;
        if (refusals >= refusalsMax) return this.#lost(full(result.reason));
        await this.#checkStream();
      } else if (await this.#isOwnAt(this.#sequence + 1, first.count)) break;
      else if (!this.#failure) return this.#lost(replaced());
      await sleep(pauseMs);
    }
    if (this.#failure) return;
    this.#recovering = false;
    this.#shift();
    this.#sent = 0;
    this.#send();
  }

  /** Whether the message of this count is stored there. Asks until there is an answer. */
  async #isOwnAt(sequence: number, count: number): Promise<boolean> {
    while (!this.#failure) {
      try {
        const found = await this.#stream.at(sequence);
        const message = found && decodeLogMessage(found.data);
        return message?.claim === this.#claim && message.count === count;
      } catch (error) {
        if (error instanceof IpcError && error.code === 'bad_frame') return false;
        this.#checkEnd(error);
        await sleep(this.#pauses.msMax);
      }
    }
    return false;
  }

  /** Else what is pending would wait for a stream, or a connection, that never comes back. */
  async #checkStream(): Promise<void> {
    await this.#stream.state().catch((error: unknown) => this.#checkEnd(error));
  }

  #checkEnd(error: unknown): void {
    if (error instanceof StreamGone || error instanceof ConnectionEnded) this.#lost(error);
  }

  #lost(error: IpcError): void {
    if (this.#failure) return;
    this.stop(error);
    this.#onLost(error);
  }
}

/** What was written to the mirror cannot be taken back: the broker ends, and what it reported is all stored. */
function full(reason: string): IpcError {
  return new IpcError('storage_failed', `the mail is not stored: ${reason}`, {
    hint: 'make room for JetStream on the NATS server, or give the stream a `max_bytes` that it has room for',
  });
}

export function replaced(): IpcError {
  return new IpcError('owner_replaced', 'a newer broker took the store over');
}
