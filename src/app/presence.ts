// The sessions of a broker as lines of a status: each with its name, the program and place, since when it is
// connected, on what it waits, what it watches and what it holds.
import { quoted } from '../base/quoted.ts';
import type { FoundMessage, FoundState, LastNotice } from '../model/look-results.ts';
import type { BrokerStatus, SessionStatus } from '../model/mail-service.ts';
import type { Holder } from '../model/requests.ts';
import { clockTime, roughTime } from './durations.ts';
import { placed } from './sanitize.ts';

/** Of one session: mailboxes and messages that are named. It counts the others. */
const mailboxesShown = 4;
const holdsShown = 3;

/**
 * Sessions that wait, watch or hold a message come before idle ones, and at most `max` are listed in at most `charactersMax`
 * characters. The others are counted.
 */
export function sessionLines(
  { sessionList, namedSessions }: Pick<BrokerStatus, 'sessionList' | 'namedSessions'>,
  nowMs: number,
  max: number,
  charactersMax: number,
): string[] {
  const isActive = ({ waitsOn, watches, held }: SessionStatus) =>
    waitsOn.length > 0 || watches.length > 0 || held > 0;
  const ordered = [
    ...sessionList.filter((each) => isActive(each)),
    ...sessionList.filter((each) => !isActive(each)),
  ];
  const lines = fitting(
    ordered.slice(0, max).map((each) => sessionLine(each, nowMs)),
    charactersMax,
  );
  const hidden = namedSessions - lines.length;
  return hidden > 0 ? [...lines, `and ${hidden} more sessions`] : lines;
}

/** `held by "amy" ("codex" on "laptop" in "~/shop") for 3 min`. */
export function heldBy({ session, origin, name, since }: Holder, nowMs: number): string {
  const place = origin ? placed(origin) : `session ${session}, not connected`;
  const who = name === '' ? place : `${quoted(name)} (${place})`;
  return `held by ${who}${since === undefined ? '' : ` for ${roughTime(nowMs - since)}`}`;
}

/** The state of a message, in words that follow its id. */
export function foundWords(message: FoundMessage, nowMs: number): string {
  const { state, number, answeredBy, place } = message;
  const answer = answeredBy === undefined ? '' : `; its answer #${answeredBy} is unread`;
  if (!place) return `${goneWords[state]}${number === undefined ? '' : ` (#${number})`}${answer}`;
  const { mailbox, to, time, attempt, holder } = place;
  const parts = [
    `#${number} in ${quoted(mailbox)}`,
    holder ? heldBy(holder, nowMs) : `unread for ${roughTime(nowMs - time)}`,
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(mailbox === to ? [] : [`posted to ${quoted(to)}`]),
  ];
  return `${parts.join(', ')}${answer}`;
}

const goneWords: Readonly<Record<FoundState, string>> = {
  ...{ ready: '', held: '' },
  settled: 'settled',
  forgotten: 'settled, or refused when it was posted',
  unknown: 'unknown: never posted, or settled and forgotten',
};

/** The first lines, as many as have room together. */
export function fitting(lines: readonly string[], charactersMax: number): string[] {
  let left = charactersMax;
  const end = lines.findIndex((line) => {
    left -= line.length + 1;
    return left < 0;
  });
  return lines.slice(0, end === -1 ? lines.length : end);
}

function sessionLine(session: SessionStatus, nowMs: number): string {
  const { name, origin, since, waitsOn, own } = session;
  const place = own ? 'this session' : placed(origin);
  const parts = [
    `Session ${quoted(name)} (${place})`,
    `connected ${roughTime(nowMs - since)}`,
    ...(waitsOn.length > 0 ? [`waits on ${listed(waitsOn.map(quoted), mailboxesShown)}`] : []),
    ...watchWords(session, nowMs),
    ...holdWords(session, nowMs),
  ];
  return parts.join(', ');
}

/** `watches "ann" (woken by "inbox"; told 14:02 UTC, read)`. */
export function watchWords(
  { watches, wakePath, lastNotice }: SessionStatus,
  nowMs: number,
): string[] {
  if (watches.length === 0) return [];
  const facts = [
    ...(wakePath === '' ? [] : [`woken by ${quoted(wakePath)}`]),
    ...(lastNotice === undefined ? [] : [toldWords(lastNotice, nowMs)]),
  ];
  const how = facts.length === 0 ? '' : ` (${facts.join('; ')})`;
  return [`watches ${listed(watches.map(quoted), mailboxesShown)}${how}`];
}

function toldWords({ time, isRead }: LastNotice, nowMs: number): string {
  return `told ${clockTime(time, nowMs)} UTC, ${isRead ? 'read' : 'not read yet'}`;
}

function holdWords({ holds, held }: SessionStatus, nowMs: number): string[] {
  if (held === 0) return [];
  const words = holds.map(({ number, since }) => {
    return since === undefined ? `#${number}` : `#${number} for ${roughTime(nowMs - since)}`;
  });
  return [`holds ${listed(words, holdsShown, held)}`];
}

/** `count`: of all, when there are more than are given. */
function listed(items: readonly string[], max: number, count = items.length): string {
  const shown = items.slice(0, max);
  const hidden = count - shown.length;
  return `${shown.join(', ')}${hidden > 0 ? ` and ${hidden} more` : ''}`;
}
