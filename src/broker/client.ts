// One session's side of the broker: it correlates answers, survives the loss of a link and of an
// owner, and knows what the session holds. Everybody talks through it, the owner's own session too.
//
// When a link is lost:
// 1. Calls whose caller is gone and that stored nothing are dropped; all others stay.
// 2. The road leads to whichever broker there is by now, perhaps to ourselves.
// 3. The hello lists what the session holds; then every call is sent again in its old order, posts
//    under their old ids, waits with the time they have left.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { IpcError } from '../core/errors.ts';
import { fetchBytesMax, fetchMessagesMax, silenceMsAnswer } from '../core/limits.ts';
import type {
  Cancellable,
  Delivery,
  FetchOptions,
  FetchResult,
  PostOptions,
  PostResult,
  WaitOptions,
} from '../core/mail.ts';
import {
  bodyChecksum,
  type Hold,
  type Name,
  type Origin,
  type SessionId,
} from '../core/message.ts';
import type { BrokerRequest, StatusAnswer, Welcome } from '../core/requests.ts';
import type { Connection } from '../wire/connection.ts';
import type { Frame } from '../wire/frame.ts';
import { decodeAnswer, encodeRequest } from '../wire/protocol.ts';
import { Call, type Incoming, type OpenCall } from './call.ts';
import { Posts, type Words } from './posts.ts';

/** How a client comes to a broker. */
export interface Road {
  /** A connection to whichever broker there is; the process becomes the broker if it takes that. */
  connect(): Promise<Connection>;
  /** This session would take over if the owner went. */
  isStandby(): boolean;
  /** Says what became of an owner that accepts, but does not answer. */
  silent(): Promise<IpcError>;
  welcomed(welcome: Welcome): void;
}

type Link =
  | { readonly state: 'down' | 'connecting' | 'closed' }
  | { readonly state: 'greeting'; readonly connection: Connection }
  | { readonly state: 'open'; readonly connection: Connection; readonly welcome: Welcome };

/** Between two tries to find a broker for calls that were parked before. */
const retryMs = 1_000;
/** After a broker that took us in and let us go before its welcome. */
const greetingRetryMs = 50;
/** A parked wait is given so much longer than its broker needs to end it. */
const waitSlackMs = 250;

export class Client {
  readonly session: SessionId = makeSessionId();
  readonly #origin: Origin;
  readonly #road: Road;
  #link: Link = { state: 'down' };
  #requestNumber = 0;
  /** In the order in which they are sent again. */
  readonly #calls = new Map<number, OpenCall>();
  readonly #posts = new Posts();
  /** What this session holds, by number. */
  readonly #held = new Map<number, Delivery>();
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(origin: Origin, road: Road) {
    this.#origin = origin;
    this.#road = road;
  }

  /** What the broker on the open link said of itself. */
  get welcome(): Welcome | undefined {
    return this.#link.state === 'open' ? this.#link.welcome : undefined;
  }

  async post(to: Name, body: Buffer, options: PostOptions = {}): Promise<PostResult> {
    const words: Words = { to, from: options.from ?? '', body };
    const earlier = options.id === undefined ? this.#joinEarlier(words, options) : undefined;
    if (!earlier) return this.#run(this.#makePost(words, options), options);
    const result = await earlier;
    return { ...result, notHeld: await this.settle(options.settles ?? [], options) };
  }

