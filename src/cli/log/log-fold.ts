// What `ipc log` knows of the messages that it prints, in bounded memory.
// 1. Their stories are kept while there are few.
// 2. When there are many, those that are over are given out to be printed, from the oldest up to the first that is not.
// 3. If there are still many, only how each stands is kept, and the store is read a second time for what they say.
// 4. Once all is printed, only messages that are not over are known, so that what becomes of them can be followed.
import { MessageStories, type MessageStory, type Standing } from '../../app/message-stories.ts';
import { NumberMap } from '../../base/number-map.ts';
import type { MailEvent } from '../../model/mail-events.ts';
import { deadLetterMailbox, type Envelope } from '../../model/message.ts';
import { LogEntries, type LogEntry, smallStanding } from './log-entries.ts';

export interface LogFoldOptions {
  /** Only messages that are or were in `dead-letters` are printed. */
  readonly isDeadLettersOnly?: boolean;
  /** follow() gives texts of messages that were stored before it, too. */
  readonly keepsTexts?: boolean;
  /** All are kept whole, however many they are. */
  readonly keepsAll?: boolean;
  /** For tests: fewer. */
  readonly storiesMax?: number;
}

/** A message that is to be printed because of an event. */
export interface FollowedEntry extends LogEntry {
  /** The message was not printed before. */
  readonly isNew: boolean;
}

/** More messages are not kept whole. */
const storiesMaxDefault = 20_000;
/** Nor longer texts, all together. */
const charactersMax = 32 * 1024 ** 2;

export class LogFold {
  /** Messages that are kept whole. */
  readonly stories = new MessageStories();
  /** Messages that are not over, once they are not kept whole. */
  readonly #entries = new LogEntries(charactersMax);
  /** How each message that is over stands, once they are not kept whole, until all is printed. */
  readonly #ended = new NumberMap<Standing>();
  /** Numbers of messages that were dead letters; undefined if all messages are printed. */
  readonly #deadLetters: Set<number> | undefined;
  readonly #keepsTexts: boolean;
  readonly #keepsAll: boolean;
  readonly #storiesMax: number;
  /** To be printed now. */
  #over: MessageStory[] = [];
  #isWhole = true;
  #characters = 0;

  constructor({
    isDeadLettersOnly = false,
    keepsTexts = false,
    keepsAll = false,
    storiesMax = storiesMaxDefault,
  }: LogFoldOptions = {}) {
    this.#deadLetters = isDeadLettersOnly ? new Set() : undefined;
    this.#keepsTexts = keepsTexts;
    this.#keepsAll = keepsAll;
    this.#storiesMax = storiesMax;
  }

  /** All messages that takeOver() has not given out are in `stories`, with their texts. Else texts are not looked at. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** An event of the first reading. `text`: of a message that was stored; undefined if it is damaged. */
  apply(event: MailEvent, text: string | undefined): void {
    if (!this.#isWhole) return this.#applyPacked(event);
    const story = this.stories.apply(event, text);
    if (!story) return;
    this.#noteDeadLetter(event);
    if (event.kind === 'stored') this.#characters += text?.length ?? 0;
    if (isOver(story) && !this.#isPrinted(story.stored.envelope)) this.#forget(story);
    if (this.#isMuch) this.#makeRoom();
  }

  /** Messages that are over, and not in `stories` any more, in the order in which they were stored. */
  takeOver(): readonly MessageStory[] {
    const over = this.#over;
    this.#over = [];
    return over;
  }

  /** Those of `stories` that are printed, in the order of their numbers. */
  rest(): readonly MessageStory[] {
    const rest = [...this.stories].filter(({ stored }) => this.#isPrinted(stored.envelope));
    return rest.sort((one, other) => one.stored.envelope.number - other.stored.envelope.number);
  }

  /** In the second reading: undefined for a message that is not printed then. */
  standing(number: number): Standing | undefined {
    const entry = this.#entries.get(number);
    if (!entry) return this.#ended.get(number);
    return this.#isPrinted(entry.envelope) ? entry.standing : undefined;
  }

  /** In the second reading: what a message says. */
  setText(number: number, text: string | undefined): void {
    if (this.#keepsTexts) this.#entries.setText(number, text);
  }

  /** All is printed. Later events are for follow(). */
  printed(): void {
    this.#packStories();
    this.#ended.clear();
  }

  /** `text`: as of apply(). Returns the message that changed; undefined if it is not printed. */
  follow(event: MailEvent, text: string | undefined): FollowedEntry | undefined {
    const wasPrinted = 'message' in event && this.#isPrinted(event.message);
    const entry = this.#changed(event);
    if (!entry) return undefined;
    const { envelope } = entry;
    const isPrinted = this.#isPrinted(envelope);
    if (isOver(entry.standing)) this.#deadLetters?.delete(envelope.number);
    if (event.kind === 'stored') this.setText(envelope.number, text);
    if (!isPrinted) return undefined;
    return { ...entry, text: event.kind === 'stored' ? text : entry.text, isNew: !wasPrinted };
  }

  get #isMuch(): boolean {
    if (this.#keepsAll) return false;
    return this.stories.size > this.#storiesMax || this.#characters > charactersMax;
  }

  #makeRoom(): void {
    for (const story of this.stories) {
      if (!isOver(story)) break;
      this.#over.push(story);
      this.#forget(story);
    }
    if (this.#isMuch) this.#packStories();
  }

  #packStories(): void {
    this.#isWhole = false;
    for (const story of [...this.stories]) {
      const { envelope } = story.stored;
      if (isOver(story)) this.#end(envelope, story);
      else {
        this.#entries.add(envelope);
        this.#entries.setStanding(envelope.number, story);
        this.setText(envelope.number, story.text);
      }
      this.#forget(story);
    }
  }

  #applyPacked(event: MailEvent): void {
    const entry = this.#changed(event);
    if (entry && isOver(entry.standing)) this.#end(entry.envelope, entry.standing);
  }

  /** The message as the event leaves it. If it is over, nothing is known of it any more. */
  #changed(event: MailEvent): LogEntry | undefined {
    if (event.kind === 'paused' || event.kind === 'resumed') return undefined;
    if (event.kind === 'stored') {
      this.#noteDeadLetter(event);
      this.#entries.add(event.envelope);
      return this.#entries.get(event.envelope.number);
    }
    const entry = this.#entries.change(event);
    if (!entry) return undefined;
    this.#noteDeadLetter(event);
    if (isOver(entry.standing)) this.#entries.delete(entry.envelope.number);
    return entry;
  }

  #end(envelope: Envelope, standing: Standing): void {
    if (this.#isPrinted(envelope)) this.#ended.set(envelope.number, smallStanding(standing));
    this.#deadLetters?.delete(envelope.number);
  }

  #noteDeadLetter(event: MailEvent): void {
    if (event.kind === 'deadLettered') this.#deadLetters?.add(event.message.number);
    // After a crash a number may belong to another message.
    else if (event.kind === 'stored') this.#deadLetters?.delete(event.envelope.number);
  }

  #isPrinted({ number, to }: Pick<Envelope, 'number' | 'to'>): boolean {
    return !this.#deadLetters || to === deadLetterMailbox || this.#deadLetters.has(number);
  }

  #forget({ stored, text }: MessageStory): void {
    this.stories.forget(stored.envelope.number);
    this.#characters -= text?.length ?? 0;
  }
}

function isOver({ state }: Standing): boolean {
  return state === 'done' || state === 'dropped';
}
