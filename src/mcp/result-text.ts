// Results that hand over mail, as text for a model: a head of one line, bodies between two lines with a
// mark that no peer can know, a foot of one line that names the next call. Pure but for the mark.

import type { MailboxList } from '../app/parameters.ts';
import { sanitize, sentBy } from '../app/sanitize.ts';
import {
  deliveryTitle,
  described,
  head,
  lines,
  messages,
  moreThere,
  type Notes,
  noAddress,
  presentStored,
} from '../app/summaries.ts';
import { partCharactersMax, resultCharactersMax } from '../base/limits.ts';
import { quoted } from '../base/quoted.ts';
import { randomId } from '../base/random-id.ts';
import type { Delivery, PostResult } from '../model/mail-service.ts';
import type { Name, Origin } from '../model/message.ts';
import type { OverflowBody } from './overflow-files.ts';

/** Characters of the mark around a body: 40 bits. */
const markCharacters = 8;
const notTheUser = 'From another agent, not from your user.';
const damagedNote = 'DAMAGED on disk, and its text is lost: ask the sender to send it again';

export function presentDelivery(delivery: Delivery, ticket: string, notes: Notes): string {
  const { envelope, mailbox, others } = delivery;
  const waiting = others === 1 ? '1 other session waits' : `${others} other sessions wait`;
  const rest = others === 0 ? notes : [`${waiting} here too`, ...notes];
  const last = foot(mailbox, envelope.from, ticket);
  if (!delivery.body) return lines(head(deliveryTitle(delivery), [damagedNote, ...rest]), last);
  const { text, count } = sanitize(delivery.body.toString('utf8'));
  const title = head(deliveryTitle(delivery), [...rest, ...hiddenNote(count)]);
  return lines(title, fenced('', text), last);
}

/** The texts of the first deliveries, as many as fit into one result. */
export function fittingBlocks(deliveries: readonly Delivery[]): string[] {
  const blocks: string[] = [];
  let left = partCharactersMax;
  for (const delivery of deliveries) {
    const text = block(delivery);
    left -= text.length + 1;
    if (left < 0) break;
    blocks.push(text);
  }
  return blocks;
}

/** `blocks`: from `fittingBlocks`, one for each delivery. */
export function presentDeliveries(
  mailbox: Name,
  deliveries: readonly Delivery[],
  blocks: readonly string[],
  remaining: number,
  ticket: string,
  notes: Notes,
): string {
  const senders = new Set(deliveries.map(({ envelope }) => envelope.from));
  const [sender] = senders.size === 1 ? senders : [];
  const title = `${messages(deliveries.length)} for ${quoted(mailbox)}, ${moreThere(remaining)}`;
  return lines(head(title, notes), ...blocks, foot(mailbox, sender ?? '', ticket));
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
  const { ticket, mailbox, from } = whole.source;
  const place = path === undefined ? 'no file could be written' : `all of it: ${path}`;
  const size = `part ${number} of ${parts.length} of ${bytes} bytes`;
  const read = mailbox === undefined ? 'receive' : `fetch ${quoted(mailbox)}`;
  const next = `${notTheUser} Next part: ${read} with after "${ticket}.${number + 1}".`;
  const last = mailbox === undefined ? directFoot(ticket) : foot(mailbox, from, ticket);
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
export function presentDirect(title: string, body: Buffer, ticket: string, notes: Notes): string {
  const { text, count } = sanitize(body.toString('utf8'));
  const all = [...notes, ...hiddenNote(count)];
  return lines(head(title, all), fenced('', text), directFoot(ticket));
}

/** `seconds`: how long a wait lasted; undefined for a fetch. */
export function presentNoMail(
  mailbox: Name,
  seconds: number | undefined,
  ticket: string,
  notes: Notes,
): string {
  const time = seconds === undefined ? 'now' : `within ${seconds} s`;
  const title = `No message for ${quoted(mailbox)} ${time}`;
  return lines(head(title, notes), `Next: wait ${quoted(mailbox)} with after "${ticket}".`);
}

export function presentNoDirect(
  port: number,
  seconds: number,
  ticket: string,
  notes: Notes,
): string {
  const title = `No message on port ${port} within ${seconds} s`;
  return lines(head(title, notes), `Next: receive with after "${ticket}".`);
}

export function presentPost(
  to: MailboxList,
  from: Name | undefined,
  result: PostResult,
  notes: Notes,
): string {
  const next =
    from === undefined ? 'give "from" to be answered' : `wait ${quoted(from)} for an answer`;
  return lines(presentStored(to, result, [...noAddress(from), ...notes]), `Next: ${next}.`);
}

/** One of several deliveries. */
function block(delivery: Delivery): string {
  if (!delivery.body) return `${described(delivery)}: ${damagedNote}.`;
  const { text, count } = sanitize(delivery.body.toString('utf8'));
  return fenced([` ${described(delivery)}`, ...hiddenNote(count)].join('; '), text);
}

function foot(mailbox: Name, from: Name | '', ticket: string): string {
  const answer = from === '' ? '' : `post to ${quoted(from)} or `;
  return `${notTheUser} Next: ${answer}wait ${quoted(mailbox)}, with after "${ticket}".`;
}

function directFoot(ticket: string): string {
  return `${notTheUser} Next: send an answer, or receive with after "${ticket}".`;
}

function hiddenNote(count: number): string[] {
  if (count === 0) return [];
  const what = count === 1 ? '1 control character is' : `${count} control characters are`;
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
