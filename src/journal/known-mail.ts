// The mail that a reader of the log knows at some record: the messages that are not settled there, and no more of
// each than what its later events name.
import { NumberMap } from '../base/number-map.ts';
import { PausedMailboxes } from '../engine/paused-mailboxes.ts';
import type { KnownMail, KnownMessage } from '../engine/record-events.ts';
import {
  type Envelope,
  type Name,
  type PackedId,
  packedId,
  type SessionId,
  unpackedId,
} from '../model/message.ts';
import { envelopesOf } from '../model/post.ts';
import type { CopiedRecord, JournalRecord, OfferedRecord } from '../model/records.ts';

/** A store may have a million of these, so each is one small object, whose texts many have in common. */
interface TrackedMessage extends PackedId {
  readonly to: Name;
  readonly from: Name | '';
}

interface TrackedState {
  readonly mailbox: Name;
  readonly attempt: number;
  readonly holder: SessionId | undefined;
  /** How many gaps were before the record that said it. */
  readonly gaps: number;
}

/** Stands for the session that may hold a message since a gap. */
const unknownSession = '0000000000000000' as SessionId;

interface Holder {
  name: Name | '';
  holds: number;
}

export class MailTracker implements KnownMail {
  readonly #messages = new NumberMap<TrackedMessage>();
  /** Of those that are not as they were posted before any gap. */
  readonly #states = new NumberMap<TrackedState>();
  /** Sessions that hold messages. */
  readonly #holders = new Map<SessionId, Holder>();
  readonly #paused = new PausedMailboxes();
  #gaps = 0;

  message(number: number): KnownMessage | undefined {
    const message = this.#messages.get(number);
    if (!message) return undefined;
    const { to, from } = message;
    const { mailbox, attempt, gaps, ...state } = this.#stateOf(number, message);
    // A gap may have had its delivery: it was no drop that settles it.
    const holder = state.holder ?? (gaps === this.#gaps ? undefined : unknownSession);
    return { envelope: { id: unpackedId(message), number, to, from }, mailbox, attempt, holder };
  }

  /** Records are missing. */
  gap(): void {
    this.#gaps++;
  }

  holderName(session: SessionId): Name | '' {
    return this.#holders.get(session)?.name ?? '';
  }

  get paused(): ReadonlySet<Name | ''> {
    return this.#paused.names;
  }

  has(number: number): boolean {
    return this.#messages.has(number);
  }

  /** `kept`: of the messages that the record stores, those that are to be known; absent: all. */
  apply(record: JournalRecord, kept?: readonly number[]): void {
    switch (record.kind) {
      case 'posted':
        for (const envelope of envelopesOf(record)) {
          if (!kept || kept.includes(envelope.number)) this.#add(envelope, envelope.to);
        }
        return this.#settle(record.settles);
      case 'copied': {
        const { number } = record.envelope;
        if (kept && !kept.includes(number)) return;
        this.#add(record.envelope, record.mailbox);
        this.#change(number, record.mailbox, record.attempt, record.holder || undefined);
        return this.#name(record);
      }
      case 'offered':
        this.#change(record.number, undefined, record.attempt, record.holder);
        return this.#name(record);
      case 'released':
        return this.#change(record.number, undefined, record.attempt, undefined);
      case 'moved':
        return this.#change(record.number, record.mailbox, record.attempt, undefined);
      case 'settled':
        return this.#settle(record.numbers);
      case 'paused':
        return this.#paused.apply(record);
    }
  }

  #add({ id, number, to, from }: Envelope, mailbox: Name): void {
    const { text, count } = packedId(id);
    const known = this.#messages.get(number);
    if (known?.text === text && known.count === count) return;
    // A crash undid the message that had this number before.
    if (known) this.#forget(number);
    this.#messages.set(number, { text, count, to, from });
    if (this.#gaps === 0 && mailbox === to) return;
    this.#states.set(number, { mailbox, attempt: 1, holder: undefined, gaps: this.#gaps });
  }

  #change(
    number: number,
    mailbox: Name | undefined,
    attempt: number,
    holder: SessionId | undefined,
  ): void {
    const message = this.#messages.get(number);
    if (!message) return;
    const before = this.#stateOf(number, message);
    if (before.holder !== holder) {
      this.#end(before.holder);
      if (holder !== undefined) this.#begin(holder);
    }
    const { mailbox: last } = before;
    this.#states.set(number, { mailbox: mailbox ?? last, attempt, holder, gaps: this.#gaps });
  }

  #stateOf(number: number, { to }: TrackedMessage): TrackedState {
    return this.#states.get(number) ?? { mailbox: to, attempt: 1, holder: undefined, gaps: 0 };
  }

  #settle(numbers: readonly number[]): void {
    for (const number of numbers) this.#forget(number);
  }

  #forget(number: number): void {
    this.#end(this.#states.get(number)?.holder);
    this.#states.delete(number);
    this.#messages.delete(number);
  }

  #begin(session: SessionId): void {
    const holder = this.#holders.get(session);
    if (holder) holder.holds++;
    else this.#holders.set(session, { name: '', holds: 1 });
  }

  #end(session: SessionId | undefined): void {
    if (session === undefined) return;
    const holder = this.#holders.get(session);
    if (holder && --holder.holds === 0) this.#holders.delete(session);
  }

  /** The newest record says what a session is called, for all that it holds. */
  #name({ holder, holding }: Pick<CopiedRecord | OfferedRecord, 'holder' | 'holding'>): void {
    const held = holder === '' ? undefined : this.#holders.get(holder);
    if (held && holding) held.name = holding.name;
  }
}
