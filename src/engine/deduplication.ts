// Deduplication: which posts were stored, or settled without being stored. A post that is repeated under the
// same id is one message. All that is remembered is in every segment prologue, so it has a limit in bytes.
//
// 1. A session numbers its posts (count) and reports up to which count it has all responses (acknowledged up
//    to). Per session the broker keeps that count and the stored posts above it, never a map of all ids:
//    SessionPosts.
// 2. An id that the caller chose stands alone. When there are too many, the oldest is forgotten.
// 3. A holder may settle a message that this store never had: an earlier owner delivered it before it was
//    durable, and lost it. Its poster got no response and posts it again, so that id is remembered, too.
// 4. A fingerprint of the content stays with the id when the message was settled, so that another post under
//    the same id is refused then as well.
import { fingerprintBytes, rememberedIdBytes } from '../base/limits.ts';
import {
  countIn,
  type Envelope,
  type FingerprintedContent,
  fingerprintOf,
  type Hold,
  type MessageId,
  type Name,
  type SessionId,
  sessionIn,
  splitId,
} from '../model/message.ts';
import type { PlainPost } from '../model/plain-post.ts';
import type {
  JournalRecord,
  NamedIdsRecord,
  PostedRecord,
  SessionRecord,
} from '../model/records.ts';
import { IdsBySession } from './ids-by-session.ts';
import { SessionPosts, type SessionPostsLimits, type StoredPost } from './session-posts.ts';

export interface DeduplicationLimits extends SessionPostsLimits {
  readonly namedIdsMax: number;
  readonly namedIdsBytesMax: number;
  readonly unstoredIdsMax: number;
  readonly unstoredIdsBytesMax: number;
}

export class Deduplication {
  readonly sessions: SessionPosts;
  /** Ids that callers chose. */
  readonly #named: IdsBySession<StoredPost>;
  /** Messages that were settled but never stored, with the numbers under which they were delivered. */
  readonly #settled: IdsBySession<number>;
  /** In a replay: fingerprints by number, for the ids in the records behind them. */
  #fingerprints: ReadonlyMap<number, number> = new Map();

