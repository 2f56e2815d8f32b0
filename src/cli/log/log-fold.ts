// What `ipc log` knows of the messages that it prints, in bounded memory.
// 1. Their stories are kept while there are few.
// 2. When there are many, those that are over are given out to be printed, from the oldest up to the first that is not.
// 3. If there are still many, only how they ended is kept of those that are over, and the store is read a second time
//    for what they say.
import { MessageStories, type MessageStory, type StoryState } from '../../app/message-stories.ts';
import type { MailEvent } from '../../model/mail-events.ts';

/** How it stands with a message. */
export interface Standing {
  readonly state: StoryState;
  /** The mailbox that it is in, or was in last. */
  readonly mailbox: string;
  /** When it came into this state, in milliseconds since 1970. */
  readonly since: number;
  readonly attempts: number;
  /** The session that holds it, or settled it; undefined for none. */
  readonly holder: { readonly session: string; readonly name: string } | undefined;
}

/** More messages are not kept whole. */
const storiesMaxDefault = 20_000;
/** Nor longer texts, all together. */
const charactersMax = 32 * 1024 ** 2;

export class LogFold {
  readonly stories = new MessageStories();
  /** Of messages that are over, and are not kept whole. */
  readonly #ended = new Map<number, Standing>();
  readonly #isKept: (story: MessageStory) => boolean;
  readonly #storiesMax: number;
  /** To be printed now. */
  #over: MessageStory[] = [];
  #isWhole = true;
  #isPrinted = false;
  #characters = 0;

  /** `isKept`: whether a message that is over is to be printed. `storiesMax`: of more, not all are kept. */
  constructor(
    isKept: (story: MessageStory) => boolean = () => true,
    storiesMax = storiesMaxDefault,
  ) {
    this.#isKept = isKept;
    this.#storiesMax = storiesMax;
  }

  /** All messages that takeOver() has not given out are in `stories`, with their texts. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Returns the story that changed. */
  apply(event: MailEvent, text: string | undefined): MessageStory | undefined {
    this.#characters += text?.length ?? 0;
    const keepsText = this.#isWhole || (this.#isPrinted && this.#characters <= charactersMax);
    const story = this.stories.apply(event, keepsText ? text : '');
    if (!story) return undefined;
    if (isOver(story)) this.#end(story);
    if (this.#isWhole && this.#isMuch) this.#makeRoom();
    return story;
  }

  /** Messages that are over, and not in `stories` any more, in the order in which they were stored. */
  takeOver(): readonly MessageStory[] {
    const over = this.#over;
    this.#over = [];
    return over;
  }

  /** undefined for a message that is not printed. */
  standing(number: number): Standing | undefined {
    const story = this.stories.byNumber(number);
    return story ? standingOf(story) : this.#ended.get(number);
  }

  /** All is printed. From now on only messages that are not over are known. */
  printed(): void {
    this.#isPrinted = true;
    this.#ended.clear();
    this.#keepStandings();
  }

  get #isMuch(): boolean {
    return this.stories.size > this.#storiesMax || this.#characters > charactersMax;
  }

  #makeRoom(): void {
    for (const story of this.stories) {
      if (!isOver(story)) break;
      this.#over.push(story);
      this.#forget(story);
    }
    if (this.#isMuch) this.#keepStandings();
  }

  #keepStandings(): void {
    this.#isWhole = false;
    for (const story of [...this.stories]) if (isOver(story)) this.#end(story);
  }

  #end(story: MessageStory): void {
    const { number } = story.stored.envelope;
    const isKept = this.#isKept(story);
    if (isKept && this.#isWhole) return;
    if (isKept && !this.#isPrinted) this.#ended.set(number, standingOf(story));
    this.#forget(story);
  }

  #forget({ stored, text }: MessageStory): void {
    this.stories.forget(stored.envelope.number);
    this.#characters -= text?.length ?? 0;
  }
}

function isOver({ state }: MessageStory): boolean {
  return state === 'done' || state === 'dropped';
}

export function standingOf({
  state,
  mailbox,
  attempts,
  holder,
  stored,
  life,
}: MessageStory): Standing {
  const last = life.at(-1);
  return {
    ...{ state, mailbox, attempts },
    since: last?.time ?? stored.time,
    holder: holder && { session: holder.session, name: holder.name },
  };
}
