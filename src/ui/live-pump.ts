// Follows the events of the broker once for all open pages.
//
// 1. It reads the past into `RecentMail`, so that the first page has its messages at once.
// 2. It follows the live events, and calls `onChange` after each batch.
// 3. When events are missing, or an owner that is gone had given out events that never reached the disk, it begins at
//    1 again; `loads` counts that, so pages that hold the older messages can be told.
// 4. An error that may pass is reported once as `onTrouble`, then it goes on.
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError } from '../base/errors.ts';
import type { EventBatch, EventCursor } from '../model/mail-events.ts';
import type { MailFeed } from './mail-feed.ts';
import type { RecentMail } from './recent-mail.ts';
import { pageTextBytes, wireEvent } from './wire-events.ts';

export interface PumpListener {
  /** There are new events, or the messages were loaded anew. */
  onChange(): void;
  onTrouble(error: IpcError): void;
  /** The broker has answered. */
  onFine(): void;
}

const retryMs = 500;

export class LivePump {
  readonly recent: RecentMail;
  readonly #feed: MailFeed;
  readonly #listener: PumpListener;
  #loads = 0;
  #load: Loading = newLoading();

  constructor(feed: MailFeed, recent: RecentMail, listener: PumpListener) {
    this.#feed = feed;
    this.recent = recent;
    this.#listener = listener;
  }

  /** How often the past was read. */
  get loads(): number {
    return this.#loads;
  }

  /** Resolves when the past has been read. */
  loaded(): Promise<void> {
    return this.#load.done;
  }

  /** Ends after the signal, or with an error that does not pass by itself. */
  async run(signal: AbortSignal): Promise<void> {
    let after: EventCursor | undefined;
    while (!signal.aborted) {
      try {
        after = await this.#step(after, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof IpcError)) throw error;
        this.#listener.onTrouble(error);
        await sleep(retryMs, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Returns where to go on; undefined to read the past anew. */
  async #step(after: EventCursor | undefined, signal: AbortSignal) {
    if (!after) return this.#readPast(signal);
    const batch = await this.#feed.live(after, { partBytesMax: pageTextBytes, signal });
    this.#listener.onFine();
    if (batch.gap || isSetBack(batch, after)) {
      this.#load = newLoading();
      return undefined;
    }
    const { events, next } = batch;
    this.recent.add(
      events.map((event) => wireEvent(event)),
      next,
    );
    if (events.length > 0 || next.epoch !== after.epoch) this.#listener.onChange();
    return next;
  }

  async #readPast(signal: AbortSignal): Promise<EventCursor> {
    this.recent.clear();
    let next: EventCursor = { epoch: 0, sequence: 0 };
    for await (const past of this.#feed.past({ partBytesMax: pageTextBytes, signal })) {
      next = past.next;
      this.recent.add(
        past.events.map((event) => wireEvent(event)),
        next,
      );
    }
    this.#loads += 1;
    this.#load.resolve();
    this.#listener.onFine();
    this.#listener.onChange();
    return next;
  }
}

interface Loading {
  readonly done: Promise<void>;
  resolve(): void;
}

function newLoading(): Loading {
  let resolve = () => {};
  const done = new Promise<void>((end) => {
    resolve = end;
  });
  return { done, resolve };
}

/**
 * The owner of a later epoch begins behind fewer records than the one before had given out. One of an earlier epoch has
 * another store: the one before was removed.
 */
function isSetBack({ events, next }: EventBatch, after: EventCursor): boolean {
  const first = events[0]?.sequence ?? after.sequence + 1;
  return next.epoch < after.epoch || next.sequence < after.sequence || first <= after.sequence;
}
