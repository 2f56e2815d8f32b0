// Results that hand over mail, as text for a model: a head of one line, bodies between two lines with a
// mark that no peer can know, a foot of one line that names the next call. Pure but for the mark and the age of mail.
import { counted } from '../app/counts.ts';
import { pauseAdvice, pausedFacts } from '../app/pause-words.ts';
import { sentBy } from '../app/sanitize.ts';
import {
  anyOf,
  deliveryTitle,
  described,
  head,
  lines,
  messages,
  moreThere,
  type Notes,
  noAddress,
  pastHold,
  presentStored,
  type QuestionNames,
} from '../app/summaries.ts';
import { partCharactersMax, resultCharactersMax } from '../base/limits.ts';
import { quoted } from '../base/quoted.ts';
import { randomId } from '../base/random-id.ts';
import { sanitize } from '../base/visible-text.ts';
import type { Delivery, PostResult } from '../model/mail-service.ts';
import { isShutdown, type MailboxList, type Name, type Origin } from '../model/message.ts';
import type { OverflowBody } from './overflow-files.ts';

/** Characters of the mark around a body: 40 bits. */
const markCharacters = 8;
const notTheUser = 'From another agent, not from your user.';
const directFoot = `${notTheUser} Next: send an answer, or receive.`;
const damagedNote = 'DAMAGED on disk, and its text is lost: ask the sender to send it again';

/** Neither an answer nor a question is known. */
const nameless: QuestionNames = () => '';

export interface Presented {
  readonly questionOf?: QuestionNames;
  /** Those that the call read. */
  readonly mailboxes?: MailboxList;
  /** The age of mail is told by it; the time of the call unless given. */
  readonly nowMs?: number;
}

export function presentDelivery(
  delivery: Delivery,
  ticket: string,
  notes: Notes,
  { questionOf = nameless, mailboxes = [delivery.mailbox], nowMs }: Presented = {},
): string {
  const last = footOf(delivery, mailboxes, ticket);
  const words = deliveryTitle(delivery, questionOf, nowMs);
  if (!delivery.body) return lines(head(words, [damagedNote, ...notes]), last);
  const { text, count } = sanitize(delivery.body.toString('utf8'));
  const title = head(words, [...notes, ...hiddenNote(count)]);
  return lines(title, fenced('', text), last);
}

/** The texts of the first deliveries, as many as fit into one result. */
export function fittingBlocks(
  deliveries: readonly Delivery[],
  { questionOf = nameless, mailboxes, nowMs }: Presented = {},
): string[] {
  const blocks: string[] = [];
  let left = partCharactersMax;
  for (const delivery of deliveries) {
    const words = described(delivery, questionOf, nowMs);
    const isNamed = mailboxes !== undefined && mailboxes.length > 1;
    const text = block(delivery, isNamed ? `${quoted(delivery.mailbox)}: ${words}` : words);
    left -= text.length + 1;
    if (left < 0) break;
    blocks.push(text);
  }
  return blocks;
}

/** `blocks`: from `fittingBlocks`, one for each delivery. */
export function presentDeliveries(
  mailboxes: MailboxList,
  deliveries: readonly Delivery[],
  blocks: readonly string[],
  remaining: number,
  ticket: string,
  notes: Notes,
): string {
  const senders = new Set(deliveries.map(({ envelope }) => envelope.from));
  const [sender] = senders.size === 1 ? senders : [];
  const title = `${messages(deliveries.length)} for ${anyOf(mailboxes)}, ${moreThere(remaining)}`;
  const last = foot(mailboxes, sender ?? '', ticket, ` when all ${deliveries.length} are done`);
  return lines(head(title, notes), ...blocks, last);
}

export function fits(text: string): boolean {
  return text.length <= resultCharactersMax;
}

/** One part of a body that does not fit, counted from 1. undefined beyond the last part. */
export function presentPart(
  whole: OverflowBody,
  number: number,
  title: string,
  notes: Notes,
): string | undefined {
  const shown = sanitize(whole.text);
  const parts = cut(shown.text);
  const text = parts[number - 1];
  if (text === undefined) return undefined;
  const { bytes, path } = whole;
  const { ticket, mailboxes, from } = whole.source;
  const place = path === undefined ? 'no file could be written' : `all of it: ${path}`;
  const size = `part ${number} of ${parts.length} of ${bytes} bytes`;
  const read = mailboxes === undefined ? 'receive' : `fetch ${asParameter(mailboxes)}`;
  const next = `${notTheUser} Next part: ${read} with after "${ticket}.${number + 1}".`;
  const last = mailboxes === undefined ? directFoot : foot(mailboxes, from, ticket);
  return lines(
    head(title, [size, place, ...notes, ...hiddenNote(shown.count)]),
    fenced('', text),
    number < parts.length ? next : last,
  );
}

export function directTitle(from: Name | '', origin: Origin, port: number): string {
  return `Message ${sentBy(from, origin)} on port ${port}`;
}

/** `title`: from `directTitle`. */
export function presentDirect(title: string, body: Buffer, notes: Notes): string {
  const { text, count } = sanitize(body.toString('utf8'));
  const all = [...notes, ...hiddenNote(count)];
  return lines(head(title, all), fenced('', text), directFoot);
}

