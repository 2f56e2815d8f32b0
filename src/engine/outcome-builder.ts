import { appended, emptyList } from '../base/empty-list.ts';
import type { ErrorCode, IpcError } from '../base/errors.ts';
import type { JournalRecord } from '../model/records.ts';
import type { RequestNumber, Response } from '../model/requests.ts';
import type { ConnectionId, Outcome, Reply } from './commands.ts';
import { type EventOfRecord, eventsOf, type KnownMail } from './record-events.ts';

/** Collects the records and replies of the step that runs, and the events of the records while somebody wants them. */
export class OutcomeBuilder {
  readonly #mail: KnownMail;
  areEventsWanted = false;
  #records: readonly JournalRecord[] = emptyList;
  #events: readonly EventOfRecord[][] = emptyList;
  #replies: readonly Reply[] = emptyList;

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
    this.#records = this.#events = this.#replies = emptyList;
    return outcome;
  }
}
