// Checks a history against the invariants I1 to I7, and with follower-check.ts against I8. It does not depend on the code under test: it sees
// only the calls, their results, and the responses of the brokers.
//
// I1 An acknowledged post is settled or still stored at the end.  I2 A delivered message was posted,
// byte for byte.  I3 A settled message is not redelivered.  I4 First deliveries keep the order of their
// sender. I5 One id is one message.  I6 After an epoch has acknowledged a post, no older epoch does.
// I7 At the end all mail can be read. Also: no two sessions of one broker hold the same message; and of
// a post to several mailboxes either all messages are stored at the end, or none, except for those that
// were settled. When all processes stand still for a while, each message stays with its holder. And a session that
// watches is told of unread mail, and of no other: once nobody reads any more, the last notice of each is of a message
// that is unread still, if its mailboxes have any. What a broker has said that it has paused is neither delivered nor rung
// for, by it or its successors, until one of them has read another pause or resume.
//
// Messages are identified by id: a crash can undo a delivered message, and its repeated post has
// another number.
import type { Notice } from '../../src/model/mail-ahead.ts';
import { FollowerCheck } from './follower-check.ts';
import type { Entry, Seen, Unread } from './history.ts';

export interface Rules {
  /**
   * One bit of the disk was flipped. One post may be lost and settled mail redelivered, but this must
   * be reported.
   */
  readonly isDamaged: boolean;
}

export function violations(entries: readonly Entry[], rules: Rules): string[] {
  const checker = new Checker();
  const follower = new FollowerCheck();
  for (const entry of entries) {
    checker.take(entry);
    follower.take(entry);
  }
  const isDrained = entries.some(({ kind }) => kind === 'drained');
  const seen = rules.isDamaged ? [] : follower.end(isDrained);
  return [...checker.end(rules), ...seen];
}

type EntryOf<Kind> = Extract<Entry, { kind: Kind }>;

interface Holder {
  readonly epoch: number;
  /** In the store. */
  readonly number: number;
  readonly on: string;
  /** In an offer. A welcome also leaves a session a message that is settled, which nobody holds. */
  readonly isOffered: boolean;
}

/** The last one that left: a number of a message, or how many its sender had posted by then. */
interface FirstDelivery {
  readonly on: string;
  readonly at: number;
  readonly value: number;
  readonly highest: number;
  /** The highest before the step in which it left. */
  readonly before: number;
}

class Checker {
  readonly #found: string[] = [];
  readonly #posted = new Map<string, EntryOf<'post'>>();
  /** The time of the first post of each body. */
  readonly #postedAt = new Map<string, number>();
  /** The number of each id that a broker acknowledged. */
  readonly #acked = new Map<string, number>();
  /** The body of each message whose post a caller saw succeed. */
  readonly #bodyOfStored = new Map<string, string>();
  /** The ids that sessions asked to settle; #settled has those that a broker confirmed. */
  readonly #settling = new Set<string>();
  /** Messages by body and mailbox, for the check of fan-outs. */
  readonly #bodyAndTo = new Map<string, string>();
  readonly #there = new Set<string>();
  #isDraining = false;
  readonly #settled = new Set<string>();
  readonly #offered = new Set<string>();
  /** The epoch in which each message was acknowledged, and that in which it was delivered, for the first time. */
  readonly #ackedIn = new Map<string, number>();
  readonly #offeredIn = new Map<string, number>();
  readonly #withoutPastHold: string[] = [];
  /** What is paused for certain, and the epoch that has said so. */
  #paused: { readonly epoch: number; readonly mailboxes: readonly string[] } | undefined;
  /** How many pauses and resumes were read, and for each connection the places of those that are not answered yet. */
  #pauseReads = 0;
  readonly #unansweredPauses = new Map<string, number[]>();
  readonly #notPaused: string[] = [];
  /** The last first delivery, by order. */
  readonly #lastFirst = new Map<string, FirstDelivery>();
  readonly #sessions = new Map<string, string>();
  /** The holder of each message, according to the newest broker. */
  readonly #holders = new Map<string, Holder>();
  /** The session that held each message when all processes stood still, until it has given the message up. */
  readonly #frozen = new Map<string, string | undefined>();
  /** By process: the mailboxes that it watches, and its last notice. */
  readonly #watching = new Map<string, readonly string[]>();
  readonly #told = new Map<string, Notice>();
  readonly #settledNumbers = new Set<string>();
  #goneAt = 0;
  /** The newest epoch that has responded. */
  #epoch = 0;
  #isReported = false;
  #isDrained = false;

