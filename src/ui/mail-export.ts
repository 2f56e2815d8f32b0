// Messages as a file to keep: JSON lines or Markdown, oldest first.
//
// The store is read twice. The first time finds the messages and what became of them, without their bodies; the second
// time writes them one after the other, so that only one body is in memory.

import { MessageStories, type MessageStory } from '../app/message-stories.ts';
import { decoded } from '../app/peek.ts';
import { IpcError } from '../base/errors.ts';
import { bodyBytesMax } from '../base/limits.ts';
import { exportMessagesMax } from '../base/page-limits.ts';
import type { StoredEvent } from '../model/mail-events.ts';
import { deadLetterMailbox, type Envelope } from '../model/message.ts';
import type { MailFeed } from './mail-feed.ts';
import { feedFilter, matchesEnvelope, matchesText } from './mail-filter.ts';
import type { WireFilter } from './wire.ts';

export type ExportFormat = 'jsonl' | 'md';

/** Finds the messages. The text comes in pieces, when it is asked for. */
export async function exportMail(
  feed: MailFeed,
  filter: WireFilter,
  format: ExportFormat,
  signal: AbortSignal,
): Promise<AsyncIterable<string>> {
  const stories = await storiesOf(feed, filter, signal);
  const present = format === 'md' ? markdownOf : jsonLineOf;
  return textOfAll(feed, (id) => wantedStory(filter, stories.byId(id)), present, signal);
}

async function storiesOf(
  feed: MailFeed,
  filter: WireFilter,
  signal: AbortSignal,
): Promise<MessageStories> {
  const stories = new MessageStories();
  const partBytesMax = filter.text === undefined ? 0 : bodyBytesMax;
  for await (const { events } of feed.past({ partBytesMax, signal, filter: feedFilter(filter) })) {
    for (const event of events) {
      if (event.kind !== 'stored' || isWanted(filter, event)) stories.apply(event);
      if (stories.size <= exportMessagesMax) continue;
      const what = `more than ${exportMessagesMax} messages match`;
      throw new IpcError('bad_parameter', what, {
        hint: 'export a shorter time, or fewer mailboxes',
      });
    }
  }
  return stories;
}

function isWanted(filter: WireFilter, { envelope, part }: StoredEvent): boolean {
  const { mailbox = envelope.to } = filter;
  return (
    (mailbox === envelope.to || mailbox === deadLetterMailbox) &&
    matchesEnvelope(filter, envelope) &&
    matchesText(filter, envelope, part && decoded(part))
  );
}

/** Only what became of a message shows whether it is, or was, a dead letter. */
function wantedStory({ mailbox }: WireFilter, story: MessageStory | undefined) {
  if (!story || mailbox === undefined || story.stored.envelope.to === mailbox) return story;
  return story.life.some(({ kind }) => kind === 'deadLettered') ? story : undefined;
}

async function* textOfAll(
  feed: MailFeed,
  storyOf: (id: string) => MessageStory | undefined,
  present: (story: MessageStory, body?: string) => string,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const filter = { wants: ({ id }: Envelope) => storyOf(id) !== undefined };
  for await (const { events } of feed.past({ partBytesMax: bodyBytesMax, signal, filter })) {
    for (const event of events) {
      const story = event.kind === 'stored' ? storyOf(event.envelope.id) : undefined;
      if (story && event.kind === 'stored') yield present(story, event.part && decoded(event.part));
    }
  }
}

/** A field without a value is null. */
function jsonLineOf(
  { stored, state, mailbox, attempts, life }: MessageStory,
  body?: string,
): string {
  const { id, number, to, from, time, answers, depth, origin, bodyBytes: bytes } = stored.envelope;
  const { program, pid, machine, folder = null } = origin;
  const line = {
    ...{ id, number, to, from, program, pid, machine, folder, time, answers, depth, bytes },
    ...{ state, mailbox, attempts, body: body ?? null },
    life: life.map(({ message: _message, ...event }) => event),
  };
  return `${JSON.stringify(line)}\n`;
}

function markdownOf({ stored, state, attempts, life }: MessageStory, body?: string): string {
  const { id, number, to, from, answers, time } = stored.envelope;
  const head = `## #${number}: ${from === '' ? 'unknown' : plain(from)} to ${plain(to)}`;
  const facts = [
    `${stamp(time)}, ${state}${attempts > 1 ? `, ${attempts} attempts` : ''}, id ${plain(id)}`,
    ...(answers === '' ? [] : [`answers ${plain(answers)}`]),
  ];
  const steps = life.map((event) => {
    const session = 'name' in event && event.name !== '' ? ` (${plain(event.name)})` : '';
    return `- ${stamp(event.time)} ${event.kind}${session}`;
  });
  const text = body === undefined ? ['The disk damaged its body.'] : fenced(body);
  return `${[head, '', facts.join(', '), '', ...text, '', ...steps].join('\n').trimEnd()}\n\n`;
}

/** The fence is longer than any in the text, so the text cannot end it. */
function fenced(text: string): string[] {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return [`${fence}text`, text, fence];
}

/** A name or an id that is no Markdown and no HTML. */
function plain(text: string): string {
  return text.replace(/[\\`*_{}[\]()<>#+!|&~-]/g, '\\$&');
}

function stamp(time: number): string {
  return new Date(time)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z/, ' UTC');
}
