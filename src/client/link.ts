// One session's link to the broker. It outlives connections and owners: it connects to the broker that
// there is, and keeps every call until the broker has responded.
//
// On an open link the requests leave in the order of their calls. The settles of one turn are one call: it
// is sent at the end of the turn, or before the next request of the turn.
//
// When a connection is lost:
// 1. Waits and fetches whose caller is gone are dropped; all other calls stay.
// 2. The connector connects to the broker that there is now, which may be in this process.
// 3. The hello lists what the session holds; then every call is sent again, in the old order.
//
// A call ends with the error of the store when its owner failed and no other session can own the store,
// or when several owners in a row failed over the call.
import { type ErrorCode, IpcError } from '../base/errors.ts';
import { silenceMsResponse } from '../base/limits.ts';
import { NumberMap } from '../base/number-map.ts';
import { saidBy } from '../base/quoted.ts';
import type { Runtime, Timer } from '../base/runtime.ts';
import type { Cancellable, Delivery } from '../model/mail-service.ts';
import type { Hold, Name, Origin, SessionId } from '../model/message.ts';
import { type ErrorResponse, laterRequests, type Offer, type Welcome } from '../model/requests.ts';
import type { Connection } from '../net/connection.ts';
import { decodeResponse, encodeRequest, type RequestToSend } from '../protocol/codec.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Holdings } from './holdings.ts';
import type { OpenCall, PendingCall } from './pending-call.ts';
import { RequestBatch } from './request-batch.ts';
import type { SettleCall, SettlesOfTurn } from './settle-call.ts';
import { Watchdog } from './watchdog.ts';

/** How a client gets a connection to the broker. */
export interface Connector {
  /** Connects to the broker that there is. When there is none, this process may become the owner first. */
  connect(): Promise<Connection>;
  /** Whether this session would take over if the owner went. */
  isStandby(): boolean;
  /** Describes an owner that accepts connections but does not respond. */
  describeSilentOwner(): Promise<IpcError>;
  /** Why no mail could be read, for a wait without a response whose time is over; `sent`: a broker has had it. */
  whyUnread?(sent: boolean, waitedMs: number): IpcError | undefined;
  /** The broker ends a wait; the client does when no response has come this much later. 250 ms if undefined. */
  readonly waitSlackMs?: number;
  /** A broker that sends nothing for this long after a request counts as silent; `silenceMsResponse` if undefined. */
  readonly silenceMs?: number;
  /** Called with each welcome, before any call is sent. An IpcError that it throws fails the attempt to connect. */
  welcomed(welcome: Welcome): void;
}

/** The session that uses the link. */
export interface LinkUser {
  readonly session: SessionId;
  /** Proves to a broker that the session is this one. */
  readonly secret: Buffer;
  readonly origin: Origin;
  readonly holdings: Holdings;
  /** The highest count of a post so far; 0 before the first. */
  sentUpTo(): number;
  /** The `from` of the last post, or the name that the session was started with. */
  name(): Name | undefined;
  /** The mailboxes that were read last, the newest last. */
  readMailboxes(): readonly Name[];
  /** For a delivery that came when its call had no caller any more. */
  releaseUnread(delivery: Delivery): void;
}

type LinkState =
  | { readonly kind: 'down' | 'connecting' | 'closed' }
  | { readonly kind: 'greeting'; readonly connection: Connection }
  | {
      readonly kind: 'open';
      readonly connection: Connection;
      readonly welcome: Welcome;
      /** On the runtime's clock. */
      readonly since: number;
      /** The owner reported that it gives up because of its store. */
      isOwnerFailed: boolean;
    };

