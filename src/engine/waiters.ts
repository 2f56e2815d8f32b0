// The parked waits. They are not durable: a restart ends them all, and each client sends its own again.
//
// The waits of one owner on one mailbox for the same answers are a line. Of the lines for the same, the one
// whose first wait was parked first is served first. A line that was passed over because its owner may get no
// delivery lies aside until that has changed, so that it is not passed over again and again.
import type { MessageId, Name, SessionId } from '../model/message.ts';
import type { RequestNumber } from '../model/requests.ts';
import { IndexedHeap } from './indexed-heap.ts';
import type { NameCounts } from './name-counts.ts';

/** `Owner` is the connection that parked it. */
export interface WaitCall<Owner> {
  readonly owner: Owner;
  readonly session: SessionId;
  readonly request: RequestNumber;
  readonly mailbox: Name;
  /** Wait only for an answer to this message; '' for any message. */
  readonly answers: MessageId | '';
  /** Milliseconds on the engine's clock. */
  readonly deadline: number;
}

export interface Waiter<Owner> extends WaitCall<Owner> {
  /** Counts the waits in the order in which they were parked. */
  readonly place: number;
  /** undefined when it is no longer parked. */
  line: Line<Owner> | undefined;
  older: Waiter<Owner> | undefined;
  newer: Waiter<Owner> | undefined;
  index: number;
}

interface Line<Owner> {
  readonly owner: Owner;
  readonly mailbox: Name;
  readonly answers: MessageId | '';
  oldest: Waiter<Owner> | undefined;
  newest: Waiter<Owner> | undefined;
  /** The heap in which it lies: that of its mailbox and answers, or one of those aside. */
  heap: IndexedHeap<Line<Owner>>;
  index: number;
}

/** The lines for the same. */
interface Lines<Owner> {
  readonly byOwner: Map<Owner, Line<Owner>>;
  readonly heap: IndexedHeap<Line<Owner>>;
}

interface Parked<Owner> {
  readonly lines: Map<MessageId | '', Lines<Owner>>;
  /** How many waiters each session has. */
  readonly sessions: Map<SessionId, number>;
  count: number;
}

/** Lines of one owner that were passed over. */
interface Aside<Owner> {
  readonly forAnswers: IndexedHeap<Line<Owner>>;
  readonly forAny: IndexedHeap<Line<Owner>>;
}

export class Waiters<Owner> {
  readonly #parked = new Map<Name, Parked<Owner>>();
  readonly #deadlines = new IndexedHeap<Waiter<Owner>>(({ deadline }) => deadline);
  readonly #aside = new Map<Owner, Aside<Owner>>();
  readonly #names: NameCounts;
  #size = 0;
  #places = 0;

  /** `names` also counts the mailboxes on which a wait is parked. */
  constructor(names: NameCounts) {
    this.#names = names;
  }

  get size(): number {
    return this.#size;
  }

  /** The waiter with the earliest deadline. */
  get next(): Waiter<Owner> | undefined {
    return this.#deadlines.first;
  }

  park(call: WaitCall<Owner>): Waiter<Owner> {
    const parked = this.#parkedOn(call.mailbox);
    const line = lineOf(parked, call);
    const place = ++this.#places;
    const waiter = { ...call, place, line, older: line.newest, newer: undefined, index: 0 };
    if (line.newest) line.newest.newer = waiter;
    line.newest = waiter;
    if (!line.oldest) {
      line.oldest = waiter;
      line.heap.add(line);
    }
    parked.sessions.set(call.session, (parked.sessions.get(call.session) ?? 0) + 1);
    parked.count++;
    this.#deadlines.add(waiter);
    this.#size++;
    return waiter;
  }

  unpark(waiter: Waiter<Owner>): void {
    const { mailbox, session, line } = waiter;
    const parked = this.#parked.get(mailbox);
    if (!line || !parked) return;
    waiter.line = undefined;
    this.#leaveLine(waiter, line, parked);
    const count = (parked.sessions.get(session) ?? 0) - 1;
    if (count > 0) parked.sessions.set(session, count);
    else parked.sessions.delete(session);
    if (--parked.count === 0) {
      this.#parked.delete(mailbox);
      this.#names.remove(mailbox);
    }
    this.#deadlines.delete(waiter);
    this.#size--;
  }

