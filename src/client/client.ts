// One session's calls to the broker. A post that repeats an earlier one joins it. The session that owns
// the broker makes its calls in the same way.
import { cancelled, IpcError } from '../base/errors.ts';
import { fetchBytesMax, fetchMessagesMax, holdsMax } from '../base/limits.ts';
import { type Runtime, systemRuntime } from '../base/runtime.ts';
import type { Erased } from '../model/erase-requests.ts';
import type { ForeignMessage, Imported, ImportPlace } from '../model/import-requests.ts';
import type { FoundMessage } from '../model/look-results.ts';
import type { Notice } from '../model/mail-ahead.ts';
import type { EventBatch } from '../model/mail-events.ts';
import type {
  Cancellable,
  Delivery,
  DropArguments,
  DropResult,
  EventsArguments,
  FetchArguments,
  FetchResult,
  FindArguments,
  Held,
  PeekArguments,
  PeekedMessage,
  PeekResult,
  PostArguments,
  PostResult,
  ReleaseArguments,
  RetryArguments,
  RetryResult,
  SessionStatus,
  WaitArguments,
  WatchArguments,
} from '../model/mail-service.ts';
import type { Hold, MailboxList, MessageId, Name, Origin, SessionId } from '../model/message.ts';
import type { PausedNames } from '../model/pause-requests.ts';
import { ReadMailboxes } from '../model/read-mailboxes.ts';
import type { StatusResponse, Welcome } from '../model/requests.ts';
import { importSession, sessionIdOf, sessionSecretBytes } from '../protocol/session-secret.ts';
import { Deadlines } from './deadlines.ts';
import { eventsCall } from './events-call.ts';
import { dropAll, type Exchange, findAll, type ResponseOf, retryAll, slices } from './exchanges.ts';
import { Holdings, holdOf, named } from './holdings.ts';
import { type Connector, closedError, Link, requestNumberMax } from './link.ts';
import { Outbox, type PostIdentity } from './outbox.ts';
import { type ParkedCall, ParkedWait, ParkedWatch, type ParkingSession } from './parked-call.ts';
import { type OpenCall, PendingCall, type PendingCallOptions } from './pending-call.ts';
import { PostCall } from './post-call.ts';
import { SettleCall } from './settle-call.ts';

const waitSlackMsDefault = 250;

export interface StatusCounts extends Omit<StatusResponse, 'kind' | 'request'> {
  readonly sessionList: readonly SessionStatus[];
}

export class Client {
  readonly session: SessionId;
  readonly #runtime: Runtime;
  readonly #now: () => number;
  readonly #link: Link;
  readonly #deadlines: Deadlines;
  readonly #parking: ParkingSession;
  readonly #waitSlackMs: number;
  #requestNumber = 0;
  readonly #outbox: Outbox;
  readonly #holdings = new Holdings();
  #name: Name | undefined;
  readonly #readMailboxes = new ReadMailboxes();

