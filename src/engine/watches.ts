// The watches: sessions that want to be told of unread mail, so that somebody can wake their agents. A watch is no
// reader. It gets one notice, and the session asks again. Watches are not durable: a restart ends them all, and each
// client sends its own again.
//
// A mailbox is due when it has had ready mail for `watchQuietMs`: no wait took it. The condition is a level, so mail
// that was there before the watch counts. Then the session that has watched it for longest is told, and has its turn to
// read. The turn ends when a message of the mailbox was read, after `watchTurnMs`, or with the pause that this session
// asks for; then the next session is told. While deliveries from the mailbox are paused, its mail counts as not there.
//
// A session that was told of a message rests until that message is no longer ready, or until the pause that it asked
// for is over. It stands in no line meanwhile, but counts as watching. However many rest because of one message, reading
// it costs nothing more: the next tick puts them back in line.
import assert from 'node:assert/strict';
import type { Notice } from '../model/mail-ahead.ts';
import type { MailboxList, Name } from '../model/message.ts';
import type { RequestNumber, Told, WatchRequest } from '../model/requests.ts';
import type { ConnectionId } from './commands.ts';
import type { EngineLimits } from './engine-limits.ts';
import { IndexedHeap } from './indexed-heap.ts';
import { NameMap } from './name-map.ts';
import type { NameUnion } from './name-union.ts';
import type { ReadyChanges } from './ready-changes.ts';
import type { State } from './state.ts';

/** The connection that watches. */
export interface WatchOwner {
  readonly id: ConnectionId;
  readonly watches: Map<RequestNumber, unknown>;
  /** Mailboxes that its watches name together. */
  watchStands: number;
}

export interface Watch<Owner> {
  readonly owner: Owner;
  readonly request: RequestNumber;
  readonly mailboxes: MailboxList;
  readonly told: Told | undefined;
  readonly path: string;
  /** On the engine's clock, like all times here. */
  readonly deadline: number;
  /** Counts the watches in the order in which they were parked. */
  readonly place: number;
  /** One in the line of each of its mailboxes; empty while it rests. */
  stands: readonly Stand<Owner>[];
  /** Those that rest because of the same message, itself included; undefined when it does not rest. */
  resting: Set<Watch<Owner>> | undefined;
  /** Infinite when it does not rest. */
  restsUntil: number;
  index: number;
}

interface Stand<Owner> {
  readonly watch: Watch<Owner>;
  readonly watched: Watched<Owner>;
  index: number;
}

/** A session was told, and has time to read. */
interface Turn {
  /** Not its owner, which may be gone before the turn ends, and would be kept in memory. */
  readonly connection: ConnectionId;
  readonly endsAt: number;
}

interface Watched<Owner> {
  readonly mailbox: Name;
  /** Those that do not rest. */
  readonly line: IndexedHeap<Stand<Owner>>;
  /** How many watch it, also those that rest. */
  count: number;
  /** Since when it has ready mail; undefined when it has none. */
  readySince: number | undefined;
  /** undefined when it is nobody's turn. */
  turn: Turn | undefined;
  /** When its next notice is due, while it is in the heap. */
  due: number;
  index: number;
  isInHeap: boolean;
}

/** What a tick has ended: with a notice, or because its time is over. */
export interface EndedWatch<Owner> {
  readonly watch: Watch<Owner>;
  readonly notice: Notice | undefined;
}

export class Watches<Owner extends WatchOwner> {
  readonly #state: State;
  readonly #changes: ReadyChanges;
  readonly #limits: Pick<EngineLimits, 'watchQuietMs' | 'watchTurnMs'>;
  readonly #watched: NameMap<Watched<Owner>>;
  readonly #due = new IndexedHeap<Watched<Owner>>(({ due }) => due);
  /** By the end of their rest, or of their time. */
  readonly #ends = new IndexedHeap<Watch<Owner>>(endOf);
  /** By the number of the message that they were told of. */
  readonly #resting = new Map<number, Set<Watch<Owner>>>();
  /** Those whose message has been read since the last tick. */
  readonly #rested: Set<Watch<Owner>>[] = [];
  /** When the first of these messages was read; infinite when there is none. */
  #restedAt = Number.POSITIVE_INFINITY;
  #stands = 0;
  #places = 0;

  /** `names` also counts the mailboxes that are watched. */
  constructor(
    state: State,
    changes: ReadyChanges,
    names: NameUnion,
    limits: Pick<EngineLimits, 'watchQuietMs' | 'watchTurnMs'>,
  ) {
    this.#state = state;
    this.#changes = changes;
    this.#watched = new NameMap(names);
    this.#limits = limits;
  }

