// What the screen shows, and what a key or news from the broker changes of it: pure functions, except that the flow is
// one object that grows.
import type { BrokerStatus, SessionStatus } from '../../model/mail-service.ts';
import type { Name } from '../../model/message.ts';
import { entryMatches, mailboxMatches, sessionMatches, wordsOf } from './filter.ts';
import { Flow, type FlowEntry, keyOfEntry } from './flow.ts';
import type { SourceUpdate } from './mail-source.ts';
import { type MailboxLine, mailboxLines } from './mailbox-table.ts';

export const columnsMin = 80;
export const rowsMin = 24;

export const panes = ['sessions', 'mailboxes', 'flow'] as const;
export type Pane = (typeof panes)[number];

/** `lists`: the three panes. The others are one text, which scrolls. */
export type View = 'lists' | 'message' | 'session' | 'help';

/** Asked before anything is changed. */
export interface Question {
  readonly words: string;
  readonly mailbox: Name;
  readonly isPaused: boolean;
}

/** A message that is shown in full. */
export interface OpenMessage {
  readonly number: number;
  readonly id: string;
  /** undefined until it has been read. */
  readonly body: { readonly text: string | undefined; readonly fault?: string } | undefined;
}

export type BrokerContact =
  | { readonly kind: 'starting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'none'; readonly what: string };

export interface TopState {
  readonly columns: number;
  readonly rows: number;
  readonly place: string;
  readonly connection: BrokerContact;
  readonly status: BrokerStatus | undefined;
  readonly flow: Flow;
  /** How the reading of the past goes; undefined when it is done. */
  readonly past: string | undefined;
  /** Why there are no live events, although the broker answers. */
  readonly noFlow: string | undefined;
  readonly view: View;
  readonly focus: Pane;
  /** The selected line of each pane by its key; undefined for the first line, in the flow for the newest one. */
  readonly selected: Readonly<Record<Pane, string | undefined>>;
  readonly filter: string;
  /** The filter is being typed. */
  readonly isTyping: boolean;
  readonly question: Question | undefined;
  /** The outcome of the last action. */
  readonly note: string | undefined;
  /** First line of the text that is shown, in views other than the lists. */
  readonly scroll: number;
  readonly message: OpenMessage | undefined;
  /** The session that is shown. */
  readonly session: string | undefined;
}

export function initialState(place: string, columns: number, rows: number): TopState {
  return {
    ...{ columns, rows, place },
    connection: { kind: 'starting' },
    status: undefined,
    flow: new Flow(),
    past: 'reading the past',
    noFlow: undefined,
    view: 'lists',
    focus: 'flow',
    selected: { sessions: undefined, mailboxes: undefined, flow: undefined },
    filter: '',
    isTyping: false,
    question: undefined,
    note: undefined,
    scroll: 0,
    message: undefined,
    session: undefined,
  };
}

export function updated(state: TopState, update: SourceUpdate): TopState {
  switch (update.kind) {
    case 'status':
      return { ...state, status: update.status, connection: { kind: 'live' } };
    case 'trouble':
      return { ...state, connection: { kind: 'none', what: update.what } };
    case 'live':
      state.flow.live(update.events, update.gap);
      return { ...state, noFlow: undefined };
    case 'progress':
      return { ...state, past: `reading the past, ${update.percent} %` };
    case 'past':
      state.flow.past(update.events, update.upTo);
      return { ...state, past: undefined };
    case 'noPast':
      return { ...state, past: `the past cannot be read: ${update.what}` };
    case 'noFlow':
      return { ...state, noFlow: `the flow cannot be followed: ${update.what}` };
  }
}

export interface Lists {
  readonly sessions: readonly SessionStatus[];
  readonly mailboxes: readonly MailboxLine[];
  readonly flow: readonly FlowEntry[];
}

/** The lines of the three panes that the filter leaves. */
export function listsOf(state: TopState, nowMs: number): Lists {
  const { status, filter, flow, connection } = state;
  const words = wordsOf(filter);
  // What a broker said before it ended is no more true.
  const now = connection.kind === 'none' ? undefined : status;
  const lists = {
    sessions: now?.sessionList ?? [],
    mailboxes: now ? mailboxLines(now, nowMs) : [],
    flow: flow.entries,
  };
  if (words.length === 0) return lists;
  return {
    sessions: lists.sessions.filter((session) => sessionMatches(session, words)),
    mailboxes: lists.mailboxes.filter((line) => mailboxMatches(line, words)),
    flow: lists.flow.filter((entry) => entryMatches(entry, words)),
  };
}

/** The keys of the lines of a pane. */
export function keysOf(lists: Lists, pane: Pane): string[] {
  switch (pane) {
    case 'sessions':
      return lists.sessions.map(({ session }) => session);
    case 'mailboxes':
      return lists.mailboxes.map(({ mailbox }) => mailbox);
    case 'flow':
      return lists.flow.map(keyOfEntry);
  }
}

/** The index of the selected line of a pane; -1 if it has none. */
export function selectedIndex(state: TopState, pane: Pane, keys: readonly string[]): number {
  const key = state.selected[pane];
  const last = keys.length - 1;
  if (pane === 'flow' && key === undefined) return last;
  const index = key === undefined ? 0 : keys.indexOf(key);
  if (index >= 0) return Math.min(index, last);
  // The line is gone, by the filter or because its mail is settled.
  return pane === 'flow' ? last : Math.min(0, last);
}
