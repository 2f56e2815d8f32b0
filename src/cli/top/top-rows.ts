// The whole screen as rows of text, each exactly as wide as the terminal.
import { counted } from '../../app/counts.ts';
import { clockTime } from '../../app/durations.ts';
import { cut, fit, fitRow, type Row, restyled, type Style, shown, wrapped } from './columns.ts';
import { flowRow, flowTitle } from './flow-table.ts';
import { mailboxRow, mailboxTitle } from './mailbox-table.ts';
import { sessionRow, sessionTitle } from './session-table.ts';
import { textLines, textTitle } from './text-views.ts';
import {
  bodyLines,
  firstSeen,
  isTooSmall,
  type Layout,
  layoutOf,
  noticeLines,
  type PanePlace,
} from './top-layout.ts';
import {
  columnsMin,
  keysOf,
  type Lists,
  listsOf,
  type Pane,
  rowsMin,
  selectedIndex,
  type TopState,
} from './top-state.ts';

/** In front of each line of a pane: a mark if it is selected. */
const markColumns = 2;

/** As many rows as the terminal has. */
export function topRows(state: TopState, nowMs: number): Row[] {
  const { columns, rows } = state;
  if (isTooSmall(state)) return filled(tooSmall(state), rows, columns);
  const body = state.view === 'lists' ? listRows(state, nowMs) : textRows(state, nowMs);
  const lines = [
    headRow(state, nowMs),
    ...noticeLines(state).map((text) => line(` ${text}`, 'bad')),
    ...filled(body, bodyLines(state), columns),
    footRow(state),
  ];
  return lines.map((row) => fitRow(row, columns));
}

function tooSmall({ columns, rows }: TopState): Row[] {
  const words = `ipc top needs ${columnsMin} columns and ${rowsMin} rows; here are ${columns} and ${rows}. q quits.`;
  return wrapped(words, Math.max(1, columns)).map((text) => line(text));
}

function filled(lines: readonly Row[], count: number, columns: number): Row[] {
  const missing = Array.from({ length: Math.max(0, count - lines.length) }, () => line(''));
  return [...lines.slice(0, count), ...missing].map((row) => fitRow(row, columns));
}

function headRow({ place, connection, status, columns }: TopState, nowMs: number): Row {
  const clock = ` ${clockTime(nowMs, nowMs)} UTC `;
  const facts = [`ipc top`, place];
  if (connection.kind === 'starting') facts.push('looking for the broker');
  if (connection.kind === 'none') facts.push('not connected');
  if (connection.kind === 'live' && status) {
    const { pid, epoch, messages, sessions, deadLetterCount } = status;
    facts.push(`owner ${pid}`, `epoch ${epoch}`, counted(messages, 'message'));
    facts.push(counted(sessions, 'session'));
    if (deadLetterCount > 0) facts.push(`${deadLetterCount} dead`);
  }
  return [
    { text: fit(` ${facts.join('  ')}`, columns - clock.length), style: 'title' },
    { text: clock, style: 'title' },
  ];
}

function footRow(state: TopState): Row {
  const { question, isTyping, filter, note, view, columns } = state;
  if (question) return line(` ${shown(question.words)} [y/N]`, 'bad');
  if (isTyping)
    return line(` Filter: ${shown(filter)}_   Enter keeps it, Esc removes it`, 'strong');
  if (note !== undefined) return line(` ${shown(note)}`, 'strong');
  if (view !== 'lists') return line(' Up/Down scroll  Esc back  ? help  q quit', 'dim');
  const keys = 'Tab pane  Enter open  / filter  p pause  ? help  q quit';
  if (filter === '') return line(` ${keys}`, 'dim');
  const words = ` Filter: ${cut(shown(filter), Math.floor(columns / 3))} (Esc: none)`;
  return [
    { text: words, style: 'strong' },
    { text: `  ${keys}`, style: 'dim' },
  ];
}

function textRows(state: TopState, nowMs: number): Row[] {
  const lines = textLines(state, nowMs);
  const seen = bodyLines(state) - 1;
  const first = Math.min(state.scroll, Math.max(0, lines.length - seen));
  const last = Math.min(lines.length, first + seen);
  const where = lines.length > seen ? `  lines ${first + 1}-${last} of ${lines.length}` : '';
  return [
    fitRow(line(` ${textTitle(state)}${where}`, 'title'), state.columns),
    ...lines.slice(first, last).map((row): Row => [{ text: ' ' }, ...row]),
  ];
}

