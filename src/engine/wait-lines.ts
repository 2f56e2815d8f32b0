// The lines in which parked waits stand. What one owner has on one mailbox for the same answers is a line. A wait that is
// alone on its only mailbox, as nearly all are, needs none: it is all that is kept of that mailbox. Only a crowd of lines
// needs maps, and an order.
import { emptyList } from '../base/empty-list.ts';
import type { MailboxList, MessageId, Name } from '../model/message.ts';
import type { RequestNumber, WaitRequest } from '../model/requests.ts';
import { IndexedHeap } from './indexed-heap.ts';

/** A wait in the line of one of its mailboxes. */
export interface Stand<Owner> {
  readonly waiter: Waiter<Owner>;
  readonly line: WaitLine<Owner>;
  older: Stand<Owner> | undefined;
  newer: Stand<Owner> | undefined;
}

/** The waits of one mailbox. */
export interface WaitsOfMailbox<Owner> {
  readonly count: number;
  /** Each once. */
  readonly owners: Iterable<Owner>;
  /** The messages whose answers are waited for; '' for any message. */
  readonly questions: Pick<ReadonlySet<MessageId | ''>, 'size' | 'keys'>;
  /** How many owners there are beside this one. */
  others(owner: Owner): number;
  /** The oldest of those for these answers that do not lie aside. */
  first(answers: MessageId | ''): Waiter<Owner> | undefined;
}

/** The waits of a mailbox where they stand in lines. */
export interface WaitLines<Owner> extends WaitsOfMailbox<Owner> {
  /** The heap in which the line lies while it does not lie aside. A line that is alone needs none. */
  heapOf(line: WaitLine<Owner>): LineHeap<Owner> | undefined;
  enter(stand: Stand<Owner>): void;
  leave(stand: Stand<Owner>): void;
}

/** Waits of one owner on one mailbox for the same answers: a wait that is alone there, or a line. */
class WaitsOfOwner<Owner> {
  readonly owner: Owner;
  readonly answers: MessageId | '';

  constructor(owner: Owner, answers: MessageId | '') {
    this.owner = owner;
    this.answers = answers;
  }

  get owners(): readonly Owner[] {
    return [this.owner];
  }

  get questions(): ReadonlySet<MessageId | ''> {
    return new Set([this.answers]);
  }

  others(owner: Owner): number {
    return owner === this.owner ? 0 : 1;
  }
}

/**
 * A parked wait. Its mailbox is the first of those that it lists. While it is alone on its only mailbox, it has no line: it
 * then is the WaitsOfMailbox of that mailbox.
 */
export class Waiter<Owner> extends WaitsOfOwner<Owner> implements WaitsOfMailbox<Owner> {
  readonly request: RequestNumber;
  /** Milliseconds on the engine's clock; a whole number, which takes no memory beside its field. */
  readonly deadline: number;
  /** Counts the waits in the order in which they were parked. */
  readonly place: number;
  index = 0;
  /** Its mailbox while it is alone there, else its stands. A single one has no array, which would take 56 bytes. */
  #where: Name | Stand<Owner> | readonly Stand<Owner>[];

  constructor(
    owner: Owner,
    { request, mailboxes, answers }: Pick<WaitRequest, 'request' | 'mailboxes' | 'answers'>,
    deadline: number,
    place: number,
  ) {
    super(owner, answers);
    this.request = request;
    this.deadline = deadline;
    this.place = place;
    this.#where = mailboxes[0];
  }

  get mailbox(): Name {
    const where = this.#where;
    return typeof where === 'string' ? where : (this.stands[0] as Stand<Owner>).line.mailbox;
  }

  /** One for each of its mailboxes, in the order in which they are served; none while it is alone on its only one. */
  get stands(): readonly Stand<Owner>[] {
    const where = this.#where;
    if (typeof where === 'string') return emptyList;
    return 'line' in where ? [where] : where;
  }

  /** In the order in which they are served when several have mail. */
  get mailboxes(): MailboxList {
    const [, ...further] = this.stands;
    return [this.mailbox, ...further.map(({ line }) => line.mailbox)];
  }

  /** How many it lists. */
  get mailboxCount(): number {
    const where = this.#where;
    return typeof where === 'string' || 'line' in where ? 1 : where.length;
  }

  /** Gives it a stand in each of the lines, which are those of its mailboxes. */
  standIn(lines: readonly WaitLine<Owner>[]): readonly Stand<Owner>[] {
    const stands = lines.map((line) => ({
      waiter: this,
      line,
      older: undefined,
      newer: undefined,
    }));
    this.#where = stands.length === 1 ? (stands[0] as Stand<Owner>) : stands;
    return stands;
  }

  get count(): number {
    return 1;
  }

  first(answers: MessageId | ''): this | undefined {
    return answers === this.answers ? this : undefined;
  }
}

