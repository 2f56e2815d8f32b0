// The person's own mailbox: what the page has shown is settled there. A mailbox is read from its front, so messages in
// front of those that are wanted are taken as well, and go back unread.
import { fetchMessagesMax, holdsMax } from '../base/limits.ts';
import { type Delivery, type MailService, withoutBody } from '../model/mail-service.ts';
import type { MessageId, Name } from '../model/message.ts';
import type { WireReadDone } from './wire.ts';

type Reader = Pick<MailService, 'find' | 'fetch' | 'settle' | 'release'>;

export class OwnMailbox {
  readonly #mail: Reader;
  readonly #name: Name;
  /** One read at a time: a second one would not see what the first one holds. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(mail: Reader, name: Name) {
    this.#mail = mail;
    this.#name = name;
  }

  /** Settles those of the messages that are ready in the mailbox. */
  settle(ids: readonly MessageId[], signal: AbortSignal): Promise<WireReadDone> {
    const result = this.#last.then(() => this.#settle(ids, signal));
    this.#last = result.catch(() => {});
    return result;
  }

  async #settle(ids: readonly MessageId[], signal: AbortSignal): Promise<WireReadDone> {
    const wanted = new Set(await this.#ready(ids, signal));
    const settled: MessageId[] = [];
    const others: Delivery[] = [];
    try {
      while (wanted.size > 0 && others.length + fetchMessagesMax <= holdsMax) {
        const messagesMax = Math.min(wanted.size, fetchMessagesMax);
        const { deliveries } = await this.#mail.fetch(this.#name, { messagesMax, signal });
        if (deliveries.length === 0) break;
        const own = deliveries.filter(({ envelope }) => wanted.delete(envelope.id));
        others.push(...deliveries.filter((each) => !own.includes(each)));
        const lost = await this.#mail.settle(own.map(withoutBody), { signal });
        const gone = new Set(lost.map(({ envelope }) => envelope.id));
        settled.push(...own.map(({ envelope }) => envelope.id).filter((id) => !gone.has(id)));
      }
    } finally {
      if (others.length > 0) await this.#mail.release(others.map(withoutBody), { unread: true });
    }
    return { settled, missed: ids.filter((id) => !settled.includes(id)) };
  }

  /** Without this, a page that names messages of yesterday would take the whole mailbox. */
  async #ready(ids: readonly MessageId[], signal: AbortSignal): Promise<MessageId[]> {
    const found = await this.#mail.find(ids, { signal });
    return ids.filter((_, index) => {
      const { state, place } = found[index] ?? {};
      return state === 'ready' && place?.mailbox === this.#name;
    });
  }
}
