// Where each pane is on the screen, and which of its lines are seen.
import { wrapped } from './columns.ts';
import { columnsMin, type Lists, type Pane, rowsMin, type TopState } from './top-state.ts';

export interface PanePlace {
  readonly columns: number;
  /** Lines below the title. */
  readonly lines: number;
}

export interface Layout {
  /** Sessions and mailboxes stand side by side. */
  readonly isWide: boolean;
  readonly panes: Readonly<Record<Pane, PanePlace>>;
}

/** From that width on, both tables have room beside each other. */
const columnsWide = 150;
/** Lines of a pane that has not the focus, if there are more panes than room. */
const linesMin = 3;
/** The first line says which broker it is, the last one what the keys do. */
const headAndFoot = 2;
const noticeLinesMax = 3;

export function isTooSmall({ columns, rows }: TopState): boolean {
  return columns < columnsMin || rows < rowsMin;
}

/** Lines between the head and the foot. */
export function bodyLines(state: TopState): number {
  return state.rows - headAndFoot - noticeLines(state).length;
}

export function layoutOf(state: TopState, lists: Lists): Layout {
  const { columns, focus } = state;
  const isWide = columns >= columnsWide;
  const wanted = {
    sessions: Math.max(1, lists.sessions.length),
    mailboxes: Math.max(1, lists.mailboxes.length),
  };
  if (isWide) {
    const room = bodyLines(state) - 2;
    const share = focus === 'flow' ? 0.4 : 0.6;
    const tables = Math.max(wanted.sessions, wanted.mailboxes);
    const lines = Math.min(tables, Math.max(linesMin, Math.floor(room * share)));
    const sessions = Math.floor((columns - 2) * 0.58);
    return {
      isWide,
      panes: {
        sessions: { columns: sessions, lines },
        mailboxes: { columns: columns - 2 - sessions, lines },
        flow: { columns, lines: room - lines },
      },
    };
  }
  const room = bodyLines(state) - 3;
  const table = (pane: 'sessions' | 'mailboxes') => {
    const share = focus === pane ? 0.5 : 0.25;
    return Math.min(wanted[pane], Math.max(linesMin, Math.floor(room * share)));
  };
  const [sessions, mailboxes] = [table('sessions'), table('mailboxes')];
  return {
    isWide,
    panes: {
      sessions: { columns, lines: sessions },
      mailboxes: { columns, lines: mailboxes },
      flow: { columns, lines: room - sessions - mailboxes },
    },
  };
}

/** The first line that is seen, so that the selected one is, and as much as possible of the others. */
export function firstSeen(count: number, lines: number, selected: number, isFlow: boolean): number {
  const last = Math.max(0, count - lines);
  if (isFlow && selected >= count - 1) return last;
  return Math.max(0, Math.min(last, selected - Math.floor(lines / 2)));
}

/** The lines below the head: what is wrong is worth some. */
export function noticeLines(state: TopState): string[] {
  const notice = noticeOf(state);
  return notice === undefined ? [] : wrapped(notice, state.columns - 2).slice(0, noticeLinesMax);
}

function noticeOf({ connection, status, past, noFlow }: TopState): string | undefined {
  if (connection.kind === 'none') return connection.what;
  if (status?.paused.includes(''))
    return 'All mailboxes are paused: mail is stored, and nothing is delivered.';
  if (status && status.storageStalledMs > 0)
    return `The disk has not answered for ${Math.floor(status.storageStalledMs / 1_000)} s.`;
  if (status && status.warnings.length > 0) return `The broker warns: ${status.warnings[0]}.`;
  const other = noFlow ?? past;
  return other && `${other.charAt(0).toUpperCase()}${other.slice(1)}.`;
}