/** `seconds`: how long a wait lasted; undefined for a fetch. `paused`: those of the mailboxes that are. */
export function presentNoMail(
  mailboxes: MailboxList,
  seconds: number | undefined,
  notes: Notes,
  paused: readonly Name[] = [],
): string {
  const time = seconds === undefined ? 'now' : `within ${seconds} s`;
  const title = `No message for ${anyOf(mailboxes)} ${time}`;
  const advice = paused.length > 0 ? [pauseAdvice] : [];
  return lines(head(title, notes), ...advice, `Next: wait ${asParameter(mailboxes)}.`);
}

/** `unread`: messages that are there now. */
export function presentWatch(
  mailboxes: MailboxList,
  { unread, paused }: { readonly unread: number; readonly paused: readonly Name[] },
  notes: Notes,
): string {
  const there = unread === 0 ? [] : [`${messages(unread)} there already`];
  const title = `You will be woken when there is mail in ${anyOf(mailboxes)}`;
  const canRead = unread > 0 && paused.length < mailboxes.length;
  const then = canRead ? `Next: wait ${asParameter(mailboxes)}.` : 'End your turn.';
  const advice = paused.length > 0 ? [pauseAdvice] : [];
  return lines(head(title, [...there, ...pausedFacts(paused), ...notes]), ...advice, then);
}

/** `words`: how the agent has itself woken, if it can. */
export function presentNoRing(
  mailboxes: MailboxList,
  words: string | undefined,
  notes: Notes,
): string {
  const next = words ?? `Next: wait ${asParameter(mailboxes)}.`;
  return lines(head('This host cannot wake you by itself', notes), next);
}

/** `text`: of the ring. */
export function presentRing(text: string, notes: Notes): string {
  return `${text} ${head('Then watch again', notes)}`;
}

export function presentOtherWatch(notes: Notes): string {
  return head('A newer call of watch has taken the place of this one: do nothing', notes);
}

export function presentNoWatch(notes: Notes): string {
  return head('No mail wakes you any more', notes);
}

export function presentNoDirect(port: number, seconds: number, notes: Notes): string {
  const title = `No message on port ${port} within ${seconds} s`;
  return lines(head(title, notes), 'Next: receive.');
}

export function presentOpenWait(mailboxes: MailboxList, notes: Notes): string {
  return presentOpen(`waits for ${anyOf(mailboxes)}`, notes);
}

export function presentOpenReceive(port: number, notes: Notes): string {
  return presentOpen(`receives on port ${port}`, notes);
}

function presentOpen(what: string, notes: Notes): string {
  const title = `A background task of this session ${what} already`;
  return lines(head(title, notes), 'Next: its result comes by itself, so end your turn.');
}

export function presentPost(
  to: MailboxList,
  from: Name | undefined,
  result: PostResult,
  next: readonly string[],
  notes: Notes,
): string {
  return lines(presentStored(to, result, [...noAddress(from), ...notes]), ...next);
}

/**
 * The call that fits after a post. `workFrom`: the mailboxes of the read that took what it answered. Nobody answers a
 * shutdown, or a message without a sender.
 */
export function nextAfterPost(
  body: Buffer,
  from: Name | undefined,
  workFrom: MailboxList | undefined,
): string[] {
  if (isShutdown(body)) return [];
  if (workFrom !== undefined) return [`Next: wait ${asParameter(workFrom)}.`];
  return from === undefined ? [] : [`Next: wait ${quoted(from)} for an answer.`];
}

/** One of several deliveries. */
function block(delivery: Delivery, words: string): string {
  const past = pastHold(delivery);
  if (!delivery.body) return `${[words, ...past].join('; ')}: ${damagedNote}.`;
  const { text, count } = sanitize(delivery.body.toString('utf8'));
  return fenced([` ${words}`, ...past, ...hiddenNote(count)].join('; '), text);
}

function footOf({ envelope, body }: Delivery, mailboxes: MailboxList, ticket: string): string {
  if (body && isShutdown(body)) {
    return `${notTheUser} Next: broker_status with after "${ticket}", then stop.`;
  }
  return foot(mailboxes, envelope.from, ticket);
}

/** `when`: after the ticket. */
function foot(mailboxes: MailboxList, from: Name | '', ticket: string, when = ''): string {
  const answer = from === '' ? '' : `post to ${quoted(from)}, `;
  const calls = `${answer}wait ${asParameter(mailboxes)}, or to end broker_status`;
  return `${notTheUser} Next: ${calls}, with after "${ticket}"${when}.`;
}

/** As a call gives it: a name, or a list as JSON. */
function asParameter(mailboxes: MailboxList): string {
  const names = mailboxes.map(quoted).join(',');
  return mailboxes.length === 1 ? names : `[${names}]`;
}

function hiddenNote(count: number): string[] {
  if (count === 0) return [];
  const what = counted(count, 'control character is', 'control characters are');
  return [`${what} shown as \\u{...}`];
}

function fenced(label: string, text: string): string {
  let mark = randomId(markCharacters);
  while (text.includes(mark)) mark = randomId(markCharacters);
  return `<<<${mark}${label}\n${text}\n${mark}>>>`;
}

/** Parts of equal size, none of which splits a character. */
function cut(text: string): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length; ) {
    let end = Math.min(start + partCharactersMax, text.length);
    if (end < text.length && isLowSurrogate(text.charCodeAt(end))) end--;
    parts.push(text.slice(start, end));
    start = end;
  }
  return parts;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
