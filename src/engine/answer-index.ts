import type { MessageId } from '../model/message.ts';

/** Numbers of a mailbox's ready messages, by the message that they answer. Most questions have one answer. */
export class AnswerIndex {
  readonly #numbers = new Map<MessageId, number | Set<number>>();

  add(question: MessageId, number: number): void {
    const present = this.#numbers.get(question);
    if (present === undefined) this.#numbers.set(question, number);
    else if (typeof present !== 'number') present.add(number);
    else if (present !== number) this.#numbers.set(question, new Set([present, number]));
  }

  delete(question: MessageId, number: number): void {
    const present = this.#numbers.get(question);
    if (present instanceof Set) {
      present.delete(number);
      if (present.size === 0) this.#numbers.delete(question);
    } else if (present === number) this.#numbers.delete(question);
  }

  /** The one that became ready first. */
  first(question: MessageId): number | undefined {
    const present = this.#numbers.get(question);
    return present instanceof Set ? present.values().next().value : present;
  }
}
