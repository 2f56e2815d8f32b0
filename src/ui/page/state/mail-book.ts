// All messages that the page knows. The newest ones come as events and stay live; older ones come in pages, when somebody
// searches or scrolls for them. Both are folded by the same rules as in `ipc log`, so the page says what the program says.
import { MessageStories, type MessageStory } from '../../../app/message-stories.ts';
import type { WireEvent } from '../../wire.ts';

/** As many messages as the page keeps live; the oldest is forgotten first. */
export const messagesMax = 10_000;
/** Older messages that were searched for; all are forgotten when there are more. */
const olderMax = 20_000;

export class MailBook {
  readonly #live: MessageStories;
  readonly #storiesMax: number;
  /** One for each page of a search. No message is in two, and none of them is live. */
  #pages: MessageStories[] = [];
  #sorted: readonly MessageStory[] | undefined;

  constructor(storiesMax = messagesMax) {
    this.#storiesMax = storiesMax;
    this.#live = new MessageStories(storiesMax);
  }

  /** In the order of their numbers. */
  get stories(): readonly MessageStory[] {
    this.#sorted ??= [...this.#pages.flatMap((page) => [...page]), ...this.#live].sort(
      (one, other) => numberOf(one) - numberOf(other),
    );
    return this.#sorted;
  }

  /** Messages that were stored at this time or later may have been forgotten, or were never loaded. */
  isPartialSince(time: number, isWhole: boolean): boolean {
    const oldest = this.#live[Symbol.iterator]().next().value as MessageStory | undefined;
    if (!oldest || (isWhole && this.#live.size < this.#storiesMax)) return false;
    return oldest.stored.time >= time;
  }

  byId(id: string): MessageStory | undefined {
    return this.#live.byId(id) ?? this.#inPages((page) => page.byId(id));
  }

  byNumber(number: number): MessageStory | undefined {
    return this.#live.byNumber(number) ?? this.#inPages((page) => page.byNumber(number));
  }

  /** Live events, each once and in order. Returns the stories that began or changed. */
  apply(events: readonly WireEvent[]): MessageStory[] {
    const changed: MessageStory[] = [];
    for (const event of events) {
      const story = fold(this.#live, event) ?? this.#inPages((page) => fold(page, event));
      if (event.kind === 'stored') this.#sorted = undefined;
      if (story) changed.push(story);
    }
    return changed;
  }

  /** A page of a search: all events of some messages. Those that are known already stay as they are. */
  addOlder(events: readonly WireEvent[]): void {
    const unknown = events.filter((event) => this.byId(idOf(event)) === undefined);
    if (unknown.length === 0) return;
    const page = new MessageStories();
    for (const event of unknown) fold(page, event);
    const count = this.#pages.reduce((sum, { size }) => sum + size, page.size);
    this.#pages = count > olderMax ? [page] : [...this.#pages, page];
    this.#sorted = undefined;
  }

  #inPages(find: (page: MessageStories) => MessageStory | undefined): MessageStory | undefined {
    for (const page of this.#pages) {
      const story = find(page);
      if (story) return story;
    }
    return undefined;
  }
}

export function fold(stories: MessageStories, event: WireEvent): MessageStory | undefined {
  if (event.kind !== 'stored') return stories.apply(event);
  return stories.apply({ ...event, part: undefined }, event.text ?? undefined);
}

export function numberOf(story: MessageStory): number {
  return story.stored.envelope.number;
}

/** '' for an event of no message. */
function idOf(event: WireEvent): string {
  if (event.kind === 'stored') return event.envelope.id;
  return 'message' in event ? event.message.id : '';
}
