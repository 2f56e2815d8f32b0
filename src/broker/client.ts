// What one session asks of the broker: it makes the calls, knows what the session holds, and joins a
// post to an earlier one of the same words. Everybody talks through it, the owner's own session too.
import { IpcError } from '../core/errors.ts';
import { fetchBytesMax, fetchMessagesMax, holdsMax } from '../core/limits.ts';
import type {
  Cancellable,
  Delivery,
  FetchOptions,
  FetchResult,
  PostOptions,
  PostResult,
  ReleaseOptions,
  RetryOptions,
  RetryResult,
  WaitOptions,
} from '../core/mail.ts';
import {
  bodyChecksum,
  type Hold,
  type Name,
  type Origin,
  type SessionId,
} from '../core/message.ts';
import type { DeadLetter, Retried, Retry, StatusAnswer, Welcome } from '../core/requests.ts';
import { type Machine, realMachine } from '../wire/machine.ts';
import { randomText } from '../wire/random.ts';
import { Call, type CallOptions, type OpenCall } from './call.ts';
import { closedError, Link, type Road, requestNumberMax } from './link.ts';
import { Posts, type Words } from './posts.ts';

/** 80 random bits: see SessionId. */
const sessionCharacters = 16;
/** A parked wait is given so much longer than its broker needs to end it. */
const waitSlackMs = 250;

export class Client {
  readonly session: SessionId;
  readonly #machine: Machine;
  readonly #link: Link;
  #requestNumber = 0;
  readonly #posts: Posts;
  /** What this session holds, by number. */
  readonly #held = new Map<number, Delivery>();