/** Pause between two attempts to connect for calls that wait. */
const retryMs = 1_000;
/** A session without calls tries ever less often, down to once in this time, to own a store that does not open. */
const idlePauseMsMax = 30_000;
/** A link that lasted less than this ended early. */
const shortLinkMs = 2_000;
/** After a link that ended early; doubled with each further one, up to `retryMs`. */
const earlyEndPauseMs = 50;
/** Owners that may fail with `storage_failed` over one call before it ends with that error. */
const ownersFailedMax = 3;
/** How long the caller of such a post can try again without storing it twice. */
const shelvedMs = 300_000;
/** With these errors no owner can serve the store, so a parked wait ends, too. */
const storeFaults: ReadonlySet<ErrorCode> = new Set([
  'home_unusable',
  'storage_failed',
  'store_newer',
]);
const later: ReadonlySet<string> = new Set(laterRequests);
/** Request numbers begin again after this one; those above it are the link's own. */
export const requestNumberMax = 0xffff_fff0;
const helloNumber = 0xffff_fffe;
const pingNumber = 0xffff_ffff;

export class Link {
  readonly #connector: Connector;
  readonly #runtime: Runtime;
  readonly #user: LinkUser;
  #state: LinkState = { kind: 'down' };
  /** By request number, in the order in which they are sent again. */
  readonly #calls = new NumberMap<OpenCall>();
  /** Their request is made before any other, and at the end of this turn at the latest. */
  #settlesOfTurn: SettlesOfTurn | undefined;
  /** Written at the end of this turn, or when it is full. */
  readonly #requests = new RequestBatch();
  readonly #watchdog: Watchdog;
  #connectTimer: Timer | undefined;
  #pauseMs = retryMs;
  /** Connections in a row that ended before their welcome. */
  #endedUnwelcomed = 0;
  /** Links in a row that ended soon after they opened: to the broker of this epoch, or to owners that failed. */
  #shortLinks = { epoch: 0, count: 0 };

