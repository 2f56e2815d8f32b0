// Answers that need the whole store: each reads it from the oldest event that is kept, and has no more in memory than
// what it returns.
import { decoded } from '../app/peek.ts';
import { BoundedMap } from '../base/bounded-map.ts';
import { bodyBytesMax } from '../base/limits.ts';
import { pageMessagesMax } from '../base/page-limits.ts';
import type { MailEvent, StoredEvent } from '../model/mail-events.ts';
import { deadLetterMailbox, type Envelope, type MessageId } from '../model/message.ts';
import type { MailFeed } from './mail-feed.ts';
import { feedFilter, hitIn, matchesEnvelope, matchesText } from './mail-filter.ts';
import { RecentMail } from './recent-mail.ts';
import type { WireEvent, WireFilter, WireFound, WireMessage } from './wire.ts';
import { cutTo, pageTextBytes, wireEvent } from './wire-events.ts';

/** Units of text on each side of a hit. */
const excerptUnits = 100;
const threadMessagesMax = 1_000;
/** Answers of which the question is remembered, to find the thread of a message. */
const answersMax = 100_000;

/** Finds the newest messages that match, at most `limit`. */
export async function searchStore(
  feed: MailFeed,
  filter: WireFilter,
  limit: number,
  signal: AbortSignal,
): Promise<WireFound> {
  const finder = new Finder(filter, limit);
  const partBytesMax = filter.text === undefined ? pageTextBytes : bodyBytesMax;
  for await (const { events } of feed.past({ partBytesMax, signal, filter: feedFilter(filter) })) {
    for (const event of events) finder.add(event);
  }
  return finder.found();
}

class Finder {
  readonly #filter: WireFilter;
  readonly #limit: number;
  readonly #found: RecentMail;
  /** Messages that match if they become dead letters. */
  readonly #candidates = new RecentMail({ eventsMax: 0 });
  readonly #excerpts: BoundedMap<MessageId, string>;

  constructor(filter: WireFilter, limit: number) {
    this.#filter = filter;
    this.#limit = limit;
    this.#found = new RecentMail({ messagesMax: limit, eventsMax: 0 });
    this.#excerpts = new BoundedMap(limit + pageMessagesMax);
  }

  add(event: MailEvent): void {
    if (event.kind === 'stored') return this.#addStored(event);
    if (event.kind === 'paused' || event.kind === 'resumed') return;
    const { id } = event.message;
    this.#found.add([event]);
    this.#candidates.add([event]);
    if (event.kind === 'deadLettered' && !this.#found.message(id)) {
      this.#found.add(this.#candidates.message(id) ?? []);
    }
  }

  found(): WireFound {
    const excerpts = [...this.#excerpts].filter(([id]) => this.#found.message(id));
    const events = this.#found.events(this.#limit);
    return { events, excerpts: Object.fromEntries(excerpts), isMore: !this.#found.isWhole };
  }

  #addStored(event: StoredEvent): void {
    const { envelope, part } = event;
    if (!matchesEnvelope(this.#filter, envelope)) return;
    const body = part && decoded(part);
    if (!matchesText(this.#filter, envelope, body)) return;
    const { mailbox, text } = this.#filter;
    if (mailbox === undefined || mailbox === envelope.to) this.#found.add([wireEvent(event)]);
    else if (mailbox === deadLetterMailbox) this.#candidates.add([wireEvent(event)]);
    else return;
    const excerpt = excerptOf(event, body, text);
    if (excerpt !== undefined) this.#excerpts.set(envelope.id, excerpt);
  }
}

/** undefined unless the hit is behind what a list shows of the body. */
function excerptOf(event: StoredEvent, body = '', text = ''): string | undefined {
  const shown = wireEvent(event);
  const hit = hitIn(body, text);
  if (text === '' || hit < 0 || shown.kind !== 'stored' || !shown.isCut) return undefined;
  if (hitIn(shown.text ?? '', text) >= 0) return undefined;
  const end = hit + text.length + excerptUnits;
  return body.slice(Math.max(0, hit - excerptUnits), end).toWellFormed();
}

/** A message with its whole text; undefined when it is not kept. `recent`: has its thread, if it is one of the newest. */
export async function readMessage(
  feed: MailFeed,
  recent: RecentMail,
  id: MessageId,
  signal: AbortSignal,
): Promise<WireMessage | undefined> {
  const known = recent.message(id);
  if (known && !known[0].isCut) return wireMessage(known, recent.thread(id));
  const ids: ReadonlySet<string> = known ? new Set([id]) : await threadIds(feed, id, signal);
  const found = new RecentMail({ messagesMax: threadMessagesMax, eventsMax: 0 });
  const wanted = { wants: (envelope: Envelope) => ids.has(envelope.id) };
  const options = { partBytesMax: bodyBytesMax, signal, filter: wanted };
  for await (const { events } of feed.past(options)) {
    for (const event of events) {
      if (event.kind !== 'stored') found.add([event]);
      else if (event.envelope.id === id) found.add([wireEvent(event, bodyBytesMax)]);
      else if (ids.has(event.envelope.id)) found.add([wireEvent(event)]);
    }
  }
  const whole = found.message(id);
  return whole && wireMessage(whole, known ? recent.thread(id) : found.thread(id));
}

function wireMessage(
  [event, ...life]: NonNullable<ReturnType<RecentMail['message']>>,
  thread: readonly WireEvent[],
): WireMessage {
  return {
    event,
    life,
    thread: thread.map((each) => (each.kind === 'stored' ? cutTo(each) : each)),
  };
}

/** The ids of the messages of its thread, from what each answers. */
async function threadIds(
  feed: MailFeed,
  id: MessageId,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const questions = new BoundedMap<string, string>(answersMax);
  for await (const { events } of feed.past({ partBytesMax: 0, signal })) {
    for (const event of events) {
      if (event.kind === 'stored' && event.envelope.answers !== '') {
        questions.set(event.envelope.id, event.envelope.answers);
      }
    }
  }
  const above = new Set<string>([id]);
  for (let next = questions.get(id); next !== undefined && !above.has(next); ) {
    above.add(next);
    next = questions.get(next);
  }
  // Answers come later in this order than their questions.
  const ids = new Set(above);
  for (const [answer, question] of questions) if (ids.has(question)) ids.add(answer);
  return ids;
}