  constructor(origin: Origin, road: Road, machine = realMachine) {
    this.session = randomText(sessionCharacters, machine) as SessionId;
    this.#machine = machine;
    this.#posts = new Posts(machine);
    this.#link = new Link(road, machine, {
      hello: () => ({ session: this.session, origin, held: this.#listable().map(holdOf) }),
      welcomed: ({ lost }) => {
        for (const { number } of lost) this.#held.delete(number);
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

  async post(to: Name, body: Buffer, options: PostOptions = {}): Promise<PostResult> {
    this.#checkCall(options);
    const { alsoTo = [], from = '' } = options;
    const words: Words = { to, alsoTo, from, body };
    const earlier = options.id === undefined ? this.#joinEarlier(words, options) : undefined;
    if (!earlier) return this.#link.run(this.#makePost(words, options), options);
    const result = await earlier;
    try {
      return { ...result, notHeld: await this.settle(options.settles ?? [], options) };
    } catch (error) {
      this.#posts.keepUnheard(words, result);
      throw error;
    }
  }

  async wait(mailbox: Name, options: WaitOptions): Promise<Delivery | undefined> {
    this.#checkCall(options);
    this.#roomForHolds();
    const deadline = this.#machine.now() + options.timeoutMs;
    const call = this.#call<Delivery | undefined>({
      kind: 'wait',
      request: (request) => {
        const waitMs = Math.max(0, Math.round(deadline - this.#machine.now()));
        return { kind: 'wait', request, mailbox, answers: options.answers ?? '', waitMs };
      },
      take: (answer, self) => self.done(answer.kind === 'offer' ? answer.delivery : undefined),
      abandon: (self) => this.#cancel(self),
    });
    // A broker that is silent, or not there, must not keep the caller longer than it asked for.
    const timer = this.#machine.setTimer(() => {
      if (!call.hasCaller) return;
      const { sent } = call;
      call.done(undefined);
      if (sent) this.#link.send({ kind: 'cancel', request: call.number });
    }, options.timeoutMs + waitSlackMs);
    try {
      return await this.#link.run(call, options);
    } finally {
      this.#machine.clearTimer(timer);
    }
  }

  async fetch(mailbox: Name, options: FetchOptions = {}): Promise<FetchResult> {
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
      take: (answer, self) => {
        if (answer.kind === 'end') self.done({ deliveries, remaining: answer.remaining });
        if (answer.kind !== 'offer') return;
        deliveries.push(answer.delivery);
        bytesLeft -= answer.delivery.envelope.bodyBytes;
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
  async settle(
    deliveries: readonly Delivery[],
    options: Cancellable = {},
  ): Promise<readonly Delivery[]> {
    this.#checkCall(options);
    const notHeld = slices(deliveries).map((slice) => {
      const call = this.#call<readonly Delivery[]>({
        kind: 'settle',
        request: (request) => ({ kind: 'settle', request, holds: slice.map(holdOf) }),
        take: (answer, self) => {
          if (answer.kind !== 'settled') return;
          this.#drop(slice);
          self.done(named(slice, answer.notHeld));
        },
      });
      return this.#link.run(call, options);
    });
    return (await Promise.all(notHeld)).flat();
  }

  async release(
    deliveries: readonly Delivery[],
    { unread = false, signal }: ReleaseOptions = {},
  ): Promise<void> {
    if (this.#link.isClosed) return;
    const released = slices(deliveries).map((slice) => {
      const call = this.#call<void>({
        kind: 'release',
        request: (request) => ({ kind: 'release', request, holds: slice.map(holdOf), unread }),
        take: (answer, self) => {
          if (answer.kind !== 'released') return;
          this.#drop(slice);
          self.done();
        },
      });
      return this.#link.run(call, { signal });
    });
    await Promise.all(released);
  }

  /** Part by part. What moved is there no more, so a part that is asked for again moves nothing twice. */
  async retry({ to, ids = [], signal }: RetryOptions = {}): Promise<RetryResult> {
    const moved: DeadLetter[] = [];
    const stayed: DeadLetter[] = [];
    for (let after = 0; ; ) {
      const part = await this.#retryPart({ to: to ?? '', ids, after }, { signal });
      moved.push(...part.moved);
      stayed.push(...part.stayed);
      after = part.next;
      if (after === 0) return { moved, stayed };
    }
  }

  async status(options: Cancellable = {}): Promise<StatusAnswer> {
    this.#checkCall(options);
    const call = this.#call<StatusAnswer>({
      kind: 'status',
      request: (request) => ({ kind: 'status', request }),
      take: (answer, self) => {
        if (answer.kind === 'status') self.done(answer);
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
    await this.#link.close(this.#posts.allAnswered, late);
  }

  #retryPart(which: Pick<Retry, 'to' | 'ids' | 'after'>, options: Cancellable): Promise<Retried> {
    this.#checkCall(options);
    const call = this.#call<Retried>({
      kind: 'retry',
      request: (request) => ({ kind: 'retry', request, ...which }),
      take: (answer, self) => {
        if (answer.kind === 'retried') self.done(answer);
      },
      abandon: (self) => self.over(),
    });
    return this.#link.run(call, options);
  }

  /** The same words were posted before, and their caller gave up before he heard the answer. */
  #joinEarlier(words: Words, options: Cancellable): Promise<PostResult> | undefined {
    const orphan = this.#posts.orphan(words);
    if (orphan) return this.#link.run(orphan, options);
    const unheard = this.#posts.takeUnheard(words);
    return unheard && Promise.resolve({ ...unheard, duplicate: true });
  }

  #makePost(words: Words, options: PostOptions): Call<PostResult> {
    const count = options.id === undefined ? this.#posts.nextCount(1 + words.alsoTo.length) : 0;
    const settles = options.settles ?? [];
    const checksum = bodyChecksum(words.body);
    const call = this.#call<PostResult>({
      kind: 'post',
      request: (request) => ({
        kind: 'post',
        request,
        count,
        id: options.id ?? '',
        mark: this.#posts.mark,
        ...words,
        answers: options.answers ?? '',
        settles: settles.map(holdOf),
        checksum,
      }),
      take: (answer, self) => {
        if (answer.kind !== 'stored') return;
        this.#drop(settles);
        const { id, number, duplicate, reader, also } = answer;
        const notHeld = named(settles, answer.notHeld);
        const result = { id, number, duplicate, reader, also, notHeld };
        if (!self.hasCaller && count > 0) this.#posts.keepUnheard(words, result);
        self.done(result);
      },
      abandon: (self) => {
        if (!self.sent) self.over();
      },
    });
    this.#posts.open(call, count, words);
    return call;
  }

  #call<Result>(options: CallOptions<Result>): Call<Result> {
    this.#requestNumber = (this.#requestNumber % requestNumberMax) + 1;
    const number = this.#requestNumber;
    return new Call(number, options, () => {
      this.#link.over(number);
      this.#posts.over(number);
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
  #listable(): Delivery[] {
    const held = [...this.#held.values()];
    this.#drop(held.slice(holdsMax));
    return held.slice(0, holdsMax);
  }

  #offered(delivery: Delivery, call: OpenCall | undefined): void {
    this.#held.set(delivery.envelope.number, delivery);
    if (call?.hasCaller) return call.take({ kind: 'offer', delivery });
    call?.over();
    this.#releaseUnread([delivery]);
  }

  /** In nobody's hands; without a link, the next hello will say so. */
  #releaseUnread(deliveries: readonly Delivery[]): void {
    if (!this.#link.isOpen) return this.#drop(deliveries);
    void this.release(deliveries, { unread: true }).catch(() => {});
  }

  #drop(deliveries: readonly Delivery[]): void {
    for (const { envelope } of deliveries) {
      if (this.#held.get(envelope.number)?.envelope.id === envelope.id) {
        this.#held.delete(envelope.number);
      }
    }
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#machine.setTimer(resolve, ms).unref());
  }
}

function holdOf({ envelope: { number, id } }: Delivery): Hold {
  return { number, id };
}

/** As many at a time as one request may name. */
function slices(deliveries: readonly Delivery[]): Delivery[][] {
  const starts = Array.from(
    { length: Math.ceil(deliveries.length / holdsMax) },
    (_, i) => i * holdsMax,
  );
  return starts.map((start) => deliveries.slice(start, start + holdsMax));
}

/** The deliveries that the broker named. */
function named(deliveries: readonly Delivery[], holds: readonly Hold[]): readonly Delivery[] {
  const numbers = new Set(holds.map((hold) => hold.number));
  return deliveries.filter((delivery) => numbers.has(delivery.envelope.number));
}

function cancelledError(): IpcError {
  return new IpcError('cancelled', 'the call was cancelled');
}
