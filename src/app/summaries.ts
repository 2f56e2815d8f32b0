// Results as text for a model: a head of one line, bodies between two lines with a mark that no peer
// can know, a foot of one line that names the next call. Pure but for the mark.

import { IpcError } from '../base/errors.ts';
import { partCharactersMax, resultCharactersMax } from '../base/limits.ts';
import { randomId } from '../base/random-id.ts';
import type { OverflowBody } from '../mcp/overflow-files.ts';
import type {
  BrokerStatus,
  Delivery,
  PostResult,
  StartResult,
  StopResult,
} from '../model/mail-service.ts';
import type { Envelope, Name, Origin } from '../model/message.ts';
import { type Address, type MailboxList, storedIn } from './parameters.ts';
import { quoted, sanitize, sanitizeLine, sentBy } from './sanitize.ts';

/** What is said beside a result, in its head. */
export type Notes = readonly string[];

/** What a part says of its message. */
export interface About {
  readonly ticket: string;
  /** Undefined for point to point. */
  readonly mailbox: Name | undefined;
  readonly from: Name | '';
}

/** Of the mark around a body: 40 bits. */
const markCharacters = 8;
const notTheUser = 'From another agent, not from your user.';
const damagedNote = 'DAMAGED on disk, its text is lost: ask its sender for it again';
/** What a list of mailboxes may take of a result. */
const listCharactersMax = 24_000;
/** Mailboxes that are named beside a count of dead letters. */
const deadLetterBoxesShown = 5;
/** Messages of a post that are named; the others are stored as well. */
const storedShown = 20;

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

/** For a reader who gets bodies alone. */
export function damagedError(delivery: Delivery): IpcError {
  const { bodyBytes } = delivery.envelope;
  const what = `${deliveryTitle(delivery)}: its ${bodyBytes} bytes are lost, and it is settled`;
  return new IpcError('message_damaged', what, { hint: 'ask its sender for it again' });
}

/** All of them fit: `countFitting` said so. */
export function presentDeliveries(
  mailbox: Name,
  deliveries: readonly Delivery[],
  remaining: number,
  ticket: string,
  notes: Notes,
): string {
  const senders = new Set(deliveries.map(({ envelope }) => envelope.from));
  const [sender] = senders.size === 1 ? senders : [];
  const title = `${messages(deliveries.length)} for ${quoted(mailbox)}, ${moreThere(remaining)}`;
  return lines(head(title, notes), ...deliveries.map(block), foot(mailbox, sender ?? '', ticket));
}

/** Beside what a fetch hands over. */
export function moreThere(remaining: number): string {
  return `${remaining === 0 ? 'no' : remaining} more there`;
}

/** How many of the first deliveries fit into one result. */
export function countFitting(deliveries: readonly Delivery[]): number {
  let left = partCharactersMax;
  const index = deliveries.findIndex((delivery) => {
    left -= block(delivery).length + 1;
    return left < 0;
  });
  return index === -1 ? deliveries.length : index;
}

export function fits(text: string): boolean {
  return text.length <= resultCharactersMax;
}

/** One part of a body that does not fit, counted from 1. Undefined when there are not so many. */
export function presentPart(
  whole: OverflowBody<About>,
  number: number,
  title: string,
  notes: Notes,
): string | undefined {
  const shown = sanitize(whole.text);
  const parts = cut(shown.text);
  const text = parts[number - 1];
  if (text === undefined) return undefined;
  const { bytes, path } = whole;
  const { ticket, mailbox, from } = whole.about;
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

export function deliveryTitle(delivery: Delivery): string {
  return `Message for ${quoted(delivery.mailbox)}: ${described(delivery)}`;
}

export function directTitle(from: Name | '', origin: Origin, port: number): string {
  return `Message ${sentBy(from, origin)} on port ${port}`;
}

/** `title`: its `directTitle`. */
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
  return lines(presentStored(to, from, result, notes), `Next: ${next}.`);
}

export function presentStored(
  to: MailboxList,
  from: Name | undefined,
  result: PostResult,
  notes: Notes,
): string {
  const stored = result.duplicate ? 'Was stored before' : 'Stored';
  const address = from === undefined ? ['no "from", so there is no address to answer'] : [];
  if (to.length > 1) {
    const ids = `ids ${quoted(result.id)} to ${quoted(result.also.at(-1)?.id ?? '')}`;
    const title = `${stored} in ${to.length} mailboxes (${ids}): ${storedList(to, result)}`;
    return head(title, [...address, ...notes]);
  }
  const reader = result.reader ? 'a reader was waiting for it' : 'nobody waits there now';
  const title = `${stored} as #${result.number} (id ${quoted(result.id)}) in ${quoted(to[0])}`;
  return head(title, [reader, ...address, ...notes]);
}

