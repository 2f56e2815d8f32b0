import { NumberQueue } from '../base/number-queue.ts';
import type { MessageId, Name } from '../model/message.ts';
import { AnswerIndex } from './answer-index.ts';

/** A mailbox that has messages. */
export interface MailboxState {
  readonly name: Name;
  readonly ready: NumberQueue;
  readonly held: NumberQueue;
  /** The ready messages that answer others. */
  readonly answers: AnswerIndex;
  bytes: number;
  indexBytes: number;
}

export interface MailboxSize {
  readonly messages: number;
  readonly bytes: number;
  /** Memory that they take beside their bodies. */
  readonly indexBytes: number;
}

export function emptyMailbox(name: Name): MailboxState {
  return {
    name,
    ready: new NumberQueue(),
    held: new NumberQueue(),
    answers: new AnswerIndex(),
    bytes: 0,
    indexBytes: 0,
  };
}

/** `question`: the id of the message that it answers, or ''. */
export function enterReady(
  { ready, answers }: MailboxState,
  number: number,
  question: MessageId | '',
): void {
  ready.add(number);
  if (question !== '') answers.add(question, number);
}

export function leaveReady(
  { ready, answers }: MailboxState,
  number: number,
  question: MessageId | '',
): void {
  ready.delete(number);
  if (question !== '') answers.delete(question, number);
}
