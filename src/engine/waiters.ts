// The parked waits. They are not durable: a restart ends them all, and each client sends its own again.
//
// A wait stands once on each of its mailboxes, in the line of its owner; a wait on a single mailbox that no other waits
// for, as most are, needs no line. Of the lines for the same, the one whose first wait was parked first is served first. A
// line that was passed over because its owner may get no delivery lies aside until that has changed, so that it is not
// passed over again and again.
import assert from 'node:assert/strict';
import type { MailboxList, MessageId, Name } from '../model/message.ts';
import type { WaitRequest } from '../model/requests.ts';
import { IndexedHeap } from './indexed-heap.ts';
import { NameMap } from './name-map.ts';
import type { NameUnion } from './name-union.ts';
import {
  Crowd,
  LineHeap,
  type Stand,
  Waiter,
  WaitLine,
  type WaitLines,
  type WaitsOfMailbox,
} from './wait-lines.ts';

/** Lines of one owner that were passed over. */
interface Aside<Owner> {
  readonly forAnswers: LineHeap<Owner>;
  readonly forAny: LineHeap<Owner>;
}

/** `Owner`: the connection that parked a wait. */
export class Waiters<Owner> {
  readonly #parked: NameMap<Waiter<Owner> | WaitLine<Owner> | Crowd<Owner>>;
  readonly #deadlines = new IndexedHeap<Waiter<Owner>>(({ deadline }) => deadline);
  readonly #aside = new Map<Owner, Aside<Owner>>();
  #stands = 0;
  #places = 0;

  /** `names` also counts the mailboxes on which a wait is parked. */
  constructor(names: NameUnion) {
    this.#parked = new NameMap(names);
  }

  get size(): number {
    return this.#deadlines.size;
  }

  /** The waiter with the earliest deadline. */
  get next(): Waiter<Owner> | undefined {
    return this.#deadlines.first;
  }

  /** How many mailboxes all waits name together. */
  get stands(): number {
    return this.#stands;
  }