  /** How many mailboxes all watches name together. */
  get stands(): number {
    return this.#stands;
  }

  /** How many watches are on the mailbox. */
  count(mailbox: Name): number {
    return this.#watched.get(mailbox)?.count ?? 0;
  }

  /** Also those whose last watch was told, while its turn runs: they have ready mail. */
  mailboxNames(): IterableIterator<Name> {
    return this.#watched.keys();
  }

  /** When tick() has something to do next. */
  get deadline(): number {
    const due = this.#due.first?.due ?? Number.POSITIVE_INFINITY;
    const end = this.#ends.first ? endOf(this.#ends.first) : due;
    return Math.min(due, end, this.#restedAt);
  }

  park(owner: Owner, { request, mailboxes, waitMs, told, path }: WatchRequest, now: number): void {
    const watch: Watch<Owner> = {
      owner,
      request,
      mailboxes,
      told,
      path,
      deadline: now + waitMs,
      place: ++this.#places,
      stands: [],
      resting: undefined,
      restsUntil: Number.POSITIVE_INFINITY,
      index: 0,
    };
    for (const mailbox of mailboxes) this.#watchedAs(mailbox, now).count++;
    this.#countStands(owner, mailboxes.length);
    owner.watches.set(request, watch);
    if (told && this.#mayRest(told, mailboxes)) this.#rest(watch, told, now);
    else this.#stand(watch);
    this.#ends.add(watch);
  }

  unpark(watch: Watch<Owner>): void {
    this.#ends.delete(watch);
    this.#endRest(watch);
    for (const stand of watch.stands) stand.watched.line.delete(stand);
    watch.stands = [];
    const { owner, request, mailboxes } = watch;
    this.#countStands(owner, -mailboxes.length);
    owner.watches.delete(request);
    for (const mailbox of mailboxes) {
      const watched = this.#watched.get(mailbox);
      if (!watched) continue;
      watched.count--;
      this.#schedule(watched);
    }
  }

  /** The message that a session was told of has not been read since. */
  isUnread({ number, attempt }: Told, mailboxes: MailboxList): boolean {
    const message = this.#state.message(number);
    if (!message || message.holder !== undefined) return false;
    return message.attempt === attempt && mailboxes.includes(message.mailbox);
  }

  /** Not because of mail that nobody can read now: when it can be read, the session is told again. */
  #mayRest(told: Told, mailboxes: MailboxList): boolean {
    if (told.pauseMs === 0 || !this.isUnread(told, mailboxes)) return false;
    const mailbox = this.#state.message(told.number)?.mailbox;
    return mailbox !== undefined && !this.#state.isPaused(mailbox);
  }

  /** Takes in what a step has changed. */
  takeChanges(now: number): void {
    const { mailboxes, numbers, pauses } = this.#changes;
    // Of nearly all steps. A Map that is cleared gets a new table, even if it was empty.
    if (mailboxes.size + pauses.size === 0) return;
    if (pauses.size > 0) this.#takePauses(pauses, now);
    for (const number of numbers) this.#wakeLater(number, now);
    for (const [mailbox, wasRead] of mailboxes) {
      const watched = this.#watched.get(mailbox);
      if (watched) this.#update(watched, now, wasRead);
    }
    this.#changes.clear();
  }

  /** Ends the watches that are due, and those whose time is over. */
  *tick(now: number, time: number): Generator<EndedWatch<Owner>, void> {
    this.#restedAt = Number.POSITIVE_INFINITY;
    for (const resting of this.#rested.splice(0)) {
      for (const watch of resting) this.#wake(watch);
    }
    for (let watch = this.#ends.first; watch && endOf(watch) <= now; watch = this.#ends.first) {
      if (watch.deadline > now) this.#pauseIsOver(watch);
      else {
        this.unpark(watch);
        yield { watch, notice: undefined };
      }
    }
    for (let watched = this.#due.first; watched && watched.due <= now; watched = this.#due.first) {
      const watch = watched.line.first?.watch;
      const endsAt = now + this.#limits.watchTurnMs;
      watched.turn = watch && { connection: watch.owner.id, endsAt };
      if (!watch) this.#schedule(watched);
      else {
        this.unpark(watch);
        yield { watch, notice: this.#notice(watched.mailbox, time) };
      }
    }
  }

  /** The mail of a paused mailbox counts as not there, so a pause ends the turn there, and the rests because of it. */
  #takePauses(pauses: ReadonlySet<Name | ''>, now: number): void {
    const names = pauses.has('') ? [...this.#watched.keys()] : (pauses as ReadonlySet<Name>);
    for (const mailbox of names) {
      const watched = this.#watched.get(mailbox);
      if (watched) this.#update(watched, now, this.#state.isPaused(mailbox));
    }
    for (const number of [...this.#resting.keys()]) {
      const mailbox = this.#state.message(number)?.mailbox;
      if (mailbox !== undefined && this.#state.isPaused(mailbox)) this.#wakeLater(number, now);
    }
  }

  #notice(mailbox: Name, time: number): Notice {
    const first = this.#state.firstReady(mailbox);
    assert(first, 'a mailbox that is due has ready mail');
    const { attempt, envelope } = first;
    const ageMs = Math.max(0, time - envelope.time);
    const unread = this.#state.readyCount(mailbox);
    return { mailbox, unread, number: envelope.number, attempt, ageMs };
  }

  #countStands(owner: Owner, change: number): void {
    this.#stands += change;
    owner.watchStands += change;
  }

  #watchedAs(mailbox: Name, now: number): Watched<Owner> {
    let watched = this.#watched.get(mailbox);
    if (!watched) {
      const readySince = this.#hasReady(mailbox) ? now : undefined;
      const line = new IndexedHeap<Stand<Owner>>(placeOf);
      const outside = { due: 0, index: 0, isInHeap: false };
      watched = { mailbox, line, count: 0, readySince, turn: undefined, ...outside };
      this.#watched.set(mailbox, watched);
      this.#changes.isWanted = true;
    }
    return watched;
  }

  #update(watched: Watched<Owner>, now: number, wasRead: boolean): void {
    if (wasRead) watched.turn = undefined;
    watched.readySince = this.#hasReady(watched.mailbox) ? (watched.readySince ?? now) : undefined;
    this.#schedule(watched);
  }

