// What one session asks of the broker: it makes the calls, knows what the session holds, and joins a
// post to an earlier one that is the same. Everybody talks through it, the owner's own session too.
import { IpcError } from '../base/errors.ts';
import { deadLettersPerRetry, fetchBytesMax, fetchMessagesMax, holdsMax } from '../base/limits.ts';
import { randomId } from '../base/random-id.ts';
import { type Runtime, systemRuntime } from '../base/runtime.ts';
import {
  type Cancellable,
  type Delivery,
  type FetchArguments,
  type FetchResult,
  type Held,
  type PostArguments,
  type PostResult,
  type ReleaseArguments,
  type RetryArguments,
  type RetryResult,
  type WaitArguments,
  withoutBody,
} from '../model/mail-service.ts';
import {
  bodyChecksum,
  type Hold,
  type Name,
  type Origin,
  type SessionId,
} from '../model/message.ts';
import type {
  DeadLetter,
  RetriedResponse,
  RetryRequest,
  StatusResponse,
  Welcome,
} from '../model/requests.ts';
import { type Connector, closedError, Link, requestNumberMax } from './link.ts';
import { Outbox, type PostIdentity } from './outbox.ts';
import { type OpenCall, PendingCall, type PendingCallOptions } from './pending-call.ts';

/** 80 random bits: see SessionId. */
const sessionCharacters = 16;
/** A parked wait is given so much longer than its broker needs to end it. */
const waitSlackMs = 250;

export class Client {
  readonly session: SessionId;
  readonly #runtime: Runtime;
  readonly #link: Link;
  #requestNumber = 0;
  readonly #outbox: Outbox;
  /** What this session holds. A number can be two messages', when a crash has undone the first. */
  readonly #held = new Map<string, Held>();

  constructor(origin: Origin, connector: Connector, runtime = systemRuntime) {
    this.session = randomId(sessionCharacters, runtime) as SessionId;
    this.#runtime = runtime;
    this.#outbox = new Outbox(runtime);
    this.#link = new Link(connector, runtime, {
      hello: () => ({ session: this.session, origin, held: this.#listable().map(holdOf) }),
      welcomed: ({ revoked }) => {
        for (const hold of revoked) this.#held.delete(keyOf(hold));
      },
      offered: (delivery, call) => this.#offered(delivery, call),
      holds: () => this.#held.size > 0,
    });
  }

  /** What the broker on the open link said of itself. */
  get welcome(): Welcome | undefined {
    return this.#link.welcome;
  }

  /** Somebody waits for the end of a call. */
  get hasCallers(): boolean {
    return this.#link.hasCallers;
  }

  async post(to: Name, body: Buffer, options: PostArguments = {}): Promise<PostResult> {
    this.#checkCall(options);
    const { alsoTo = [], from = '', answers = '', settles = [] } = options;
    const identity: PostIdentity = {
      to,
      alsoTo,
      from,
      body,
      answers,
      settles: settles.map(holdOf),
    };
    const earlier = options.id === undefined ? this.#joinEarlier(identity, options) : undefined;
    if (!earlier) return this.#link.run(this.#makePost(identity, options), options);
    const result = await earlier;
    try {
      return { ...result, notHeld: await this.settle(settles, options) };
    } catch (error) {
      this.#outbox.keepUnheard(identity, result);
      throw error;
    }
  }

