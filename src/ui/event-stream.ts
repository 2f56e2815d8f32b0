// The event stream of one open page (text/event-stream). The page is sent what it has room for: a slow one costs the
// others nothing, and one that falls behind all that is in memory is told to load the messages anew.
import type { ServerResponse } from 'node:http';
import {
  streamBeatMs,
  streamBufferBytesMax,
  streamEventsMax,
  streamStallMs,
} from '../base/page-limits.ts';
import type { EventCursor } from '../model/mail-events.ts';
import type { LivePump } from './live-pump.ts';
import type { WireLive, WireMail, WireStatus } from './wire.ts';

type Output = Pick<ServerResponse, 'write' | 'on' | 'destroy' | 'writableLength'>;

export class EventStream {
  readonly #pump: LivePump;
  readonly #output: Output;
  /** Events up to this record were sent. */
  #sequence: number;
  #epoch: number;
  #loads: number;
  /** The first event of a stream may have no mail: it shows the page that it is connected. */
  #isNew = true;
  /** Why the broker cannot be reached; `#told`: what the page was told of it. */
  #trouble: string | undefined;
  #told: string | undefined;
  /** Not sent yet. */
  #status: WireStatus | undefined;
  #isStalled = false;
  readonly #beat: NodeJS.Timeout;
  #stall: NodeJS.Timeout | undefined;

  constructor(output: Output, pump: LivePump, after: EventCursor) {
    this.#output = output;
    this.#pump = pump;
    this.#sequence = after.sequence;
    this.#epoch = after.epoch;
    this.#loads = pump.recent.reaches(after) ? pump.loads : -1;
    this.#beat = setInterval(() => this.#write(': \n\n'), streamBeatMs);
    output.on('drain', () => this.#drained());
    output.on('close', () => this.#closed());
  }

  /** The broker cannot be reached; undefined: it has answered. */
  set trouble(message: string | undefined) {
    this.#trouble = message;
    this.flush();
  }

  /** Sends what is new. */
  flush(): void {
    // In this order: a status tells the page that the broker is there, and a trouble that it is gone.
    this.#sendStatus();
    this.#sendTrouble();
    while (!this.#isStalled) {
      const mail = this.#nextMail();
      if (!mail) return;
      this.#isNew = false;
      this.#sequence = mail.next.sequence;
      this.#epoch = mail.next.epoch;
      this.#send('mail', mail, `id: ${this.#epoch}.${this.#sequence}\n`);
    }
  }

  /** A page that reads slowly gets the newest of those that it had no room for. */
  set status(status: WireStatus) {
    this.#status = status;
    this.flush();
  }

  #sendTrouble(): void {
    if (this.#isStalled || this.#told === this.#trouble) return;
    this.#told = this.#trouble;
    if (this.#trouble === undefined) this.#send('fine', {});
    else this.#send('trouble', { message: this.#trouble });
  }

  #sendStatus(): void {
    if (this.#isStalled || !this.#status) return;
    this.#send('status', this.#status);
    this.#status = undefined;
  }

  #send<Kind extends keyof WireLive>(kind: Kind, data: WireLive[Kind], head = ''): void {
    // JSON has no line break, so the data is one line.
    this.#write(`${head}event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #nextMail(): WireMail | undefined {
    const { recent, loads } = this.#pump;
    const { next } = recent;
    const events =
      this.#loads === loads ? recent.behind(this.#sequence, streamEventsMax) : undefined;
    if (!events) {
      this.#loads = loads;
      return { events: [], next, gap: { from: this.#sequence + 1, to: next.sequence } };
    }
    if (events.length === 0 && !this.#isNew && next.epoch === this.#epoch) return undefined;
    const last = events.at(-1);
    const isAll = events.length < streamEventsMax || last === undefined;
    return { events, next: isAll ? next : { epoch: next.epoch, sequence: last.sequence } };
  }

  #write(text: string): void {
    if (this.#isStalled) return;
    this.#output.write(text);
    if (this.#output.writableLength <= streamBufferBytesMax) return;
    this.#isStalled = true;
    this.#stall = setTimeout(() => this.#output.destroy(), streamStallMs);
  }

  #drained(): void {
    this.#isStalled = false;
    clearTimeout(this.#stall);
    this.flush();
  }

  #closed(): void {
    clearInterval(this.#beat);
    clearTimeout(this.#stall);
    this.#isStalled = true;
  }
}
