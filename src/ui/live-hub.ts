// The event streams of all open pages: the mail of one pump, and the broker's status, which is asked for once a second
// while a page is open.
import type { ServerResponse } from 'node:http';
import { IpcError } from '../base/errors.ts';
import { streamsMax } from '../base/page-limits.ts';
import type { EventCursor } from '../model/mail-events.ts';
import { EventStream } from './event-stream.ts';
import { HttpFault } from './http-fault.ts';
import { LivePump } from './live-pump.ts';
import type { MailFeed } from './mail-feed.ts';
import { RecentMail } from './recent-mail.ts';
import type { WireStatus } from './wire.ts';

const statusMs = 1_000;

export class LiveHub {
  readonly pump: LivePump;
  readonly #status: () => Promise<WireStatus>;
  readonly #streams = new Set<EventStream>();
  /** Faults of the two ways to the broker; a page is told of one of them. */
  readonly #troubles: { mail?: string | undefined; status?: string | undefined } = {};
  #ticker: NodeJS.Timeout | undefined;
  #lastStatus = '';
  #isAsking = false;

  constructor(feed: MailFeed, status: () => Promise<WireStatus>) {
    this.#status = status;
    this.pump = new LivePump(feed, new RecentMail(), {
      onChange: () => this.#each((stream) => stream.flush()),
      onTrouble: ({ code, message }) => this.#setTrouble('mail', `${code}: ${message}`),
      onFine: () => this.#setTrouble('mail', undefined),
    });
  }

  get trouble(): string | undefined {
    return this.#troubles.mail ?? this.#troubles.status;
  }

  /** Begins the stream of a page behind a position. The response lasts until the page or the server ends it. */
  open(response: ServerResponse, after: EventCursor): void {
    if (this.#streams.size >= streamsMax) {
      const hint = 'close other windows with this page';
      throw new HttpFault(503, 'too_many', `${streamsMax} pages are open`, hint);
    }
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.flushHeaders();
    const stream = new EventStream(response, this.pump, after);
    this.#streams.add(stream);
    response.on('close', () => this.#close(stream));
    stream.trouble = this.trouble;
    this.#lastStatus = '';
    this.#ticker ??= setInterval(() => void this.#ask(), statusMs);
    void this.#ask();
  }

  #close(stream: EventStream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  /** A call that takes longer than a second is not repeated meanwhile. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const status = await this.#status();
      this.#setTrouble('status', undefined);
      const text = JSON.stringify(status);
      if (text !== this.#lastStatus) {
        this.#each((stream) => {
          stream.status = status;
        });
      }
      this.#lastStatus = text;
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#setTrouble('status', `${error.code}: ${error.message}`);
    } finally {
      this.#isAsking = false;
    }
  }

  #setTrouble(way: 'mail' | 'status', trouble: string | undefined): void {
    const before = this.trouble;
    this.#troubles[way] = trouble;
    const now = this.trouble;
    if (now !== before) {
      this.#each((stream) => {
        stream.trouble = now;
      });
    }
  }

  #each(tell: (stream: EventStream) => void): void {
    for (const stream of this.#streams) tell(stream);
  }
}
