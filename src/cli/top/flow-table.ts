// The pane of the flow: a line for each message, whose state changes in place.

import { clockTime, utcTime } from '../../app/durations.ts';
import type { MessageStory } from '../../app/message-stories.ts';
import { stateWord } from '../../app/story-words.ts';
import { columnsOf, cut, fit, type Row, type Style, shown } from './columns.ts';
import type { FlowEntry } from './flow.ts';

const timeColumns = 8;
const textShown = 400;

interface Widths {
  readonly pair: number;
  readonly state: number;
  readonly text: number;
}

function widths(columns: number): Widths {
  const pair = Math.max(22, Math.floor(columns * 0.22));
  const state = Math.max(14, Math.floor(columns * 0.12));
  return { pair, state, text: columns - timeColumns - pair - state - 3 };
}

export function flowTitle(what: string, columns: number): Row {
  const { pair, state } = widths(columns);
  const heads = [fit('UTC', timeColumns), fit(`FLOW ${what}`, pair), fit('STATE', state), ''];
  return [{ text: `${heads.join(' ')}MESSAGE` }];
}

export function flowRow(entry: FlowEntry, columns: number, nowMs: number): Row {
  const { pair, state, text } = widths(columns);
  if ('note' in entry) {
    const { time, words } = entry.note;
    return [{ text: `${timeOf(time, nowMs)} -- ${shown(words)}`, style: 'dim' }];
  }
  const { story } = entry;
  const { from, to } = story.stored.envelope;
  return [
    { text: `${timeOf(story.stored.time, nowMs)} `, style: 'dim' },
    { text: `${fit(pairWords(shown(from) || '?', shown(to), pair), pair)} ` },
    { text: `${fit(shown(stateWords(story)), state)} `, style: stateStyle(story) },
    { text: cut(firstLineOf(story), text), style: isOver(story) ? 'dim' : undefined },
  ];
}

/** `done`, `with ann`; `with ann (2)` at the second attempt; `stored, again` after one. */
export function stateWords(story: MessageStory): string {
  const { state, attempts } = story;
  const word = stateWord(story, String);
  if (state === 'held' && attempts > 1) return `${word} (${attempts})`;
  return state === 'ready' && attempts > 0 ? `${word}, again` : word;
}

function stateStyle({ state }: MessageStory): Style {
  const styles = { ready: 'strong', held: 'busy', done: 'good', dropped: 'dim', dead: 'bad' };
  return styles[state] as Style;
}

function isOver({ state }: MessageStory): boolean {
  return state === 'done' || state === 'dropped';
}

/** `ann -> bob`; both are cut if they are too long. */
function pairWords(sender: string, mailbox: string, columns: number): string {
  const room = columns - 4;
  const half = Math.floor(room / 2);
  const senderRoom = Math.max(half, room - columnsOf(mailbox));
  const from = cut(sender, senderRoom);
  return `${from} -> ${cut(mailbox, room - columnsOf(from))}`;
}

function firstLineOf({ text }: MessageStory): string {
  if (text === undefined) return '(the disk has damaged it)';
  const [line = ''] = text
    .trimStart()
    .slice(0, textShown)
    .split(/[\r\n]/, 1);
  return shown(line.toWellFormed());
}

/** `14:02:33`, or `Nov 28` if that is another day. */
function timeOf(ms: number, nowMs: number): string {
  if (utcTime(ms).slice(0, 10) === utcTime(nowMs).slice(0, 10))
    return clockTime(ms, ms, 'HH:MM:SS');
  const [, day = '', month = ''] = /^\w+, (\d+) (\w+)/.exec(new Date(ms).toUTCString()) ?? [];
  return fit(`${month} ${day}`, timeColumns);
}
