// The unsettled messages, by number and by id. Those that a replay finds only wait, perhaps a million of them, so their
// envelopes are packed. A message becomes an object when somebody asks for it to deliver or change it.
import { notLive } from '../base/errors.ts';
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
  /** Has nearly all generated ids: those with ascending counts. */
  readonly #generatedIds = new CountIndex((number) => this.#generatedIdOf(number));
  /** Has all other ids. */
  readonly #otherIds = new Map<MessageId, number>();

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
    const generated = this.#generatedNumberOf(id);
    const other = this.#otherNumberOf(id);
    if (generated === undefined || other === undefined) return generated ?? other;
    return Math.max(generated, other);
  }

  add(message: MutableMessage): void {
    const { id, number } = message.envelope;
    this.#messages.set(number, message);
    const count = countIn(id);
    const isIndexed = count > 0 && this.#generatedIds.add(sessionIn(id), count, number);
    // Or else the session has a message with this count or a later one already.
    if (!isIndexed) this.#otherIds.set(id, number);
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
    const kept = this.#generatedIds.add(session, count, fields.number);
    if (kept === undefined) return false;
    this.#messages.set(fields.number, this.#packed.add(fields, kept, count));
    return true;
  }

  delete(number: number): void {
    const found = this.#messages.get(number);
    if (found === undefined) return;
    const { id } = typeof found === 'number' ? this.#packed.read(found) : found.envelope;
    const count = countIn(id);
    const isDeleted = count > 0 && this.#generatedIds.delete(sessionIn(id), count, number);
    if (!isDeleted && this.#otherNumberOf(id) === number) this.#otherIds.delete(id);
    if (typeof found === 'number') this.#packed.delete(found);
    this.#messages.delete(number);
  }

  #generatedNumberOf(id: MessageId): number | undefined {
    const count = this.#generatedIds.isEmpty ? 0 : countIn(id);
    return count > 0 ? this.#generatedIds.get(sessionIn(id), count) : undefined;
  }

  /** A look into an empty Map would compute the hash of the id. */
  #otherNumberOf(id: MessageId): number | undefined {
    return this.#otherIds.size > 0 ? this.#otherIds.get(id) : undefined;
  }

  /** The id of a message that is in #generatedIds. */
  #generatedIdOf(number: number): GeneratedId {
    const found = this.#messages.get(number);
    if (found === undefined) throw notLive(number);
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
