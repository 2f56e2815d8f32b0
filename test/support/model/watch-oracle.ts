// Who watches which mailbox, and whom the broker must tell of unread mail: told from all messages of the store.
// 1. changed() learns after each record which messages are ready.  2. step() takes in a step as a whole: mail that
// came and went within it was never unread.  3. In a tick, beginTick() ends the rests, each notice and end is checked, and
// endTick() finds those that are missing.
import assert from 'node:assert/strict';
import type { Instant } from '../../../src/engine/commands.ts';
import type { EngineLimits } from '../../../src/engine/engine-limits.ts';
import type { Name } from '../../../src/model/message.ts';
import type { NoticeResponse, WatchRequest } from '../../../src/model/requests.ts';
import type { StoredMessage } from './engine-oracle.ts';

export interface OpenWatch extends WatchRequest {
  readonly connection: number;
  readonly deadline: number;
  /** Until then it wants no notice of the message that it was told of; 0 when it does not rest. */
  restsUntil: number;
  /** Its message was read, so that it rests until the next tick only. */
  isRead: boolean;
}

type Messages = ReadonlyMap<number, StoredMessage>;

export class WatchOracle {
  readonly #limits: Pick<EngineLimits, 'watchQuietMs' | 'watchTurnMs'>;
  #open: OpenWatch[] = [];
  /** By the mailboxes that are watched, or where a turn runs. */
  readonly #readySince = new Map<Name, number | undefined>();
  readonly #turns = new Map<Name, { readonly connection: number; readonly endsAt: number }>();
  #ready = new Map<number, StoredMessage>();
  readonly #readIn = new Set<Name>();
  /** When the first message was read since the last tick of which a watch was told that rests. */
  #readAt: number | undefined;

  constructor(limits: Pick<EngineLimits, 'watchQuietMs' | 'watchTurnMs'>) {
    this.#limits = limits;
  }

  /** In the order in which they came. */
  get open(): readonly OpenWatch[] {
    return this.#open;
  }

  restart(messages: Messages): void {
    this.#open = [];
    this.#readySince.clear();
    this.#turns.clear();
    this.#ready = readyOf(messages);
    this.#readAt = undefined;
  }

  /** How many mailboxes the watches name, of all connections or of one. */
  named(connection?: number): number {
    const own = this.#open.filter((watch) => [watch.connection, undefined].includes(connection));
    return own.reduce((sum, { mailboxes }) => sum + mailboxes.length, 0);
  }

  count(mailbox: Name): number {
    return this.#open.filter(({ mailboxes }) => mailboxes.includes(mailbox)).length;
  }