  /** `name`: what the session is called until a post has a `from`. */
  constructor(origin: Origin, connector: Connector, runtime = systemRuntime, name?: Name) {
    const secret = runtime.randomBytes(sessionSecretBytes);
    this.session = sessionIdOf(secret);
    this.#runtime = runtime;
    this.#now = () => runtime.now();
    this.#outbox = new Outbox(runtime);
    this.#name = name;
    this.#waitSlackMs = connector.waitSlackMs ?? waitSlackMsDefault;
    this.#link = new Link(connector, runtime, {
      session: this.session,
      secret,
      origin,
      holdings: this.#holdings,
      sentUpTo: () => this.#outbox.countedUpTo,
      name: () => this.#name,
      readMailboxes: () => this.#readMailboxes.names,
      releaseUnread: (delivery) => this.#releaseUnread([delivery]),
    });
    this.#deadlines = new Deadlines(
      runtime,
      () => this.#link.calls,
      (call) => this.#late(call),
    );
    this.#parking = {
      now: this.#now,
      send: (request) => this.#link.send(request),
      cancel: (call) => this.#cancel(call),
    };
  }

  /** The welcome of the broker on the open link. */
  get welcome(): Welcome | undefined {
    return this.#link.welcome;
  }

  /** A caller waits for the end of a call. */
  get hasCallers(): boolean {
    return this.#link.hasCallers;
  }

  post(to: Name, body: Buffer, options: PostArguments = {}): Promise<PostResult> {
    const refusal = this.#refusal(options);
    if (refusal) return Promise.reject(refusal);
    const { alsoTo = [], from = '', answers = '', settles = [] } = options;
    this.#name = from || this.#name;
    const holds = settles.map(holdOf);
    const identity: PostIdentity = { to, alsoTo, from, body, answers, settles: holds };
    const earlier = options.id === undefined ? this.#joinEarlier(identity, options) : undefined;
    if (earlier) return this.#settleAfter(earlier, identity, options);
    const post = new PostCall(identity, options.id, settles, this.#outbox, this.#holdings);
    return this.#link.run(this.#call(post), options);
  }

  /** The earlier post may have settled nothing, so the deliveries of this one are settled by a request of their own. */
  async #settleAfter(
    earlier: Promise<PostResult>,
    identity: PostIdentity,
    options: PostArguments,
  ): Promise<PostResult> {
    const result = await earlier;
    try {
      return { ...result, notHeld: await this.settle(options.settles ?? [], options) };
    } catch (error) {
      this.#outbox.keepResult(identity, result);
      throw error;
    }
  }

  wait(from: Name | MailboxList, options: WaitArguments): Promise<Delivery | undefined> {
    const refusal = this.#refusal(options) ?? this.#holdsRefusal();
    if (refusal) return Promise.reject(refusal);
    return this.#park(new ParkedWait(this.#parking, this.#noteRead(from), options), options);
  }

  watch(mailboxes: MailboxList, options: WatchArguments): Promise<Notice | undefined> {
    const refusal = this.#refusal(options);
    if (refusal) return Promise.reject(refusal);
    return this.#park(new ParkedWatch(this.#parking, this.#noteRead(mailboxes), options), options);
  }

  #park<Result>(parked: ParkedCall<Result>, options: Cancellable): Promise<Result | undefined> {
    const { kind, timeoutMs, deadline } = parked;
    // A watch without time asks what is there: without an answer of the broker nobody could say.
    const isLook = kind === 'watch' && timeoutMs === 0;
    const call = this.#call(parked);
    return this.#runUntil(isLook ? Number.POSITIVE_INFINITY : deadline, call, options);
  }

  /** A broker that is silent or gone must not keep the caller longer than the caller asked for. */
  #runUntil<Result>(
    deadline: number,
    call: PendingCall<Result>,
    options: Cancellable,
  ): Promise<Result> {
    const result = this.#link.run(call, options);
    call.beganAt = this.#now();
    this.#deadlines.endAt(call, deadline + this.#waitSlackMs);
    return result;
  }

  #late(call: OpenCall): void {
    const { sent, kind, beganAt } = call;
    const waitedMs = this.#now() - beganAt;
    // Events are asked for again and again.
    const reason = kind === 'events' ? undefined : this.#link.whyUnread(sent, waitedMs);
    if (reason) return call.giveUp(reason);
    if (call.late() && sent) this.#link.send({ kind: 'cancel', request: call.number });
  }

  async fetch(from: Name | MailboxList, options: FetchArguments = {}): Promise<FetchResult> {
    const refusal = this.#refusal(options) ?? this.#holdsRefusal();
    if (refusal) throw refusal;
    const mailboxes = this.#noteRead(from);
    const deliveries: Delivery[] = [];
    let bytesLeft = options.bytesMax ?? fetchBytesMax;
    // Beside settles that have no response yet, one: then at most one is beyond what a hello can list.
    const holdsLeft = Math.max(1, holdsMax - this.#holdings.size);
    let messagesLeft = Math.min(options.messagesMax ?? fetchMessagesMax, holdsLeft);
    const call = this.#call<FetchResult>({
      kind: 'fetch',
      request: (request) => {
        // A broker that means harm may have sent more than was wanted.
        const bytesMax = Math.max(0, bytesLeft);
        const messagesMax = bytesMax > 0 ? Math.max(0, messagesLeft) : 0;
        return { kind: 'fetch', request, mailboxes, bytesMax, messagesMax };
      },
      take: (response, self) => {
        if (response.kind === 'end') {
          const { remaining, elsewhere, paused } = response;
          // Over a reconnect another session may have got some of them.
          const held = deliveries.filter((each) => this.#holdings.has(each));
          const all = held.map((each) => ({ ...each, elsewhere }));
          const left = { remaining, elsewhere, ...(paused && { paused }) };
          self.done({ deliveries: all, ...left });
        }
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

  /** One request. It shows at most `messagesPerPeek` messages, and fewer when their bodies are large. */
  async peek(mailbox: Name, options: PeekArguments): Promise<PeekResult> {
    this.#checkCall(options);
    const messages: PeekedMessage[] = [];
    const { partBytesMax } = options;
    const call = this.#call<PeekResult>({
      kind: 'peek',
      request: (request) => {
        const after = messages.at(-1)?.envelope.number ?? options.after ?? 0;
        const messagesMax = Math.max(0, options.messagesMax - messages.length);
        return { kind: 'peek', request, mailbox, after, messagesMax, partBytesMax };
      },
      take: (response, self) => {
        if (response.kind === 'peeked') messages.push(response.message);
        if (response.kind === 'end') self.done({ messages, remaining: response.remaining });
      },
      abandon: (self) => self.over(),
    });
    return this.#link.run(call, options);
  }

  drop(mailbox: Name, options: DropArguments = {}): Promise<DropResult> {
    return dropAll(this.#exchange, mailbox, options);
  }

  async events(options: EventsArguments): Promise<EventBatch> {
    this.#checkCall(options);
    const parts = eventsCall(options, this.#now, (request) => this.#link.send(request));
    const call = this.#call<EventBatch>({ ...parts, abandon: (self) => this.#cancel(self) });
    const lookMs = options.timeoutMs === 0 ? Number.POSITIVE_INFINITY : options.timeoutMs;
    return this.#runUntil(this.#now() + lookMs, call, options);
  }

  async pause(mailboxes: readonly Name[], options: Cancellable = {}): Promise<PausedNames> {
    const pause = { kind: 'pause', isPaused: true, mailboxes } as const;
    return (await this.#exchange(pause, 'pausing', options)).mailboxes;
  }

  async resume(mailboxes: readonly Name[], options: Cancellable = {}): Promise<PausedNames> {
    const resume = { kind: 'pause', isPaused: false, mailboxes } as const;
    return (await this.#exchange(resume, 'pausing', options)).mailboxes;
  }

  /** Sent again until the broker responds, even after the caller gave up. */
  settle(deliveries: readonly Held[], options: Cancellable = {}): Promise<readonly Held[]> {
    const refusal = this.#refusal(options);
    if (refusal) return Promise.reject(refusal);
    const isRequest = deliveries.length > 0 && deliveries.length <= holdsMax;
    if (isRequest && this.#link.isOpen && !options.signal) {
      return this.#settleInTurn(deliveries).then((notHeld) => named(deliveries, notHeld));
    }
    const parts = slices(deliveries, holdsMax).map(async (slice) => {
      const call = this.#call(new SettleCall(slice, this.#holdings));
      return named(slice, await this.#link.run(call, options));
    });
    return Promise.all(parts).then((notHeld) => notHeld.flat());
  }

  /** All settles of one turn are one request, but for those that a signal may end. */
  #settleInTurn(deliveries: readonly Held[]): Promise<readonly Hold[]> {
    const { settlesOfTurn } = this.#link;
    if (settlesOfTurn?.settle.hasRoomFor(deliveries)) {
      settlesOfTurn.settle.add(deliveries);
      return settlesOfTurn.notHeld;
    }
    const settle = new SettleCall(deliveries, this.#holdings);
    return this.#link.settleAtEndOfTurn(settle, this.#call(settle));
  }

  async release(
    deliveries: readonly Held[],
    { unread = false, rejected = false, sessionEnds = false, signal }: ReleaseArguments = {},
  ): Promise<void> {
    if (this.#link.isClosed) return;
    const released = slices(deliveries, holdsMax).map((slice) => {
      const call = this.#call<void>({
        kind: 'release',
        request: (request) => {
          const holds = slice.map(holdOf);
          return { kind: 'release', request, holds, unread, rejected, sessionEnds };
        },
        take: (response, self) => {
          if (response.kind !== 'released') return;
          this.#holdings.drop(slice);
          self.done();
        },
      });
      return this.#link.run(call, { signal });
    });
    await Promise.all(released);
  }

  retry(options: RetryArguments = {}): Promise<RetryResult> {
    return retryAll(this.#exchange, options);
  }

  /** Returns the state of each of these messages, in their order. */
  find(ids: readonly MessageId[], options: FindArguments = {}): Promise<readonly FoundMessage[]> {
    return findAll(this.#exchange, ids, options);
  }

  async compact(options: Cancellable = {}): Promise<void> {
    await this.#exchange({ kind: 'compact' }, 'compacted', options);
  }

  async erase(mailbox: Name | '', options: Cancellable = {}): Promise<Erased> {
    const { messages, bytes } = await this.#exchange({ kind: 'erase', mailbox }, 'erased', options);
    return { messages, bytes };
  }

  async storeId(options: Cancellable = {}): Promise<string> {
    return (await this.join(options)).store;
  }

  async import(
    message: ForeignMessage,
    place: ImportPlace,
    options: Cancellable = {},
  ): Promise<Imported> {
    const keySession = importSession(message.store, message.mailbox);
    const asked = { kind: 'import', keySession, ...message, ...place } as const;
    const { number, duplicate } = await this.#exchange(asked, 'imported', options);
    return { number, duplicate };
  }

  status(options: Cancellable = {}): Promise<StatusCounts> {
    return this.#status(options);
  }

  /** The owner listens on these addresses and no others. Returns those that are open then. */
  async listen(
    addresses: readonly string[],
    options: Cancellable = {},
  ): Promise<readonly string[]> {
    const response = await this.#exchange({ kind: 'listen', addresses }, 'listening', options);
    return response.addresses;
  }

  /** Connects to a broker unless this session is connected to one. */
  async join(options: Cancellable = {}): Promise<Welcome> {
    await this.#status(options);
    return this.welcome ?? this.join(options);
  }

  /** Releases what is held, says goodbye, and ends. Waits at most `graceMs` for the responses. */
  async close(graceMs: number): Promise<void> {
    const late = this.#delay(graceMs);
    if (this.#link.isOpen) {
      const ending = { sessionEnds: true };
      const released = this.release(this.#holdings.all(), ending).catch(() => {});
      await Promise.race([released, late]);
    }
    this.#deadlines.stop();
    await this.#link.close(this.#outbox.allAnswered, late);
  }

  #noteRead(from: Name | MailboxList): MailboxList {
    const mailboxes: MailboxList = typeof from === 'string' ? [from] : from;
    this.#readMailboxes.add(mailboxes);
    return mailboxes;
  }

  async #status(options: Cancellable): Promise<StatusCounts> {
    const response = await this.#exchange({ kind: 'status' }, 'status', options);
    const { kind: _kind, request: _request, ...counts } = response;
    const sessionList = counts.sessionList.map((each) => {
      return { ...each, own: each.session === this.session };
    });
    return { ...counts, sessionList };
  }

  /** A request with one response, which is dropped when its caller is gone. */
  #exchange: Exchange = async (asked, kind, options) => {
    this.#checkCall(options);
    const call = this.#call<ResponseOf<typeof kind>>({
      kind: asked.kind,
      request: (request) => ({ ...asked, request }),
      take: (response, self) => {
        if (response.kind === kind) self.done(response as ResponseOf<typeof kind>);
      },
      abandon: (self) => self.over(),
    });
    return this.#link.run(call, options);
  };

  /** Finds the same post of a caller that gave up before the response came. */
  #joinEarlier(identity: PostIdentity, options: Cancellable): Promise<PostResult> | undefined {
    const orphan = this.#outbox.orphan(identity);
    if (orphan) return this.#link.run(orphan, options);
    const result = this.#outbox.takeResult(identity);
    return result && Promise.resolve({ ...result, duplicate: true });
  }

  #call<Result>(options: PendingCallOptions<Result>): PendingCall<Result> {
    this.#requestNumber = (this.#requestNumber % requestNumberMax) + 1;
    return new PendingCall(this.#requestNumber, options, this.#over);
  }

  #over = (callNumber: number): void => this.#link.over(callNumber);

  /** Why no call may begin. */
  #refusal({ signal }: Cancellable): IpcError | undefined {
    if (this.#link.isClosed) return closedError();
    return signal?.aborted ? cancelled() : undefined;
  }

  #checkCall(options: Cancellable): void {
    const refusal = this.#refusal(options);
    if (refusal) throw refusal;
  }

  /** Why no message may be read: a hello must be able to list all that this session holds. */
  #holdsRefusal(): IpcError | undefined {
    if (this.#holdings.sizeSettled < holdsMax) return undefined;
    return new IpcError('too_many_holds', `this session holds ${this.#holdings.size} messages`);
  }

  /** The caller of a wait, a watch or a fetch is gone. A delivery that is on its way will be released unread. */
  #cancel(call: OpenCall): void {
    if (this.#link.isOpen && call.sent) {
      this.#link.send({ kind: 'cancel', request: call.number });
    } else call.over();
  }

  /** No caller has seen them. Without a link it is enough that the next hello does not list them. */
  #releaseUnread(deliveries: readonly Held[]): void {
    if (!this.#link.isOpen) return this.#holdings.drop(deliveries);
    void this.release(deliveries, { unread: true }).catch(() => {});
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#runtime.setTimer(resolve, ms).unref());
  }
}
