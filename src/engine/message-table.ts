// The unsettled messages, by number and by id. Those that a replay finds only wait, perhaps a million of them, so their
// envelopes are packed. A message becomes an object when somebody asks for it to deliver or change it.
import assert from 'node:assert/strict';
import { NumberMap } from '../base/number-map.ts';
import {
  countIn,
  type Envelope,
  type GeneratedId,
  type MessageId,
  type Name,
  type PastHold,
  type SessionId,
  sessionIn,
} from '../model/message.ts';
import { CountIndex } from './count-index.ts';
import { PackedEnvelopes } from './packed-envelopes.ts';

export interface LiveMessage {
  readonly envelope: Envelope;
  readonly mailbox: Name;
  readonly attempt: number;
  /** undefined when the message is ready to be delivered. */
  readonly holder: SessionId | undefined;
  /** When its holder got it, in milliseconds since 1970; undefined if an earlier version delivered it. */
  readonly heldSince: number | undefined;
  /** The last hold that ended without a settle and counted as an attempt. */
  readonly lastHold: PastHold | undefined;
}

export type MutableMessage = { -readonly [Field in keyof LiveMessage]: LiveMessage[Field] };

export class MessageTable {
  /** An object, or the row of a packed envelope. */
  readonly #messages = new NumberMap<MutableMessage | number>();
  readonly #packed = new PackedEnvelopes();
  /** Has the ids of the messages that were packed when they were added. */
  readonly #packedIds = new CountIndex((number) => this.#packedIdOf(number));
  /** Has the ids of all other messages. */
  readonly #ids = new Map<MessageId, number>();

  get size(): number {
    return this.#messages.size;
  }

  has(number: number): boolean {
    return this.#messages.has(number);
  }

  /** The message itself, which changes with its state. */
  get(number: number): MutableMessage | undefined {
    const found = this.#messages.get(number);
    if (typeof found !== 'number') return found;
    const message = asPosted(this.#packed.read(found));
    this.#packed.delete(found);
    this.#messages.set(number, message);
    return message;
  }

  /** The message as it is now, for those that look at many. It may be a copy that later changes do not reach. */
  read(number: number): LiveMessage | undefined {
    const found = this.#messages.get(number);
    return typeof found === 'number' ? asPosted(this.#packed.read(found)) : found;
  }

  /** The newest message with this id. */
  numberOf(id: MessageId): number | undefined {
    const packed = this.#packedNumberOf(id);
    const other = this.#ids.get(id);
    if (packed === undefined || other === undefined) return packed ?? other;
    return Math.max(packed, other);
  }

  add(message: MutableMessage): void {
    const { id, number } = message.envelope;
    this.#messages.set(number, message);
    this.#ids.set(id, number);
  }

  /** Like add(), but packs a message that waits as it was posted, under a generated id. */
  addReplayed(message: MutableMessage): void {
    const { envelope } = message;
    const count = isAsPosted(message) ? countIn(envelope.id) : 0;
    const isPacked = count > 0 && this.pack(envelope, sessionIn(envelope.id), count);
    if (!isPacked) this.add(message);
  }

  /**
   * Adds a message that waits as it was posted. `session` and `count`: of its id. False, and adds nothing, if the session
   * has a message with this count or a later one already.
   */
  pack(fields: Omit<Envelope, 'id'>, session: SessionId, count: number): boolean {
    const kept = this.#packedIds.add(session, count, fields.number);
    if (kept === undefined) return false;
    this.#messages.set(fields.number, this.#packed.add(fields, kept, count));
    return true;
  }

  delete(number: number): void {
    const found = this.#messages.get(number);
    if (found === undefined) return;
    const { id } = typeof found === 'number' ? this.#packed.read(found) : found.envelope;
    if (this.#ids.get(id) === number) this.#ids.delete(id);
    else if (this.#packedNumberOf(id) === number)
      this.#packedIds.delete(sessionIn(id), countIn(id));
    if (typeof found === 'number') this.#packed.delete(found);
    this.#messages.delete(number);
  }

  #packedNumberOf(id: MessageId): number | undefined {
    const count = this.#packedIds.isEmpty ? 0 : countIn(id);
    return count > 0 ? this.#packedIds.get(sessionIn(id), count) : undefined;
  }

  /** The id of a message that is in #packedIds. */
  #packedIdOf(number: number): GeneratedId {
    const found = this.#messages.get(number);
    assert(found !== undefined, `message ${number} is live`);
    if (typeof found === 'number') return this.#packed.idAt(found);
    const { id } = found.envelope;
    return { session: sessionIn(id), count: countIn(id) };
  }
}

/** Whether attempts and holds are those of a message that was just posted, in its first mailbox. */
function isAsPosted({ envelope, mailbox, attempt, holder, heldSince, lastHold }: LiveMessage) {
  const wasHeld = (holder ?? heldSince ?? lastHold) !== undefined;
  return attempt === 1 && mailbox === envelope.to && !wasHeld;
}

export function asPosted(envelope: Envelope, mailbox = envelope.to, attempt = 1): MutableMessage {
  // Without a spread, which would keep some fields outside of the object and take 24 bytes more.
  return {
    envelope,
    mailbox,
    attempt,
    holder: undefined,
    heldSince: undefined,
    lastHold: undefined,
  };
}
