// What the page says of a message's state and of each step of its life.
import type { LifeEvent, MessageStory } from '../../../app/message-stories.ts';
import type { WireEvent } from '../../wire.ts';
import { durationText, spanText } from './relative-time.ts';

export interface StateWords {
  /** Class of the style sheet. */
  readonly tone: 'ready' | 'held' | 'done' | 'dropped' | 'dead' | 'paused';
  readonly word: string;
  /** Beside the word; '' for nothing. */
  readonly detail: string;
}

/** `isPaused`: nothing is delivered from its mailbox. */
export function stateWords(story: MessageStory, now: number, isPaused: boolean): StateWords {
  const { state, holder, attempts, stored, life } = story;
  const again = attempts > 1 ? ` · attempt ${attempts}` : '';
  const last = life.at(-1);
  switch (state) {
    case 'ready': {
      const since = durationText(now - (last ?? stored).time);
      const next = attempts > 0 ? ` · attempt ${attempts + 1} next` : '';
      if (isPaused) return { tone: 'paused', word: 'paused', detail: `${since}${next}` };
      return { tone: 'ready', word: 'stored', detail: `${since}${next}` };
    }
    case 'held': {
      const name = holder?.name || 'a session';
      const since = durationText(now - (holder ?? stored).time);
      return { tone: 'held', word: `with ${name}`, detail: `${since}${again}` };
    }
    case 'done':
      return {
        tone: 'done',
        word: 'done',
        detail: `in ${spanText((last ?? stored).time - stored.time)}${again}`,
      };
    case 'dropped':
      return { tone: 'dropped', word: 'dropped', detail: 'not read' };
    case 'dead':
      return {
        tone: 'dead',
        word: 'dead',
        detail: attempts > 0 ? `after attempt ${attempts}` : '',
      };
  }
}

const ends = {
  released: 'gave it back',
  disconnected: 'ended with it',
  rejected: 'rejected it',
} as const;

/** One step of a life as a sentence without a full stop. */
export function lifeWords(event: LifeEvent): string {
  switch (event.kind) {
    case 'delivered': {
      const from = event.mailbox === event.message.to ? '' : ` from ${event.mailbox}`;
      return `delivered to ${event.name || `session ${event.session}`}${from}, attempt ${event.attempt}`;
    }
    case 'requeued': {
      if (!event.lastHold)
        return `given back to ${event.mailbox} unread; the attempt does not count`;
      return `${event.lastHold.name || 'its session'} ${ends[event.lastHold.ended]}; back in ${event.mailbox}`;
    }
    case 'settled': {
      const by = event.by === undefined ? '' : ' with an answer';
      return `done: settled by ${event.name || `session ${event.session}`}${by}`;
    }
    case 'dropped':
      return 'dropped: settled without being read';
    case 'deadLettered': {
      const why = event.lastHold
        ? `${event.lastHold.name || 'its session'} ${ends[event.lastHold.ended]}; `
        : '';
      return `${why}moved to dead-letters`;
    }
    case 'retried':
      return `tried again: back in ${event.message.to}, attempts from 1`;
  }
}

export function isLifeEvent(event: WireEvent): event is LifeEvent {
  return event.kind !== 'stored' && event.kind !== 'paused' && event.kind !== 'resumed';
}
