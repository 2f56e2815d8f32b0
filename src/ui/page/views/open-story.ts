import type { MessageStory } from '../../../app/message-stories.ts';
import { go } from '../page-store.ts';
import { noFilter } from '../state/message-filter.ts';

/** Shows a message among the others. */
export function openStory({ stored }: MessageStory): void {
  go({ view: 'conversations', filter: noFilter, open: stored.envelope.id });
}
