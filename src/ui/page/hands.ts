// Hands on: a command is asked for in a dialog, sent, and shown until it has been applied.
import { signal } from '@preact/signals';
import type { MessageStory } from '../../app/message-stories.ts';
import { faultText, server } from './api/server-requests.ts';
import { book, onChange } from './page-store.ts';
import {
  afterChange,
  afterDrop,
  afterPause,
  afterRetry,
  afterStop,
  failed,
  type HandAction,
  type HandCommand,
  type HandOutcome,
} from './state/hand-actions.ts';

const actionsMax = 20;

/** The command that a dialog asks about. */
export const asked = signal<HandCommand | undefined>(undefined);
/** Newest first. */
export const actions = signal<readonly HandAction[]>([]);

let keys = 0;

export function ask(command: HandCommand): void {
  asked.value = command;
}

/** The person has agreed. */
export async function carryOut(command: HandCommand): Promise<void> {
  asked.value = undefined;
  keys += 1;
  const action: HandAction = { key: keys, command, state: 'applying', note: '', time: Date.now() };
  actions.value = [action, ...actions.value].slice(0, actionsMax);
  const outcome = await send(command).catch((fault) => failed(faultText(fault)));
  update(action.key, outcome);
  // The events may have been quicker than the answer.
  const story = outcome.waitsFor === undefined ? undefined : book().byId(outcome.waitsFor);
  if (story) follow([story]);
}

export function dismiss(key: number): void {
  actions.value = actions.value.filter((action) => action.key !== key);
}

function send(command: HandCommand): Promise<HandOutcome> {
  switch (command.kind) {
    case 'pause':
    case 'resume': {
      const { kind, mailbox } = command;
      const body = mailbox === '' ? { all: true as const } : { mailboxes: [mailbox] };
      return server[kind](body).then((answer) => afterPause(command, answer));
    }
    case 'drop': {
      const { mailbox, ids } = command;
      return server.drop({ mailbox, ...(ids && { ids }) }).then(afterDrop);
    }
    case 'retry': {
      const { to, ids } = command;
      const body = { ...(to !== undefined && { to }), ...(ids && { ids }) };
      return server.retry(body).then(afterRetry);
    }
    case 'stop':
      return server.stopWorker({ mailbox: command.mailbox }).then(afterStop);
  }
}

function update(key: number, outcome: HandOutcome): void {
  actions.value = actions.value.map((action) =>
    action.key === key ? { ...action, ...outcome, time: Date.now() } : action,
  );
}

onChange(follow);

function follow(changed: readonly MessageStory[]): void {
  for (const action of actions.value) {
    for (const story of changed) {
      const outcome = afterChange(action, story);
      if (outcome) update(action.key, outcome);
    }
  }
}