  async wait(mailbox: Name, options: WaitArguments): Promise<Delivery | undefined> {
    this.#checkCall(options);
    this.#roomForHolds();
    const deadline = this.#runtime.now() + options.timeoutMs;
    const call = this.#call<Delivery | undefined>({
      kind: 'wait',
      request: (request) => {
        const waitMs = Math.max(0, Math.round(deadline - this.#runtime.now()));
        return { kind: 'wait', request, mailbox, answers: options.answers ?? '', waitMs };
      },
      take: (response, self) =>
        self.done(response.kind === 'offer' ? response.delivery : undefined),
      abandon: (self) => this.#cancel(self),
    });
    // A broker that is silent, or not there, must not keep the caller longer than it asked for.
    const timer = this.#runtime.setTimer(() => {
      if (!call.hasCaller) return;
      const { sent } = call;
      call.done(undefined);
      if (sent) this.#link.send({ kind: 'cancel', request: call.number });
    }, options.timeoutMs + waitSlackMs);
    try {
      return await this.#link.run(call, options);
    } finally {
      this.#runtime.clearTimer(timer);
    }
  }

  async fetch(mailbox: Name, options: FetchArguments = {}): Promise<FetchResult> {
    this.#checkCall(options);
    const deliveries: Delivery[] = [];
    let bytesLeft = options.bytesMax ?? fetchBytesMax;
    let messagesLeft = Math.min(options.messagesMax ?? fetchMessagesMax, this.#roomForHolds());
    const call = this.#call<FetchResult>({
      kind: 'fetch',
      request: (request) => {
        const messagesMax = bytesLeft > 0 ? messagesLeft : 0;
        return { kind: 'fetch', request, mailbox, bytesMax: Math.max(0, bytesLeft), messagesMax };
      },
      take: (response, self) => {
        if (response.kind === 'end') self.done({ deliveries, remaining: response.remaining });
        if (response.kind !== 'offer') return;
        deliveries.push(response.delivery);
        bytesLeft -= response.delivery.envelope.bodyBytes;
        messagesLeft--;
      },
      abandon: (self) => {
        this.#cancel(self);
        this.#releaseUnread(deliveries);
      },
    });
    return this.#link.run(call, options);
  }

  /** Asked again until it is answered, also after its caller gave up. */
  async settle(deliveries: readonly Held[], options: Cancellable = {}): Promise<readonly Held[]> {
    this.#checkCall(options);
    const notHeld = slices(deliveries, holdsMax).map((slice) => {
      const call = this.#call<readonly Held[]>({
        kind: 'settle',
        request: (request) => ({ kind: 'settle', request, holds: slice.map(holdOf) }),
        take: (response, self) => {
          if (response.kind !== 'settled') return;
          this.#drop(slice);
          self.done(named(slice, response.notHeld));
        },
      });
      return this.#link.run(call, options);
    });
    return (await Promise.all(notHeld)).flat();
  }

  async release(
    deliveries: readonly Held[],
    { unread = false, signal }: ReleaseArguments = {},
  ): Promise<void> {
    if (this.#link.isClosed) return;
    const released = slices(deliveries, holdsMax).map((slice) => {
      const call = this.#call<void>({
        kind: 'release',
        request: (request) => ({ kind: 'release', request, holds: slice.map(holdOf), unread }),
        take: (response, self) => {
          if (response.kind !== 'released') return;
          this.#drop(slice);
          self.done();
        },
      });
      return this.#link.run(call, { signal });
    });
    await Promise.all(released);
  }

  /** Part by part. What moved is there no more, so a part that is asked for again moves nothing twice. */
  async retry({ to, ids = [], signal }: RetryArguments = {}): Promise<RetryResult> {
    const moved: DeadLetter[] = [];
    const stayed: DeadLetter[] = [];
    // No ids are all dead letters.
    const parts = ids.length === 0 ? [[]] : slices([...new Set(ids)], deadLettersPerRetry);
    for (const part of parts) {
      let after = 0;
      do {
        const retried = await this.#retryPart({ to: to ?? '', ids: part, after }, { signal });
        moved.push(...retried.moved);
        stayed.push(...retried.stayed);
        after = retried.next;
      } while (after !== 0);
    }
    return { moved, stayed };
  }

  async status(options: Cancellable = {}): Promise<StatusResponse> {
    this.#checkCall(options);
    const call = this.#call<StatusResponse>({
      kind: 'status',
      request: (request) => ({ kind: 'status', request }),
      take: (response, self) => {
        if (response.kind === 'status') self.done(response);
      },
      abandon: (self) => self.over(),
    });
    return this.#link.run(call, options);
  }

  /** Comes to a broker, if it is not at one. */
  async join(options: Cancellable = {}): Promise<Welcome> {
    await this.status(options);
    return this.#link.welcome ?? this.join(options);
  }

  /** Releases what is held, says goodbye, and ends. Waits no longer than `graceMs` for the answers. */
  async close(graceMs: number): Promise<void> {
    const late = this.#delay(graceMs);
    if (this.#link.isOpen) {
      const released = this.release([...this.#held.values()]).catch(() => {});
      await Promise.race([released, late]);
    }
    await this.#link.close(this.#outbox.allAnswered, late);
  }

  #retryPart(
    which: Pick<RetryRequest, 'to' | 'ids' | 'after'>,
    options: Cancellable,
  ): Promise<RetriedResponse> {
    this.#checkCall(options);
    const call = this.#call<RetriedResponse>({
      kind: 'retry',
      request: (request) => ({ kind: 'retry', request, ...which }),
      take: (response, self) => {
        if (response.kind === 'retried') self.done(response);
      },
      abandon: (self) => self.over(),
    });
    return this.#link.run(call, options);
  }

  /** The same post was made before, and its caller gave up before the answer came. */
  #joinEarlier(identity: PostIdentity, options: Cancellable): Promise<PostResult> | undefined {
    const orphan = this.#outbox.orphan(identity);
    if (orphan) return this.#link.run(orphan, options);
    const unheard = this.#outbox.takeUnheard(identity);
    return unheard && Promise.resolve({ ...unheard, duplicate: true });
  }

  #makePost(identity: PostIdentity, options: PostArguments): PendingCall<PostResult> {
    const count = options.id === undefined ? this.#outbox.nextCount(1 + identity.alsoTo.length) : 0;
    const settles = options.settles ?? [];
    const checksum = bodyChecksum(identity.body);
    const call = this.#call<PostResult>({
      kind: 'post',
      request: (request) => ({
        kind: 'post',
        request,
        count,
        id: options.id ?? '',
        ackedUpTo: this.#outbox.ackedUpTo,
        ...identity,
        checksum,
      }),
      take: (response, self) => {
        if (response.kind !== 'stored') return;
        this.#drop(settles);
        const { id, number, duplicate, reader, also } = response;
        const notHeld = named(settles, response.notHeld);
        const result = { id, number, duplicate, reader, also, notHeld };
        if (!self.hasCaller && count > 0) this.#outbox.keepUnheard(identity, result);
        self.done(result);
      },
      abandon: (self) => {
        if (!self.sent) self.over();
      },
    });
    this.#outbox.open(call, count, identity);
    return call;
  }

  #call<Result>(options: PendingCallOptions<Result>): PendingCall<Result> {
    this.#requestNumber = (this.#requestNumber % requestNumberMax) + 1;
    const number = this.#requestNumber;
    return new PendingCall(number, options, () => {
      this.#link.over(number);
      this.#outbox.over(number);
    });
  }

  #checkCall({ signal }: Cancellable): void {
    if (this.#link.isClosed) throw closedError();
    if (signal?.aborted) throw cancelledError();
  }

  /** How many more messages this session may hold: a hello must be able to list them all. */
  #roomForHolds(): number {
    const room = holdsMax - this.#held.size;
    if (room > 0) return room;
    throw new IpcError('too_many_holds', `this session holds ${this.#held.size} messages`);
  }

  /** The call behind a wait or a fetch is gone; an offer that was on its way is released unread. */
  #cancel(call: OpenCall): void {
    if (this.#link.isOpen && call.sent) {
      this.#link.send({ kind: 'cancel', request: call.number });
    } else call.over();
  }

  /** Waits that end together can bring more than a hello lists; the broker puts the rest back. */
  #listable(): Held[] {
    const held = [...this.#held.values()];
    this.#drop(held.slice(holdsMax));
    return held.slice(0, holdsMax);
  }

  #offered(delivery: Delivery, call: OpenCall | undefined): void {
    this.#held.set(keyOf(delivery.envelope), withoutBody(delivery));
    if (call?.hasCaller) return call.take({ kind: 'offer', delivery });
    call?.over();
    this.#releaseUnread([delivery]);
  }

  /** In nobody's hands; without a link, the next hello will say so. */
  #releaseUnread(deliveries: readonly Held[]): void {
    if (!this.#link.isOpen) return this.#drop(deliveries);
    void this.release(deliveries, { unread: true }).catch(() => {});
  }

  #drop(deliveries: readonly Held[]): void {
    for (const { envelope } of deliveries) this.#held.delete(keyOf(envelope));
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#runtime.setTimer(resolve, ms).unref());
  }
}

function holdOf({ envelope: { number, id } }: Held): Hold {
  return { number, id };
}

/** `max`: how many one request may name. */
function slices<T>(all: readonly T[], max: number): T[][] {
  const starts = Array.from({ length: Math.ceil(all.length / max) }, (_, i) => i * max);
  return starts.map((start) => all.slice(start, start + max));
}

/** The deliveries that the broker named. */
function named(deliveries: readonly Held[], holds: readonly Hold[]): readonly Held[] {
  const keys = new Set(holds.map(keyOf));
  return deliveries.filter(({ envelope }) => keys.has(keyOf(envelope)));
}

function keyOf({ number, id }: Hold): string {
  return `${number} ${id}`;
}

function cancelledError(): IpcError {
  return new IpcError('cancelled', 'the call was cancelled');
}
