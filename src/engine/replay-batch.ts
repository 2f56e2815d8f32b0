import { textSlots } from '../base/text-table.ts';
import type { MessageId, Name } from '../model/message.ts';
import type { PlainPost } from '../model/plain-post.ts';
import { enterReady, type MailboxState } from './mailbox-state.ts';

/** Most posts that wait. */
const postsMax = 131_072;

/**
 * Posts of a replay that have not entered their mailboxes yet. They enter one mailbox after the other: 10,000 mailboxes
 * do not fit into the caches of a processor, and each post that entered alone would wait for the memory of its mailbox.
 */
export class ReplayBatch {
  readonly #mailboxOf: (name: Name) => MailboxState;
  /** The mailboxes of the posts, and their names. A mailbox may be there several times. */
  readonly #mailboxes: MailboxState[] = [];
  readonly #names: Name[] = [];
  /** By the slot of a name, the index of the mailbox that was found there last. */
  readonly #lastIndexes = new Uint32Array(textSlots);
  #posts = 0;
  /** The fields of each post that are kept. */
  readonly #indexes = new Uint32Array(postsMax);
  readonly #numbers = new Float64Array(postsMax);
  readonly #bodyBytes = new Uint32Array(postsMax);
  readonly #indexBytes = new Uint32Array(postsMax);
  /** The ids of the messages that posts answer. */
  readonly #questions = new Map<number, MessageId>();
  /** The posts in the order of their mailboxes, and where in it the next post of each mailbox goes. */
  readonly #order = new Uint32Array(postsMax);
  readonly #places = new Uint32Array(postsMax);

  constructor(mailboxOf: (name: Name) => MailboxState) {
    this.#mailboxOf = mailboxOf;
  }

  /** Returns the name of its mailbox, as the string that all messages there share. */
  add({ to, toSlot, number, bodyBytes, answers }: PlainPost, indexBytes: number): Name {
    if (this.#posts === postsMax) this.enterAll();
    let index = this.#lastIndexes[toSlot] as number;
    // Pointers are compared first, and nearly always they are equal.
    if (this.#names[index] !== to) index = this.#find(to, toSlot);
    const post = this.#posts++;
    this.#indexes[post] = index;
    this.#numbers[post] = number;
    this.#bodyBytes[post] = bodyBytes;
    this.#indexBytes[post] = indexBytes;
    if (answers !== '') this.#questions.set(post, answers);
    return this.#names[index] as Name;
  }

  /** Empties the batch. */
  enterAll(): void {
    // Before most records that are no plain posts.
    if (this.#posts === 0) return;
    this.#sort();
    for (let at = 0; at < this.#posts; at++) {
      const post = this.#order[at] as number;
      const mailbox = this.#mailboxes[this.#indexes[post] as number] as MailboxState;
      mailbox.bytes += this.#bodyBytes[post] as number;
      mailbox.indexBytes += this.#indexBytes[post] as number;
      enterReady(mailbox, this.#numbers[post] as number, this.#questions.get(post) ?? '');
    }
    this.#posts = 0;
    // A Map that is cleared gets a new table, even if it was empty.
    if (this.#questions.size > 0) this.#questions.clear();
    // A mailbox that loses its last message is forgotten: when it gets mail again, it is another object.
    this.#mailboxes.length = 0;
    this.#names.length = 0;
  }

  #find(to: Name, toSlot: number): number {
    const mailbox = this.#mailboxOf(to);
    this.#names.push(mailbox.name);
    const index = this.#mailboxes.push(mailbox) - 1;
    this.#lastIndexes[toSlot] = index;
    return index;
  }

  /** Counts the posts of each mailbox, and so knows where the first one of each goes. */
  #sort(): void {
    const [indexes, places] = [this.#indexes, this.#places];
    const mailboxes = this.#mailboxes.length;
    places.fill(0, 0, mailboxes);
    for (let post = 0; post < this.#posts; post++) {
      const index = indexes[post] as number;
      places[index] = (places[index] as number) + 1;
    }
    let before = 0;
    for (let index = 0; index < mailboxes; index++) {
      const count = places[index] as number;
      places[index] = before;
      before += count;
    }
    for (let post = 0; post < this.#posts; post++) {
      const index = indexes[post] as number;
      const place = places[index] as number;
      this.#order[place] = post;
      places[index] = place + 1;
    }
  }
}