  constructor(limits: DeduplicationLimits) {
    this.sessions = new SessionPosts(limits);
    const { namedIdsMax, namedIdsBytesMax, unstoredIdsMax, unstoredIdsBytesMax } = limits;
    this.#named = new IdsBySession({
      sizeMax: namedIdsMax,
      bytesMax: namedIdsBytesMax,
      entryBytes: rememberedIdBytes + fingerprintBytes,
    });
    this.#settled = new IdsBySession({
      sizeMax: unstoredIdsMax,
      bytesMax: unstoredIdsBytesMax,
      entryBytes: rememberedIdBytes,
    });
  }

  /** Forgets what was settled of posts that the session has never sent: it was not delivered to anybody. */
  connect(session: SessionId, sentUpTo: number): void {
    this.sessions.connect(session, sentUpTo);
    for (const id of this.#settled.idsOf(session)) if (!this.wasSent(id)) this.#settled.delete(id);
  }

  /** The message that was stored under the id, if it is known. */
  stored(id: MessageId): StoredPost | undefined {
    const own = splitId(id);
    return own ? this.sessions.get(own.session, own.count) : this.#named.get(id);
  }

  /** `ackedUpTo`: without meaning for an id that the caller chose. */
  store(id: MessageId, ackedUpTo: number, post: StoredPost): void {
    const count = countIn(id);
    if (count > 0) this.sessions.add(sessionIn(id), ackedUpTo, count, post);
    else this.#named.setNewest(id, withoutContent(post), undefined);
  }

  /** A message of a post or an import. Of an imported one, only an id that its sender chose may be posted again. */
  remember(
    envelope: Envelope,
    { ackedUpTo, importKey }: Pick<PostedRecord, 'ackedUpTo' | 'importKey'>,
  ): void {
    const { id } = envelope;
    const post = new RememberedPost(envelope);
    if (importKey !== undefined) this.store(importKey, ackedUpTo, post);
    if (importKey === undefined || !splitId(id)) this.store(id, ackedUpTo, post);
  }

  /** remember() in a replay. */
  rememberPlain(post: PlainPost): void {
    const { session, count, ackedUpTo } = post;
    this.sessions.add(session, ackedUpTo, count, new RememberedPost(post));
  }

  restoreFingerprints(fingerprints: readonly (readonly [number: number, of: number])[]): void {
    this.#fingerprints = new Map(fingerprints);
  }

  restoreSession({ session, ackedUpTo, numbers }: SessionRecord): void {
    const posts = numbers.map(([count, number]) => {
      return [count, this.#restored(number, this.sessions.get(session, count))] as const;
    });
    this.sessions.store(session, ackedUpTo, posts);
  }

  restoreNamed({ ids }: NamedIdsRecord): void {
    for (const [id, number] of ids) {
      this.#named.setNewest(id, this.#restored(number, this.#named.get(id)), undefined);
    }
  }

  endReplay(): void {
    this.#fingerprints = new Map();
  }

  /** The holder settled a message that is not in the store. */
  settle({ id, number }: Hold): void {
    this.#settled.setNewest(id, number, splitId(id)?.session);
  }

  /** The number under which a message was delivered and settled that was never stored. */
  settledAs(id: MessageId): number | undefined {
    const number = this.#settled.get(id);
    return number === undefined || this.isAcknowledged(id) ? undefined : number;
  }

  /**
   * Neither stored nor settled, as far as is known, but sent to an earlier owner, and its poster may still have
   * no response.
   */
  mayBePosted(id: MessageId): boolean {
    if (this.#settled.has(id) || this.isAcknowledged(id) || !this.wasSent(id)) return false;
    return this.stored(id) === undefined;
  }

  /** An earlier owner may have got the post of that message: then others may have got the message. */
  wasSent(id: MessageId): boolean {
    const own = splitId(id);
    return own === undefined || this.sessions.mayHaveSent(own.session, own.count);
  }

  /** Its session has the response, and does not post it again. */
  isAcknowledged(id: MessageId): boolean {
    const own = splitId(id);
    return own !== undefined && own.count <= this.sessions.ackedUpTo(own.session);
  }

  /** Something is remembered that forget() would forget. */
  knows(session: SessionId): boolean {
    return this.sessions.has(session) || this.#settled.idsOf(session).length > 0;
  }

  forget(session: SessionId): void {
    this.sessions.forget(session);
    for (const id of this.#settled.idsOf(session)) this.#settled.delete(id);
  }

  /** Everything that is remembered, as records for a segment prologue; what need not be is forgotten. */
  records(): JournalRecord[] {
    this.sessions.shrink();
    this.#forgetAcknowledged();
    const records: JournalRecord[] = this.sessions.records();
    const named = this.#named.entries();
    if (named.length > 0) {
      const ids = named.map(([id, { number }]) => [id, number] as const);
      records.push({ kind: 'named', ids });
    }
    const holds = this.#settled.entries().map(([id, number]) => ({ id, number }));
    if (holds.length > 0) records.push({ kind: 'settledById', holds });
    const posts = [...this.sessions.stored(), ...named.map(([, post]) => post)];
    const fingerprints = posts.flatMap(({ number, fingerprint }) =>
      fingerprint === undefined ? [] : [[number, fingerprint] as const],
    );
    return fingerprints.length > 0 ? [{ kind: 'fingerprints', fingerprints }, ...records] : records;
  }

  /** A `session` or `named` record has no fingerprint, but one before it may; else that of the same post stays. */
  #restored(number: number, known: StoredPost | undefined): StoredPost {
    const same = known?.number === number ? known.fingerprint : undefined;
    return { number, fingerprint: this.#fingerprints.get(number) ?? same };
  }

  /** Forgets messages that were settled without being stored, if their posters have a response by now. */
  #forgetAcknowledged(): void {
    for (const [id] of this.#settled.entries()) {
      if (this.isAcknowledged(id)) this.#settled.delete(id);
    }
  }
}

/** Most posts are acknowledged by the next one of their session, before anybody asks for the fingerprint. */
class RememberedPost implements StoredPost, FingerprintedContent {
  readonly number: number;
  readonly to: Name;
  readonly from: Name | '';
  readonly answers: MessageId | '';
  readonly bodyBytes: number;
  readonly checksum: number;

  /** Keeps nothing but these fields of it. */
  constructor({ number, to, from, answers, bodyBytes, checksum }: Omit<Envelope, 'id'>) {
    this.number = number;
    this.to = to;
    this.from = from;
    this.answers = answers;
    this.bodyBytes = bodyBytes;
    this.checksum = checksum;
  }

  get fingerprint(): number {
    return fingerprintOf(this);
  }
}

/** For ids that are remembered long after their posts. */
function withoutContent({ number, fingerprint }: StoredPost): StoredPost {
  return { number, fingerprint };
}
