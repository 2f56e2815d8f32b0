import type { MessageId, SessionId } from '../model/message.ts';

/**
 * A bounded map of message ids that can list the ids of one session. It evicts its oldest entry; like in a
 * Map, an entry that is set again keeps its age.
 */
export class IdsBySession<Value> {
  readonly #entries = new Map<MessageId, { value: Value; session: SessionId | undefined }>();
  readonly #idsOf = new Map<SessionId, Set<MessageId>>();
  readonly #sizeMax: number;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  has(id: MessageId): boolean {
    return this.#entries.has(id);
  }

  get(id: MessageId): Value | undefined {
    return this.#entries.get(id)?.value;
  }

  set(id: MessageId, value: Value, session: SessionId | undefined): void {
    this.#removeFromSession(id);
    this.#entries.set(id, { value, session });
    if (session !== undefined) {
      const ids = this.#idsOf.get(session) ?? new Set();
      this.#idsOf.set(session, ids.add(id));
    }
    if (this.#entries.size <= this.#sizeMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.delete(oldest);
  }

  delete(id: MessageId): void {
    this.#removeFromSession(id);
    this.#entries.delete(id);
  }

  idsOf(session: SessionId): MessageId[] {
    return [...(this.#idsOf.get(session) ?? [])];
  }

  /** All entries, the oldest first. */
  entries(): [id: MessageId, value: Value][] {
    return Array.from(this.#entries, ([id, { value }]) => [id, value]);
  }

  #removeFromSession(id: MessageId): void {
    const session = this.#entries.get(id)?.session;
    if (session === undefined) return;
    const ids = this.#idsOf.get(session);
    ids?.delete(id);
    if (ids?.size === 0) this.#idsOf.delete(session);
  }
}
