// Results as text, for a model and for a user of the program: a line that says what happened, and below
// it what there is to list.
import { IpcError } from '../base/errors.ts';
import {
  chainDepthShown,
  chainDepthUrgent,
  warningCharactersMax,
  warningsCharactersMax,
} from '../base/limits.ts';
import { quoted, quotedStart } from '../base/quoted.ts';
import type {
  BrokerStatus,
  Delivery,
  MailServer,
  PostResult,
  StartResult,
  StopResult,
} from '../model/mail-service.ts';
import type { Envelope, MailboxList, MessageId, Name } from '../model/message.ts';
import { isNatsAddress, streamOf } from '../nats/nats-address.ts';
import { counted } from './counts.ts';
import { clockTime, utcTime } from './durations.ts';
import { type Address, type BrokerHost, postedMessages } from './parameters.ts';
import { pausedWords } from './pause-words.ts';
import { fitting, sessionLines } from './presence.ts';
import {
  age,
  aheadInBrief,
  aheadWords,
  elsewhereFacts,
  sameTextNotes,
  withFacts,
} from './receipt-words.ts';
import { sanitizeLine, sentBy } from './sanitize.ts';
import { holdEnds } from './story-words.ts';

/** Added to the first line of a result. */
export type Notes = readonly string[];

/** How much of a status a list of sessions may fill. */
const sessionsShare = 0.25;
/** Characters of the line that counts the mailboxes that are not listed. */
const moreCharacters = 50;
/** Mailboxes that a count of dead letters names. */
const deadLetterBoxesShown = 5;
/** Messages of a post that its result names; it counts the others. */
const storedShown = 20;

/** The error of a damaged message, for a reader that gets bodies alone. */
export function damagedError(delivery: Delivery): IpcError {
  const { bodyBytes } = delivery.envelope;
  const what = `${titleOf(delivery)}: its ${bodyBytes} bytes are lost, and it is settled`;
  return new IpcError('message_damaged', what, { hint: 'ask its sender for it again' });
}

/** `"amy" or "jobs"`. */
export function anyOf(mailboxes: MailboxList): string {
  const names = mailboxes.map(quoted);
  const last = names.pop() ?? '';
  return names.length === 0 ? last : `${names.join(', ')} or ${last}`;
}

/** How many messages a fetch left in the mailbox. */
export function moreThere(remaining: number): string {
  return `${remaining === 0 ? 'no' : remaining} more there`;
}

export function deliveryTitle(
  delivery: Delivery,
  questionOf?: QuestionNames,
  nowMs?: number,
): string {
  return [titleOf(delivery, questionOf, nowMs), ...pastHold(delivery)].join('; ');
}

function titleOf(delivery: Delivery, questionOf?: QuestionNames, nowMs?: number): string {
  return `Message for ${quoted(delivery.mailbox)}: ${described(delivery, questionOf, nowMs)}`;
}

export function presentStored(to: MailboxList, result: PostResult, notes: Notes): string {
  const stored = result.duplicate ? 'Already stored' : 'Stored';
  const all = withFacts([...notes, ...sameTextNotes(result)], elsewhereFacts(result.elsewhere));
  if (to.length > 1) {
    return head(`${stored} in ${to.length} mailboxes: ${storedList(to, result)}`, all);
  }
  const title = `${stored} as #${result.number} in ${quoted(to[0])}`;
  return head(title, [...aheadWords(result, to[0]), ...all]);
}

