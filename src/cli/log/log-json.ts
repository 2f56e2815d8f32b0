// Messages of `ipc log --json`, a line each.
import type { MessageStory } from '../../app/message-stories.ts';
import type { OutputFields } from '../command-parts.ts';
import { originFields, plainOrigin } from '../deliver.ts';
import { jsonLine } from '../output.ts';
import { type LogEntry, smallStanding } from './log-entries.ts';
import type { PauseEvent } from './log-pauses.ts';

export const logFields: OutputFields = {
  id: 'the id of the message',
  number: 'its number in the store',
  mailbox: 'where it is, or was last',
  to: 'where it was posted to',
  ...originFields,
  time: 'when it was stored, in ms since 1970',
  answers: 'the id of the message that it answers, or ""',
  state: '"ready", "held", "done", "dropped", or "dead" for a dead letter',
  since: 'when it came into this state',
  attempts: 'how many times it was delivered',
  holder: 'who holds it, or has settled it: session, name; null: nobody',
  bytes: 'bytes of its body',
  damaged: 'true: the disk damaged it, and its body is lost',
  line: 'the first line of its text; null when it is damaged',
  body: 'with --full its text, else null',
  life: 'with --id what happened to it: kind, time, and more of each kind',
  kind: [
    'only in the line of a pause: "paused" or "resumed"; beside it',
    'are mailbox (null: all mailboxes) and time',
  ],
};

export function pauseLine({ kind, mailbox, time }: PauseEvent): string {
  return jsonLine({ kind, mailbox: mailbox === '' ? null : mailbox, time });
}

export function entryLine(
  { envelope, text, standing }: LogEntry,
  isFull: boolean,
  life?: MessageStory['life'],
): string {
  const { id, number, to, from, origin, time, answers, bodyBytes: bytes } = envelope;
  const { mailbox, state, since, attempts, holder } = smallStanding(standing);
  const [line] = text?.split(/\r?\n/, 1) ?? [];
  return jsonLine({
    ...{ id, number, mailbox, to, from, ...plainOrigin(origin), time, answers },
    ...{ state, since, attempts, holder, bytes, damaged: text === undefined },
    ...{ line, body: isFull ? text : undefined },
    life: life?.map(({ message, sequence, ...event }) => event),
  });
}
