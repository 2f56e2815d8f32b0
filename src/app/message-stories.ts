// The stories of messages, folded from events: the state of each, and its life. `ipc log`, `ipc top` and the page use it,
// the page in the browser, so it imports nothing that needs Node.
import { OldestKeys } from '../base/oldest-keys.ts';
import type {
  DeadLetteredEvent,
  DeliveredEvent,
  DroppedEvent,
  MailEvent,
  RequeuedEvent,
  RetriedEvent,
  SettledEvent,
  StoredEvent,
} from '../model/mail-events.ts';

/** An event of a message after it was stored. */
export type LifeEvent =
  | DeliveredEvent
  | RequeuedEvent
  | SettledEvent
  | DroppedEvent
  | DeadLetteredEvent
  | RetriedEvent;

/** `ready`: no session has it. `done`: it was settled by the session that held it. `dead`: it is a dead letter, and ready. */
export type StoryState = 'ready' | 'held' | 'done' | 'dropped' | 'dead';

/** `stored` without the body's bytes, which have other types in Node and in a browser. */
export type StoryOpening = Pick<StoredEvent, 'sequence' | 'time' | 'envelope'>;

/** A message, what it says, and what became of it. */
export interface MessageStory {
  readonly stored: StoryOpening;
  /** Its body, or the first part of it; undefined when it is corrupt on disk. */
  readonly text: string | undefined;
  readonly state: StoryState;
  /** The mailbox that it is in, or was in last. */
  readonly mailbox: string;
  /** Number of its deliveries, without those that were released unread. */
  readonly attempts: number;
  /** The delivery to the session that holds it, or held it when it settled it; else undefined. */
  readonly holder: DeliveredEvent | undefined;
  /** All that happened to it afterwards, in order. */
  readonly life: readonly LifeEvent[];
  /** Ids of the messages that answer it, in order, as far as they are known. */
  readonly answeredBy: readonly string[];
}

type MutableStory = { -readonly [Field in keyof MessageStory]: MessageStory[Field] };

export class MessageStories {
  readonly #storiesMax: number;
  /** By number, in the order of the numbers. */
  readonly #stories = new Map<number, MutableStory>();
  readonly #numbers = new Map<string, number>();
  readonly #oldest = new OldestKeys(this.#stories);

  /** The story that began longest ago is forgotten when there are more. */
  constructor(storiesMax = Number.POSITIVE_INFINITY) {
    this.#storiesMax = storiesMax;
  }

  get size(): number {
    return this.#stories.size;
  }

  /** In the order in which they were stored. */
  [Symbol.iterator](): IterableIterator<MessageStory> {
    return this.#stories.values();
  }

  byNumber(number: number): MessageStory | undefined {
    return this.#stories.get(number);
  }

  byId(id: string): MessageStory | undefined {
    const number = this.#numbers.get(id);
    return number === undefined ? undefined : this.#stories.get(number);
  }

  /** The message, those that it answers, one after the other, and all answers to any of them, in the order of their numbers. */
  thread(id: string): MessageStory[] {
    let first = this.byId(id);
    if (!first) return [];
    const seen = new Set([first]);
    for (let above = first; ; ) {
      const next = this.byId(above.stored.envelope.answers);
      if (!next || seen.has(next)) break;
      seen.add(next);
      above = next;
      first = next;
    }
    const thread = new Set([first]);
    for (const story of thread) {
      for (const answer of story.answeredBy) {
        const found = this.byId(answer);
        if (found) thread.add(found);
      }
    }
    return [...thread].sort((one, other) => numberOf(one) - numberOf(other));
  }

  /** Nothing is known of the message any more. */
  forget(number: number): void {
    const story = this.#stories.get(number);
    if (!story) return;
    this.#stories.delete(number);
    this.#numbers.delete(story.stored.envelope.id);
  }

  /** `text`: the body of a `stored` event. Returns the story that changed; undefined if the event is about none that is known. */
  apply(event: MailEvent, text?: string): MessageStory | undefined {
    if (event.kind === 'paused' || event.kind === 'resumed') return undefined;
    if (event.kind === 'stored') return this.#begin(event, text);
    const story = this.#stories.get(event.message.number);
    // After a crash a number may belong to another message; its id never does.
    if (!story || story.stored.envelope.id !== event.message.id) return undefined;
    story.life = [...story.life, event];
    change(story, event);
    return story;
  }

  #begin({ sequence, time, envelope }: StoredEvent, text: string | undefined): MessageStory {
    const story: MutableStory = {
      stored: { sequence, time, envelope },
      text,
      state: 'ready',
      mailbox: envelope.to,
      attempts: 0,
      holder: undefined,
      life: [],
      answeredBy: [],
    };
    this.#stories.set(envelope.number, story);
    this.#numbers.set(envelope.id, envelope.number);
    const question = this.#numbers.get(envelope.answers);
    const asked = question === undefined ? undefined : this.#stories.get(question);
    if (asked) asked.answeredBy = [...asked.answeredBy, envelope.id];
    const oldest = this.#oldest.added(this.#storiesMax);
    if (oldest !== undefined) this.forget(oldest);
    return story;
  }
}

function change(story: MutableStory, event: LifeEvent): void {
  switch (event.kind) {
    case 'delivered':
      story.state = 'held';
      story.holder = event;
      story.attempts = event.attempt;
      return;
    case 'requeued':
      story.state = event.mailbox === story.stored.envelope.to ? 'ready' : 'dead';
      story.holder = undefined;
      // After a release unread the delivery does not count.
      story.attempts = event.attempt - 1;
      return;
    case 'settled':
      story.state = 'done';
      return;
    case 'dropped':
      story.state = 'dropped';
      return;
    case 'deadLettered':
      story.state = 'dead';
      story.mailbox = 'dead-letters';
      story.holder = undefined;
      return;
    case 'retried':
      story.state = 'ready';
      story.mailbox = story.stored.envelope.to;
      story.attempts = 0;
      return;
  }
}

function numberOf({ stored }: MessageStory): number {
  return stored.envelope.number;
}