function listRows(state: TopState, nowMs: number): Row[] {
  const lists = listsOf(state, nowMs);
  const layout = layoutOf(state, lists);
  const sessions = paneRows('sessions', state, lists, layout, nowMs);
  const mailboxes = paneRows('mailboxes', state, lists, layout, nowMs);
  const flow = paneRows('flow', state, lists, layout, nowMs);
  if (!layout.isWide) return [...sessions, ...mailboxes, ...flow];
  const beside = sessions.map((row, index): Row => {
    return [...row, { text: '  ' }, ...(mailboxes[index] ?? [])];
  });
  return [...beside, ...flow];
}

/** The title of the pane and its lines, each as wide as the pane. */
function paneRows(
  pane: Pane,
  state: TopState,
  lists: Lists,
  { panes }: Layout,
  nowMs: number,
): Row[] {
  const { columns, lines } = panes[pane];
  const keys = keysOf(lists, pane);
  const selected = selectedIndex(state, pane, keys);
  const first = firstSeen(keys.length, lines, selected, pane === 'flow');
  const isFocused = state.focus === pane;
  const rows = keys.slice(first, first + lines).map((_key, index) => {
    const place = { columns: columns - markColumns, lines };
    const row = lineOf(pane, lists, first + index, place, nowMs);
    const isSelected = isFocused && first + index === selected;
    const marked = fitRow([{ text: isSelected ? '> ' : '  ' }, ...row], columns);
    return isSelected ? restyled(marked, 'selected') : marked;
  });
  if (keys.length === 0) rows.push(fitRow(line(`  ${emptyWords(pane, state)}`, 'dim'), columns));
  const title = titleOf(pane, state, lists, columns - markColumns);
  const mark = isFocused ? '> ' : '  ';
  return [
    fitRow(restyled([{ text: mark }, ...title], isFocused ? 'title' : 'strong'), columns),
    ...filled(rows, lines, columns),
  ];
}

function titleOf(pane: Pane, state: TopState, lists: Lists, columns: number): Row {
  const { sessions, mailboxes } = lists;
  const { status } = state;
  switch (pane) {
    case 'sessions': {
      const isCut = (status?.namedSessions ?? 0) > (status?.sessionList.length ?? 0);
      return sessionTitle(countOf(sessions.length, isCut), columns);
    }
    case 'mailboxes': {
      const isCut = (status?.mailboxCount ?? 0) > (status?.mailboxes.length ?? 0);
      return mailboxTitle(countOf(mailboxes.length, isCut), columns);
    }
    case 'flow': {
      const isFollowing = state.selected.flow === undefined && state.connection.kind === 'live';
      return flowTitle(isFollowing ? 'live' : `${lists.flow.length}`, columns);
    }
  }
}

function lineOf(
  pane: Pane,
  { sessions, mailboxes, flow }: Lists,
  index: number,
  { columns }: PanePlace,
  nowMs: number,
): Row {
  const [session, mailbox, entry] = [sessions[index], mailboxes[index], flow[index]];
  if (pane === 'sessions' && session) return sessionRow(session, columns, nowMs);
  if (pane === 'mailboxes' && mailbox) return mailboxRow(mailbox, columns, nowMs);
  return entry && pane === 'flow' ? flowRow(entry, columns, nowMs) : [];
}

function emptyWords(pane: Pane, { filter, connection, past }: TopState): string {
  if (filter !== '') return 'nothing that the filter lets through';
  if (pane !== 'flow' && connection.kind !== 'live') return 'not known without a broker';
  const words = {
    sessions: 'no session with a name',
    mailboxes: 'no mail, no readers',
    flow: past ?? 'no mail yet',
  };
  return words[pane];
}

/** `200+` where the status does not list all that there are. */
function countOf(listed: number, isCut: boolean): string {
  return `${listed}${isCut ? '+' : ''}`;
}

function line(text: string, style?: Style): Row {
  return [{ text, style }];
}