  async wait(mailbox: Name, options: WaitOptions): Promise<Delivery | undefined> {
    const deadline = performance.now() + options.timeoutMs;
    const call = this.#call<Delivery | undefined>(
      (request) => {
        const waitMs = Math.max(0, Math.round(deadline - performance.now()));
        return { kind: 'wait', request, mailbox, waitMs };
      },
      (answer, self) => self.done(answer.kind === 'offer' ? answer.delivery : undefined),
    );
    call.abandon = () => this.#cancel(call);
    // A broker that is silent, or not there, must not keep the caller longer than it asked for.
    const timer = setTimeout(() => {
      if (!call.hasCaller) return;
      const { sent } = call;
      call.done(undefined);
      if (sent) this.#send({ kind: 'cancel', request: call.number });
    }, options.timeoutMs + waitSlackMs);
    return this.#run(call, options).finally(() => clearTimeout(timer));
  }

  async fetch(mailbox: Name, options: FetchOptions = {}): Promise<FetchResult> {
    const deliveries: Delivery[] = [];
    let bytesLeft = options.bytesMax ?? fetchBytesMax;
    let messagesLeft = options.messagesMax ?? fetchMessagesMax;
    const call = this.#call<FetchResult>(
      (request) => {
        const messagesMax = bytesLeft > 0 ? messagesLeft : 0;
        return { kind: 'fetch', request, mailbox, bytesMax: Math.max(0, bytesLeft), messagesMax };
      },
      (answer, self) => {
        if (answer.kind === 'end') self.done({ deliveries, remaining: answer.remaining });
        if (answer.kind !== 'offer') return;
        deliveries.push(answer.delivery);
        bytesLeft -= answer.delivery.body.length;
        messagesLeft--;
      },
    );
    call.abandon = () => {
      this.#cancel(call);
      this.#releaseUnread(deliveries);
    };
    return this.#run(call, options);
  }

  /** Asked again until it is answered, also after its caller gave up. */
  async settle(
    deliveries: readonly Delivery[],
    options: Cancellable = {},
  ): Promise<readonly Delivery[]> {
    if (deliveries.length === 0) return [];
    const call = this.#call<readonly Delivery[]>(
      (request) => ({ kind: 'settle', request, holds: deliveries.map(holdOf) }),
      (answer, self) => {
        if (answer.kind !== 'settled') return;
        this.#drop(deliveries);
        self.done(named(deliveries, answer.notHeld));
      },
    );
    return this.#run(call, options);
  }

  async release(
    deliveries: readonly Delivery[],
    { unread = false }: { unread?: boolean } = {},
  ): Promise<void> {
    if (deliveries.length === 0 || this.#link.state === 'closed') return;
    const call = this.#call<void>(
      (request) => ({ kind: 'release', request, holds: deliveries.map(holdOf), unread }),
      (answer, self) => {
        if (answer.kind !== 'released') return;
        this.#drop(deliveries);
        self.done();
      },
    );
    await this.#run(call, {});
  }

  async status(options: Cancellable = {}): Promise<StatusAnswer> {
    const call = this.#call<StatusAnswer>(
      (request) => ({ kind: 'status', request }),
      (answer, self) => {
        if (answer.kind === 'status') self.done(answer);
      },
    );
    call.abandon = call.over;
    return this.#run(call, options);
  }

  /** Comes to a broker, if it is not at one. */
  async join(options: Cancellable = {}): Promise<Welcome> {
    await this.status(options);
    if (this.#link.state !== 'open') return this.join(options);
    return this.#link.welcome;
  }

  /** Releases what is held, says goodbye, and ends. Waits no longer than `graceMs` for the answers. */
  async close(graceMs: number): Promise<void> {
    const late = delay(graceMs);
    if (this.#link.state === 'open') {
      const released = this.release([...this.#held.values()]).catch(() => {});
      await Promise.race([released, late]);
    }
    const link = this.#link;
    this.#link = { state: 'closed' };
    clearTimeout(this.#retryTimer);
    const goodbye = this.#posts.allAnswered;
    for (const call of [...this.#calls.values()]) call.fail(closedError());
    if (link.state === 'greeting') link.connection.destroy();
    if (link.state !== 'open') return;
    const { connection } = link;
    const ended = new Promise<void>((resolve) => {
      connection.onClose = () => resolve();
    });
    if (goodbye) connection.send(encodeRequest({ kind: 'goodbye', request: 0 }));
    connection.close();
    await Promise.race([ended, late]);
    connection.destroy();
  }

  /** The same words were posted before, and their caller gave up before he heard the answer. */
  #joinEarlier(words: Words, options: Cancellable): Promise<PostResult> | undefined {
    const orphan = this.#posts.orphan(words);
    if (orphan) return this.#run(orphan, options);
    const unheard = this.#posts.takeUnheard(words);
    return unheard && Promise.resolve({ ...unheard, duplicate: true });
  }

  #makePost(words: Words, options: PostOptions): Call<PostResult> {
    const count = options.id === undefined ? this.#posts.nextCount() : 0;
    const settles = options.settles ?? [];
    const call = this.#call<PostResult>(
      (request) => ({
        kind: 'post',
        request,
        count,
        id: options.id ?? '',
        mark: this.#posts.mark,
        ...words,
        answers: options.answers ?? '',
        settles: settles.map(holdOf),
        checksum: bodyChecksum(words.body),
      }),
      (answer, self) => {
        if (answer.kind !== 'stored') return;
        this.#drop(settles);
        const { id, number, duplicate, reader } = answer;
        const result = { id, number, duplicate, reader, notHeld: named(settles, answer.notHeld) };
        if (!self.hasCaller) this.#posts.keepUnheard(words, result);
        self.done(result);
      },
    );
    call.abandon = () => {
      if (!call.sent) call.over();
    };
    this.#posts.open(call, count, words);
    return call;
  }

  #call<Result>(
    request: (number: number) => BrokerRequest,
    take: (answer: Incoming, call: Call<Result>) => void,
  ): Call<Result> {
    this.#requestNumber = (this.#requestNumber % 0xffff_ffff) + 1;
    const number = this.#requestNumber;
    const call = new Call<Result>(number, () => request(number), take);
    call.over = () => {
      this.#calls.delete(number);
      this.#posts.over(number);
    };
    return call;
  }

  async #run<Result>(call: Call<Result>, { signal }: Cancellable): Promise<Result> {
    if (this.#link.state === 'closed') throw closedError();
    if (signal?.aborted) throw cancelledError();
    const result = call.attach();
    const onAbort = () => call.giveUp(cancelledError());
    signal?.addEventListener('abort', onAbort, { once: true });
    const stopListening = this.#listenForSilence(call);
    if (!this.#calls.has(call.number)) {
      this.#calls.set(call.number, call);
      if (this.#link.state === 'open') this.#sendCall(call);
      else this.#connect();
    }
    try {
      return await result;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      stopListening();
    }
  }

  /** A new call that hears nothing for two seconds, a ping's answer included, is told so. */
  #listenForSilence(call: OpenCall): () => void {
    let since = performance.now();
    const look = async () => {
      if (this.#link.state !== 'open' && this.#link.state !== 'greeting') {
        since = performance.now();
        timer = setTimeout(look, silenceMsAnswer / 2);
        return;
      }
      const { connection } = this.#link;
      if (connection.lastHeard >= since) return;
      if (performance.now() - since < silenceMsAnswer) {
        if (this.#link.state === 'open') this.#send({ kind: 'ping', request: 0xffff_ffff });
        timer = setTimeout(look, silenceMsAnswer / 2);
        return;
      }
      call.giveUp(await this.#road.silent());
    };
    let timer = setTimeout(look, silenceMsAnswer / 2);
    return () => clearTimeout(timer);
  }

  /** The call behind a wait or a fetch is gone; an offer that was on its way is released unread. */
  #cancel(call: OpenCall): void {
    if (this.#link.state === 'open' && call.sent) {
      this.#send({ kind: 'cancel', request: call.number });
    } else call.over();
  }

  #connect(): void {
    if (this.#link.state !== 'down') return;
    this.#link = { state: 'connecting' };
    clearTimeout(this.#retryTimer);
    this.#road.connect().then(
      (connection) => this.#greet(connection),
      (error: IpcError) => this.#connectFailed(error),
    );
  }

  #connectFailed(error: IpcError): void {
    if (this.#link.state === 'closed') return;
    this.#link = { state: 'down' };
    for (const call of [...this.#calls.values()]) {
      const isParked = call.sent && call.request().kind === 'wait';
      if (!isParked) call.giveUp(error);
    }
    if (this.#isNeeded()) this.#connectIn(retryMs);
  }

  #connectIn(ms: number): void {
    this.#retryTimer = setTimeout(() => this.#connect(), ms);
    if (this.#calls.size === 0) this.#retryTimer.unref();
  }

  /** There is something to say to a broker, or this session takes over when the owner goes. */
  #isNeeded(): boolean {
    return this.#calls.size + this.#held.size > 0 || this.#road.isStandby();
  }

  #greet(connection: Connection): void {
    if (this.#link.state === 'closed') return connection.destroy();
    this.#link = { state: 'greeting', connection };
    connection.onFrame = (frame) => this.#onFrame(connection, frame);
    connection.onClose = () => this.#lost(connection);
    this.#send({
      kind: 'hello',
      request: 0xffff_fffe,
      session: this.session,
      origin: this.#origin,
      standby: this.#road.isStandby(),
      held: [...this.#held.values()].map(holdOf),
    });
  }

  #onFrame(connection: Connection, frame: Frame): void {
    try {
      const { answer, body } = decodeAnswer(frame);
      switch (answer.kind) {
        case 'welcome':
          return this.#welcomed(connection, answer);
        case 'going':
          return this.#lost(connection);
        case 'error':
          return this.#failed(
            connection,
            answer.request,
            new IpcError(answer.code, answer.message),
          );
        case 'offer': {
          const { envelope, mailbox, attempt, others } = answer;
          const delivery: Delivery = { envelope, mailbox, attempt, others, body };
          return this.#offered(answer.request, delivery);
        }
        default:
          return this.#calls.get(answer.request)?.take(answer);
      }
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      connection.destroy(error);
    }
  }

  #welcomed(connection: Connection, welcome: Welcome): void {
    this.#link = { state: 'open', connection, welcome };
    this.#road.welcomed(welcome);
    for (const { number } of welcome.lost) this.#held.delete(number);
    for (const call of [...this.#calls.values()]) this.#sendCall(call);
  }

  /** A call's error, or, without a call, the connection's last word. */
  #failed(connection: Connection, request: number, error: IpcError): void {
    if (this.#link.state === 'greeting') {
      this.#connectFailed(error);
      return connection.destroy();
    }
    this.#calls.get(request)?.fail(error);
  }

  #offered(request: number, delivery: Delivery): void {
    this.#held.set(delivery.envelope.number, delivery);
    const call = this.#calls.get(request);
    if (call?.hasCaller) return call.take({ kind: 'offer', delivery });
    call?.over();
    this.#releaseUnread([delivery]);
  }

  /** In nobody's hands; without a link, the next hello will say so. */
  #releaseUnread(deliveries: readonly Delivery[]): void {
    if (this.#link.state !== 'open') return this.#drop(deliveries);
    void this.release(deliveries, { unread: true }).catch(() => {});
  }

  #lost(connection: Connection): void {
    const link = this.#link;
    if (link.state === 'closed' || !('connection' in link) || link.connection !== connection)
      return;
    this.#link = { state: 'down' };
    connection.destroy();
    const wasOpen = link.state === 'open';
    for (const call of [...this.#calls.values()]) {
      const { kind } = call.request();
      if (!call.hasCaller && (kind === 'wait' || kind === 'fetch')) call.over();
    }
    if (!this.#isNeeded()) return;
    if (wasOpen) this.#connect();
    else this.#connectIn(greetingRetryMs);
  }

  #sendCall(call: OpenCall): void {
    call.sent = true;
    this.#send(call.request());
  }

  #send(request: Parameters<typeof encodeRequest>[0]): void {
    if (this.#link.state === 'open' || this.#link.state === 'greeting') {
      this.#link.connection.send(encodeRequest(request));
    }
  }

  #drop(deliveries: readonly Delivery[]): void {
    for (const { envelope } of deliveries) {
      if (this.#held.get(envelope.number)?.envelope.id === envelope.id) {
        this.#held.delete(envelope.number);
      }
    }
  }
}

/** 80 random bits in base 32. */
function makeSessionId(): SessionId {
  return [...randomBytes(16)].map((byte) => (byte % 32).toString(32)).join('') as SessionId;
}

function holdOf({ envelope: { number, id } }: Delivery): Hold {
  return { number, id };
}

/** The deliveries that the broker named. */
function named(deliveries: readonly Delivery[], holds: readonly Hold[]): readonly Delivery[] {
  const numbers = new Set(holds.map((hold) => hold.number));
  return deliveries.filter((delivery) => numbers.has(delivery.envelope.number));
}

function closedError(): IpcError {
  return new IpcError('closed', 'this session has ended');
}

function cancelledError(): IpcError {
  return new IpcError('cancelled', 'the call was cancelled');
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