function storedList(mailboxes: MailboxList, result: PostResult): string {
  const stored = postedMessages(mailboxes, result).slice(0, storedShown);
  const all = stored.map((each) => `#${each.number} in ${quoted(each.to)}${aheadInBrief(each)}`);
  const more = mailboxes.length - stored.length;
  return [...all, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}

export function presentSend(host: Address, notes: Notes): string {
  return head(`Received by the session at ${at(host)}`, notes);
}

/** Added to the result of a post or send: its sender may expect an answer. */
export function noAddress(from: Name | undefined): Notes {
  return from === undefined ? ['no "from", so there is no address to answer'] : [];
}

export function presentPing(host: Address, ms: number, notes: Notes): string {
  return head(`${at(host)} answered in ${ms.toFixed(1)} ms`, notes);
}

/** `namedPort`: the one that the call named. */
export function presentStart(
  port: number,
  result: StartResult,
  notes: Notes,
  namedPort: number | undefined,
): string {
  const { role, messages: count } = result;
  const who =
    role === 'owner' ? 'This session owns the broker' : 'Joined the broker of another session';
  const title = head(`${who} ${ownerWords(port, result)}`, [`${messages(count)} in it`, ...notes]);
  return lines(title, ...warningLines(result.warnings), ...openLine(result.addresses, namedPort));
}

function ownerWords(port: number, { pid, epoch, addresses, server }: StartResult): string {
  const who = `pid ${pid}, epoch ${epoch}`;
  if (server === undefined) return `on port ${port} (${addresses.join(', ')}; ${who})`;
  return `on ${server.url} (${serverWords(server)}; ${who})`;
}

/** The server of NATS and its stream. */
function serverWords({ version, stream, replicas, isNew }: MailServer): string {
  const copies = counted(replicas, 'copy', 'copies');
  return `nats-server ${version}, stream ${stream}${isNew ? ', made now' : ''}, ${copies}`;
}

/** Of a session that will own the broker next. */
export function presentStandby(
  port: number,
  result: StartResult,
  namedPort: number | undefined,
): string {
  const { pid, epoch, addresses, server } = result;
  const where =
    server === undefined
      ? `on port ${port} (${addresses.join(', ')}; epoch ${epoch})`
      : `on ${server.url} (${serverWords(server)}; epoch ${epoch})`;
  const owner = `Standby: pid ${pid} owns the broker ${where}, and this session takes over when it ends.`;
  return lines(owner, ...openLine(addresses, namedPort));
}

/** How long the addresses stay open, and how to close them; undefined if there are none but 127.0.0.1. */
export function openNote(
  addresses: readonly string[],
  namedPort: number | undefined,
): string | undefined {
  const others = addresses.filter((each) => each !== '127.0.0.1').join(', ');
  if (others === '') return undefined;
  const line = `ipc broker${portOption(namedPort)} --bind 127.0.0.1 --once`;
  return `The next owner listens on ${others}, too, until a session binds 127.0.0.1 (\`${line}\`).`;
}

/** For a line to type: without it, it would be about the broker of another port. */
function portOption(namedPort: number | undefined): string {
  return namedPort === undefined ? '' : ` --port ${namedPort}`;
}

function openLine(addresses: readonly string[], namedPort: number | undefined): string[] {
  const note = openNote(addresses, namedPort);
  return note === undefined ? [] : [note];
}

export function presentStop(port: number, result: StopResult, notes: Notes): string {
  const { successor, messages: count } = result;
  const then =
    successor === undefined
      ? `no session took it over, ${messages(count)} ${count === 1 ? 'stays' : 'stay'} on disk`
      : `pid ${successor} owns it now, with ${messages(count)}`;
  return head(`Gave up the broker on port ${port}`, [then, ...notes]);
}

/** How many mailboxes and sessions a status lists, if they fit. It counts the others. */
export interface StatusShown {
  readonly mailboxesMax: number;
  readonly sessionsMax: number;
  readonly charactersMax: number;
  /** The one that the call named. */
  readonly namedPort?: number | undefined;
  /** Lines about the posts of the session that asks. */
  readonly posts?: readonly string[];
}

/** All that the broker lists. */
export const allShown: StatusShown = {
  mailboxesMax: Number.POSITIVE_INFINITY,
  sessionsMax: Number.POSITIVE_INFINITY,
  charactersMax: Number.POSITIVE_INFINITY,
};

export function presentStatus(
  status: BrokerStatus,
  nowMs: number,
  notes: Notes,
  { mailboxesMax, sessionsMax, charactersMax, namedPort, posts = [] }: StatusShown,
): string {
  const { pid, own, epoch, addresses, bytes, mailboxes } = status;
  const owner = own ? 'this session' : 'another session';
  const title = `Broker ${placeOf(status)}: owner ${owner}, pid ${pid}, epoch ${epoch}`;
  const counts = [
    `${messages(status.messages)}, ${byteCount(bytes)}`,
    sessionCount(status),
    ...(status.damaged > 0 ? [`${messages(status.damaged)} damaged`] : []),
    ...stalled(status),
  ];
  const top = lines(
    head(title, [...counts, ...notes]),
    ...warningLines(status.warnings),
    ...openLine(addresses, namedPort),
    ...deadLettersLine(status, namedPort),
    ...pausedLine(status),
  );
  const people = sessionLines(status, nowMs, sessionsMax, charactersMax * sessionsShare);
  const used = lines(top, ...people, ...posts).length;
  const boxes = mailboxes.slice(0, mailboxesMax).map((box) => {
    const age = box.oldestTime === 0 ? '' : `, oldest ${seconds(nowMs - box.oldestTime)} s old`;
    const watching = box.watching === 0 ? '' : `, ${box.watching} watching`;
    const paused = box.paused ? ', paused' : '';
    return `${quoted(box.mailbox)}: ${box.ready} ready, ${box.held} held, ${box.waiting} waiting${watching}${age}${paused}`;
  });
  const list = fitting(boxes, charactersMax - used - moreCharacters);
  const hidden = status.mailboxCount - list.length;
  if (hidden > 0) list.push(`and ${counted(hidden, 'more mailbox', 'more mailboxes')}`);
  return lines(top, ...list, ...people, ...posts);
}

function sessionCount({ sessions, namedSessions }: BrokerStatus): string {
  const count = counted(sessions, 'session');
  const nameless = sessions - namedSessions;
  if (nameless === 0 || namedSessions === 0) return count;
  return `${count}, ${nameless} without a name`;
}

/** On a NATS server all sessions reach it at one address. */
function placeOf({ host, port, addresses }: BrokerStatus): string {
  if (host !== undefined && isNatsAddress(host)) return `on ${at({ host, port })}`;
  const where = host === undefined ? `on port ${port}` : `at ${at({ host, port })}`;
  return `${where} (${addresses.join(', ')})`;
}

function stalled({ storageStalledMs: ms, host = '' }: BrokerStatus): string[] {
  if (ms === 0) return [];
  const what = isNatsAddress(host) ? 'NATS server' : 'disk';
  return [`the ${what} has not answered for ${seconds(ms)} s: posts and settles wait for it`];
}

/** A warning of this process about a store. */
export function warning(what: string): string {
  return `Warning: ${sanitizeLine(what)}.`;
}

/** A warning in the words of a broker. */
export function quotedWarning(what: string): string {
  return quotedStart(what, warningCharactersMax);
}

/** The warnings of a broker, which may be of any number. */
function warningLines(warnings: readonly string[]): string[] {
  const shown: string[] = [];
  let left = warningsCharactersMax;
  for (const line of warnings.map((what) => `The broker warns: ${quotedWarning(what)}.`)) {
    left -= line.length + 1;
    if (left < 0) break;
    shown.push(line);
  }
  const hidden = warnings.length - shown.length;
  return hidden > 0 ? [...shown, `and ${counted(hidden, 'more warning')}`] : shown;
}

function deadLettersLine(
  { deadLetterCount, deadLetters }: BrokerStatus,
  namedPort: number | undefined,
): string[] {
  if (deadLetterCount === 0) return [];
  const shown = deadLetters.slice(0, deadLetterBoxesShown);
  const others = deadLetterCount - shown.reduce((sum, { messages }) => sum + messages, 0);
  const boxes = shown.map(({ to, messages }) => `${messages} for ${quoted(to)}`);
  if (others > 0) boxes.push(`and ${others} for others`);
  const are = deadLetterCount === 1 ? 'is a dead letter' : 'are dead letters';
  const what = `${messages(deadLetterCount)} ${are}, given up: ${boxes.join(', ')}`;
  return [`${what}. \`ipc store retry${portOption(namedPort)}\` moves them back.`];
}

/** An agent reads it as well: whether they go on is for people to say. */
function pausedLine({ paused }: BrokerStatus): string[] {
  const words = pausedWords(paused);
  if (words === undefined) return [];
  return [`Deliveries are paused by a person, from ${words}: mail is kept until they are resumed.`];
}

/** `code: what. What to do.` */
export function presentError(error: IpcError): string {
  const maybe = error.maybeStored ? ' The call may have taken effect all the same.' : '';
  const again = error.kind.retry ? ' The same call may succeed later.' : '';
  return `${error.code}: ${sanitizeLine(error.message)}. To do: ${sanitizeLine(error.hint)}.${maybe}${again}`;
}

/** In words: of a NATS server the port is the number of a stream. */
export function at({ host, port }: BrokerHost): string {
  if (isNatsAddress(host)) return port === undefined ? host : `${host}, stream ${streamOf(port)}`;
  const bare = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? bare : `${bare}:${port}`;
}

/** Returns the words about the message that another one answers; '' for none. */
export type QuestionNames = (id: MessageId) => string;

/** A message in one line, but for its mailbox and body. */
export function described(
  { envelope, attempt }: Pick<Delivery, 'envelope' | 'attempt'>,
  questionOf: QuestionNames = (id) => `, an answer to ${quoted(id)}`,
  nowMs = Date.now(),
): string {
  const again = attempt > 1 ? `, attempt ${attempt}` : '';
  const time = `${utcTime(envelope.time)}${age(nowMs - envelope.time)}`;
  return `#${envelope.number} ${sentBy(envelope.from, envelope.origin)}${answering(envelope, questionOf)}, ${time}${again}`;
}

/**
 * Who had the message last, so that the reader can judge what is done of it. A time has its date if that is not the
 * date before it: of the message, of the time from which it was held.
 */
export function pastHold({ envelope, lastHold }: Pick<Delivery, 'envelope' | 'lastHold'>): Notes {
  if (!lastHold) return [];
  const { name, from, to, ended } = lastHold;
  const who = name === '' ? 'a session' : holderNamed(name, envelope);
  // Within a minute the seconds tell how long.
  const form = to - from < 60_000 ? 'HH:MM:SS' : 'HH:MM';
  const [begin, end] = [clockTime(from, envelope.time, form), clockTime(to, from, form)];
  const times = `from ${begin} to ${end} UTC`;
  return [`${who} had it ${times} and ${holdEnds[ended]}`];
}

/** A session without a name of its own is called by the mailbox that it read, which others may read as well. */
function holderNamed(name: Name, { to }: Envelope): string {
  return name === to ? `a reader of ${quoted(name)}` : quoted(name);
}

/** Two agents that answer each other for ever are to notice it. */
function chainNote(depth: number): string {
  if (depth < chainDepthShown) return '';
  const advice =
    depth < chainDepthUrgent
      ? 'stop unless there is news'
      : 'STOP now, unless your user wants this to go on';
  return ` (answer ${depth} in a chain: ${advice})`;
}

function answering({ answers, depth }: Envelope, questionOf: QuestionNames): string {
  if (answers === '') return '';
  return `${questionOf(answers)}${chainNote(depth)}`;
}

export function head(title: string, notes: Notes): string {
  return `${[title, ...notes].join('; ')}.`;
}

export function byteCount(count: number): string {
  return counted(count, 'byte');
}

export function messages(count: number): string {
  return counted(count, 'message');
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 1_000));
}

export function lines(...parts: readonly string[]): string {
  return parts.join('\n');
}