  /** The oldest waiter with these `answers` whose owner may get a delivery now. The lines before it go aside. */
  oldest(
    mailbox: Name,
    answers: MessageId | '',
    may: (owner: Owner) => boolean,
  ): Waiter<Owner> | undefined {
    const heap = this.#parked.get(mailbox)?.lines.get(answers)?.heap;
    for (let line = heap?.first; line; line = heap?.first) {
      if (may(line.owner)) return line.oldest;
      this.#setAside(line);
    }
    return undefined;
  }

  /**
   * Puts the first line back that lies aside, of an owner that may get deliveries again: those for answers before
   * those for any message.
   */
  putBack(owner: Owner): Pick<Waiter<Owner>, 'mailbox' | 'answers'> | undefined {
    const aside = this.#aside.get(owner);
    const line = aside?.forAnswers.first ?? aside?.forAny.first;
    const lines = line && this.#parked.get(line.mailbox)?.lines.get(line.answers);
    if (!lines) return undefined;
    moveTo(lines.heap, line);
    this.#forgetEmpty(owner);
    return line;
  }

  count(mailbox: Name): number {
    return this.#parked.get(mailbox)?.count ?? 0;
  }

  /** How many other sessions wait on the mailbox. */
  others(mailbox: Name, session: SessionId): number {
    const sessions = this.#parked.get(mailbox)?.sessions;
    return sessions ? sessions.size - (sessions.has(session) ? 1 : 0) : 0;
  }

  /** The sessions that wait on the mailbox. */
  sessionsOn(mailbox: Name): Iterable<SessionId> {
    return this.#parked.get(mailbox)?.sessions.keys() ?? [];
  }

  mailboxNames(): IterableIterator<Name> {
    return this.#parked.keys();
  }

  #parkedOn(mailbox: Name): Parked<Owner> {
    let parked = this.#parked.get(mailbox);
    if (!parked) {
      parked = { lines: new Map(), sessions: new Map(), count: 0 };
      this.#parked.set(mailbox, parked);
      this.#names.add(mailbox);
    }
    return parked;
  }

  #leaveLine(waiter: Waiter<Owner>, line: Line<Owner>, { lines }: Parked<Owner>): void {
    const { older, newer } = waiter;
    if (newer) newer.older = older;
    else line.newest = older;
    if (older) {
      older.newer = newer;
      return;
    }
    line.heap.delete(line);
    line.oldest = newer;
    if (newer) return line.heap.add(line);
    this.#forgetEmpty(line.owner);
    const same = lines.get(line.answers);
    same?.byOwner.delete(line.owner);
    if (same?.byOwner.size === 0) lines.delete(line.answers);
  }

  #setAside(line: Line<Owner>): void {
    const { owner, answers } = line;
    const aside = this.#aside.get(owner) ?? { forAnswers: newHeap(), forAny: newHeap() };
    this.#aside.set(owner, aside);
    moveTo(answers === '' ? aside.forAny : aside.forAnswers, line);
  }

  #forgetEmpty(owner: Owner): void {
    const aside = this.#aside.get(owner);
    if (aside && aside.forAnswers.size + aside.forAny.size === 0) this.#aside.delete(owner);
  }
}

function lineOf<Owner>({ lines }: Parked<Owner>, call: WaitCall<Owner>): Line<Owner> {
  const { owner, mailbox, answers } = call;
  const same = lines.get(answers) ?? { byOwner: new Map(), heap: newHeap() };
  lines.set(answers, same);
  let line = same.byOwner.get(owner);
  if (!line) {
    const { heap } = same;
    line = { owner, mailbox, answers, oldest: undefined, newest: undefined, heap, index: 0 };
    same.byOwner.set(owner, line);
  }
  return line;
}

function newHeap<Owner>(): IndexedHeap<Line<Owner>> {
  return new IndexedHeap(({ oldest }) => oldest?.place ?? 0);
}

function moveTo<Owner>(heap: IndexedHeap<Line<Owner>>, line: Line<Owner>): void {
  line.heap.delete(line);
  line.heap = heap;
  heap.add(line);
}
