// What a person did to the mail, and how far it is: an action is "applied" when the broker has answered that it is, or
// when an event shows it; never because a button was pressed.
import type { MessageStory } from '../../../app/message-stories.ts';
import type { WireDropped, WirePaused, WirePosted, WireRetried } from '../../wire.ts';
import { plural } from './relative-time.ts';

export type HandCommand =
  | { readonly kind: 'pause' | 'resume' /** '' for all. */; readonly mailbox: string }
  | { readonly kind: 'drop'; readonly mailbox: string; readonly ids?: readonly string[] }
  | { readonly kind: 'retry'; readonly to?: string; readonly ids?: readonly string[] }
  | { readonly kind: 'stop'; readonly mailbox: string };

export interface HandAction {
  readonly key: number;
  readonly command: HandCommand;
  readonly state: 'applying' | 'applied' | 'failed';
  /** What is known by now, as a sentence; '' for nothing. */
  readonly note: string;
  /** When the state was reached, in milliseconds since 1970. */
  readonly time: number;
  /** For `stop`: the id of the message that ends the worker. */
  readonly waitsFor?: string;
}

/** What the server's answer makes of an action. */
export interface HandOutcome {
  readonly state: HandAction['state'];
  readonly note: string;
  readonly waitsFor?: string;
}

export function titleOf(command: HandCommand): string {
  switch (command.kind) {
    case 'pause':
      return command.mailbox === '' ? 'Pause all mailboxes' : `Pause ${command.mailbox}`;
    case 'resume':
      return command.mailbox === '' ? 'Resume all mailboxes' : `Resume ${command.mailbox}`;
    case 'drop':
      return command.ids
        ? `Drop a message of ${command.mailbox}`
        : `Drop the mail of ${command.mailbox}`;
    case 'retry':
      if (command.ids) return 'Try a dead letter again';
      return command.to === undefined
        ? 'Try all dead letters again'
        : `Try the dead letters to ${command.to} again`;
    case 'stop':
      return `Stop the worker of ${command.mailbox}`;
  }
}

/** What a dialog says before it is done. */
export function consequenceOf(command: HandCommand): string {
  switch (command.kind) {
    case 'pause':
      return command.mailbox === ''
        ? 'Nothing is delivered to anybody until it is resumed. Posts are still stored, and what is held now can be finished. The pause outlives the broker.'
        : 'Nothing is delivered from this mailbox until it is resumed. Posts to it are still stored, and what is held now can be finished. The pause outlives the broker.';
    case 'resume':
      return command.mailbox === ''
        ? 'Every pause ends, and what waits is delivered at once.'
        : 'What waits in this mailbox is delivered at once.';
    case 'drop':
      return command.ids
        ? 'The message is settled without being read. Nobody will get it. If a session holds it, it stays.'
        : 'All messages of this mailbox that are ready are settled without being read. Nobody will get them. What a session holds stays.';
    case 'retry':
      return 'Dead letters go back to the mailboxes that they were posted to, with attempts from 1.';
    case 'stop':
      return 'The message "shutdown" is posted to this mailbox. A worker (`ipc work`) ends when it reads it, after the mail in front of it. Any other reader gets it as a message.';
  }
}

/** The word on the button that does it. */
export function verbOf(command: HandCommand): string {
  return { pause: 'Pause', resume: 'Resume', drop: 'Drop', retry: 'Try again', stop: 'Stop' }[
    command.kind
  ];
}

export function afterPause(
  command: HandCommand & { mailbox: string },
  answer: WirePaused,
): HandOutcome {
  const isPaused =
    command.mailbox === ''
      ? answer.paused.length > 0
      : answer.paused.some((mailbox) => mailbox === command.mailbox || mailbox === '');
  if (command.kind === 'pause') {
    return isPaused ? applied('deliveries have stopped') : failed('it is not paused');
  }
  if (!isPaused) return applied('deliveries go on');
  return failed(
    answer.paused.some((mailbox) => mailbox === '')
      ? 'all mailboxes are still paused'
      : 'it is still paused',
  );
}

export function afterDrop({ dropped, held }: WireDropped): HandOutcome {
  const stays =
    held === 0
      ? ''
      : `; ${plural(held, 'message')} stayed, because a session holds ${held === 1 ? 'it' : 'them'}`;
  const note = `${plural(dropped.length, 'message')} dropped${stays}`;
  return dropped.length === 0 && held > 0 ? failed(note) : applied(note);
}

export function afterRetry({ moved, stayed }: WireRetried): HandOutcome {
  const stays =
    stayed.length === 0
      ? ''
      : `; ${plural(stayed.length, 'dead letter')} stayed, because a mailbox is full`;
  const note =
    moved.length === 0 && stayed.length === 0
      ? 'there was no such dead letter'
      : `${plural(moved.length, 'dead letter')} moved back${stays}`;
  return moved.length === 0 ? failed(note) : applied(note);
}

/** Stored is not read: the action goes on until the message is done. */
export function afterStop({ id, number }: WirePosted): HandOutcome {
  const note = `"shutdown" is stored as #${number}; the worker has not taken it yet`;
  return { state: 'applying', note, waitsFor: id };
}

/** `story`: of the message that it waits for. */
export function afterChange(action: HandAction, story: MessageStory): HandOutcome | undefined {
  const { note } = action;
  if (action.state !== 'applying' || action.waitsFor !== story.stored.envelope.id) return undefined;
  if (story.state === 'done')
    return applied(`${story.holder?.name || 'the reader'} has taken "shutdown"`);
  if (story.state === 'dead' || story.state === 'dropped')
    return failed('the message was not taken by a worker');
  const holder =
    story.state === 'held' ? `${story.holder?.name || 'a session'} holds "shutdown"` : note;
  return { state: 'applying', note: holder, waitsFor: action.waitsFor };
}

export function failed(note: string): HandOutcome {
  return { state: 'failed', note };
}

function applied(note: string): HandOutcome {
  return { state: 'applied', note };
}
