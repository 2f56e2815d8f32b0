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
  const { state, since, attempts, stored } = story;
  const again = attempts > 1 ? ` · attempt ${attempts}` : '';
  const word = stateWord(story, String);
  const age = durationText(now - since);
  switch (state) {
    case 'ready': {
      const next = attempts > 0 ? ` · attempt ${attempts + 1} next` : '';
      if (isPaused) return { tone: 'paused', word: 'paused', detail: `${age}${next}` };
      return { tone: 'ready', word, detail: `${age}${next}` };
    }
    case 'held':
      return { tone: 'held', word, detail: `${age}${again}` };
    case 'done':
      return { tone: 'done', word, detail: `in ${spanText(since - stored.time)}${again}` };
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
