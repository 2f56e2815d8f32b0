// A later file may repeat the record of a post to several mailboxes, without a number, while one of its messages has not
// ended. The others may have, also in a file that is gone: this tells which of its messages are new all the same.
import { NumberMap } from '../base/number-map.ts';
import type { Envelope, MessageId } from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { JournalRecord } from '../model/records.ts';

/**
 * The messages of a repeated record of which nothing is known: none if one of them is, or was posted before. `newest`: the
 * highest number of a message that was posted so far, or that the residue has.
 */
export function newInRepeat(
  messages: readonly Envelope[],
  newest: number,
  isKnown: (message: Envelope) => boolean,
): readonly Envelope[] {
  return messages.some(isKnown) ? [] : messages.filter(({ number }) => number > newest);
}

export class PostRepeats {
  /** Messages that have not ended, of such posts; copies as well, since they may be of such a post. */
  readonly #unended = new NumberMap<MessageId>();
  /** As of newInRepeat(). */
  #newest = 0;

  /** The messages of a repeated record of which nothing is known. */
  newIn(messages: readonly Envelope[]): readonly Envelope[] {
    const isKnown = ({ number, id }: Envelope) => this.#unended.get(number) === id;
    return newInRepeat(messages, this.#newest, isKnown);
  }

  /** Whether it is one of the messages that newIn() has to know. */
  has(number: number): boolean {
    return this.#unended.has(number);
  }

  isReached(number: number): boolean {
    return number <= this.#newest;
  }

  reach(number: number): void {
    if (number > this.#newest) this.#newest = number;
  }

  /** `messages`: those that the record tells of, if it is a post. */
  apply(record: JournalRecord, messages?: readonly Envelope[]): void {
    switch (record.kind) {
      case 'posted':
        for (const { number, id } of messages ?? envelopesOf(record)) {
          this.reach(number);
          if (record.also.length > 0) this.#unended.set(number, id);
        }
        return this.#end(record.settles);
      case 'copied':
        this.#unended.set(record.envelope.number, record.envelope.id);
        return;
      case 'settled':
        return this.#end(record.numbers);
    }
  }

  #end(numbers: readonly number[]): void {
    for (const number of numbers) this.#unended.delete(number);
  }
}
