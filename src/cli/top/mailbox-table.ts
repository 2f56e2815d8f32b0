// The pane of the mailboxes: how much mail is in each, how old it is, and who reads it.
import { roughTime } from '../../app/durations.ts';
import { compareNeed, isUnattended, type MailboxFacts } from '../../app/mailbox-need.ts';
import type { MailboxStatus } from '../../model/look-results.ts';
import type { BrokerStatus } from '../../model/mail-service.ts';
import type { Name } from '../../model/message.ts';
import { fit, fitRight, type Row, type Style, shown } from './columns.ts';

export type MailboxLine = MailboxStatus & MailboxFacts;

const numbers = [
  ['READY', 7],
  ['HELD', 6],
  ['OLDEST', 9],
  ['READERS', 9],
  ['WATCHERS', 10],
  ['DEAD', 6],
] as const;
const numbersColumns = numbers.reduce((sum, [, columns]) => sum + columns, 0);
/** `paused` or `unread`, at the end of the line. */
const markColumns = 8;

/** In the order of need. */
export function mailboxLines(
  { mailboxes, deadLetters, paused }: BrokerStatus,
  nowMs: number,
): MailboxLine[] {
  const dead = new Map(deadLetters.map(({ to, messages }) => [to, messages]));
  const lines = mailboxes.map((box): MailboxLine => {
    const isPausedItself = paused.includes(box.mailbox);
    return { ...box, dead: dead.get(box.mailbox) ?? 0, isPausedItself };
  });
  const known = new Set<Name | ''>(lines.map(({ mailbox }) => mailbox));
  for (const mailbox of new Set([...dead.keys(), ...paused])) {
    if (mailbox === '' || known.has(mailbox)) continue;
    const none = { ready: 0, held: 0, waiting: 0, watching: 0, oldestTime: 0 };
    const isPausedItself = paused.includes(mailbox);
    const isPaused = isPausedItself || paused.includes('');
    const facts = { dead: dead.get(mailbox) ?? 0, paused: isPaused, isPausedItself };
    lines.push({ mailbox, ...none, ...facts });
  }
  return lines.sort((one, other) => compareNeed(one, other, nowMs));
}

export function mailboxTitle(count: string, columns: number): Row {
  const heads = numbers.map(([head, width]) => fitRight(head, width)).join('');
  return [{ text: `${fit(`MAILBOXES ${count}`, nameColumns(columns))}${heads}` }];
}

export function mailboxRow(line: MailboxLine, columns: number, nowMs: number): Row {
  const { ready, held, waiting, watching, dead, oldestTime, paused } = line;
  const oldest = oldestTime === 0 ? '' : roughTime(nowMs - oldestTime);
  const isUnread = !paused && isUnattended(line, nowMs);
  const cells: readonly (readonly [value: number | string, style: Style])[] = [
    [ready, ready > 0 ? 'strong' : 'dim'],
    [held, held > 0 ? 'busy' : 'dim'],
    [oldest, isUnread ? 'bad' : 'dim'],
    [waiting, 'dim'],
    [watching, 'dim'],
    [dead || '', 'bad'],
  ];
  return [
    { text: fit(shown(line.mailbox), nameColumns(columns)) },
    ...cells.map(([value, style], index) => {
      return { text: fitRight(`${value}`, numbers[index]?.[1] ?? 0), style };
    }),
    ...(paused ? [{ text: '  paused', style: 'bad' as const }] : []),
    ...(isUnread ? [{ text: '  unread', style: 'bad' as const }] : []),
  ];
}

function nameColumns(columns: number): number {
  return Math.max(10, columns - numbersColumns - markColumns);
}
