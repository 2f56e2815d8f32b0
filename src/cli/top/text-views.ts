// The views that are one text: a message with its life, a session, and the help. They are lines that fit the screen.

import { clockTime, roughTime, utcTime } from '../../app/durations.ts';
import type { MessageStory } from '../../app/message-stories.ts';
import { lifeWords, type StoryForms } from '../../app/story-words.ts';
import type { SessionStatus } from '../../model/mail-service.ts';
import type { Origin } from '../../model/message.ts';
import { fit, type Row, type Style, shown, wrapped } from './columns.ts';
import { stateWords } from './flow-table.ts';
import type { OpenMessage, TopState } from './top-state.ts';

const keyWords: readonly (readonly [keys: string, meaning: string])[] = [
  ['Tab, Shift-Tab', 'the next pane, the one before'],
  ['Up, Down, k, j', 'the line above, below'],
  ['PgUp, PgDn', 'a page up, down'],
  ['g, G, Home, End', 'the first line, the last; at the last one the flow follows the mail'],
  ['Enter', 'a message in full, a session; on a mailbox: only the mail of it'],
  ['Esc', 'back; in the lists: no filter any more'],
  ['/', 'type a filter: words that a line must have, such as a name or a state'],
  ['p', 'pause the selected mailbox, or go on with it; asks first'],
  ['?', 'this help'],
  ['q, Ctrl-C', 'quit'],
];

const keyColumns = 20;

const helpWords = `
States of a message: stored (no session has it; "again" if one had it), with NAME (a session holds it; a number is the attempt), done (settled), dropped (settled unread), dead letter (given up; it waits in "dead-letters").

The screen only looks: it takes no mail, settles nothing, and owns no broker of this machine. Times are UTC. Without a broker it shows the past, and goes on when there is a broker again.`;

/** The lines of the view; empty for the lists. */
export function textLines(state: TopState, nowMs: number): Row[] {
  const columns = state.columns - 2;
  switch (state.view) {
    case 'lists':
      return [];
    case 'help':
      return helpLines(columns);
    case 'message':
      return messageLines(state, columns);
    case 'session': {
      const session = state.status?.sessionList.find((each) => each.session === state.session);
      return session ? sessionLines(session, columns, nowMs) : [plain('This session has ended.')];
    }
  }
}

/** The title of the view. */
export function textTitle({ view, message, status, session: id }: TopState): string {
  switch (view) {
    case 'message':
      return `MESSAGE ${message?.number ?? ''}`;
    case 'session':
      return `SESSION ${shown(status?.sessionList.find(({ session }) => session === id)?.name ?? '')}`;
    default:
      return 'HELP';
  }
}

function helpLines(columns: number): Row[] {
  return [
    ...keyWords.flatMap(([keys, meaning]) =>
      wrapped(meaning, columns - keyColumns).map(
        (line, index): Row => [
          { text: fit(index === 0 ? `  ${keys}` : '', keyColumns), style: 'strong' },
          { text: line },
        ],
      ),
    ),
    ...wrapped(helpWords, columns).map((line) => plain(line)),
  ];
}

function messageLines({ flow, message }: TopState, columns: number): Row[] {
  const story = message && flow.byNumber(message.number);
  if (!message || story?.stored.envelope.id !== message.id)
    return [plain('The screen does not know this message any more.')];
  const { from, to, id, time, answers, bodyBytes, origin } = story.stored.envelope;
  const question = answers === '' ? undefined : flow.byId(answers);
  const forms: StoryForms = {
    name: (name) => `"${shown(name)}"`,
    message: (other) => named(flow.byId(other), other),
  };
  const head = [
    `From      ${shown(from) || 'unknown (no address to answer)'}`,
    `          ${placeOf(origin)}`,
    `To        ${shown(to)}`,
    `Stored    ${utcTime(time)}, ${bodyBytes} bytes`,
    `Id        ${shown(id)}`,
    ...(answers === '' ? [] : [`Answers   ${named(question, answers)}`]),
    ...story.answeredBy.map((each) => `Answer    ${named(flow.byId(each), each)}`),
    `State     ${shown(stateWords(story))}`,
  ];
  return [
    ...head.flatMap((line) => wrapped(line, columns)).map((line) => plain(line)),
    plain(''),
    { text: 'LIFE', style: 'title' as const },
    plain(`${clockTime(time, time, 'HH:MM:SS')}  stored`),
    ...story.life
      .flatMap((event) =>
        wrapped(`${clockTime(event.time, time, 'HH:MM:SS')}  ${lifeWords(event, forms)}`, columns),
      )
      .map((line) => plain(line)),
    plain(''),
    { text: 'TEXT', style: 'title' as const },
    ...bodyLines(message, columns),
  ].map((line) => ('text' in line ? [line] : line));
}

function bodyLines({ body }: OpenMessage, columns: number): Row[] {
  if (!body) return [plain('It is being read.', 'dim')];
  if (body.fault !== undefined)
    return wrapped(`It cannot be read: ${body.fault}`, columns).map((line) => plain(line, 'bad'));
  if (body.text === undefined) return [plain('The disk has damaged it.', 'bad')];
  if (body.text === '') return [plain('It is empty.', 'dim')];
  return wrapped(body.text.toWellFormed(), columns).map((line) => plain(line));
}

function named(story: MessageStory | undefined, id: string): string {
  return story ? `message ${story.stored.envelope.number}` : `message ${shown(id)}`;
}

function placeOf({ program, pid, machine, folder }: Origin): string {
  const where = folder === undefined ? '' : ` in ${shown(folder)}`;
  return `${shown(program)}, pid ${pid}, on ${shown(machine)}${where}`;
}

function sessionLines(session: SessionStatus, columns: number, nowMs: number): Row[] {
  const { origin, since, waitsOn, watches, wakePath, lastNotice, held, holds } = session;
  const age = (ms: number) => `${utcTime(ms)}, ${roughTime(nowMs - ms)} ago`;
  const lines = [
    `Name      ${shown(session.name)}${session.own ? ' (this program)' : ''}`,
    `Session   ${session.session}`,
    `Program   ${shown(origin.program)}, pid ${origin.pid}`,
    `Machine   ${shown(origin.machine)}`,
    ...(origin.folder === undefined ? [] : [`Folder    ${shown(origin.folder)}`]),
    `Here      since ${age(since)}`,
    ...waitsOn.map((mailbox) => `Waits on  ${shown(mailbox)}`),
    ...watches.map((mailbox) => `Watches   ${shown(mailbox)}`),
    ...(wakePath === '' ? [] : [`Woken     by ${shown(wakePath)}`]),
    ...(lastNotice === undefined
      ? []
      : [`Notice    ${age(lastNotice.time)}${lastNotice.isRead ? ', read since' : ', unread'}`]),
    `Holds     ${held === 0 ? 'nothing' : `${held}`}`,
    ...holds.map(({ number, since: from }) => {
      return `          message ${number}${from === undefined ? '' : ` since ${age(from)}`}`;
    }),
  ];
  return lines.flatMap((line) => wrapped(line, columns)).map((line) => plain(line));
}

function plain(text: string, style?: Style): Row {
  return [{ text, style }];
}
