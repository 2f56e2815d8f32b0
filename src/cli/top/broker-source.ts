// The facts of a real broker, and of the files of its store:
// 1. Once a second it is asked for its status. While it does not answer, that is reported, and it is asked again.
// 2. Its events are asked for from the position at which they are now, so that the screen is live at once.
// 3. Meanwhile the past is read: from the files of the store, which costs the broker nothing, or from a broker on
//    another machine, the last part of it.
// 4. Without a broker events go on behind the past, in the files.
import { setTimeout as sleep } from 'node:timers/promises';
import { liveEvents, type StoreTail } from '../../app/live-events.ts';
import { partText } from '../../app/peek.ts';
import type { PastOptions } from '../../app/store-past.ts';
import { IpcError } from '../../base/errors.ts';
import { bodyBytesMax } from '../../base/limits.ts';
import { OldestKeys } from '../../base/oldest-keys.ts';
import type { EventBatch, EventCursor, MailEvent } from '../../model/mail-events.ts';
import type { MailService } from '../../model/mail-service.ts';
import type { Name } from '../../model/message.ts';
import { flowMessagesMax } from './flow.ts';
import { type MailSource, type SourceUpdate, type TextEvent, textBytesMax } from './mail-source.ts';

const statusEveryMs = 1_000;
/** A broker that has not answered for so long is reported. */
const patienceMs = 3_000;
const retryMs = 1_000;
/** Between two batches of a flow that is faster than the screen: at most 50,000 events a second are taken. */
const batchPauseMs = 20;
/** Of the past of a broker on another machine so many records are asked for. */
const recordsAskedMax = 4_000;

/** Reads the past from the files of a store. */
export type PastReader = (options: PastOptions) => AsyncIterable<EventBatch>;

export interface SourceOptions {
  readonly mail: Pick<MailService, 'status' | 'events' | 'pause' | 'resume'>;
  /** Which broker it is, in words. */
  readonly place: string;
  /** undefined for a broker on another machine. */
  readonly readPast: PastReader | undefined;
  /** As readPast; without it the flow goes on only when there is a broker. */
  readonly files?: StoreTail | undefined;
}

type Report = (update: SourceUpdate) => void;

export class BrokerSource implements MailSource {
  readonly place: string;
  readonly #mail: SourceOptions['mail'];
  readonly #readPast: PastReader | undefined;
  readonly #files: StoreTail | undefined;
  #epoch = 0;

  constructor({ mail, place, readPast, files }: SourceOptions) {
    this.#mail = mail;
    this.place = place;
    this.#readPast = readPast;
    this.#files = files;
  }

