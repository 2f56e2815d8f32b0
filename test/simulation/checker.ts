// Holds a history against what is promised, I1 to I7. It knows nothing of the code: only what callers
// asked and heard, and what brokers said.
//
// I1 an acked post is settled or still there in the end.  I2 what is handed over was posted, byte for
// byte.  I3 what was settled is not offered again.  I4 first offers keep the sender's order.  I5 one
// id is one message.  I6 when an epoch has spoken, no older one acks.  I7 in the end all drains.
// And: no message is held by two sessions of one broker; of a post to several mailboxes all messages
// are there in the end, or none, but for those that somebody settled.
//
// A message is its id: a crash can undo one that was offered, and posted again it has another number.
import type { Entry, Seen } from './history.ts';

export interface Rules {
  /** One bit of the disk was flipped: one post may be lost, and settled mail come back; it is reported. */
  readonly isDamaged: boolean;
}

export function violations(entries: readonly Entry[], rules: Rules): string[] {
  const checker = new Checker();
  for (const entry of entries) checker.take(entry);
  return checker.end(rules);
}

type EntryOf<Kind> = Extract<Entry, { kind: Kind }>;

class Checker {
  readonly #found: string[] = [];
  readonly #posted = new Map<string, EntryOf<'post'>>();
  /** When each body was posted first. */
  readonly #postedAt = new Map<string, number>();
  /** The number of each id, as a broker acked it. */
  readonly #acked = new Map<string, number>();
  /** The body of each message that a caller heard to be stored. */
  readonly #heard = new Map<string, string>();
  /** What somebody asked to settle, and what a broker said is settled. */
  readonly #settling = new Set<string>();
  /** By its words and mailbox: who was handed a message, or offered one in the end. */
  readonly #bodyAndTo = new Map<string, string>();
  readonly #there = new Set<string>();
  #isDraining = false;
  readonly #settled = new Set<string>();
  readonly #offered = new Set<string>();
  /** The number or count of the last first offer. */
  readonly #lastFirst = new Map<string, number>();
  readonly #sessions = new Map<string, string>();
  /** Where each is held, as the newest broker has it. */
  readonly #holders = new Map<string, { readonly epoch: number; readonly on: string }>();
  #goneAt = 0;
  /** The newest that has spoken. */
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
        this.#heard.set(entry.id, entry.body);
        return;
      case 'settle':
        for (const id of entry.ids) this.#settling.add(id);
        return;
      case 'handed':
        return this.#hand(entry.message);
      case 'draining':
        this.#isDraining = true;
        return;
      case 'welcomed':
        return this.#welcome(entry);
      case 'offered':
        return this.#offer(entry);
      case 'acked':
        return this.#ack(entry);
      case 'settled':
        this.#speak(entry.epoch, `settled ${entry.ids}`);
        for (const id of entry.ids) this.#settled.add(id);
        return;
      case 'letGo':
        return this.#letGo(entry);
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
    if (!this.#isDrained) this.#say('I7', 'mail or calls are left in the end');
    const lost = [...this.#heard].filter(([id]) => !this.#settling.has(id));
    const isExcused = isDamaged && this.#isReported;
    for (const [id, body] of lost) {
      if (isExcused && body === lost[0]?.[1]) continue;
      this.#say('I1', `${name(id, body)} was acked and is gone`);
    }
    if (!isDamaged) this.#checkAllOrNone();
    if (this.#isReported && !isDamaged) this.#say('false alarm', 'nothing was damaged');
    return isExcused ? this.#found.filter((what) => !what.startsWith('I3')) : this.#found;
  }

  #say(invariant: string, what: string): void {
    this.#found.push(`${invariant}: ${what}`);
  }

  #hand(message: Seen): void {
    const posted = this.#posted.get(message.body);
    const { to, from } = message;
    this.#bodyAndTo.set(message.id, wordsTo(message.body, to));
    if (this.#isDraining) this.#there.add(wordsTo(message.body, to));
    if (posted?.to.includes(to) && posted.from === from) return;
    this.#say('I2', `${name(message.id, message.body)} was handed over, and not posted so`);
  }

  #checkAllOrNone(): void {
    const settling = [...this.#settling].map((id) => this.#bodyAndTo.get(id));
    const seen = new Set([...settling, ...this.#there]);
    for (const { body, to } of this.#posted.values()) {
      const missing = to.filter((name) => !seen.has(wordsTo(body, name)));
      if (missing.length === 0 || !to.some((name) => this.#there.has(wordsTo(body, name))))
        continue;
      this.#say('all or none', `${name('a post', body)} is there, but not for ${missing}`);
    }
  }

  #welcome({ epoch, on, session, ids }: EntryOf<'welcomed'>): void {
    this.#epoch = Math.max(this.#epoch, epoch);
    // A session that says hello again ends its older connection.
    for (const [other, ofSession] of this.#sessions)
      if (ofSession === session) this.#release(other);
    this.#sessions.set(on, session);
    for (const id of ids) this.#hold(id, epoch, on);
  }

  #offer({ epoch, on, message }: EntryOf<'offered'>): void {
    const { id, number, body } = message;
    // An owner that was left behind may offer what it knows until it has to sync.
    const isNewest = epoch >= this.#epoch;
    if (isNewest && this.#settled.has(id)) {
      this.#say('I3', `${name(id, body)} is offered by epoch ${epoch}, and was settled`);
    }
    const acked = this.#acked.get(id);
    if (isNewest && acked !== undefined && acked !== number) {
      this.#say('I5', `${name(id, body)} is offered as ${number}, and was acked as ${acked}`);
    }
    this.#hold(id, epoch, on);
    if (!this.#offered.has(id)) this.#checkOrder(epoch, message);
    this.#offered.add(id);
  }

  /**
   * An offer to a connection that was just lost never left its broker, and comes again with the same
   * attempt: of what was posted before a loss the order is not known.
   */
  #checkOrder(epoch: number, { id, number, attempt, mailbox, to, body }: Seen): void {
    const isKnown = attempt === 1 && mailbox === to;
    if (!isKnown || (this.#postedAt.get(body) ?? 0) <= this.#goneAt) return;
    this.#checkRises(`epoch ${epoch}, ${to}`, number, `${name(id, body)}, number ${number},`);
    const [, session, count] = /^(.{16})\.(\d+)$/.exec(id) ?? [];
    if (session) this.#checkRises(`${session}, ${to}`, Number(count), name(id, body));
  }

  #checkRises(order: string, value: number, what: string): void {
    const last = this.#lastFirst.get(order) ?? 0;
    if (value < last) this.#say('I4', `${what} comes after ${last} in ${order}`);
    this.#lastFirst.set(order, Math.max(last, value));
  }

  #ack({ epoch, id, number }: EntryOf<'acked'>): void {
    this.#speak(epoch, `acked ${id}`);
    const acked = this.#acked.get(id) ?? number;
    if (acked !== number) this.#say('I5', `${id} was acked as ${acked}, then as ${number}`);
    this.#acked.set(id, number);
  }

  #speak(epoch: number, what: string): void {
    if (epoch < this.#epoch) {
      this.#say('I6', `epoch ${epoch} ${what} after epoch ${this.#epoch} has spoken`);
    }
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  #hold(id: string, epoch: number, on: string): void {
    const holder = this.#holders.get(id);
    this.#holders.set(id, { epoch, on });
    if (holder?.epoch !== epoch || holder.on === on) return;
    this.#say('one holder', `${id} is held on ${holder.on} and on ${on} of epoch ${epoch}`);
  }

  #letGo({ ids, on }: EntryOf<'letGo'>): void {
    for (const id of ids) if (this.#holders.get(id)?.on === on) this.#holders.delete(id);
  }

  #release(on: string): void {
    for (const [id, holder] of this.#holders) if (holder.on === on) this.#holders.delete(id);
  }
}

function wordsTo(body: string, to: string): string {
  return JSON.stringify([body, to]);
}

function name(id: string, body: string): string {
  return `${id} (${body.slice(0, 20)})`;
}
