import type { ErrorCode, IpcError } from '../base/errors.ts';
import type { JournalRecord } from '../model/records.ts';
import type { RequestNumber, Response } from '../model/requests.ts';
import type { ConnectionId, Outcome, Reply } from './commands.ts';
import { type EventOfRecord, eventsOf, type KnownMail } from './record-events.ts';

/** Collects the records and replies of the step that runs, and the events of the records while somebody wants them. */
export class OutcomeBuilder {
  readonly #mail: KnownMail;
  areEventsWanted = false;
  #records: JournalRecord[] = nothing;
  #events: EventOfRecord[][] = nothing;
  #replies: Reply[] = nothing;

  constructor(mail: KnownMail) {
    this.#mail = mail;
  }

  /** Before the record is applied, which would hide what it changes. */
  add(record: JournalRecord): void {
    this.#records = appended(this.#records, record);
    if (this.areEventsWanted) {
      this.#events = appended(this.#events, eventsOf(record, this.#mail));
    }
  }

  reply(to: ConnectionId, response: Response): void {
    this.#replies = appended(this.#replies, { to, after: 'write', response });
  }

  replyAfterSync(to: ConnectionId, response: Response): void {
    this.#replies = appended(this.#replies, { to, after: 'sync', response });
  }

  fail(to: ConnectionId, request: RequestNumber, code: ErrorCode, message: string): void {
    this.reply(to, { kind: 'error', request, code, message });
  }

  refuse(to: ConnectionId, request: RequestNumber, { code, message }: IpcError): void {
    this.fail(to, request, code, message);
  }

  take(): Outcome {
    const outcome = { records: this.#records, events: this.#events, replies: this.#replies };
    this.#records = this.#events = this.#replies = nothing;
    return outcome;
  }
}

/** Nothing is ever pushed to it. */
const nothing: never[] = [];

/** Most steps have one item of each: V8 makes room for 17 when an item is pushed to an empty list. */
function appended<Item>(items: Item[], item: Item): Item[] {
  if (items.length === 0) return [item];
  items.push(item);
  return items;
}