/** The line whose first wait was parked first is the first. */
export class LineHeap<Owner> extends IndexedHeap<WaitLine<Owner>> {
  constructor() {
    super(({ oldest }) => oldest?.waiter.place ?? 0);
  }
}

export class WaitLine<Owner> extends WaitsOfOwner<Owner> implements WaitLines<Owner> {
  readonly mailbox: Name;
  count = 0;
  oldest: Stand<Owner> | undefined = undefined;
  #newest: Stand<Owner> | undefined = undefined;
  /** The heap in which it lies: that of its crowd, or one of those aside. */
  heap: LineHeap<Owner> | undefined = undefined;
  index = 0;

  constructor(owner: Owner, mailbox: Name, answers: MessageId | '') {
    super(owner, answers);
    this.mailbox = mailbox;
  }

  first(answers: MessageId | ''): Waiter<Owner> | undefined {
    return answers === this.answers && !this.heap ? this.oldest?.waiter : undefined;
  }

  heapOf(): undefined {
    return undefined;
  }

  enter(stand: Stand<Owner>): void {
    stand.older = this.#newest;
    if (this.#newest) this.#newest.newer = stand;
    this.#newest = stand;
    if (!this.oldest) beginWith(stand, this);
    this.count++;
  }

  leave({ older, newer }: Stand<Owner>): void {
    this.count--;
    if (newer) newer.older = older;
    else this.#newest = older;
    if (older) older.newer = newer;
    else beginWith(newer, this);
  }

  moveTo(heap: LineHeap<Owner> | undefined): void {
    const { oldest } = this;
    beginWith(undefined, this);
    this.heap = heap;
    beginWith(oldest, this);
  }
}

/** Its place in its heap is that of its oldest wait. An empty line lies in none. */
function beginWith<Owner>(oldest: Stand<Owner> | undefined, line: WaitLine<Owner>): void {
  if (line.oldest) line.heap?.delete(line);
  line.oldest = oldest;
  if (oldest) line.heap?.add(line);
}

/** The lines for the same. */
interface SameLines<Owner> {
  readonly byOwner: Map<Owner, WaitLine<Owner>>;
  readonly heap: LineHeap<Owner>;
}

/** The lines of a mailbox that has had several at a time. */
export class Crowd<Owner> implements WaitLines<Owner> {
  readonly #lines = new Map<MessageId | '', SameLines<Owner>>();
  /** How many lines each owner has. */
  readonly #owners = new Map<Owner, number>();
  #count: number;

  /** `line` was alone, and may lie aside. */
  constructor(line: WaitLine<Owner>) {
    this.#count = line.count;
    const heap = this.#add(line);
    if (!line.heap) line.moveTo(heap);
  }

  get count(): number {
    return this.#count;
  }

  get owners(): Iterable<Owner> {
    return this.#owners.keys();
  }

  get questions(): ReadonlyMap<MessageId | '', unknown> {
    return this.#lines;
  }

  others(owner: Owner): number {
    return this.#owners.size - (this.#owners.has(owner) ? 1 : 0);
  }

  first(answers: MessageId | ''): Waiter<Owner> | undefined {
    return this.#lines.get(answers)?.heap.first?.oldest?.waiter;
  }

  heapOf({ answers }: WaitLine<Owner>): LineHeap<Owner> | undefined {
    return this.#lines.get(answers)?.heap;
  }

  /** Begins one if there is none. */
  lineOf(owner: Owner, mailbox: Name, answers: MessageId | ''): WaitLine<Owner> {
    const there = this.#lines.get(answers)?.byOwner.get(owner);
    if (there) return there;
    const line = new WaitLine(owner, mailbox, answers);
    line.moveTo(this.#add(line));
    return line;
  }

  enter(stand: Stand<Owner>): void {
    stand.line.enter(stand);
    this.#count++;
  }

  leave(stand: Stand<Owner>): void {
    stand.line.leave(stand);
    this.#count--;
    if (stand.line.count === 0) this.#delete(stand.line);
  }

  #add(line: WaitLine<Owner>): LineHeap<Owner> {
    const { owner, answers } = line;
    const same = this.#lines.get(answers) ?? { byOwner: new Map(), heap: new LineHeap() };
    this.#lines.set(answers, same);
    same.byOwner.set(owner, line);
    this.#owners.set(owner, (this.#owners.get(owner) ?? 0) + 1);
    return same.heap;
  }

  #delete({ owner, answers }: WaitLine<Owner>): void {
    const same = this.#lines.get(answers);
    same?.byOwner.delete(owner);
    if (same?.byOwner.size === 0) this.#lines.delete(answers);
    const lines = (this.#owners.get(owner) ?? 0) - 1;
    if (lines > 0) this.#owners.set(owner, lines);
    else this.#owners.delete(owner);
  }
}
