// One post of a session. It is sent again until the broker responds, even after its caller gave up.
import type { Held, PostResult } from '../model/mail-service.ts';
import { bodyChecksum, type MessageId } from '../model/message.ts';
import type { PostRequest, RequestNumber } from '../model/requests.ts';
import { type Holdings, named, type OwnHold } from './holdings.ts';
import type { Outbox, PostIdentity } from './outbox.ts';
import type { Incoming, PendingCall, PendingCallOptions } from './pending-call.ts';

export class PostCall implements PendingCallOptions<PostResult> {
  readonly kind = 'post';
  readonly identity: PostIdentity;
  /** 0 for an id chosen by the caller: the broker recognises a repeated post by that id. */
  readonly count: number;
  readonly #id: MessageId | '';
  readonly #settles: readonly Held[];
  /** Those that the session holds, until the response settles them. */
  readonly #leaving: readonly OwnHold[];
  readonly #checksum: number;
  readonly #outbox: Outbox;
  readonly #holdings: Holdings;

  constructor(
    identity: PostIdentity,
    id: MessageId | undefined,
    settles: readonly Held[],
    outbox: Outbox,
    holdings: Holdings,
  ) {
    this.identity = identity;
    this.count = id === undefined ? outbox.nextCount(1 + identity.alsoTo.length) : 0;
    this.#id = id ?? '';
    this.#settles = settles;
    this.#leaving = holdings.settling(settles);
    this.#checksum = bodyChecksum(identity.body);
    this.#outbox = outbox;
    this.#holdings = holdings;
    outbox.open(this);
  }

  request(request: RequestNumber): PostRequest {
    const { to, alsoTo, from, body, answers, settles } = this.identity;
    const { ackedUpTo } = this.#outbox;
    const { count } = this;
    const id = this.#id;
    const checksum = this.#checksum;
    return {
      kind: 'post',
      request,
      count,
      id,
      ackedUpTo,
      to,
      alsoTo,
      from,
      answers,
      settles,
      checksum,
      body,
    };
  }

  take(response: Incoming, self: PendingCall<PostResult>): void {
    if (response.kind !== 'stored') return;
    const { id, number, reader, watched, paused, before, holder, same } = response;
    const { also, duplicate, elsewhere } = response;
    this.#holdings.settled(this.identity.settles, this.#leaving, response.notHeld);
    const notHeld = named(this.#settles, response.notHeld);
    const result = {
      id,
      number,
      reader,
      watched,
      paused,
      before,
      holder,
      same,
      also,
      duplicate,
      notHeld,
      elsewhere,
    };
    if (!self.hasCaller && this.count > 0) this.#outbox.keepResult(this.identity, result);
    self.done(result);
  }

  rejected(): void {
    this.#holdings.notSettled(this.#leaving);
  }

  abandon(self: PendingCall<PostResult>): void {
    if (self.sent) this.#outbox.abandoned(this, self);
    else self.over();
  }

  over(): void {
    this.#outbox.over(this);
  }
}
