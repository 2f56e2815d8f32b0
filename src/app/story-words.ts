// The words for the state of a message and for each step of its life: the same in `ipc log`, on the screen of `ipc top`
// and in the page. The page runs in the browser, so nothing of Node is imported here.
import type { HoldEnd, PastHold } from '../model/message.ts';
import { roughTime } from './durations.ts';
import type { LifeEvent, Standing, StoryState } from './message-stories.ts';

/** How a face shows a name, and a message of which only the id is known. */
export interface StoryForms {
  /** A name of a session or a mailbox; not ''. */
  readonly name: (name: string) => string;
  readonly message: (id: string) => string;
}

const states: Readonly<Record<Exclude<StoryState, 'held'>, string>> = {
  ready: 'stored',
  done: 'done',
  dropped: 'dropped',
  dead: 'dead letter',
};

/** `with ann`, `done`: where it is, without when. */
export function stateWord(
  { state, holder }: Pick<Standing, 'state' | 'holder'>,
  name: StoryForms['name'],
): string {
  return state === 'held' ? `with ${sessionWord(holder?.name, name)}` : states[state];
}

/** A session without a name is `a session`. */
export function sessionWord(given: string | undefined, name: StoryForms['name']): string {
  return given === undefined || given === '' ? 'a session' : name(given);
}

/** One step as a sentence without a full stop. */
export function lifeWords(event: LifeEvent, { name, message }: StoryForms): string {
  switch (event.kind) {
    case 'delivered': {
      const from = event.mailbox === event.message.to ? '' : `, from ${name(event.mailbox)}`;
      return `delivered to ${sessionWord(event.name, name)}, attempt ${event.attempt}${from}`;
    }
    case 'requeued':
      return `back in ${name(event.mailbox)}${holdWords(event.lastHold, name)}`;
    case 'settled': {
      const by = event.by === undefined ? '' : `, with ${message(event.by)}`;
      return `done by ${sessionWord(event.name, name)}${by}`;
    }
    case 'dropped':
      return 'dropped unread';
    case 'deadLettered':
      return `given up: a dead letter${holdWords(event.lastHold, name)}`;
    case 'retried':
      return `retried: back in ${name(event.message.to)}, attempts from 1`;
  }
}

/** How the last hold of a message ended. */
export const holdEnds: Readonly<Record<HoldEnd, string>> = {
  released: 'gave it back',
  rejected: 'rejected it',
  disconnected: 'ended without saying it was done',
};

function holdWords(hold: PastHold | undefined, name: StoryForms['name']): string {
  if (!hold) return '';
  const session = sessionWord(hold.name, name);
  return `; ${session} had it for ${roughTime(hold.to - hold.from)} and ${holdEnds[hold.ended]}`;
}
