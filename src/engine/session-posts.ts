// The stored posts above the acknowledged-up-to counts of all sessions. Together they have one bound: the
// bytes that they take in a segment prologue.
//
// 1. A connected session is never forgotten. When connected sessions use up the shared bytes, a post of one
//    that has its guaranteed posts already is refused, until it acknowledges responses.
// 2. Of the others, the session last seen longest ago is forgotten when there is no room. A post of such a
//    session that is repeated after that is stored again: it is delivered twice, but not lost.
// 3. Any of the others may connect again. So the posts that all sessions have beyond the guaranteed ones keep
//    within the shared bytes: then each connected session has room for its guaranteed posts.
import { rememberedPostBytes, rememberedSessionBytes } from '../base/limits.ts';
import type { SessionId } from '../model/message.ts';
import type { SessionRecord } from '../model/records.ts';
import { PostsByCount } from './posts-by-count.ts';

/** A message that was stored under a remembered id. */
export interface StoredPost {
  readonly number: number;
  /** undefined if an earlier version stored it. */
  readonly fingerprint: number | undefined;
}

interface Posts {
  ackedUpTo: number;
  /** With counts above `ackedUpTo`. */
  readonly stored: PostsByCount;
}

export interface SessionPostsLimits {
  readonly sessionsMax: number;
  readonly sessionPostsBytesMax: number;
  readonly sharedPostsBytesMax: number;
  readonly guaranteedPosts: number;
  readonly replayedPostsBytesMax: number;
}

export class SessionPosts {
  readonly #limits: SessionPostsLimits;
  /** The session last seen longest ago comes first. */
  readonly #sessions = new Map<SessionId, Posts>();
  #lastSeen: SessionId | undefined;
  /** Those of #lastSeen: nearly all posts in a row are of one session. */
  #lastPosts: Posts | undefined;
  /** All that are connected, also those without posts, with the count up to which they had sent posts by then. */
  readonly #connected = new Map<SessionId, number>();
  /** The bytes that all sessions take in a segment prologue. */
  #bytes = 0;
  /** The bytes that connected sessions take there. */
  #connectedBytes = 0;
  /** The bytes that posts take there beyond the guaranteed ones of their sessions. */
  #surplusBytes = 0;

  constructor(limits: SessionPostsLimits) {
    this.#limits = limits;
  }

