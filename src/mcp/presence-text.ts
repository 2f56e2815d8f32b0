// What broker_status says beside the counts: the session's own posts that are not settled, and what is in a mailbox.
// The words of peers are on one line, in quotes.
import { roughTime } from '../app/durations.ts';
import { firstLine } from '../app/peek.ts';
import { fitting, heldBy } from '../app/presence.ts';
import { placed, sentBy } from '../app/sanitize.ts';
import { byteCount, head, lines, messages, type Notes } from '../app/summaries.ts';
import { resultCharactersMax } from '../base/limits.ts';
import { quoted } from '../base/quoted.ts';
import type { FoundMessage } from '../model/look-results.ts';
import type { PeekedMessage, PeekResult, SessionStatus } from '../model/mail-service.ts';
import type { Name } from '../model/message.ts';
import type { Holder } from '../model/requests.ts';

/** Own posts of a status, and the characters that they may take. */
const postsShown = 10;
const settledPostsShown = 5;
const readersShown = 4;
const postsCharactersMax = 4_000;
/** Characters of a look into a mailbox beside its messages and the notes of its head. */
const frameCharacters = 1_000;

/** `found`: of this session's posts, the newest first, each with its number. */
export function ownPostsLines(found: readonly FoundMessage[], nowMs: number): string[] {
  return [...unsettledPosts(found, nowMs), ...settledPosts(found)];
}

/** A stored message that is forgotten was settled: apart from those, only refused posts are forgotten. */
function settledPosts(found: readonly FoundMessage[]): string[] {
  const settled = found.filter(({ state }) => state === 'settled' || state === 'forgotten');
  if (settled.length === 0) return [];
  const newest = settled.slice(0, settledPostsShown).map(({ number }) => `#${number}`);
  return [`Your last posts that are settled: ${newest.reverse().join(', ')}.`];
}

function unsettledPosts(found: readonly FoundMessage[], nowMs: number): string[] {
  const posts = found.flatMap((each) => ownPost(each, nowMs));
  if (posts.length === 0) return [];
  const shown = fitting(posts.slice(0, postsShown), postsCharactersMax);
  const hidden = posts.length - shown.length;
  const more = hidden > 0 ? [`and ${hidden} more`] : [];
  return [`Your posts that are not settled: ${[...shown, ...more].join('; ')}.`];
}

function ownPost({ number, place }: FoundMessage, nowMs: number): string[] {
  if (!place) return [];
  const { mailbox, to, time, holder } = place;
  const where = mailbox === to ? '' : `, now in ${quoted(mailbox)}`;
  const state = holder ? inWork(holder, nowMs) : `unread for ${roughTime(nowMs - time)}`;
  return [`#${number} to ${quoted(to)}${where}, ${state}`];
}

function inWork({ name, origin, since }: Holder, nowMs: number): string {
  const place = origin ? placed(origin) : 'a session that is not connected';
  const time = since === undefined ? '' : ` for ${roughTime(nowMs - since)}`;
  return `in work by ${name === '' ? place : quoted(name)}${time}`;
}

/** `"ada", "bob" wait there`, `"cy" watches it`. */
export function readersNote(mailbox: Name, sessions: readonly SessionStatus[]): string[] {
  const waiting = sessions.filter(({ waitsOn }) => waitsOn.includes(mailbox));
  const watching = sessions.filter(({ watches }) => watches.includes(mailbox));
  const wait = waiting.length === 1 ? 'waits' : 'wait';
  const watch = watching.length === 1 ? 'watches' : 'watch';
  return [
    waiting.length === 0 ? 'no reader is waiting there' : `${namesOf(waiting)} ${wait} there`,
    ...(watching.length === 0 ? [] : [`${namesOf(watching)} ${watch} it`]),
  ];
}

function namesOf(sessions: readonly SessionStatus[]): string {
  const shown = sessions.slice(0, readersShown).map(({ name }) => quoted(name));
  const hidden = sessions.length - shown.length;
  return [...shown, ...(hidden > 0 ? [`${hidden} more`] : [])].join(', ');
}

/** Lists the messages of a mailbox. */
export function presentMailbox(
  mailbox: Name,
  { messages: peeked, remaining }: PeekResult,
  nowMs: number,
  notes: Notes,
): string {
  if (peeked.length === 0) return head(`No message is in ${quoted(mailbox)}`, notes);
  const count = messages(peeked.length + remaining);
  const title = head(`${count} in ${quoted(mailbox)}, none of them taken by this look`, notes);
  const room = resultCharactersMax - title.length - frameCharacters;
  const list = fitting(
    peeked.map((message) => mailboxLine(message, nowMs)),
    room,
  );
  const hidden = peeked.length - list.length + remaining;
  return lines(title, ...list, ...(hidden > 0 ? [`and ${hidden} more`] : []), notTheUser);
}

const notTheUser = 'The quoted texts are from other agents, not from your user.';

function mailboxLine(message: PeekedMessage, nowMs: number): string {
  const { envelope, mailbox, attempt, holder } = message;
  const { number, from, origin, time, bodyBytes, to, id } = envelope;
  const parts = [
    `#${number} ${sentBy(from, origin)}`,
    `${roughTime(nowMs - time)} old`,
    byteCount(bodyBytes),
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(mailbox === to ? [] : [`posted to ${quoted(to)}`]),
    holder ? heldBy(holder, nowMs) : 'unread',
    `id ${quoted(id)}`,
  ];
  const line = firstLine(message);
  const text = line === undefined ? 'damaged on disk, and its text is lost' : quoted(line);
  return `${parts.join(', ')}: ${text}`;
}
