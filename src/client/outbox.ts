// The posts of one session: their counts, the acknowledged-up-to count, and the posts whose caller gave
// up. Such a post is sent again until the broker responds. The same post made again joins it, or gets the
// response that came meanwhile, so that a second attempt does not store the message twice.
import { isDeepStrictEqual } from 'node:util';
import { NumberQueue } from '../base/number-queue.ts';
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

/** A post without a response whose caller gave up. */
interface AbandonedPost {
  readonly call: PendingCall<PostResult>;
  readonly identity: PostIdentity;
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
  /** The counts of the posts that have no response yet, and those whose id their caller chose: they have no count. */
  readonly #open = new NumberQueue();
  readonly #openNamed = new Set<PostCall>();
  /** By their counts. */
  readonly #abandoned = new Map<number, AbandonedPost>();
  /** Results that reached no caller, oldest first. */
  #results: LateResult[] = [];
  #count = 0;

  constructor(runtime: Pick<Runtime, 'now'>) {
    this.#runtime = runtime;
  }

  get allAnswered(): boolean {
    return this.#open.size === 0 && this.#openNamed.size === 0;
  }

  /** The highest count that was given to a post. */
  get countedUpTo(): number {
    return this.#count;
  }

  /** Up to this count every post has its response, or was never sent. */
  get ackedUpTo(): number {
    const { first } = this.#open;
    return first === undefined ? this.#count : first - 1;
  }

  /** Returns the first of as many counts as there are messages. */
  nextCount(messages: number): number {
    const first = this.#count + 1;
    this.#count += messages;
    return first;
  }

  open(post: PostCall): void {
    if (post.count > 0) this.#open.add(post.count);
    else this.#openNamed.add(post);
  }

  over(post: PostCall): void {
    this.#open.delete(post.count);
    this.#openNamed.delete(post);
    this.#abandoned.delete(post.count);
  }

  /** One with an id that its caller chose is not looked for: the broker recognises it. */
  abandoned({ count, identity }: PostCall, call: PendingCall<PostResult>): void {
    if (count > 0) this.#abandoned.set(count, { call, identity });
  }

  /** The same post, when its caller gave up and it has no response yet. */
  orphan(identity: PostIdentity): PendingCall<PostResult> | undefined {
    if (this.#abandoned.size === 0) return undefined;
    for (const post of this.#abandoned.values()) {
      if (!post.call.hasCaller && isDeepStrictEqual(post.identity, identity)) return post.call;
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