  add(request: WatchRequest, connection: number, now: number, messages: Messages): void {
    const { told, mailboxes, waitMs } = request;
    const rests = told !== undefined && told.pauseMs > 0 && isUnread(request, messages);
    this.#open.push({
      ...{ ...request, connection, deadline: now + waitMs, isRead: false },
      restsUntil: rests ? now + told.pauseMs : 0,
    });
    for (const mailbox of mailboxes) {
      if (this.#readySince.has(mailbox)) continue;
      this.#readySince.set(mailbox, this.#hasReady(mailbox) ? now : undefined);
    }
  }

  end(watch: OpenWatch): void {
    this.#open = this.#open.filter((other) => other !== watch);
  }

  endAll(connection: number): void {
    this.#open = this.#open.filter((watch) => watch.connection !== connection);
  }

  /** After each record: a message that was ready and is not, or not as it was, has been read or moved. */
  changed(messages: Messages, now: number): void {
    const ready = readyOf(messages);
    for (const [number, { mailbox, attempt }] of this.#ready) {
      const still = ready.get(number);
      if (still?.mailbox === mailbox && still.attempt === attempt) continue;
      this.#readIn.add(mailbox);
      for (const watch of this.#open) {
        if (watch.restsUntil === 0 || watch.told?.number !== number || watch.isRead) continue;
        watch.isRead = true;
        this.#readAt ??= now;
      }
    }
    this.#ready = ready;
  }

  /** The step is over. */
  settled(now: number): void {
    for (const mailbox of this.#readIn) this.#turns.delete(mailbox);
    this.#readIn.clear();
    for (const [mailbox, since] of this.#readySince) {
      this.#readySince.set(mailbox, this.#hasReady(mailbox) ? (since ?? now) : undefined);
      if (this.#readySince.get(mailbox) === undefined) this.#turns.delete(mailbox);
      if (this.count(mailbox) === 0 && !this.#turns.has(mailbox)) this.#readySince.delete(mailbox);
    }
  }

  deadlines(): number[] {
    const read = this.#readAt === undefined ? [] : [this.#readAt];
    const due = [...this.#readySince.keys()].flatMap((mailbox) => this.#dueAt(mailbox));
    return [...read, ...this.#open.map(endOf), ...due];
  }

  beginTick(now: number): void {
    this.settled(now);
    this.#readAt = undefined;
    for (const watch of this.#open) {
      const isPauseOver = watch.restsUntil > 0 && watch.restsUntil <= now && watch.deadline > now;
      const message = this.#ready.get(watch.told?.number ?? 0);
      if (isPauseOver && !watch.isRead && message) this.#endTurn(message.mailbox, watch);
      if (watch.isRead || isPauseOver) watch.restsUntil = 0;
      watch.isRead = false;
    }
  }

  /** Its time is over. */
  checkEnd(watch: OpenWatch, now: number): void {
    assert.ok(watch.deadline <= now);
    this.end(watch);
  }

  checkNotice(watch: OpenWatch, response: NoticeResponse, { now, time }: Instant): void {
    const { kind: _kind, request: _request, ...notice } = response;
    const { mailbox } = notice;
    const [due] = this.#dueAt(mailbox);
    assert.ok(due !== undefined && due <= now, `a notice of ${mailbox} is due`);
    assert.equal(watch, this.#line(mailbox)[0], 'the one that has watched for longest is told');
    this.end(watch);
    const endsAt = now + this.#limits.watchTurnMs;
    this.#turns.set(mailbox, { connection: watch.connection, endsAt });
    const ready = [...this.#ready.values()].filter((message) => message.mailbox === mailbox);
    const number = Math.min(...ready.map(({ envelope }) => envelope.number));
    const first = ready.find(({ envelope }) => envelope.number === number);
    assert.ok(first, `unread mail is in ${mailbox}`);
    const ageMs = Math.max(0, time - first.envelope.time);
    const { attempt } = first;
    assert.deepEqual(notice, { mailbox, unread: ready.length, number, attempt, ageMs });
  }

  endTick(now: number): void {
    for (const [mailbox, { endsAt }] of this.#turns) {
      if (endsAt <= now && this.#line(mailbox).length === 0) this.#turns.delete(mailbox);
    }
    for (const mailbox of this.#readySince.keys()) {
      const [due = Number.POSITIVE_INFINITY] = this.#dueAt(mailbox);
      assert.ok(due > now, `somebody is told of ${mailbox}`);
    }
    for (const { deadline } of this.#open) assert.ok(deadline > now, 'a watch ends on time');
    this.settled(now);
  }

  /** A turn of another session goes on. */
  #endTurn(mailbox: Name, { connection }: OpenWatch): void {
    if (this.#turns.get(mailbox)?.connection === connection) this.#turns.delete(mailbox);
  }

  /** Those that are to be told, in order. */
  #line(mailbox: Name): OpenWatch[] {
    return this.#open.filter(
      ({ mailboxes, restsUntil }) => mailboxes.includes(mailbox) && restsUntil === 0,
    );
  }

  /** When the next one is to be told, or when the turn ends if nobody is in line. */
  #dueAt(mailbox: Name): number[] {
    const since = this.#readySince.get(mailbox);
    const turn = this.#turns.get(mailbox);
    if (since === undefined) return [];
    if (this.#line(mailbox).length === 0 && !turn) return [];
    return [Math.max(since + this.#limits.watchQuietMs, turn?.endsAt ?? 0)];
  }

  #hasReady(mailbox: Name): boolean {
    return [...this.#ready.values()].some((message) => message.mailbox === mailbox);
  }
}

/** The message that the session was told of has not been read since. */
export function isUnread(
  { told, mailboxes }: Pick<WatchRequest, 'told' | 'mailboxes'>,
  messages: Messages,
): boolean {
  const message = messages.get(told?.number ?? 0);
  if (!message || message.holder !== undefined) return false;
  return message.attempt === told?.attempt && mailboxes.includes(message.mailbox);
}

function endOf({ deadline, restsUntil }: OpenWatch): number {
  return restsUntil > 0 ? Math.min(deadline, restsUntil) : deadline;
}

function readyOf(messages: Messages): Map<number, StoredMessage> {
  return new Map([...messages].filter(([, { holder }]) => holder === undefined));
}
