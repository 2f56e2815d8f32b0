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
import type { Envelope } from '../model/message.ts';

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

/** How it stands with a message. */
export interface Standing {
  readonly state: StoryState;
  /** The mailbox that it is in, or was in last. */
  readonly mailbox: string;
  /** When it came into this state, in milliseconds since 1970. */
  readonly since: number;
  /** Number of its deliveries, without those that were released unread. */
  readonly attempts: number;
  /** The session that holds it, or held it when it settled it; else undefined. */
  readonly holder: Pick<DeliveredEvent, 'session' | 'name'> | undefined;
}

/** A message, what it says, and what became of it. */
export interface MessageStory extends Standing {
  readonly stored: StoryOpening;
  /** Its body, or the first part of it; undefined when it is corrupt on disk. */
  readonly text: string | undefined;
  /** The delivery to the session of `Standing`. */
  readonly holder: DeliveredEvent | undefined;
  /** All that happened to it afterwards, in order. */
  readonly life: readonly LifeEvent[];
  /** Ids of the messages that answer it, in order, as far as they are known. */
  readonly answeredBy: readonly string[];
}

type Mutable<Type> = { -readonly [Field in keyof Type]: Type[Field] };
type MutableStory = Mutable<MessageStory>;
export type MutableStanding = Mutable<Standing>;

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
    changeStanding(story, event);
    return story;
  }

  #begin({ sequence, time, envelope }: StoredEvent, text: string | undefined): MessageStory {
    const story: MutableStory = {
      stored: { sequence, time, envelope },
      text,
      ...standingAsStored(envelope),
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

export function standingAsStored({ to, time }: Envelope): Standing {
  return { state: 'ready', mailbox: to, since: time, attempts: 0, holder: undefined };
}

export function changeStanding(standing: MutableStanding, event: LifeEvent): void {
  standing.since = event.time;
  switch (event.kind) {
    case 'delivered':
      standing.state = 'held';
      standing.holder = event;
      standing.attempts = event.attempt;
      return;
    case 'requeued':
      standing.state = event.mailbox === event.message.to ? 'ready' : 'dead';
      standing.holder = undefined;
      // After a release unread the delivery does not count.
      standing.attempts = event.attempt - 1;
      return;
    case 'settled':
      standing.state = 'done';
      return;
    case 'dropped':
      standing.state = 'dropped';
      return;
    case 'deadLettered':
      standing.state = 'dead';
      standing.mailbox = 'dead-letters';
      standing.holder = undefined;
      return;
    case 'retried':
      standing.state = 'ready';
      standing.mailbox = event.message.to;
      standing.attempts = 0;
      return;
  }
}

function numberOf({ stored }: MessageStory): number {
  return stored.envelope.number;
}
