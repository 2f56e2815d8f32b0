// One session's way to the broker: it comes to whichever broker there is, sends what is asked, and
// survives the loss of a connection and of an owner.
//
// When a connection is lost:
// 1. Calls whose caller is gone and that stored nothing are dropped; all others stay.
// 2. The road leads to whichever broker there is by now, perhaps to ourselves.
// 3. The hello says what the session holds; then every call is sent again in its old order.
//
// A call ends with the error of the store when its owner failed and nobody else can own the store, or
// when several owners in a row failed over it.
import { type ErrorCode, IpcError } from '../base/errors.ts';
import type { Runtime, Timer } from '../base/runtime.ts';
import type { Cancellable, Delivery } from '../model/mail-service.ts';
import type { Hello, Welcome } from '../model/requests.ts';
import type { Connection } from '../net/connection.ts';
import { decodeResponse, encodeRequest } from '../protocol/codec.ts';
import type { Frame } from '../protocol/frame.ts';
import type { OpenCall, PendingCall } from './pending-call.ts';
import { Watchdog } from './watchdog.ts';

/** How a client comes to a broker. */
export interface Connector {
  /** A connection to whichever broker there is; the process becomes the broker if it takes that. */
  connect(): Promise<Connection>;
  /** This session would take over if the owner went. */
  isStandby(): boolean;
  /** Says what became of an owner that accepts, but does not answer. */
  silent(): Promise<IpcError>;
  welcomed(welcome: Welcome): void;
}

/** Whose link it is. */
export interface LinkListener {
  /** What the session says of itself now. */
  hello(): Omit<Hello, 'kind' | 'request' | 'standby'>;
  welcomed(welcome: Welcome): void;
  /** A message for a wait or a fetch; `call` is undefined when that is over. */
  offered(delivery: Delivery, call: OpenCall | undefined): void;
  /** The session holds something, so a broker must hear of it soon. */
  holds(): boolean;
}

type LinkState =
  | { readonly kind: 'down' | 'connecting' | 'closed' }
  | { readonly kind: 'greeting'; readonly connection: Connection }
  | {
      readonly kind: 'open';
      readonly connection: Connection;
      readonly welcome: Welcome;
      /** On the machine's clock. */
      readonly since: number;
      /** Its owner gave up over the store. */
      isOwnerFailed: boolean;
    };

/** Between two tries to find a broker for calls that were parked before. */
const retryMs = 1_000;
/** A standby with nothing to say tries ever less often to own a store that does not open. */
const idlePauseMsMax = 30_000;
/** A link that ended before this ended early. */
const shortLinkMs = 2_000;
/** After a link that ended early; doubled with each further one, up to `retryMs`. */
const earlyEndPauseMs = 50;
/** Owners that may fail with `storage_failed` over one call before it ends with that error. */
const ownersFailedMax = 3;
/** The store cannot be used, so a parked wait would wait for an owner that cannot live. */
const storeFaults: ReadonlySet<ErrorCode> = new Set([
  'home_unusable',
  'storage_failed',
  'store_newer',
]);
/** Calls count up to here and begin again. */
export const requestNumberMax = 0xffff_fff0;
const helloNumber = 0xffff_fffe;
const pingNumber = 0xffff_ffff;

export class Link {
  readonly #connector: Connector;
  readonly #runtime: Runtime;
  readonly #listener: LinkListener;
  #state: LinkState = { kind: 'down' };
  /** In the order in which they are sent again. */
  readonly #calls = new Map<number, OpenCall>();
  readonly #watchdog: Watchdog;
  #retryTimer: Timer | undefined;
  #pauseMs = retryMs;
  /** Connections in a row that ended before their welcome. */
  #unwelcomed = 0;
  /** Links in a row that ended soon after they opened: to the broker of this epoch, or to owners that failed. */
  #shortLinks = { epoch: 0, count: 0 };

