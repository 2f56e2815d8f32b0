// The parked waits. They are not durable: a restart ends them all, and each client sends its own again.
//
// A wait stands once on each of its mailboxes. What one owner has on one mailbox for the same answers is a line. Of
// the lines for the same, the one whose first wait was parked first is served first. A line that was passed over
// because its owner may get no delivery lies aside until that has changed, so that it is not passed over again and
// again.
import type { MailboxList, MessageId, Name, SessionId } from '../model/message.ts';
import type { RequestNumber } from '../model/requests.ts';
import { IndexedHeap } from './indexed-heap.ts';
import type { NameCounts } from './name-counts.ts';

/** `Owner` is the connection that parked it. */
export interface WaitCall<Owner> {
  readonly owner: Owner;
  readonly session: SessionId;
  readonly request: RequestNumber;
  /** In the order in which they are served when several have mail. */
  readonly mailboxes: MailboxList;
  /** Wait only for an answer to this message; '' for any message. */
  readonly answers: MessageId | '';
  /** Milliseconds on the engine's clock. */
  readonly deadline: number;
}

export interface Waiter<Owner> extends WaitCall<Owner> {
  /** Counts the waits in the order in which they were parked. */
  readonly place: number;
  /** One for each of its mailboxes, in their order; empty when it is no longer parked. */
  stands: readonly Stand<Owner>[];
  index: number;
}

/** A wait on one of its mailboxes. */
interface Stand<Owner> {
  readonly waiter: Waiter<Owner>;
  readonly line: Line<Owner>;
  older: Stand<Owner> | undefined;
  newer: Stand<Owner> | undefined;
}

interface Line<Owner> {
  readonly owner: Owner;
  readonly mailbox: Name;
  readonly answers: MessageId | '';
  oldest: Stand<Owner> | undefined;
  newest: Stand<Owner> | undefined;
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

const noLines: ReadonlyMap<MessageId | '', unknown> = new Map();

export class Waiters<Owner> {
  readonly #parked = new Map<Name, Parked<Owner>>();
  readonly #deadlines = new IndexedHeap<Waiter<Owner>>(({ deadline }) => deadline);
  readonly #aside = new Map<Owner, Aside<Owner>>();
  readonly #names: NameCounts;
  readonly #standsOf = new Map<Owner, number>();
  #stands = 0;
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

  /** How many mailboxes the waits of all owners name together, and those of one. */
  stands(owner: Owner): { readonly all: number; readonly own: number } {
    return { all: this.#stands, own: this.#standsOf.get(owner) ?? 0 };
  }

  park(call: WaitCall<Owner>): Waiter<Owner> {
    const waiter: Waiter<Owner> = {
      owner: call.owner,
      session: call.session,
      request: call.request,
      mailboxes: call.mailboxes,
      answers: call.answers,
      deadline: call.deadline,
      place: ++this.#places,
      stands: [],
      index: 0,
    };
    waiter.stands = call.mailboxes.map((mailbox) => this.#stand(waiter, mailbox));
    this.#countStands(waiter, waiter.stands.length);
    this.#deadlines.add(waiter);
    this.#size++;
    return waiter;
  }

  unpark(waiter: Waiter<Owner>): void {
    if (waiter.stands.length === 0) return;
    for (const stand of waiter.stands) this.#leave(stand);
    this.#countStands(waiter, -waiter.stands.length);
    waiter.stands = [];
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
      if (may(line.owner)) return line.oldest?.waiter;
      this.#setAside(line);
    }
    return undefined;
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
  putBack(owner: Owner): Pick<Line<Owner>, 'mailbox' | 'answers'> | undefined {
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

  /** The waits on the mailbox, by the message whose answer they are for; '' for any message. */
  linesOf(mailbox: Name): ReadonlyMap<MessageId | '', unknown> {
    return this.#parked.get(mailbox)?.lines ?? noLines;
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

  #countStands({ owner }: Waiter<Owner>, change: number): void {
    this.#stands += change;
    const own = (this.#standsOf.get(owner) ?? 0) + change;
    if (own > 0) this.#standsOf.set(owner, own);
    else this.#standsOf.delete(owner);
  }

  #stand(waiter: Waiter<Owner>, mailbox: Name): Stand<Owner> {
    const parked = this.#parkedOn(mailbox);
    const line = lineOf(parked, waiter, mailbox);
    const stand = { waiter, line, older: line.newest, newer: undefined };
    if (line.newest) line.newest.newer = stand;
    line.newest = stand;
    if (!line.oldest) {
      line.oldest = stand;
      line.heap.add(line);
    }
    const { session } = waiter;
    parked.sessions.set(session, (parked.sessions.get(session) ?? 0) + 1);
    parked.count++;
    return stand;
  }

  #leave(stand: Stand<Owner>): void {
    const { mailbox } = stand.line;
    const { session } = stand.waiter;
    const parked = this.#parkedOn(mailbox);
    this.#leaveLine(stand, parked);
    const count = (parked.sessions.get(session) ?? 0) - 1;
    if (count > 0) parked.sessions.set(session, count);
    else parked.sessions.delete(session);
    if (--parked.count > 0) return;
    this.#parked.delete(mailbox);
    this.#names.remove(mailbox);
  }

  #leaveLine({ line, older, newer }: Stand<Owner>, { lines }: Parked<Owner>): void {
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

function lineOf<Owner>(
  { lines }: Parked<Owner>,
  { owner, answers }: WaitCall<Owner>,
  mailbox: Name,
): Line<Owner> {
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
  return new IndexedHeap(({ oldest }) => oldest?.waiter.place ?? 0);
}

function moveTo<Owner>(heap: IndexedHeap<Line<Owner>>, line: Line<Owner>): void {
  line.heap.delete(line);
  line.heap = heap;
  heap.add(line);
}