  constructor(connector: Connector, runtime: Runtime, user: LinkUser) {
    this.#connector = connector;
    this.#runtime = runtime;
    this.#user = user;
    this.#watchdog = new Watchdog(runtime, {
      silenceMs: connector.silenceMs ?? silenceMsResponse,
      connection: () => ('connection' in this.#state ? this.#state.connection : undefined),
      calls: () => this.#calls.values(),
      ping: () => {
        if (this.isOpen) this.send({ kind: 'ping', request: pingNumber });
      },
      silent: (calls) => void this.#giveUpSilent(calls),
    });
  }

  get isOpen(): boolean {
    return this.#state.kind === 'open';
  }

  get isClosed(): boolean {
    return this.#state.kind === 'closed';
  }

  /** As of the connector. */
  whyUnread(sent: boolean, waitedMs: number): IpcError | undefined {
    return this.#connector.whyUnread?.(sent, waitedMs);
  }

  /** The welcome of the broker on the open link. */
  get welcome(): Welcome | undefined {
    return this.#state.kind === 'open' ? this.#state.welcome : undefined;
  }

  /** A caller waits for the end of a call. */
  get hasCallers(): boolean {
    for (const call of this.#calls.values()) if (call.hasCaller) return true;
    return false;
  }

  /** No response to this request is expected any more. */
  over(callNumber: number): void {
    this.#calls.delete(callNumber);
    if (this.#settlesOfTurn?.call.number === callNumber) this.#settlesOfTurn = undefined;
  }

  /** The open calls, in the order in which they are sent again. */
  get calls(): Iterable<OpenCall> {
    return this.#calls.values();
  }

  /** Sends the call now, or as soon as the link is open, and again after each reconnect. */
  run<Result>(call: PendingCall<Result>, { signal }: Cancellable): Promise<Result> {
    const isToBeSent = !this.#calls.has(call.number) || isShelved(call);
    const result = call.attach(signal && giveUpOnAbort(call, signal));
    this.#watchdog.watch(call);
    if (isToBeSent) {
      this.#calls.set(call.number, call);
      if (this.#state.kind === 'open') this.#sendCall(call, this.#state.welcome);
      else this.#connect();
    }
    return result;
  }

  /** More deliveries can be added to them. */
  get settlesOfTurn(): SettlesOfTurn | undefined {
    return this.#settlesOfTurn;
  }

  /** Sends `call`, which is that of `settle`, at the end of this turn, or before the next request. The link is open. */
  settleAtEndOfTurn(
    settle: SettleCall,
    call: PendingCall<readonly Hold[]>,
  ): Promise<readonly Hold[]> {
    this.#sendSettles();
    const notHeld = call.attach();
    this.#watchdog.watch(call);
    this.#calls.set(call.number, call);
    this.#settlesOfTurn = { settle, call, notHeld };
    this.#runtime.beforeNextEvent(this.#sendSettles);
    return notHeld;
  }

  /** A fault of this program rejects their callers: nobody would catch it at the end of a turn. */
  #sendSettles = (): void => {
    const call = this.#settlesOfTurn?.call;
    this.#settlesOfTurn = undefined;
    if (!call || this.#state.kind !== 'open') return;
    try {
      this.#sendCall(call, this.#state.welcome);
    } catch (error) {
      call.fail(error);
    }
  };

  send(request: RequestToSend): void {
    if (this.#settlesOfTurn) this.#sendSettles();
    if (this.#state.kind !== 'open' && this.#state.kind !== 'greeting') return;
    this.#requests.add(request);
    if (this.#requests.isFull) this.#writeRequests();
    else if (this.#requests.size === 1) this.#runtime.beforeNextEvent(this.#writeRequests);
  }

  #writeRequests = (): void => {
    if (this.#requests.size === 0) return;
    const frames = this.#requests.take();
    if (!('connection' in this.#state)) return;
    this.#state.connection.send(frames);
    this.#state.connection.flush();
  };

  /** Fails the open calls, says goodbye if `goodbye`, and ends. Waits for the peer until `late`. */
  async close(goodbye: boolean, late: Promise<void>): Promise<void> {
    this.#sendSettles();
    this.#writeRequests();
    const state = this.#state;
    this.#state = { kind: 'closed' };
    this.#runtime.clearTimer(this.#connectTimer);
    this.#watchdog.stop();
    for (const call of [...this.#calls.values()]) call.fail(closedError(mayBeStored(call)));
    if (state.kind === 'greeting') state.connection.destroy();
    if (state.kind !== 'open') return;
    const { connection } = state;
    const ended = new Promise<void>((resolve) => {
      connection.onClose = () => resolve();
    });
    if (goodbye) connection.send(encodeRequest({ kind: 'goodbye', request: 0 }));
    connection.close();
    await Promise.race([ended, late]);
    connection.destroy();
  }

  async #giveUpSilent(calls: readonly OpenCall[]): Promise<void> {
    const silent = new IpcError('owner_silent', 'the broker does not answer');
    const error = await this.#connector.describeSilentOwner().catch(() => silent);
    for (const call of calls) giveUp(call, error);
  }

  #connect(): void {
    if (this.#state.kind !== 'down') return;
    this.#state = { kind: 'connecting' };
    this.#runtime.clearTimer(this.#connectTimer);
    this.#connector.connect().then(
      (connection) => this.#greet(connection),
      (error: unknown) => this.#connectFailed(error),
    );
  }

  #connectFailed(error: unknown): void {
    if (this.#state.kind === 'closed') return;
    this.#state = { kind: 'down' };
    if (!(error instanceof IpcError)) return this.#programFault(error);
    const isStoreFault = storeFaults.has(error.code);
    for (const call of [...this.#calls.values()]) {
      if (call.sent && isParked(call) && !isStoreFault) continue;
      giveUp(call, error);
    }
    if (!this.#isNeeded()) return;
    const isIdle = isStoreFault || (this.#calls.size === 0 && this.#user.holdings.size === 0);
    this.#pauseMs = isIdle ? Math.min(this.#pauseMs * 2, idlePauseMsMax) : retryMs;
    this.#connectIn(this.#pauseMs);
  }

  /** A fault of this program rejects all callers, or ends the process when no caller waits. */
  #programFault(error: unknown): void {
    const calls = [...this.#calls.values()].filter((call) => call.hasCaller);
    if (calls.length === 0) throw error;
    for (const call of calls) call.fail(error);
  }

  #connectIn(ms: number): void {
    this.#connectTimer = this.#runtime.setTimer(() => this.#connect(), ms);
    if (this.#calls.size === 0) this.#connectTimer.unref();
  }

  /** This session has something for a broker, or would take over if the owner went. */
  #isNeeded(): boolean {
    return this.#calls.size > 0 || this.#user.holdings.size > 0 || this.#connector.isStandby();
  }

  #greet(connection: Connection): void {
    if (this.#state.kind === 'closed') return connection.destroy();
    this.#state = { kind: 'greeting', connection };
    connection.onFrame = (frame) => this.#onFrame(connection, frame);
    connection.onClose = () => this.#lost(connection);
    const { session, secret, origin, holdings } = this.#user;
    const standby = this.#connector.isStandby();
    const held = holdings.listForHello();
    const sentUpTo = this.#user.sentUpTo();
    const who = { session, secret, origin, standby, ...this.#names() };
    this.send({ kind: 'hello', request: helloNumber, ...who, sentUpTo, held });
  }

  #names(): Pick<RequestToSend & { kind: 'hello' }, 'name' | 'reads'> {
    const [name, reads] = [this.#user.name(), this.#user.readMailboxes()];
    return { ...(name !== undefined && { name }), ...(reads.length > 0 && { reads }) };
  }

  #onFrame(connection: Connection, frame: Frame): void {
    try {
      const { response, body } = decodeResponse(frame);
      switch (response.kind) {
        case 'welcome':
          return this.#welcomed(connection, response);
        case 'going':
          return this.#lost(connection);
        case 'error':
          return this.#failed(connection, response);
        case 'offer': {
          const delivery = deliveryOf(response, body);
          return this.#offered(delivery, this.#calls.get(response.request));
        }
        case 'peeked': {
          const { kind, request, partBytes: _partBytes, ...peeked } = response;
          return this.#calls.get(request)?.take({ kind, message: { ...peeked, part: body } });
        }
        default:
          return this.#calls.get(response.request)?.take(response);
      }
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#brokeProtocol(connection, frame.request, error);
    }
  }

  #offered(delivery: Delivery, call: OpenCall | undefined): void {
    this.#user.holdings.add(delivery);
    if (call?.hasCaller) return call.take({ kind: 'offer', delivery });
    call?.over();
    this.#user.releaseUnread(delivery);
  }

  /**
   * The response broke the protocol. Its call ends: sent again, it would get the same response. A response to no
   * call may be meant for any of them; a wait stays parked until its time is over.
   */
  #brokeProtocol(connection: Connection, request: number, error: IpcError): void {
    const call = this.#calls.get(request);
    if (this.#state.kind === 'greeting') this.#connectFailed(error);
    else if (error.code !== 'body_damaged') {
      const open = [...this.#calls.values()].filter((each) => !isParked(each));
      for (const each of call ? [call] : open) {
        giveUp(each, error);
        each.over();
      }
    }
    connection.destroy(error);
  }

  #welcomed(connection: Connection, welcome: Welcome): void {
    this.#connector.welcomed(welcome);
    const since = this.#runtime.now();
    this.#state = { kind: 'open', connection, welcome, since, isOwnerFailed: false };
    this.#pauseMs = retryMs;
    this.#endedUnwelcomed = 0;
    this.#user.holdings.revoke(welcome.revoked);
    for (const call of [...this.#calls.values()]) {
      if (!isShelved(call)) this.#sendCall(call, welcome);
    }
  }

  /** The error of a call; with request number 0, the reason why the broker ends the connection. */
  #failed(connection: Connection, { request, code, message }: ErrorResponse): void {
    // An owner that answers the request with it has refused the request, and goes on.
    const isRefusal = code === 'storage_failed' && request !== 0;
    const what = saidBy('broker', message);
    const error = new IpcError(code, what, isRefusal ? { maybeStored: false } : {});
    if (this.#state.kind === 'greeting') {
      this.#connectFailed(error);
      return connection.destroy();
    }
    if (error.code === 'storage_failed' && request === 0) this.#ownerFailed(error);
    this.#calls.get(request)?.fail(error);
  }

  #ownerFailed(error: IpcError): void {
    if (this.#state.kind === 'open') this.#state.isOwnerFailed = true;
    for (const call of [...this.#calls.values()]) {
      // No owner fails over a parked wait.
      if (!call.sent || isParked(call)) continue;
      call.ownersFailed += 1;
      if (call.ownersFailed < ownersFailedMax) continue;
      giveUp(call, error);
      // They may have failed over this post, so no further owner gets it unless its caller tries again.
      const { ownersFailed } = call;
      const forget = () => {
        if (!call.hasCaller && call.ownersFailed === ownersFailed) call.over();
      };
      this.#runtime.setTimer(forget, shelvedMs).unref();
    }
  }

  #lost(connection: Connection): void {
    const state = this.#state;
    if (state.kind === 'closed' || !('connection' in state) || state.connection !== connection)
      return;
    this.#state = { kind: 'down' };
    this.#settlesOfTurn = undefined;
    this.#requests.take();
    connection.destroy();
    for (const call of [...this.#calls.values()]) {
      if (!call.hasCaller && (isParked(call) || call.kind === 'fetch')) call.over();
    }
    if (!this.#isNeeded()) return;
    const pauseMs = this.#pauseAfter(state);
    if (pauseMs === 0) this.#connect();
    else this.#connectIn(pauseMs);
  }

  /** When connections to one broker end early again and again, for any reason, the pauses prevent a hot loop. */
  #pauseAfter(state: LinkState): number {
    if (state.kind !== 'open') return earlyEndPause(this.#endedUnwelcomed++);
    const { epoch } = state.welcome;
    const isShort = this.#runtime.now() - state.since < shortLinkMs;
    const continues = state.isOwnerFailed || this.#shortLinks.epoch === epoch;
    const before = continues ? this.#shortLinks.count : 0;
    this.#shortLinks = { epoch, count: isShort ? before + 1 : 0 };
    // The first may be a failover, so it costs no pause.
    return before === 0 || !isShort ? 0 : earlyEndPause(before - 1);
  }

  /** A broker closes the connection over a request that it does not know, which would end what this session holds. */
  #sendCall(call: OpenCall, { requests = [], pid }: Welcome): void {
    if (later.has(call.kind) && !requests.includes(call.kind)) {
      const deed = call.kind === 'events' ? 'tell what happens to mail' : call.kind;
      const what = `the session that owns the broker (pid ${pid}) is older, and cannot ${deed}`;
      const hint = 'end that session or update it, then try again';
      return call.fail(new IpcError('version_mismatch', what, { hint }));
    }
    call.sent = true;
    this.send(call.request());
  }
}

function deliveryOf(offer: Offer, body: Buffer | undefined): Delivery {
  const { envelope, mailbox, attempt, others, remaining, elsewhere, lastHold, otherFolder } = offer;
  const usual = { envelope, mailbox, attempt, others, remaining, elsewhere, body };
  if (lastHold === undefined && otherFolder === undefined) return usual;
  return { ...usual, ...(lastHold && { lastHold }), ...(otherFolder && { otherFolder }) };
}

/** The broker keeps the call until there is mail, or something happens to it. */
function isParked({ kind }: OpenCall): boolean {
  return kind === 'wait' || kind === 'watch' || kind === 'events';
}

/** Its caller gave up because several owners failed. */
function isShelved({ hasCaller, ownersFailed }: OpenCall): boolean {
  return !hasCaller && ownersFailed >= ownersFailedMax;
}

/** Returns a function that ends this. */
function giveUpOnAbort(call: OpenCall, signal: AbortSignal): () => void {
  const onAbort = () => {
    const maybeStored = mayBeStored(call);
    call.giveUp(new IpcError('cancelled', 'the call was cancelled', { maybeStored }));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return () => signal.removeEventListener('abort', onAbort);
}

function earlyEndPause(before: number): number {
  return Math.min(earlyEndPauseMs * 2 ** before, retryMs);
}

/** Rejects the caller with this error; `maybeStored` is true of the call. */
function giveUp(call: OpenCall, error: IpcError): void {
  const { code, message, hint } = error;
  const maybeStored = mayBeStored(call);
  call.giveUp(new IpcError(code, message, { cause: error, hint, maybeStored }));
}

function mayBeStored({ sent, kind }: OpenCall): boolean {
  return sent && kind === 'post';
}

export function closedError(maybeStored = false): IpcError {
  return new IpcError('closed', 'this session has ended', { maybeStored });
}
