// Which messages the list of conversations shows: as the address of the page says it, as the list applies it, and as
// the server is asked for it.
import type { MessageStory, StoryState } from '../../../app/message-stories.ts';
import { isHit } from './marked-text.ts';

export const ranges = { '15m': 900_000, '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000 };
export type RangeName = keyof typeof ranges;

export interface MessageFilter {
  /** Sender or mailbox. */
  readonly agent: string;
  /** The other side of a pair; counts only beside an agent. */
  readonly partner: string;
  readonly mailbox: string;
  readonly state: StoryState | '';
  readonly text: string;
  /** Stored within this time, or between `since` and `before`. */
  readonly range: RangeName | '';
  /** Milliseconds since 1970; undefined for no bound. */
  readonly since: number | undefined;
  readonly before: number | undefined;
}

export const noFilter: MessageFilter = {
  agent: '',
  partner: '',
  mailbox: '',
  state: '',
  text: '',
  range: '',
  since: undefined,
  before: undefined,
};

const states: readonly string[] = ['ready', 'held', 'done', 'dropped', 'dead'];

export function isFiltering(filter: MessageFilter): boolean {
  return parametersOf(filter).size > 0;
}

/** What the address of the page says of a filter. */
export function parametersOf(filter: MessageFilter): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value !== '' && value !== undefined) parameters.set(name, `${value}`);
  }
  return parameters;
}

/** Anybody can write an address, so whatever is no filter counts as none. */
export function filterFrom(parameters: URLSearchParams): MessageFilter {
  const text = (name: string) => parameters.get(name) ?? '';
  const time = (name: string) => {
    const value = parameters.get(name);
    return value !== null && /^\d{1,16}$/.test(value) ? Number(value) : undefined;
  };
  const range = text('range');
  const state = text('state');
  return {
    agent: text('agent'),
    partner: text('agent') === '' ? '' : text('partner'),
    mailbox: text('mailbox'),
    state: states.includes(state) ? (state as StoryState) : '',
    text: text('text'),
    range: Object.hasOwn(ranges, range) ? (range as RangeName) : '',
    since: time('since'),
    before: time('before'),
  };
}

/** `found`: numbers of messages in which the server found the text, be it behind the part that the page has. */
export function matches(
  story: MessageStory,
  filter: MessageFilter,
  now: number,
  found: ReadonlySet<number>,
): boolean {
  const { envelope, time } = story.stored;
  const { agent, partner, mailbox, state, text } = filter;
  const { since, before } = boundsOf(filter, now);
  if (since !== undefined && time < since) return false;
  if (before !== undefined && time >= before) return false;
  if (state !== '' && story.state !== state) return false;
  if (mailbox !== '' && envelope.to !== mailbox && story.mailbox !== mailbox) return false;
  if (agent !== '' && !isBetween(story, agent, partner)) return false;
  if (text === '') return true;
  return isHit(story.text ?? '', text) || isHit(envelope.id, text) || found.has(envelope.number);
}

function isBetween({ stored: { envelope } }: MessageStory, agent: string, partner: string) {
  const { from, to } = envelope;
  if (partner === '') return from === agent || to === agent;
  return (from === agent && to === partner) || (from === partner && to === agent);
}

function boundsOf({ range, since, before }: MessageFilter, now: number) {
  return range === '' ? { since, before } : { since: now - ranges[range], before: undefined };
}

/** The same filter for the server. It does not know states; the list applies those itself. */
export function searchParameters(filter: MessageFilter, now: number): URLSearchParams {
  const { agent, partner, mailbox, text } = filter;
  const { since, before } = boundsOf(filter, now);
  const parameters = new URLSearchParams();
  const given = { text, with: agent, partner, mailbox, since, before };
  for (const [name, value] of Object.entries(given)) {
    if (value !== '' && value !== undefined) parameters.set(name, `${value}`);
  }
  return parameters;
}
