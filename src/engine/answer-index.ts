import { NumberQueue } from '../base/number-queue.ts';
import type { MessageId } from '../model/message.ts';

type Numbers = Map<MessageId, number | NumberQueue>;

const none: ReadonlyMap<MessageId, number | NumberQueue> = new Map();

/**
 * Numbers of a mailbox's ready messages, by the message that they answer. Most questions have one answer, and most
 * mailboxes have none: an empty map would take half of the memory of a mailbox.
 */
export class AnswerIndex {
  #numbers: Numbers | undefined;

  add(question: MessageId, number: number): void {
    this.#numbers ??= new Map();
    const present = this.#numbers.get(question);
    if (present === undefined) this.#numbers.set(question, number);
    else if (present instanceof NumberQueue) present.add(number);
    else {
      const queue = new NumberQueue();
      for (const each of [present, number]) queue.add(each);
      this.#numbers.set(question, queue);
    }
  }

  delete(question: MessageId, number: number): void {
    const present = this.#numbers?.get(question);
    if (present instanceof NumberQueue) {
      present.delete(number);
      if (present.size === 0) this.#numbers?.delete(question);
    } else if (present === number) this.#numbers?.delete(question);
  }

  /** How many messages they answer. */
  get size(): number {
    return this.#numbers?.size ?? 0;
  }

  questions(): IterableIterator<MessageId> {
    return (this.#numbers ?? none).keys();
  }

  /** The lowest number. */
  first(question: MessageId): number | undefined {
    const present = this.#numbers?.get(question);
    return present instanceof NumberQueue ? present.first : present;
  }
}