  #hasReady(mailbox: Name): boolean {
    return this.#state.readyCount(mailbox) > 0 && !this.#state.isPaused(mailbox);
  }

  /** A mailbox whose line is empty is kept while a turn runs, so that the next watch does not begin another one. */
  #schedule(watched: Watched<Owner>): void {
    if (watched.isInHeap) this.#due.delete(watched);
    const { readySince, turn, line } = watched;
    watched.isInHeap = readySince !== undefined && (line.size > 0 || turn !== undefined);
    if (watched.isInHeap) {
      watched.due = Math.max((readySince ?? 0) + this.#limits.watchQuietMs, turn?.endsAt ?? 0);
      this.#due.add(watched);
    } else if (watched.count === 0) {
      this.#watched.delete(watched.mailbox);
      this.#changes.isWanted = this.#watched.size > 0;
    }
  }

  #rest(watch: Watch<Owner>, { number, pauseMs }: Told, now: number): void {
    const resting = this.#resting.get(number) ?? new Set();
    this.#resting.set(number, resting.add(watch));
    watch.resting = resting;
    watch.restsUntil = now + pauseMs;
  }

  #wakeLater(number: number, now: number): void {
    const resting = this.#resting.get(number);
    if (!resting) return;
    this.#resting.delete(number);
    this.#rested.push(resting);
    this.#restedAt = Math.min(this.#restedAt, now);
  }

  #endRest(watch: Watch<Owner>): void {
    const { resting, told } = watch;
    if (!resting || !told) return;
    watch.resting = undefined;
    watch.restsUntil = Number.POSITIVE_INFINITY;
    resting.delete(watch);
    const isLast = resting.size === 0 && this.#resting.get(told.number) === resting;
    if (isLast) this.#resting.delete(told.number);
  }

  /** Its message is still unread. A session that was busy asked for a short pause, so its turn ends with that. */
  #pauseIsOver(watch: Watch<Owner>): void {
    const message = watch.told && this.#state.message(watch.told.number);
    const watched = message && this.#watched.get(message.mailbox);
    if (watched?.turn?.connection === watch.owner.id) watched.turn = undefined;
    this.#wake(watch);
  }

  /** Its rest is over: it stands in the lines of its mailboxes again. */
  #wake(watch: Watch<Owner>): void {
    this.#ends.delete(watch);
    this.#endRest(watch);
    this.#ends.add(watch);
    this.#stand(watch);
  }

  #stand(watch: Watch<Owner>): void {
    watch.stands = watch.mailboxes.map((mailbox) => {
      const watched = this.#watched.get(mailbox);
      assert(watched, 'a mailbox that a watch names is watched');
      const stand = { watch, watched, index: 0 };
      watched.line.add(stand);
      this.#schedule(watched);
      return stand;
    });
  }
}

function placeOf<Owner>({ watch }: Stand<Owner>): number {
  return watch.place;
}

/** When its rest ends, or its time. */
function endOf<Owner>({ restsUntil, deadline }: Watch<Owner>): number {
  return Math.min(restsUntil, deadline);
}
