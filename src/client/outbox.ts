// The posts of one session: their counts, the acknowledged-up-to count, and the posts whose caller gave
// up. Such a post is sent again until the broker responds. The same post made again joins it, or gets the
// response that came meanwhile, so that a second attempt does not store the message twice.
import { isDeepStrictEqual } from 'node:util';
import type { Runtime } from '../base/runtime.ts';
import type { PostResult } from '../model/mail-service.ts';
import type { PostRequest } from '../model/requests.ts';
import type { PendingCall } from './pending-call.ts';
import type { PostCall } from './post-call.ts';

/**
 * What makes two posts the same to their poster. The same text that answers or settles another message
 * is another post: joined to the first, it would settle a message that was never answered.
 */
export type PostIdentity = Pick<
  PostRequest,
  'to' | 'alsoTo' | 'from' | 'body' | 'answers' | 'settles'
>;

interface PendingPost {
  readonly call: PendingCall<PostResult>;
  readonly post: PostCall;
}

interface LateResult {
  readonly identity: PostIdentity;
  readonly result: PostResult;
  /** On the runtime's clock. */
  readonly until: number;
}

/**
 * A caller that got the error "may have been stored" may try again for this long. After that, the same post
 * is a new message.
 */
const resultMs = 300_000;

export class Outbox {
  readonly #runtime: Pick<Runtime, 'now'>;
  /** By request number, in the order posted. */
  readonly #open = new Map<number, PendingPost>();
  /** Those of them whose caller gave up. */
  readonly #abandoned = new Set<number>();
  /** Results that reached no caller, oldest first. */
  #results: LateResult[] = [];
  #count = 0;

  constructor(runtime: Pick<Runtime, 'now'>) {
    this.#runtime = runtime;
  }

  get allAnswered(): boolean {
    return this.#open.size === 0;
  }

  /** The highest count that was given to a post. */
  get countedUpTo(): number {
    return this.#count;
  }

  /** Up to this count every post has its response, or was never sent. */
  get ackedUpTo(): number {
    for (const { post } of this.#open.values()) if (post.count > 0) return post.count - 1;
    return this.#count;
  }

  /** Returns the first of as many counts as there are messages. */
  nextCount(messages: number): number {
    const first = this.#count + 1;
    this.#count += messages;
    return first;
  }

  open(call: PendingCall<PostResult>, post: PostCall): void {
    this.#open.set(call.number, { call, post });
  }

  over(callNumber: number): void {
    if (this.#open.delete(callNumber)) this.#abandoned.delete(callNumber);
  }

  abandoned(callNumber: number): void {
    this.#abandoned.add(callNumber);
  }

  /** The same post, when its caller gave up and it has no response yet. */
  orphan(identity: PostIdentity): PendingCall<PostResult> | undefined {
    for (const number of this.#abandoned) {
      const { call, post } = this.#open.get(number) as PendingPost;
      const isOrphan = !call.hasCaller && post.count > 0;
      if (isOrphan && isDeepStrictEqual(post.identity, identity)) return call;
    }
    return undefined;
  }

  /** The response came after the caller had given up. */
  keepResult(identity: PostIdentity, result: PostResult): void {
    this.#results.push({ identity, result, until: this.#runtime.now() + resultMs });
  }

  takeResult(identity: PostIdentity): PostResult | undefined {
    if (this.#results.length === 0) return undefined;
    const now = this.#runtime.now();
    this.#results = this.#results.filter(({ until }) => until > now);
    const index = this.#results.findIndex((post) => isDeepStrictEqual(post.identity, identity));
    return index === -1 ? undefined : this.#results.splice(index, 1)[0]?.result;
  }
}
