// The flow of mail: the newest messages with their states, and notes between them, in time order.
import { MessageStories, type MessageStory } from '../../app/message-stories.ts';
import type { EventGap } from '../../model/mail-events.ts';
import type { TextEvent } from './mail-source.ts';

/** With the first part of each body this is some 10 MB. */
export const flowMessagesMax = 5_000;
/** Live events that are kept until the past has been read. */
const waitingMax = 50_000;

export interface FlowNote {
  readonly sequence: number;
  readonly time: number;
  readonly words: string;
}

export type FlowEntry = { readonly story: MessageStory } | { readonly note: FlowNote };

export class Flow {
  #stories = new MessageStories(flowMessagesMax);
  #notes: FlowNote[] = [];
  /** Live events since the start, while the past is still being read. */
  #waiting: TextEvent[] | undefined = [];
  #entries: readonly FlowEntry[] | undefined;

  /** Messages and notes, the oldest first. The same array until something changes. */
  get entries(): readonly FlowEntry[] {
    this.#entries ??= this.#sorted();
    return this.#entries;
  }

  byNumber(number: number): MessageStory | undefined {
    return this.#stories.byNumber(number);
  }

  byId(id: string): MessageStory | undefined {
    return this.#stories.byId(id);
  }

  live(events: readonly TextEvent[], gap: EventGap | undefined): void {
    const [first] = events;
    if (gap) {
      const count = gap.to - gap.from + 1;
      const words = `${count} records are missing here: they are not kept any more`;
      this.#note(gap.to, first?.event.time ?? this.#lastTime(), words);
    }
    for (const each of events) this.#apply(each);
    this.#waiting?.push(...events);
    if (this.#waiting && this.#waiting.length > waitingMax) this.#waiting = undefined;
  }

  /** `upTo`: live events up to this sequence number are in the past, too. */
  past(events: readonly TextEvent[], upTo: number): void {
    const since = (this.#waiting ?? []).filter(({ event }) => event.sequence > upTo);
    const isWhole = this.#waiting !== undefined;
    this.#waiting = undefined;
    // So much has happened meanwhile that the screen is full of it.
    if (!isWhole) return;
    this.#stories = new MessageStories(flowMessagesMax);
    this.#notes = [];
    for (const each of [...events, ...since]) this.#apply(each);
    this.#entries = undefined;
  }

  #apply({ event, text }: TextEvent): void {
    this.#entries = undefined;
    this.#stories.apply(event, text);
    if (event.kind !== 'paused' && event.kind !== 'resumed') return;
    const what = event.mailbox === '' ? 'all mailboxes' : `mailbox "${event.mailbox}"`;
    const words = event.kind === 'paused' ? `${what}: paused` : `${what}: deliveries go on`;
    this.#note(event.sequence, event.time, words);
  }

  #note(sequence: number, time: number, words: string): void {
    this.#entries = undefined;
    this.#notes.push({ sequence, time, words });
    if (this.#notes.length > flowMessagesMax) this.#notes.shift();
  }

  #lastTime(): number {
    return [...this.#stories].at(-1)?.stored.time ?? 0;
  }

  #sorted(): FlowEntry[] {
    const entries: FlowEntry[] = [];
    let next = 0;
    for (const story of this.#stories) {
      for (; (this.#notes[next]?.sequence ?? Infinity) < story.stored.sequence; next++) {
        const note = this.#notes[next];
        if (note) entries.push({ note });
      }
      entries.push({ story });
    }
    return [...entries, ...this.#notes.slice(next).map((note) => ({ note }))];
  }
}

/** It stays the same while the entry is in the flow. */
export function keyOfEntry(entry: FlowEntry): string {
  return 'note' in entry ? `note ${entry.note.sequence}` : entry.story.stored.envelope.id;
}
