// Which messages `ipc log` looks for, in the past and in the live flow of mail.
import type { PastFilter } from '../../journal/past-filter.ts';
import type { Envelope, MessageId, Name } from '../../model/message.ts';

/** A message is found if it fits all that is given. */
export interface MessageQuery {
  readonly from?: Name | undefined;
  readonly to?: Name | undefined;
  /** From or to this name. */
  readonly with?: Name | undefined;
  /** When it was stored, in milliseconds since 1970: not before this. */
  readonly sinceMs?: number | undefined;
  /** A part of its text, in any case. */
  readonly text?: string | undefined;
  /** It has one of these ids, or answers one of them. */
  readonly near?: Set<MessageId> | undefined;
  /** What is found is added to `near`, so that answers to it are found as well. */
  readonly isThread?: boolean | undefined;
}

/** A filter that also fits the events of a broker. Messages must come in the order in which they were stored. */
export interface SearchFilter extends PastFilter {
  /** The whole bodies of messages are needed. */
  readonly needsBodies: boolean;
}

export class MailSearch implements SearchFilter {
  readonly #query: MessageQuery;
  readonly #text: string;
  /** Absent if no text is searched. */
  readonly mayWant?: NonNullable<PastFilter['mayWant']>;

  constructor(query: MessageQuery) {
    this.#query = query;
    this.#text = query.text?.toLowerCase() ?? '';
    if (this.#text === '') return;
    this.mayWant = ({ bytes, body, end }) => this.#isIn(bytes.toString('utf8', body, end));
  }

  get needsBodies(): boolean {
    return this.#text !== '';
  }

  wants(envelope: Envelope, body: Buffer | undefined): boolean {
    const { from, to, with: name, sinceMs, near, isThread } = this.#query;
    if (from !== undefined && envelope.from !== from) return false;
    if (to !== undefined && envelope.to !== to) return false;
    if (name !== undefined && envelope.from !== name && envelope.to !== name) return false;
    if (sinceMs !== undefined && envelope.time < sinceMs) return false;
    if (near && !near.has(envelope.id) && !isAnswerTo(envelope, near)) return false;
    if (isThread) near?.add(envelope.id);
    return this.#text === '' || (body !== undefined && this.#isIn(body.toString('utf8')));
  }

  #isIn(text: string): boolean {
    return text.toLowerCase().includes(this.#text);
  }
}

function isAnswerTo({ answers }: Envelope, ids: ReadonlySet<MessageId>): boolean {
  return answers !== '' && ids.has(answers);
}