  connect(session: SessionId, sentUpTo: number): void {
    if (!this.#connected.has(session)) this.#connectedBytes += this.#bytesOf(session);
    this.#connected.set(session, sentUpTo);
  }

  /** An earlier owner may have got the post. Of a session that is not connected this is not known. */
  mayHaveSent(session: SessionId, count: number): boolean {
    return count <= (this.#connected.get(session) ?? Number.POSITIVE_INFINITY);
  }

  disconnect(session: SessionId): void {
    if (this.#connected.delete(session)) this.#connectedBytes -= this.#bytesOf(session);
  }

  has(session: SessionId): boolean {
    return this.#sessions.has(session);
  }

  ackedUpTo(session: SessionId): number {
    return this.#postsOf(session)?.ackedUpTo ?? 0;
  }

  get(session: SessionId, count: number): StoredPost | undefined {
    return this.#postsOf(session)?.stored.get(count);
  }

  /** The session was seen, has all responses up to that count, and has stored these posts. */
  store(
    session: SessionId,
    ackedUpTo: number,
    posts: readonly (readonly [count: number, post: StoredPost])[],
  ): void {
    const before = this.#bytesOf(session);
    const own = this.#acknowledged(session, ackedUpTo);
    for (const [count, post] of posts) if (count > own.ackedUpTo) own.stored.set(count, post);
    this.#count(before, bytesOf(own), session);
  }

  /** store() for one post. */
  add(session: SessionId, ackedUpTo: number, count: number, post: StoredPost): void {
    const before = this.#bytesOf(session);
    const own = this.#acknowledged(session, ackedUpTo);
    if (count > own.ackedUpTo) own.stored.set(count, post);
    this.#count(before, bytesOf(own), session);
  }

  /** Its session was seen, and has all responses up to that count. The caller counts the bytes. */
  #acknowledged(session: SessionId, ackedUpTo: number): Posts {
    const own = this.#postsOf(session) ?? { ackedUpTo: 0, stored: new PostsByCount() };
    this.#see(session, own);
    if (ackedUpTo > own.ackedUpTo) {
      own.stored.deleteUpTo(ackedUpTo);
      own.ackedUpTo = ackedUpTo;
    }
    return own;
  }

  /** For a post of a connected session, which acknowledges the responses up to that count. */
  hasRoom(session: SessionId, ackedUpTo: number, messages: number): boolean {
    const { sharedPostsBytesMax, guaranteedPosts } = this.#limits;
    const before = this.#connectedBytes;
    const posts = this.#postsOf(session);
    const added = (posts ? 0 : rememberedSessionBytes) + messages * rememberedPostBytes;
    if (before + added <= sharedPostsBytesMax) return true;
    const acknowledged = posts?.stored.countUpTo(ackedUpTo) ?? 0;
    const left = (posts?.stored.size ?? 0) - acknowledged;
    if (left + messages <= guaranteedPosts) return true;
    const after = before + added - acknowledged * rememberedPostBytes;
    return after <= Math.max(before, sharedPostsBytesMax);
  }

  forget(session: SessionId): void {
    this.#count(this.#bytesOf(session), 0, session);
    this.#sessions.delete(session);
    if (session === this.#lastSeen) this.#lastSeen = this.#lastPosts = undefined;
  }

  shrink(): void {
    const { sessionsMax, sessionPostsBytesMax, sharedPostsBytesMax } = this.#limits;
    this.#shrinkTo(sessionsMax, sessionPostsBytesMax, sharedPostsBytesMax);
  }

  /** In a replay there may be more: the records between two prologues name sessions that were forgotten. */
  shrinkInReplay(): void {
    const { replayedPostsBytesMax } = this.#limits;
    this.#shrinkTo(Number.POSITIVE_INFINITY, replayedPostsBytesMax, replayedPostsBytesMax);
  }

  /** In the order in which they are forgotten. */
  records(): SessionRecord[] {
    return Array.from(this.#sessions, ([session, { ackedUpTo, stored }]) => {
      const numbers = Array.from(
        stored.entries(),
        ([count, { number }]) => [count, number] as const,
      );
      return { kind: 'session', session, ackedUpTo, numbers };
    });
  }

  *stored(): Generator<StoredPost> {
    for (const { stored } of this.#sessions.values())
      for (const [, post] of stored.entries()) yield post;
  }

  /** Makes it the session last seen. */
  #see(session: SessionId, posts: Posts): void {
    if (session === this.#lastSeen) return;
    this.#sessions.delete(session);
    this.#sessions.set(session, posts);
    this.#lastSeen = session;
    this.#lastPosts = posts;
  }

  #postsOf(session: SessionId): Posts | undefined {
    return session === this.#lastSeen ? this.#lastPosts : this.#sessions.get(session);
  }

  #shrinkTo(sessionsMax: number, bytesMax: number, surplusBytesMax: number): void {
    if (!this.#isOver(sessionsMax, bytesMax, surplusBytesMax)) return;
    for (const session of this.#sessions.keys()) {
      if (!this.#isOver(sessionsMax, bytesMax, surplusBytesMax)) return;
      // Connected sessions alone may exceed the limit of sessions, never that of bytes.
      if (this.#bytes === this.#connectedBytes) return;
      if (!this.#connected.has(session)) this.forget(session);
    }
  }

  #isOver(sessionsMax: number, bytesMax: number, surplusBytesMax: number): boolean {
    const isFull = this.#sessions.size > sessionsMax || this.#bytes > bytesMax;
    return isFull || this.#surplusBytes > surplusBytesMax;
  }

  #count(before: number, after: number, session: SessionId): void {
    // Most posts acknowledge as many as they add.
    if (after === before) return;
    this.#bytes += after - before;
    if (this.#connected.has(session)) this.#connectedBytes += after - before;
    this.#surplusBytes += this.#surplusOf(after) - this.#surplusOf(before);
  }

  /** `bytes`: those of one session. */
  #surplusOf(bytes: number): number {
    const { guaranteedPosts } = this.#limits;
    return Math.max(0, bytes - rememberedSessionBytes - guaranteedPosts * rememberedPostBytes);
  }

  #bytesOf(session: SessionId): number {
    return bytesOf(this.#postsOf(session));
  }
}

/** In a segment prologue: a `session` record, and a part of the `fingerprints` record. */
function bytesOf(posts: Posts | undefined): number {
  return posts ? rememberedSessionBytes + posts.stored.size * rememberedPostBytes : 0;
}