  async follow(report: Report, signal: AbortSignal): Promise<void> {
    await Promise.all([this.#askStatus(report, signal), this.#askEvents(report, signal)]).catch(
      (error: unknown) => {
        if (!signal.aborted) throw error;
      },
    );
  }

  async wholeText(sequence: number, id: string): Promise<string | undefined> {
    const part = { after: sequence - 1, partBytesMax: bodyBytesMax };
    const batches = this.#readPast ? this.#readPast(part) : this.#ask(sequence);
    for await (const { events } of batches) {
      for (const event of events) {
        if (event.kind === 'stored' && event.envelope.id === id) return partText(event);
      }
    }
    throw new IpcError('unreachable', 'it is not kept any more');
  }

  async setPaused(mailbox: Name, isPaused: boolean): Promise<void> {
    if (isPaused) await this.#mail.pause([mailbox]);
    else await this.#mail.resume([mailbox]);
  }

  async *#ask(sequence: number): AsyncGenerator<EventBatch> {
    const after = { epoch: this.#epoch, sequence: sequence - 1 };
    yield await this.#mail.events({ after, timeoutMs: 0, partBytesMax: bodyBytesMax });
  }

  async #askStatus(report: Report, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const late = setTimeout(() => {
        report({ kind: 'trouble', what: 'The broker does not answer. The screen waits for it.' });
      }, patienceMs);
      try {
        report({ kind: 'status', status: await this.#mail.status({ signal }) });
      } catch (error) {
        if (signal.aborted) return;
        report({ kind: 'trouble', what: troubleOf(error) });
      } finally {
        clearTimeout(late);
      }
      await sleep(statusEveryMs, undefined, { signal });
    }
  }

  async #askEvents(report: Report, signal: AbortSignal): Promise<void> {
    const from = this.#readPast
      ? await this.#beginWithFiles(this.#readPast, report, signal)
      : await this.#beginWithBroker(report, signal);
    await this.#askLive(from, report, signal);
  }

  /** Live from now on, while the past is read; without a broker, from the end of the past on. */
  async #beginWithFiles(
    readPast: PastReader,
    report: Report,
    signal: AbortSignal,
  ): Promise<EventCursor | 'now'> {
    const now = await this.#nowOfBroker(signal).catch(() => undefined);
    const past = this.#reportPast(readPast, report, signal);
    return now ?? (await past) ?? 'now';
  }

  /** Returns where the past ends; undefined if it could not be read. */
  async #reportPast(
    readPast: PastReader,
    report: Report,
    signal: AbortSignal,
  ): Promise<EventCursor | undefined> {
    const newest = new NewestEvents();
    let end: EventCursor | undefined;
    const onProgress = (read: number, all: number) => {
      report({ kind: 'progress', percent: Math.floor((100 * read) / Math.max(1, all)) });
    };
    try {
      for await (const batch of readPast({ partBytesMax: textBytesMax, onProgress, signal })) {
        newest.add(batch.events);
        end = batch.next;
      }
      report({ kind: 'past', events: newest.all(), upTo: end?.sequence ?? 0 });
      return end;
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!(error instanceof IpcError)) throw error;
      report({ kind: 'noPast', what: error.message });
      return undefined;
    }
  }

  async #beginWithBroker(report: Report, signal: AbortSignal): Promise<EventCursor> {
    const now = await this.#trying(() => this.#nowOfBroker(signal), report, signal);
    const newest = new NewestEvents();
    let after: EventCursor = { ...now, sequence: Math.max(0, now.sequence - recordsAskedMax) };
    while (after.sequence < now.sequence) {
      const asked = { after, timeoutMs: 0, partBytesMax: textBytesMax, signal };
      const batch = await this.#trying(() => this.#mail.events(asked), report, signal);
      newest.add(batch.events);
      if (batch.next.sequence <= after.sequence) break;
      after = batch.next;
    }
    const upTo = Math.max(after.sequence, now.sequence);
    report({ kind: 'past', events: newest.all(), upTo });
    return { ...after, sequence: upTo };
  }

  async #nowOfBroker(signal: AbortSignal): Promise<EventCursor> {
    const asked = { after: 'now', timeoutMs: 0, partBytesMax: 0, signal } as const;
    const { next } = await this.#mail.events(asked);
    this.#epoch = next.epoch;
    return next;
  }

  async #askLive(after: EventCursor | 'now', report: Report, signal: AbortSignal): Promise<void> {
    const onFault = (error: IpcError) => this.#reportFault(error, report);
    const wanted = { after, partBytesMax: textBytesMax, signal, files: this.#files, onFault };
    for await (const { events, next, gap, hasMore } of liveEvents(this.#mail, wanted)) {
      this.#epoch = next.epoch;
      report({ kind: 'live', events: events.map(withText), gap });
      if (hasMore) await sleep(batchPauseMs, undefined, { signal });
    }
  }

  /** Until it succeeds. That there is no broker is reported by the question for its status. */
  async #trying<Result>(
    call: () => Promise<Result>,
    report: Report,
    signal: AbortSignal,
  ): Promise<Result> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (signal.aborted || !(error instanceof IpcError)) throw error;
        this.#reportFault(error, report);
      }
      await sleep(retryMs, undefined, { signal });
    }
  }

  #reportFault({ kind, message }: IpcError, report: Report): void {
    if (!kind.retry) report({ kind: 'noFlow', what: message });
  }
}

/** The events of the newest messages, as many as the screen keeps. */
class NewestEvents {
  readonly #byNumber = new Map<number, MailEvent[]>();
  readonly #oldest = new OldestKeys(this.#byNumber);
  #others: MailEvent[] = [];

  add(events: readonly MailEvent[]): void {
    for (const event of events) this.#add(event);
  }

  all(): TextEvent[] {
    const all = [...this.#byNumber.values(), this.#others].flat();
    return all.sort((one, other) => one.sequence - other.sequence).map(withText);
  }

  #add(event: MailEvent): void {
    if (event.kind === 'stored') {
      this.#byNumber.set(event.envelope.number, [event]);
      const oldest = this.#oldest.added(flowMessagesMax);
      if (oldest !== undefined) this.#byNumber.delete(oldest);
    } else if (event.kind === 'paused' || event.kind === 'resumed') {
      this.#others = [...this.#others.slice(-flowMessagesMax), event];
    } else {
      this.#byNumber.get(event.message.number)?.push(event);
    }
  }
}

function withText(event: MailEvent): TextEvent {
  return { event, text: event.kind === 'stored' ? partText(event) : undefined };
}

function troubleOf(error: unknown): string {
  if (!(error instanceof IpcError)) throw error;
  const { code, message, hint } = error;
  if (code === 'no_broker') return 'No broker runs. This is what the store has.';
  return `${code}: ${message}. ${hint}`;
}