  park(owner: Owner, wait: WaitRequest, now: number): Waiter<Owner> {
    const { mailboxes, waitMs } = wait;
    const waiter = new Waiter(owner, wait, Math.ceil(now + waitMs), ++this.#places);
    if (mailboxes.length > 1 || this.#parked.has(waiter.mailbox)) this.#stand(waiter, mailboxes);
    else this.#parked.set(waiter.mailbox, waiter);
    this.#stands += mailboxes.length;
    this.#deadlines.add(waiter);
    return waiter;
  }

  unpark(waiter: Waiter<Owner>): void {
    if (!this.#deadlines.has(waiter)) return;
    this.#deadlines.delete(waiter);
    const { stands } = waiter;
    for (const stand of stands) this.#leave(stand);
    if (stands.length === 0) this.#parked.delete(waiter.mailbox);
    this.#stands -= waiter.mailboxCount;
    this.#forgetEmpty(waiter.owner);
  }

  /** The oldest waiter with these `answers` whose owner may get a delivery now. The lines before it go aside. */
  oldest(
    mailbox: Name,
    answers: MessageId | '',
    may: (owner: Owner) => boolean,
  ): Waiter<Owner> | undefined {
    for (;;) {
      const waiter = this.#parked.get(mailbox)?.first(answers);
      if (!waiter || may(waiter.owner)) return waiter;
      this.#setAside(this.#lineOf(waiter.owner, mailbox, answers));
    }
  }

  /**
   * The mailboxes that a wait lists before this one, and on which it is the oldest. Its owner may get a delivery now,
   * so its lines count as if none lay aside.
   */
  *firstOn(
    waiter: Waiter<Owner>,
    before: Name,
    may: (owner: Owner) => boolean,
  ): Generator<Name, void> {
    for (const { line } of waiter.stands) {
      if (line.mailbox === before) return;
      if (line.oldest?.waiter !== waiter) continue;
      const oldest = this.oldest(line.mailbox, line.answers, may);
      if (!oldest || oldest.place >= waiter.place) yield line.mailbox;
    }
  }

  /**
   * Puts the first line back that lies aside, of an owner that may get deliveries again: those for answers before
   * those for any message.
   */
  putBack(owner: Owner): Pick<WaitLine<Owner>, 'mailbox' | 'answers'> | undefined {
    const aside = this.#aside.get(owner);
    const line = aside?.forAnswers.first ?? aside?.forAny.first;
    if (!line) return undefined;
    line.moveTo(this.#linesOf(line).heapOf(line));
    this.#forgetEmpty(owner);
    return line;
  }

  count(mailbox: Name): number {
    return this.#parked.get(mailbox)?.count ?? 0;
  }

  /** How many other owners wait on the mailbox. */
  others(mailbox: Name, owner: Owner): number {
    return this.#parked.get(mailbox)?.others(owner) ?? 0;
  }

  /** The owners that wait on the mailbox. */
  ownersOn(mailbox: Name): Iterable<Owner> {
    return this.#parked.get(mailbox)?.owners ?? [];
  }

  mailboxNames(): IterableIterator<Name> {
    return this.#parked.keys();
  }

  /** The messages whose answers are waited for on the mailbox; '' for any message. */
  questionsOn(mailbox: Name): WaitsOfMailbox<Owner>['questions'] {
    return this.#parked.get(mailbox)?.questions ?? new Set();
  }

  /** Gives a wait that is being parked its stands. */
  #stand(waiter: Waiter<Owner>, mailboxes: MailboxList): void {
    const { owner, answers } = waiter;
    const lines = mailboxes.map((mailbox) => this.#lineOf(owner, mailbox, answers));
    for (const stand of waiter.standIn(lines)) this.#linesOf(stand.line).enter(stand);
  }

  /** The line for such a wait. Begins one if there is none. */
  #lineOf(owner: Owner, mailbox: Name, answers: MessageId | ''): WaitLine<Owner> {
    const there = this.#parked.get(mailbox);
    if (!there) return this.#beginLine(owner, mailbox, answers);
    if (there instanceof Crowd) return there.lineOf(owner, mailbox, answers);
    const line = there instanceof Waiter ? this.#lineWith(there) : there;
    if (line.owner === owner && line.answers === answers) return line;
    const crowd = new Crowd(line);
    this.#parked.set(mailbox, crowd);
    return crowd.lineOf(owner, mailbox, answers);
  }

  #beginLine(owner: Owner, mailbox: Name, answers: MessageId | ''): WaitLine<Owner> {
    const line = new WaitLine(owner, mailbox, answers);
    this.#parked.set(mailbox, line);
    return line;
  }

  /** A line with the wait that was alone on its mailbox. */
  #lineWith(waiter: Waiter<Owner>): WaitLine<Owner> {
    const line = this.#beginLine(waiter.owner, waiter.mailbox, waiter.answers);
    for (const stand of waiter.standIn([line])) line.enter(stand);
    return line;
  }

  /** All lines of the mailbox of this one. */
  #linesOf({ mailbox }: WaitLine<Owner>): WaitLines<Owner> {
    const lines = this.#parked.get(mailbox);
    assert(lines && !(lines instanceof Waiter), 'a mailbox on which a wait stands has lines');
    return lines;
  }

  #leave(stand: Stand<Owner>): void {
    const lines = this.#linesOf(stand.line);
    lines.leave(stand);
    if (lines.count === 0) this.#parked.delete(stand.line.mailbox);
  }

  #setAside(line: WaitLine<Owner>): void {
    const { owner, answers } = line;
    const aside = this.#aside.get(owner) ?? { forAnswers: new LineHeap(), forAny: new LineHeap() };
    this.#aside.set(owner, aside);
    line.moveTo(answers === '' ? aside.forAny : aside.forAnswers);
  }

  #forgetEmpty(owner: Owner): void {
    const aside = this.#aside.get(owner);
    if (aside && aside.forAnswers.size + aside.forAny.size === 0) this.#aside.delete(owner);
  }
}
