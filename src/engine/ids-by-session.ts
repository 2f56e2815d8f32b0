import { OldestKeys } from '../base/oldest-keys.ts';
import type { MessageId, SessionId } from '../model/message.ts';

export interface IdsLimits {
  readonly sizeMax: number;
  /** Bytes of the ids in UTF-8, with `entryBytes` beside each. */
  readonly bytesMax: number;
  readonly entryBytes: number;
}

/**
 * A bounded map of message ids that can list the ids of one session. It evicts its oldest entries; like in a
 * Map, an entry that is set again keeps its age.
 */
export class IdsBySession<Value> {
  readonly #entries = new Map<MessageId, { value: Value; session: SessionId | undefined }>();
  readonly #oldest = new OldestKeys(this.#entries);
  readonly #idsOf = new Map<SessionId, Set<MessageId>>();
  readonly #limits: IdsLimits;
  #bytes = 0;

  constructor(limits: IdsLimits) {
    this.#limits = limits;
  }

  /** It is empty nearly always, and a look into an empty Map would compute the hash of the id. */
  has(id: MessageId): boolean {
    return this.#entries.size > 0 && this.#entries.has(id);
  }

  get(id: MessageId): Value | undefined {
    return this.#entries.size > 0 ? this.#entries.get(id)?.value : undefined;
  }

  set(id: MessageId, value: Value, session: SessionId | undefined): void {
    this.#removeFromSession(id);
    if (!this.#entries.has(id)) this.#bytes += this.#bytesOf(id);
    this.#entries.set(id, { value, session });
    if (session !== undefined) {
      const ids = this.#idsOf.get(session) ?? new Set();
      this.#idsOf.set(session, ids.add(id));
    }
    if (!this.#isTooLarge) return this.#oldest.addedWithin();
    while (this.#isTooLarge) this.delete(this.#oldest.next() as MessageId);
  }

  /** Like set(), but makes it the newest. */
  setNewest(id: MessageId, value: Value, session: SessionId | undefined): void {
    this.delete(id);
    this.set(id, value, session);
  }

  delete(id: MessageId): void {
    this.#removeFromSession(id);
    if (this.#entries.delete(id)) this.#bytes -= this.#bytesOf(id);
  }

  idsOf(session: SessionId): MessageId[] {
    return [...(this.#idsOf.get(session) ?? [])];
  }

  /** All entries, the oldest first. */
  entries(): [id: MessageId, value: Value][] {
    return Array.from(this.#entries, ([id, { value }]) => [id, value]);
  }

  get #isTooLarge(): boolean {
    const { sizeMax, bytesMax } = this.#limits;
    return this.#entries.size > sizeMax || this.#bytes > bytesMax;
  }

  #bytesOf(id: MessageId): number {
    return Buffer.byteLength(id) + this.#limits.entryBytes;
  }

  #removeFromSession(id: MessageId): void {
    const session = this.#entries.get(id)?.session;
    if (session === undefined) return;
    const ids = this.#idsOf.get(session);
    ids?.delete(id);
    if (ids?.size === 0) this.#idsOf.delete(session);
  }
}
