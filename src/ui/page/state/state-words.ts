// What the page says of a message's state.
import type { MessageStory } from '../../../app/message-stories.ts';
import { stateWord } from '../../../app/story-words.ts';
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
  const word = stateWord(story, String);
  switch (state) {
    case 'ready': {
      const since = durationText(now - (last ?? stored).time);
      const next = attempts > 0 ? ` · attempt ${attempts + 1} next` : '';
      if (isPaused) return { tone: 'paused', word: 'paused', detail: `${since}${next}` };
      return { tone: 'ready', word, detail: `${since}${next}` };
    }
    case 'held': {
      const since = durationText(now - (holder ?? stored).time);
      return { tone: 'held', word, detail: `${since}${again}` };
    }
    case 'done':
      return {
        tone: 'done',
        word,
        detail: `in ${spanText((last ?? stored).time - stored.time)}${again}`,
      };
    case 'dropped':
      return { tone: 'dropped', word, detail: 'unread' };
    case 'dead':
      return {
        tone: 'dead',
        word,
        detail: attempts > 0 ? `after attempt ${attempts}` : '',
      };
  }
}
