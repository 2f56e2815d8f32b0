// Appends the changes of one owner to the stream of its store, in order, many at a time.
// 1. Each message expects the one before it to be the last of the stream. So none follows one that was lost, and the next
//    one of an owner that was replaced is refused: that is the fencing of this engine. owner-runs.ts has the rest of it.
// 2. When the outcome of one is unknown, it is appended again alone until it is known, and then all behind it.
//    If that takes too long, the owner ends. Which of its last messages are stored, the next owner reads in the stream.
// 3. A message that is refused was stored before, or another owner has written. The message at its sequence says which.
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError } from '../base/errors.ts';
import { Patience } from '../base/standstill.ts';
import { decodeLogMessage, encodeLogMessage, type LogMessage } from './log-message.ts';
import type { LogStream, UnknownResult } from './log-stream.ts';
import { ConnectionEnded, checkServerHint, StreamGone } from './nats-faults.ts';

export type FileChangeMessage = Omit<LogMessage, 'claim' | 'count'> & { readonly file: string };

interface Pending {
  readonly file: string;
  readonly data: Buffer;
  readonly count: number;
  readonly done: (() => void) | undefined;
}

export interface AppendTimes {
  /** The first pause before a message is appended again, and the longest. */
  readonly pauseMsMin: number;
  readonly pauseMsMax: number;
  /** How long a message is appended again: a leader may be elected, and a purge of what was removed make room. */
  readonly againMsMax: number;
}

const timesDefault: AppendTimes = { pauseMsMin: 50, pauseMsMax: 1_000, againMsMax: 10_000 };

export class LogAppender {
  readonly #stream: LogStream;
  readonly #claim: string;
  readonly #times: AppendTimes;
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
    times = timesDefault,
  ) {
    this.#times = times;
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

  /** Resolves when all that was added is stored. Throws `owner_replaced`, or the reason why it cannot be stored. */
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
    if (result.kind === 'stored' && result.sequence === this.#sequence + 1) return this.#shift();
    if (result.kind === 'unknown') this.#trouble = result.reason;
    void this.#recover();
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
    let isFull = false;
    const patience = new Patience(this.#times.againMsMax);
    patience.onOver = () => this.#lost(notStored(this.#trouble ?? 'no answer', isFull));
    try {
      const { pauseMsMin, pauseMsMax } = this.#times;
      for (let pauseMs = pauseMsMin; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
        const result = await this.#appendFirst();
        if (this.#failure) return;
        if (result === 'replaced') return this.#lost(replaced());
        if (result === 'stored') break;
        if (result.forbidden) return this.#lost(result.forbidden);
        this.#trouble = result.reason;
        isFull = result.isFull === true;
        await this.#checkStream();
        await sleep(pauseMs);
        if (this.#failure) return;
      }
    } finally {
      patience.end();
    }
    this.#recovering = false;
    this.#shift();
    this.#sent = 0;
    this.#send();
  }

  /** Appends the first pending message again: it is stored, or this owner was replaced, or nobody knows. */
  async #appendFirst(): Promise<'stored' | 'replaced' | UnknownResult> {
    const first = this.#pending[0] as Pending;
    const result = await this.#stream.append(this.#messageOf(first, 0));
    if (result.kind === 'unknown') return result;
    if (result.kind === 'stored' && result.sequence === this.#sequence + 1) return 'stored';
    return (await this.#isOwnAt(this.#sequence + 1, first.count)) ? 'stored' : 'replaced';
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
        await sleep(this.#times.pauseMsMax);
      }
    }
    return false;
  }

  /** Else what is pending would wait for a stream, or a connection, that never comes back, or takes no mail any more. */
  async #checkStream(): Promise<void> {
    await this.#stream.state().catch((error: unknown) => this.#checkEnd(error));
  }

  #checkEnd(error: unknown): void {
    const isUnusable = error instanceof IpcError && error.code === 'home_unusable';
    if (error instanceof StreamGone || error instanceof ConnectionEnded || isUnusable) {
      this.#lost(error);
    }
  }

  #lost(error: IpcError): void {
    if (this.#failure) return;
    this.stop(error);
    this.#onLost(error);
  }
}

/**
 * What was written to the mirror cannot be taken back, so the broker ends. All that it reported as stored is stored.
 * `storage_failed` if the server has no room, which the next owner would find as well; else `unreachable`.
 */
function notStored(reason: string, isFull: boolean): IpcError {
  const code = isFull ? 'storage_failed' : 'unreachable';
  const hint = isFull
    ? 'make room for JetStream on the NATS server, or give the stream a `max_bytes` that it has room for'
    : checkServerHint;
  return new IpcError(code, `the mail is not stored: ${reason}`, { hint });
}

export function replaced(): IpcError {
  return new IpcError('owner_replaced', 'a newer broker took the store over');
}
