// What each key does. Reading changes nothing: the one action there is asks first.
import type { Name } from '../../model/message.ts';
import { keyOfEntry } from './flow.ts';
import { textBytesMax } from './mail-source.ts';
import { textLines } from './text-views.ts';
import { bodyLines, isTooSmall, layoutOf } from './top-layout.ts';
import {
  keysOf,
  type Lists,
  listsOf,
  type Pane,
  panes,
  selectedIndex,
  type TopState,
} from './top-state.ts';

/** A key by its name, or the character that it types. */
export type Key = string;

/** What is to be done beside the change of the state. */
export type Effect =
  | { readonly kind: 'quit' }
  /** The whole text of the message is wanted. */
  | { readonly kind: 'open'; readonly sequence: number; readonly id: string }
  | { readonly kind: 'pause'; readonly mailbox: Name; readonly isPaused: boolean };

export interface Pressed {
  readonly state: TopState;
  readonly effect?: Effect;
}

const filterCharactersMax = 100;

export function pressed(state: TopState, key: Key, nowMs: number): Pressed {
  if (key === 'ctrl-c') return { state, effect: { kind: 'quit' } };
  if (isTooSmall(state)) return key === 'q' ? { state, effect: { kind: 'quit' } } : { state };
  if (state.question) return answered(state, key);
  if (state.isTyping) return { state: typed(state, key) };
  const noted = state.note === undefined ? state : { ...state, note: undefined };
  if (key === 'q') return { state: noted, effect: { kind: 'quit' } };
  if (noted.view !== 'lists') return { state: inText(noted, key, nowMs) };
  return inLists(noted, key, nowMs);
}

function answered(state: TopState, key: Key): Pressed {
  const { question, ...rest } = state;
  const asked = { ...rest, question: undefined };
  if (key !== 'y' && key !== 'Y') return { state: { ...asked, note: 'Nothing was changed.' } };
  if (!question) return { state: asked };
  const { mailbox, isPaused } = question;
  return { state: asked, effect: { kind: 'pause', mailbox, isPaused } };
}

function typed(state: TopState, key: Key): TopState {
  if (key === 'enter') return { ...state, isTyping: false };
  if (key === 'escape') return filtered({ ...state, isTyping: false }, '');
  if (key === 'backspace') return filtered(state, [...state.filter].slice(0, -1).join(''));
  if ([...key].length !== 1 || state.filter.length >= filterCharactersMax) return state;
  return filtered(state, state.filter + key);
}

/** With another filter each list begins anew. */
function filtered(state: TopState, filter: string): TopState {
  const selected = { sessions: undefined, mailboxes: undefined, flow: undefined };
  return { ...state, filter, selected };
}

function inText(state: TopState, key: Key, nowMs: number): TopState {
  if (key === 'escape' || key === 'enter' || (key === '?' && state.view === 'help'))
    return { ...state, view: 'lists', scroll: 0, message: undefined, session: undefined };
  if (key === '?') return { ...state, view: 'help', scroll: 0 };
  const seen = bodyLines(state) - 1;
  const last = Math.max(0, textLines(state, nowMs).length - seen);
  const to = moved(key, state.scroll, last, seen);
  return to === undefined ? state : { ...state, scroll: to };
}

function inLists(state: TopState, key: Key, nowMs: number): Pressed {
  switch (key) {
    case 'tab':
      return { state: { ...state, focus: paneAfter(state.focus, 1) } };
    case 'shift-tab':
      return { state: { ...state, focus: paneAfter(state.focus, -1) } };
    case '/':
      return { state: { ...state, isTyping: true } };
    case '?':
      return { state: { ...state, view: 'help', scroll: 0 } };
    case 'escape':
      return { state: filtered(state, '') };
  }
  const lists = listsOf(state, nowMs);
  if (key === 'enter') return opened(state, lists);
  if (key === 'p') return { state: askedToPause(state, lists) };
  const keys = keysOf(lists, state.focus);
  const page = layoutOf(state, lists).panes[state.focus].lines;
  const last = keys.length - 1;
  const to = moved(key, selectedIndex(state, state.focus, keys), last, page);
  if (to === undefined || last < 0) return { state };
  // At its newest line the flow follows the mail.
  const chosen = state.focus === 'flow' && to === last ? undefined : keys[to];
  return { state: { ...state, selected: { ...state.selected, [state.focus]: chosen } } };
}

/** undefined if the key moves nothing. */
function moved(key: Key, from: number, last: number, page: number): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ...{ up: -1, k: -1, down: 1, j: 1, 'page-up': -page, 'page-down': page, ' ': page },
    ...{ home: -Infinity, g: -Infinity, end: Infinity, G: Infinity },
  };
  const step = steps[key];
  return step === undefined ? undefined : Math.max(0, Math.min(last, from + step));
}

function opened(state: TopState, lists: Lists): Pressed {
  const { focus } = state;
  const index = selectedIndex(state, focus, keysOf(lists, focus));
  if (focus === 'sessions') {
    const session = lists.sessions[index]?.session;
    if (session === undefined) return { state };
    return { state: { ...state, view: 'session', session, scroll: 0 } };
  }
  if (focus === 'mailboxes') {
    const mailbox = lists.mailboxes[index]?.mailbox;
    if (mailbox === undefined) return { state };
    return { state: { ...filtered(state, mailbox), focus: 'flow' } };
  }
  const entry = lists.flow[index];
  if (!entry || 'note' in entry) return { state };
  const { stored, text } = entry.story;
  const { number, id, bodyBytes } = stored.envelope;
  const isWhole = bodyBytes <= textBytesMax || text === undefined;
  // The selection stays on this message while others come.
  const selected = { ...state.selected, flow: keyOfEntry(entry) };
  const isNewest = index === lists.flow.length - 1;
  return {
    state: {
      ...{
        ...state,
        view: 'message',
        scroll: 0,
        message: { number, id, body: isWhole ? { text } : undefined },
      },
      selected: isNewest ? state.selected : selected,
    },
    ...(!isWhole && { effect: { kind: 'open', sequence: stored.sequence, id } }),
  };
}

function askedToPause(state: TopState, lists: Lists): TopState {
  if (state.focus !== 'mailboxes')
    return { ...state, note: 'Select a mailbox (Tab), then p pauses it.' };
  const line = lists.mailboxes[selectedIndex(state, 'mailboxes', keysOf(lists, 'mailboxes'))];
  if (!line) return state;
  if (state.status?.paused.includes(''))
    return { ...state, note: 'All mailboxes are paused; `ipc resume --all` ends that.' };
  const { mailbox, paused } = line;
  const what = paused ? 'Deliver from' : 'Deliver nothing from';
  const until = paused ? ' again' : ' until it is resumed';
  const words = `${what} mailbox "${mailbox}"${until}?`;
  return { ...state, question: { words, mailbox, isPaused: !paused } };
}

function paneAfter(pane: Pane, step: number): Pane {
  return panes[(panes.indexOf(pane) + step + panes.length) % panes.length] ?? pane;
}
