import type { ErrorCode, IpcError } from '../base/errors.ts';
import type { JournalRecord } from '../model/records.ts';
import type { RequestNumber, Response } from '../model/requests.ts';
import type { ConnectionId, Outcome, Reply } from './commands.ts';

/** Collects the records and replies of the step that runs. */
export class OutcomeBuilder {
  #records: JournalRecord[] = [];
  #replies: Reply[] = [];

  add(record: JournalRecord): void {
    this.#records.push(record);
  }

  reply(to: ConnectionId, response: Response): void {
    this.#replies.push({ to, after: 'write', response });
  }

  replyAfterSync(to: ConnectionId, response: Response): void {
    this.#replies.push({ to, after: 'sync', response });
  }

  fail(to: ConnectionId, request: RequestNumber, code: ErrorCode, message: string): void {
    this.reply(to, { kind: 'error', request, code, message });
  }

  refuse(to: ConnectionId, request: RequestNumber, { code, message }: IpcError): void {
    this.fail(to, request, code, message);
  }

  take(): Outcome {
    const outcome = { records: this.#records, replies: this.#replies };
    this.#records = [];
    this.#replies = [];
    return outcome;
  }
}