  take(entry: Entry): void {
    switch (entry.kind) {
      case 'post':
        this.#posted.set(entry.body, entry);
        if (!this.#postedAt.has(entry.body)) this.#postedAt.set(entry.body, entry.at);
        return;
      case 'stored':
        this.#bodyOfStored.set(entry.id, entry.body);
        return;
      case 'settle':
        for (const id of entry.ids) this.#settling.add(id);
        return;
      case 'delivered':
        return this.#deliver(entry.message);
      case 'watching':
        this.#watching.set(entry.process, entry.mailboxes);
        return;
      case 'told':
        this.#told.set(entry.process, entry.notice);
        return;
      case 'noticed':
        return this.#checkNotice(entry);
      case 'pauseRead':
        this.#paused = undefined;
        this.#pauseReads += 1;
        this.#unansweredPauses.set(entry.on, [
          ...(this.#unansweredPauses.get(entry.on) ?? []),
          this.#pauseReads,
        ]);
        return;
      case 'pausing': {
        const { epoch, mailboxes } = entry;
        this.#respond(epoch, `paused ${mailboxes}`);
        const place = this.#unansweredPauses.get(entry.on)?.shift();
        // A later one was read while the sync of this one ran.
        if (place === this.#pauseReads) this.#paused = { epoch, mailboxes };
        return;
      }
      case 'unread':
        for (const watcher of entry.watchers) this.#checkTold(watcher, entry.messages);
        return;
      case 'draining':
        this.#isDraining = true;
        return;
      case 'welcomed':
        return this.#welcome(entry);
      case 'offered':
        return this.#checkOffer(entry);
      case 'acked':
        return this.#ack(entry);
      case 'settled':
        this.#respond(entry.epoch, `settled ${entry.ids}`);
        for (const id of entry.ids) {
          this.#settled.add(id);
          const number = this.#acked.get(id);
          if (number) this.#settledNumbers.add(`${entry.epoch} ${number}`);
        }
        return;
      case 'gaveUp':
        return this.#giveUp(entry);
      case 'frozen':
        if (entry.isCalm) this.#freeze();
        return;
      case 'ended':
        for (const [id, session] of this.#frozen)
          if (session === entry.session) this.#frozen.delete(id);
        return;
      case 'gone':
        this.#goneAt = entry.at;
        return this.#release(entry.on);
      case 'reported':
        this.#isReported = true;
        return;
      case 'drained':
        this.#isDrained = true;
        return;
    }
  }

  end({ isDamaged }: Rules): string[] {
    if (!this.#isDrained) this.#violated('I7', 'mail or calls are left at the end');
    const lost = [...this.#bodyOfStored].filter(([id]) => !this.#settling.has(id));
    const isExcused = isDamaged && this.#isReported;
    for (const [id, body] of lost) {
      if (isExcused && body === lost[0]?.[1]) continue;
      this.#violated('I1', `${name(id, body)} was acknowledged and is lost`);
    }
    if (!isDamaged) this.#checkAllOrNone();
    // A corrupt record may have had the past hold, or the pause.
    if (!this.#isReported) this.#found.push(...this.#withoutPastHold, ...this.#notPaused);
    if (this.#isReported && !isDamaged)
      this.#violated('false alarm', 'corruption was reported, but nothing was corrupted');
    return isExcused ? this.#found.filter((what) => !what.startsWith('I3')) : this.#found;
  }

  #violated(invariant: string, what: string): void {
    this.#found.push(`${invariant}: ${what}`);
  }

  #deliver(message: Seen): void {
    const posted = this.#posted.get(message.body);
    const { to, from } = message;
    this.#bodyAndTo.set(message.id, bodyInMailbox(message.body, to));
    if (this.#isDraining) this.#there.add(bodyInMailbox(message.body, to));
    if (posted?.to.includes(to) && posted.from === from) return;
    this.#violated(
      'I2',
      `${name(message.id, message.body)} was delivered, but not posted like this`,
    );
  }

  #checkAllOrNone(): void {
    const settling = [...this.#settling].map((id) => this.#bodyAndTo.get(id));
    const seen = new Set([...settling, ...this.#there]);
    for (const { body, to } of this.#posted.values()) {
      const missing = to.filter((name) => !seen.has(bodyInMailbox(body, name)));
      if (missing.length === 0 || !to.some((name) => this.#there.has(bodyInMailbox(body, name))))
        continue;
      this.#violated('all or none', `${name('a post', body)} is stored, but not for ${missing}`);
    }
  }

  #welcome({ epoch, on, session, ids }: EntryOf<'welcomed'>): void {
    this.#epoch = Math.max(this.#epoch, epoch);
    // A repeated hello of a session ends its older connection.
    for (const [other, ofSession] of this.#sessions)
      if (ofSession === session) this.#release(other);
    this.#sessions.set(on, session);
    for (const id of ids) this.#hold(id, { epoch, on, number: 0, isOffered: false });
  }

  /** A message that a crash undid and that was posted again has lost its past hold: it was delivered before it was safe. */
  #checkPastHold(epoch: number, { id, body, attempt, hasPastHold }: Seen): void {
    if (!this.#offeredIn.has(id)) this.#offeredIn.set(id, epoch);
    const ackedIn = this.#ackedIn.get(id) ?? Number.POSITIVE_INFINITY;
    const wasSafe = ackedIn <= (this.#offeredIn.get(id) ?? 0);
    if (attempt === 1 || hasPastHold || !wasSafe) return;
    const what = `${name(id, body)} is at attempt ${attempt}, and nobody had it before`;
    this.#withoutPastHold.push(`past hold: ${what}`);
  }

  #checkOffer({ epoch, on, at, message }: EntryOf<'offered'>): void {
    const { id, number, body } = message;
    this.#checkPastHold(epoch, message);
    this.#checkPause(epoch, message.mailbox, `${name(id, body)} goes to ${on}`);
    // A fenced owner may deliver what it has in memory until it has to sync.
    const isNewest = epoch >= this.#epoch;
    if (isNewest && this.#settled.has(id)) {
      this.#violated('I3', `${name(id, body)} was settled, but is redelivered by epoch ${epoch}`);
    }
    const acked = this.#acked.get(id);
    if (isNewest && acked !== undefined && acked !== number) {
      this.#violated(
        'I5',
        `${name(id, body)} is delivered as ${number}, but was acknowledged as ${acked}`,
      );
    }
    const frozen = this.#frozen.get(id);
    if (frozen !== undefined && frozen !== this.#sessions.get(on)) {
      this.#violated('standstill', `${name(id, body)} was held by ${frozen}, and goes to ${on}`);
    }
    this.#hold(id, { epoch, on, number, isOffered: true });
    if (!this.#offered.has(id)) this.#checkOrder(epoch, message, { on, at });
    this.#offered.add(id);
  }

  /** A broker knows what it has delivered, and what was settled. */
  #checkNotice({ epoch, on, notice: { number, mailbox } }: EntryOf<'noticed'>): void {
    const what = `${on} was told of message ${number} in ${mailbox}`;
    this.#checkPause(epoch, mailbox, what);
    for (const holder of this.#holders.values()) {
      if (holder.epoch !== epoch || holder.number !== number) continue;
      this.#violated('false ring', `${what}, which ${holder.on} holds`);
    }
    if (this.#settledNumbers.has(`${epoch} ${number}`)) {
      this.#violated('false ring', `${what}, which was settled`);
    }
  }

  /** A fenced owner does not know what its successor has paused. */
  #checkPause(epoch: number, mailbox: string, what: string): void {
    if (this.#paused === undefined || epoch < this.#paused.epoch) return;
    const { mailboxes } = this.#paused;
    if (!mailboxes.includes('') && !mailboxes.includes(mailbox)) return;
    this.#notPaused.push(`pause: ${what}, and ${mailbox} is paused`);
  }

  #checkTold(watcher: string, messages: readonly Unread[]): void {
    const mailboxes = this.#watching.get(watcher) ?? [];
    const unread = messages.filter(({ mailbox }) => mailboxes.includes(mailbox));
    const told = this.#told.get(watcher);
    const isTold = unread.some(
      ({ number, attempt }) => number === told?.number && attempt === told.attempt,
    );
    if (unread.length === 0 || isTold) return;
    const last = told ? `${told.number} at attempt ${told.attempt}` : 'nothing';
    const first = `${unread[0]?.number} at attempt ${unread[0]?.attempt}`;
    this.#violated('lost ring', `${watcher} was told of ${last} last, but ${first} is unread`);
  }

  /**
   * A delivery to a connection that was just lost never left its broker, and is repeated with the same
   * attempt. So the order of messages posted before the loss is not known.
   */
  #checkOrder(
    epoch: number,
    { id, number, attempt, mailbox, to, body }: Seen,
    sent: Pick<FirstDelivery, 'on' | 'at'>,
  ): void {
    const isKnown = attempt === 1 && mailbox === to;
    if (!isKnown || (this.#postedAt.get(body) ?? 0) <= this.#goneAt) return;
    const what = name(id, body);
    this.#checkRises(`epoch ${epoch}, ${to}`, number, `${what}, number ${number},`, sent);
    const [, session, count] = /^(.{16})\.(\d+)$/.exec(id) ?? [];
    if (session) this.#checkRises(`${session}, ${to}`, Number(count), what, sent);
  }

  /**
   * What one step gives out leaves one connection after the other, which is no order of its own: each is only compared with
   * what left before that step, and with the others of its connection.
   */
  #checkRises(
    order: string,
    value: number,
    what: string,
    { on, at }: Pick<FirstDelivery, 'on' | 'at'>,
  ): void {
    const last = this.#lastFirst.get(order) ?? { on, at, value: 0, highest: 0, before: 0 };
    const before = last.at < at ? last.highest : last.before;
    const isNext = last.on === on && last.at === at;
    const least = isNext ? last.value : before;
    if (value < least) this.#violated('I4', `${what} comes after ${least} in ${order}`);
    const highest = Math.max(last.highest, value);
    this.#lastFirst.set(order, { on, at, value, highest, before });
  }

  #ack({ epoch, id, number }: EntryOf<'acked'>): void {
    this.#respond(epoch, `acknowledged ${id}`);
    const acked = this.#acked.get(id) ?? number;
    if (acked !== number)
      this.#violated('I5', `${id} was acknowledged as ${acked}, then as ${number}`);
    this.#acked.set(id, number);
    if (!this.#ackedIn.has(id)) this.#ackedIn.set(id, epoch);
  }

  #respond(epoch: number, what: string): void {
    if (epoch < this.#epoch) {
      this.#violated('I6', `epoch ${epoch} ${what} after epoch ${this.#epoch} has responded`);
    }
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  /** A settle without a response may be in the store, and then the welcomes of several sessions leave them the message. */
  #hold(id: string, now: Holder): void {
    const before = this.#holders.get(id);
    this.#holders.set(id, now);
    if (before?.epoch !== now.epoch || before.on === now.on) return;
    if (this.#settling.has(id) && !before.isOffered && !now.isOffered) return;
    const both = `${before.on} and on ${now.on} of epoch ${now.epoch}`;
    this.#violated('one holder', `${id} is held on ${both}`);
  }

  #giveUp({ ids, on }: EntryOf<'gaveUp'>): void {
    for (const id of ids) if (this.#holders.get(id)?.on === on) this.#holders.delete(id);
    const session = this.#sessions.get(on);
    for (const id of ids) if (this.#frozen.get(id) === session) this.#frozen.delete(id);
  }

  #freeze(): void {
    for (const [id, { on }] of this.#holders) this.#frozen.set(id, this.#sessions.get(on));
  }

  #release(on: string): void {
    for (const [id, holder] of this.#holders) if (holder.on === on) this.#holders.delete(id);
  }
}

function bodyInMailbox(body: string, to: string): string {
  return JSON.stringify([body, to]);
}

function name(id: string, body: string): string {
  return `${id} (${body.slice(0, 20)})`;
}
