// The pane of the sessions: who is there, where, and what each of them waits on, watches and holds.
import { roughTime } from '../../app/durations.ts';
import type { SessionStatus } from '../../model/mail-service.ts';
import { columnsOf, cut, cutFront, fit, type Row, shown } from './columns.ts';

const holdsShown = 3;

interface Widths {
  readonly name: number;
  readonly program: number;
  readonly where: number;
  readonly rest: number;
}

/** The columns of the pane, with a space between them. */
function widths(columns: number): Widths {
  const name = Math.max(14, Math.floor(columns * 0.16));
  const program = Math.max(11, Math.floor(columns * 0.13));
  const where = Math.max(17, Math.floor(columns * 0.22));
  return { name, program, where, rest: columns - name - program - where - 3 };
}

export function sessionTitle(count: string, columns: number): Row {
  const { name, program, where } = widths(columns);
  const words = [fit(`SESSIONS ${count}`, name), fit('PROGRAM', program), fit('WHERE', where), ''];
  return [{ text: `${words.join(' ')}WAITS ON, WATCHES, HOLDS` }];
}

export function sessionRow(session: SessionStatus, columns: number, nowMs: number): Row {
  const { name, program, where, rest } = widths(columns);
  const { origin, own } = session;
  const mark = own ? ' (this)' : '';
  const label = `${cut(shown(session.name), name - mark.length)}${mark}`;
  return [
    { text: `${fit(label, name)} `, style: own ? 'strong' : undefined },
    { text: `${fit(shown(origin.program), program)} `, style: 'dim' },
    { text: `${fit(whereabouts(session, where), where)} `, style: 'dim' },
    {
      text: cut(doing(session, nowMs), rest),
      style: session.held > 0 ? 'busy' : undefined,
    },
  ];
}

/** `laptop ~/shop`, with the end of a long folder. */
function whereabouts({ origin: { machine, folder } }: SessionStatus, columns: number): string {
  const short = cut(shown(machine), Math.max(6, Math.floor(columns / 2)));
  if (folder === undefined) return short;
  return `${short} ${cutFront(shown(folder), columns - columnsOf(short) - 1)}`;
}

function doing(session: SessionStatus, nowMs: number): string {
  const { waitsOn, watches, held, holds, since } = session;
  const parts: string[] = [];
  if (held > 0) {
    const first = holds.slice(0, holdsShown).map(({ number, since: from }) => {
      return from === undefined ? `#${number}` : `#${number} (${roughTime(nowMs - from)})`;
    });
    const more = held > first.length ? `, ${held - first.length} more` : '';
    parts.push(`holds ${first.join(', ')}${more}`);
  }
  if (waitsOn.length > 0) parts.push(`waits on ${waitsOn.map(shown).join(', ')}`);
  if (watches.length > 0) parts.push(`watches ${watches.map(shown).join(', ')}`);
  return parts.length > 0 ? parts.join('; ') : `here for ${roughTime(nowMs - since)}`;
}
