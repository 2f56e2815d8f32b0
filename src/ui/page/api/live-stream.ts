// The stream of live events, which goes on from its last cursor after every loss:
// 1. A lost connection is closed and opened again from the newest cursor. The browser would ask for the first one.
// 2. The server of the page goes on while the broker is gone; it says so, and goes on after the failover.
// 3. After a gap the page has to load the messages anew; this file ends and leaves that to its owner.
import type { EventCursor } from '../../../model/mail-events.ts';
import type { WireLive, WireMail, WireStatus, WireTrouble } from '../../wire.ts';

export interface LiveListener {
  readonly onMail: (mail: WireMail) => void;
  readonly onStatus: (status: WireStatus) => void;
  readonly onOpen: () => void;
  /** The server of the page is gone. */
  readonly onLost: () => void;
  /** The broker is gone. */
  readonly onTrouble: (trouble: WireTrouble) => void;
  readonly onFine: () => void;
  /** Events are missing. The stream is closed. */
  readonly onGap: () => void;
}

const againMs = 2_000;

export class LiveStream {
  readonly #listener: LiveListener;
  #after: EventCursor;
  #source: EventSource | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(after: EventCursor, listener: LiveListener) {
    this.#after = after;
    this.#listener = listener;
    this.#open();
  }

  close(): void {
    clearTimeout(this.#again);
    this.#source?.close();
  }

  #open(): void {
    const { epoch, sequence } = this.#after;
    const source = new EventSource(`api/live?epoch=${epoch}&sequence=${sequence}`);
    this.#source = source;
    const on = <Kind extends keyof WireLive>(kind: Kind, hear: (data: WireLive[Kind]) => void) =>
      source.addEventListener(kind, ({ data }) => hear(JSON.parse(data)));
    on('mail', (mail) => this.#onMail(mail));
    on('status', (status) => this.#listener.onStatus(status));
    on('trouble', (trouble) => this.#listener.onTrouble(trouble));
    on('fine', () => this.#listener.onFine());
    source.addEventListener('open', () => this.#listener.onOpen());
    source.addEventListener('error', () => this.#onError(source));
  }

  #onMail(mail: WireMail): void {
    this.#after = mail.next;
    if (mail.gap) {
      this.close();
      this.#listener.onGap();
    } else {
      this.#listener.onMail(mail);
    }
  }

  #onError(source: EventSource): void {
    source.close();
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#open(), againMs);
    this.#listener.onLost();
  }
}