  constructor(connector: Connector, runtime: Runtime, listener: LinkListener) {
    this.#connector = connector;
    this.#runtime = runtime;
    this.#listener = listener;
    this.#watchdog = new Watchdog(runtime, {
      connection: () => ('connection' in this.#state ? this.#state.connection : undefined),
      calls: () => this.#calls.values(),
      ping: () => {
        if (this.isOpen) this.send({ kind: 'ping', request: pingNumber });
      },
      silent: (calls) => void this.#tellSilence(calls),
    });
  }

  get isOpen(): boolean {
    return this.#state.kind === 'open';
  }

  get isClosed(): boolean {
    return this.#state.kind === 'closed';
  }

  /** What the broker on the open link said of itself. */
  get welcome(): Welcome | undefined {
    return this.#state.kind === 'open' ? this.#state.welcome : undefined;
  }

  /** Somebody waits for the end of a call. */
  get hasCallers(): boolean {
    for (const call of this.#calls.values()) if (call.hasCaller) return true;
    return false;
  }

  over(callNumber: number): void {
    this.#calls.delete(callNumber);
  }

  /** Sends the call, now or as soon as there is a broker, and again after each loss of one. */
  run<Result>(call: PendingCall<Result>, { signal }: Cancellable): Promise<Result> {
    const onAbort = () => {
      const maybeStored = mayBeStored(call);
      call.giveUp(new IpcError('cancelled', 'the call was cancelled', { maybeStored }));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const result = call.attach(() => signal?.removeEventListener('abort', onAbort));
    this.#watchdog.watch(call);
    if (!this.#calls.has(call.number)) {
      this.#calls.set(call.number, call);
      if (this.#state.kind === 'open') this.#sendCall(call);
      else this.#connect();
    }
    return result;
  }

  send(request: Parameters<typeof encodeRequest>[0]): void {
    if (this.#state.kind === 'open' || this.#state.kind === 'greeting') {
      this.#state.connection.send(encodeRequest(request));
    }
  }

  /** Fails what is open, says goodbye if there is nothing left to ask, and ends. */
  async close(goodbye: boolean, late: Promise<void>): Promise<void> {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    this.#runtime.clearTimer(this.#retryTimer);
    this.#watchdog.stop();
    for (const call of [...this.#calls.values()]) {
      call.fail(closedError(mayBeStored(call)));
    }
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

  async #tellSilence(calls: readonly OpenCall[]): Promise<void> {
    const silent = new IpcError('owner_silent', 'the broker does not answer');
    const { code, message, hint } = await this.#connector.silent().catch(() => silent);
    for (const call of calls) {
      call.giveUp(new IpcError(code, message, { hint, maybeStored: mayBeStored(call) }));
    }
  }

  #connect(): void {
    if (this.#state.kind !== 'down') return;
    this.#state = { kind: 'connecting' };
    this.#runtime.clearTimer(this.#retryTimer);
    this.#connector.connect().then(
      (connection) => this.#greet(connection),
      (error: unknown) => this.#connectFailed(error),
    );
  }

  #connectFailed(error: unknown): void {
    if (this.#state.kind === 'closed') return;
    this.#state = { kind: 'down' };
    if (!(error instanceof IpcError)) return this.#fault(error);
    const isStoreFault = storeFaults.has(error.code);
    for (const call of [...this.#calls.values()]) {
      if (call.sent && call.kind === 'wait' && !isStoreFault) continue;
      giveUp(call, error);
    }
    if (!this.#isNeeded()) return;
    const isIdle = isStoreFault || (this.#calls.size === 0 && !this.#listener.holds());
    this.#pauseMs = isIdle ? Math.min(this.#pauseMs * 2, idlePauseMsMax) : retryMs;
    this.#connectIn(this.#pauseMs);
  }

  /** Of our own: it reaches the callers as it is, or ends the process when nobody waits. */
  #fault(error: unknown): void {
    const asked = [...this.#calls.values()].filter((call) => call.hasCaller);
    if (asked.length === 0) throw error;
    for (const call of asked) call.fail(error);
  }

  #connectIn(ms: number): void {
    this.#retryTimer = this.#runtime.setTimer(() => this.#connect(), ms);
    if (this.#calls.size === 0) this.#retryTimer.unref();
  }

  /** There is something to say to a broker, or this session takes over when the owner goes. */
  #isNeeded(): boolean {
    return this.#calls.size > 0 || this.#listener.holds() || this.#connector.isStandby();
  }

  #greet(connection: Connection): void {
    if (this.#state.kind === 'closed') return connection.destroy();
    this.#state = { kind: 'greeting', connection };
    connection.onFrame = (frame) => this.#onFrame(connection, frame);
    connection.onClose = () => this.#lost(connection);
    this.send({
      kind: 'hello',
      request: helloNumber,
      standby: this.#connector.isStandby(),
      ...this.#listener.hello(),
    });
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
          return this.#failed(
            connection,
            response.request,
            new IpcError(response.code, response.message),
          );
        case 'offer': {
          const { envelope, mailbox, attempt, others } = response;
          const delivery: Delivery = { envelope, mailbox, attempt, others, body };
          return this.#listener.offered(delivery, this.#calls.get(response.request));
        }
        default:
          return this.#calls.get(response.request)?.take(response);
      }
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#misunderstood(connection, frame.request, error);
    }
  }

  /** An answer broke the protocol: sent again, its call would only get the same answer. */
  #misunderstood(connection: Connection, request: number, error: IpcError): void {
    const call = this.#calls.get(request);
    if (this.#state.kind === 'greeting') this.#connectFailed(error);
    else if (call && error.code !== 'body_damaged') {
      giveUp(call, error);
      call.over();
    }
    connection.destroy(error);
  }

  #welcomed(connection: Connection, welcome: Welcome): void {
    const since = this.#runtime.now();
    this.#state = { kind: 'open', connection, welcome, since, isOwnerFailed: false };
    this.#pauseMs = retryMs;
    this.#unwelcomed = 0;
    this.#connector.welcomed(welcome);
    this.#listener.welcomed(welcome);
    for (const call of [...this.#calls.values()]) this.#sendCall(call);
  }

  /** A call's error, or, without a call, the connection's last word. */
  #failed(connection: Connection, request: number, error: IpcError): void {
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
      // A parked wait is not what the owner failed over.
      if (!call.sent || call.kind === 'wait') continue;
      call.ownersFailed += 1;
      if (call.ownersFailed >= ownersFailedMax) giveUp(call, error);
    }
  }

  #lost(connection: Connection): void {
    const state = this.#state;
    if (state.kind === 'closed' || !('connection' in state) || state.connection !== connection)
      return;
    this.#state = { kind: 'down' };
    connection.destroy();
    for (const call of [...this.#calls.values()]) {
      if (!call.hasCaller && (call.kind === 'wait' || call.kind === 'fetch')) call.over();
    }
    if (!this.#isNeeded()) return;
    const pauseMs = this.#pauseAfter(state);
    if (pauseMs === 0) this.#connect();
    else this.#connectIn(pauseMs);
  }

  /** Whatever makes connections to one broker end early, again and again: they are not made in a hot loop. */
  #pauseAfter(state: LinkState): number {
    if (state.kind !== 'open') return earlyEndPause(this.#unwelcomed++);
    const { epoch } = state.welcome;
    const isShort = this.#runtime.now() - state.since < shortLinkMs;
    const goesOn = state.isOwnerFailed || this.#shortLinks.epoch === epoch;
    const before = goesOn ? this.#shortLinks.count : 0;
    this.#shortLinks = { epoch, count: isShort ? before + 1 : 0 };
    // The first may be a failover, so it costs no pause.
    return before === 0 || !isShort ? 0 : earlyEndPause(before - 1);
  }

  #sendCall(call: OpenCall): void {
    call.sent = true;
    this.send(call.request());
  }
}

function earlyEndPause(before: number): number {
  return Math.min(earlyEndPauseMs * 2 ** before, retryMs);
}

/** Ends the call for its caller, with the error as it is true of this call. */
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