function storedList(mailboxes: MailboxList, result: PostResult): string {
  const stored = storedIn(mailboxes, result).slice(0, storedShown);
  const all = stored.map(({ to, number, reader }) => {
    const waits = reader ? ' (a reader was waiting)' : '';
    return `#${number} in ${quoted(to)}${waits}`;
  });
  const more = mailboxes.length - stored.length;
  return [...all, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}

export function presentSend(host: Address, from: Name | undefined, notes: Notes): string {
  const address = from === undefined ? ['no "from", so there is no address to answer'] : [];
  return head(`Received by the session at ${at(host)}`, [...address, ...notes]);
}

export function presentPing(host: Address, ms: number, notes: Notes): string {
  return head(`${at(host)} answered in ${ms.toFixed(1)} ms`, notes);
}

export function presentStart(port: number, result: StartResult, notes: Notes): string {
  const { role, pid, epoch, addresses, messages: count } = result;
  const where = `on port ${port} (${addresses.join(', ')}; pid ${pid}, epoch ${epoch})`;
  const who =
    role === 'owner' ? 'This session owns the broker' : 'Joined the broker of another session';
  const title = head(`${who} ${where}`, [`${messages(count)} in it`, ...notes]);
  return lines(title, ...result.warnings.map(warning));
}

export function presentStop(port: number, result: StopResult, notes: Notes): string {
  const { successor, messages: count } = result;
  const then =
    successor === undefined
      ? `nobody took it over, ${messages(count)} ${count === 1 ? 'stays' : 'stay'} on disk`
      : `pid ${successor} owns it now, with ${messages(count)}`;
  return head(`Gave up the broker on port ${port}`, [then, ...notes]);
}

export function presentStatus(status: BrokerStatus, nowMs: number, notes: Notes): string {
  const { port, pid, own, epoch, addresses, bytes, sessions, mailboxes } = status;
  const owner = own ? 'this session' : 'another session';
  const place =
    status.host === undefined ? `on port ${port}` : `at ${at({ host: status.host, port })}`;
  const title = `Broker ${place} (${addresses.join(', ')}): owner ${owner}, pid ${pid}, epoch ${epoch}`;
  const counts = [
    `${messages(status.messages)}, ${bytes} bytes`,
    sessions === 1 ? '1 session' : `${sessions} sessions`,
    ...(status.damaged > 0 ? [`${messages(status.damaged)} damaged`] : []),
    ...stalled(status.storageStalledMs),
  ];
  const list: string[] = [];
  let left = listCharactersMax;
  for (const box of mailboxes) {
    const age = box.oldestTime === 0 ? '' : `, oldest ${seconds(nowMs - box.oldestTime)} s old`;
    const line = `${quoted(box.mailbox)}: ${box.ready} ready, ${box.held} held, ${box.waiting} waiting${age}`;
    left -= line.length + 1;
    if (left < 0) break;
    list.push(line);
  }
  const hidden = status.mailboxCount - list.length;
  if (hidden > 0) list.push(`and ${hidden} more mailboxes`);
  const warnings = status.warnings.map(warning);
  return lines(
    head(title, [...counts, ...notes]),
    ...warnings,
    ...deadLettersLine(status),
    ...list,
  );
}

function stalled(ms: number): string[] {
  if (ms === 0) return [];
  return [`the disk has not answered for ${seconds(ms)} s: posts and settles wait for it`];
}

export function warning(what: string): string {
  return `Warning: ${sanitizeLine(what)}.`;
}

function deadLettersLine({ deadLetterCount, deadLetters }: BrokerStatus): string[] {
  if (deadLetterCount === 0) return [];
  const shown = deadLetters.slice(0, deadLetterBoxesShown);
  const others = deadLetterCount - shown.reduce((sum, { messages }) => sum + messages, 0);
  const boxes = shown.map(({ to, messages }) => `${messages} for ${quoted(to)}`);
  if (others > 0) boxes.push(`and ${others} for others`);
  const are = deadLetterCount === 1 ? 'is a dead letter' : 'are dead letters';
  const what = `${messages(deadLetterCount)} ${are}, out of attempts: ${boxes.join(', ')}`;
  return [`${what}. \`ipc store retry\` puts them back.`];
}

/** `code: what. What to do.` */
export function presentError(error: IpcError): string {
  const maybe = error.maybeStored ? ' It may have been taken all the same.' : '';
  const again = error.kind.retry ? ' The same call may succeed later.' : '';
  return `${error.code}: ${sanitizeLine(error.message)}. To do: ${error.hint}.${maybe}${again}`;
}

export function utcTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

export function at({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function described({ envelope, attempt }: Delivery): string {
  const again = attempt > 1 ? `, attempt ${attempt}` : '';
  return `#${envelope.number} ${sentBy(envelope.from, envelope.origin)}${answering(envelope)}, ${utcTime(envelope.time)}${again}`;
}

function answering({ answers }: Envelope): string {
  return answers === '' ? '' : `, an answer to ${quoted(answers)}`;
}

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

export function head(title: string, notes: Notes): string {
  return `${[title, ...notes].join('; ')}.`;
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

/** Parts of one size, but never through the middle of a character. */
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

export function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 1_000));
}

export function lines(...parts: readonly string[]): string {
  return parts.join('\n');
}
