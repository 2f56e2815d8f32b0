// The posts of one session: their counts, the mark below which all are answered, and what becomes of
// a post whose caller gave up. Such a post is sent until it is answered; the same post made again joins
// it, or gets the answer that came meanwhile, so that trying again does not store it twice.
import { isDeepStrictEqual } from 'node:util';
import type { Runtime } from '../base/runtime.ts';
import type { PostResult } from '../model/mail-service.ts';
import type { PostRequest } from '../model/requests.ts';
import type { PendingCall } from './pending-call.ts';

/**
 * What makes two posts the same to their poster. The same text in answer to another message, or that
 * settles another one, is another post: joined to the first it would settle what nobody answered.
 */
export type PostIdentity = Pick<
  PostRequest,
  'to' | 'alsoTo' | 'from' | 'body' | 'answers' | 'settles'
>;

interface PendingPost {
  readonly call: PendingCall<PostResult>;
  /** 0 for an id given by hand: such a post is joined by its id, at the broker. */
  readonly count: number;
  readonly identity: PostIdentity;
}

interface LateResult {
  readonly identity: PostIdentity;
  readonly result: PostResult;
  /** On the runtime's clock. */
  readonly until: number;
}

/**
 * A caller that was told "may have been stored" posts again when it has thought about it; later than
 * this the same words are a new message.
 */
const unheardMs = 300_000;

export class Outbox {
  readonly #runtime: Pick<Runtime, 'now'>;
  /** By request number, in the order posted. */
  readonly #open = new Map<number, PendingPost>();
  /** Oldest first. */
  #unheard: LateResult[] = [];
  #count = 0;

  constructor(runtime: Pick<Runtime, 'now'>) {
    this.#runtime = runtime;
  }

  get allAnswered(): boolean {
    return this.#open.size === 0;
  }

  /** Up to this count every post is answered, or was never sent. */
  get ackedUpTo(): number {
    for (const { count } of this.#open.values()) if (count > 0) return count - 1;
    return this.#count;
  }

  /** The first of so many. */
  nextCount(messages: number): number {
    const first = this.#count + 1;
    this.#count += messages;
    return first;
  }

  open(call: PendingCall<PostResult>, count: number, identity: PostIdentity): void {
    this.#open.set(call.number, { call, count, identity: identity });
  }

  over(callNumber: number): void {
    this.#open.delete(callNumber);
  }

  /** A post of these words whose caller gave up, and that is not answered yet. */
  orphan(identity: PostIdentity): PendingCall<PostResult> | undefined {
    for (const post of this.#open.values()) {
      const isOrphan = !post.call.hasCaller && post.count > 0;
      if (isOrphan && isDeepStrictEqual(post.identity, identity)) return post.call;
    }
    return undefined;
  }

  /** The answer came after the caller had given up. */
  keepUnheard(identity: PostIdentity, result: PostResult): void {
    this.#unheard.push({ identity: identity, result, until: this.#runtime.now() + unheardMs });
  }

  takeUnheard(identity: PostIdentity): PostResult | undefined {
    const now = this.#runtime.now();
    this.#unheard = this.#unheard.filter(({ until }) => until > now);
    const index = this.#unheard.findIndex((post) => isDeepStrictEqual(post.identity, identity));
    return index === -1 ? undefined : this.#unheard.splice(index, 1)[0]?.result;
  }
}
