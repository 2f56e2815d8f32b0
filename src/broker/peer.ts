// Flow control of one connection: no peer takes more than its share of the event loop, of memory, or of the
// disk's queue.
// 1. In one turn of the event loop a peer may send `turnRequestsMax` requests and `turnBytesMax` bytes, and its
//    requests may take its part of `turnTimeMsMax`, which is divided among the peers that have requests in that turn.
//    The rest stays unread until the next turn, after all other peers were read.
// 2. While a peer leaves `unreadBytesMax` of responses unread, its requests stay unread, too (backpressure).
// 3. At most `postsInFlightMax` of its posts and settles wait for the disk. More are refused.
import { IpcError } from '../base/errors.ts';
import { largeMemory } from '../base/large-memory.ts';
import {
  postsInFlightMax,
  turnBytesMax,
  turnRequestsMax,
  turnTimeMsMax,
  unreadBytesMax,
} from '../base/limits.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Request } from '../model/requests.ts';
import type { Connection } from '../net/connection.ts';
import { encodeRequest, encodeResponse } from '../protocol/codec.ts';
import { type Frame, payloadBytesOf } from '../protocol/frame.ts';
import { isCostly } from './costly-requests.ts';

export interface PeerLimits {
  readonly turnRequestsMax: number;
  readonly turnBytesMax: number;
  readonly turnTimeMsMax: number;
  readonly unreadBytesMax: number;
  readonly postsInFlightMax: number;
}

export const peerLimits: PeerLimits = {
  turnRequestsMax,
  turnBytesMax,
  turnTimeMsMax,
  unreadBytesMax,
  postsInFlightMax,
};

/** The peers of one broker that have requests in this turn. */
export interface Turn {
  peers: number;
}

type PeerRuntime = Pick<Runtime, 'now' | 'defer'>;

/** Why the connection is not read. `request`: one of its requests takes time. */
type Pause = 'starting' | 'share' | 'unread' | 'request' | 'ending';

export class Peer {
  readonly connection: Connection;
  readonly #limits: PeerLimits;
  readonly #runtime: PeerRuntime;
  readonly #turn: Turn;
  readonly #pauses = new Set<Pause>();
  #requestsLeft = 0;
  #bytesLeft = 0;
  #usedMs = 0;
  #isTurnOpen = false;
  #inFlight = 0;
  #saidHello = false;
  /** Bytes of deliveries that the kernel has taken since the last call of `onFlushed`; undefined without deliveries. */
  #bytesFlushed: number | undefined;

  /** `turn`: one for all peers of a broker. */
  constructor(connection: Connection, limits: PeerLimits, runtime: PeerRuntime, turn: Turn) {
    this.connection = connection;
    this.#limits = limits;
    this.#runtime = runtime;
    this.#turn = turn;
    connection.onHeartbeat = () => this.#charge(0);
    connection.onWrote = () => this.#wrote();
  }

  /** Called when the kernel has taken deliveries, with their bytes as given to deliver(). */
  onFlushed: ((bytes: number) => void) | undefined;

  /** Passes each request to `handle`, and counts its bytes and its time against the peer's share of this turn. */
  serve(handle: (frame: Frame) => void): void {
    this.connection.onFrame = (frame) => {
      this.#charge(payloadBytesOf(frame));
      const began = this.#runtime.now();
      handle(frame);
      this.#usedMs += this.#runtime.now() - began;
      if (this.#usedMs * this.#turn.peers >= this.#limits.turnTimeMsMax) this.pause('share');
    };
  }

  pause(why: Pause): void {
    this.#pauses.add(why);
    this.connection.pause();
  }

  resume(why: Pause): void {
    if (this.#pauses.delete(why) && this.#pauses.size === 0) this.connection.resume();
  }

  get saidHello(): boolean {
    return this.#saidHello;
  }

  requireHello(): void {
    if (this.#saidHello) return;
    throw new IpcError('bad_frame', 'the first request of a connection must be a hello');
  }

  /** Counts what the request costs beyond its bytes. Throws if too many posts and settles wait for the disk. */
  check(request: Request): void {
    const { kind } = request;
    this.#spend(furtherItems(request), 0);
    if (kind === 'hello') this.#saidHello = true;
    if (isCostly(request)) this.pause('share');
    const { postsInFlightMax: max } = this.#limits;
    if (this.#inFlight < max || !waitsForDisk.has(kind)) return;
    throw new IpcError(
      'too_many_unanswered',
      `${max} posts and settles wait for the disk, which is the limit`,
    );
  }

  /** A response waits for the disk. A call of responseSent() follows. */
  responseWaits(): void {
    this.#inFlight += 1;
  }

  responseSent(): void {
    this.#inFlight -= 1;
  }

  send(buffers: readonly Buffer[]): void {
    this.connection.send(buffers);
    this.#checkUnread();
  }

  /** `bytes`: what the delivery counts for in `onFlushed`. `body` is in the buffers; it is released behind them. */
  deliver(buffers: readonly Buffer[], bytes: number, body: Buffer | undefined): void {
    this.connection.send(buffers, () => {
      this.#bytesFlushed = (this.#bytesFlushed ?? 0) + bytes;
      if (body && this.connection.copiesWritten) largeMemory.release(body);
    });
    this.#checkUnread();
  }

  /** Writes what was sent in this turn now. */
  flush(): void {
    this.connection.flush();
  }

  #checkUnread(): void {
    if (this.connection.bufferedBytes >= this.#limits.unreadBytesMax) this.pause('unread');
  }

  #wrote(): void {
    if (this.connection.bufferedBytes * 2 <= this.#limits.unreadBytesMax) this.resume('unread');
    const bytes = this.#bytesFlushed;
    if (bytes === undefined) return;
    this.#bytesFlushed = undefined;
    this.onFlushed?.(bytes);
  }

  ping(): void {
    this.connection.send(encodeRequest({ kind: 'ping', request: 0 }));
  }

  #charge(bytes: number): void {
    if (!this.#isTurnOpen) this.#openTurn();
    this.#spend(1, bytes);
  }

  #spend(requests: number, bytes: number): void {
    this.#requestsLeft -= requests;
    this.#bytesLeft -= bytes;
    if (this.#requestsLeft <= 0 || this.#bytesLeft <= 0) this.pause('share');
  }

  #openTurn(): void {
    this.#isTurnOpen = true;
    this.#requestsLeft = this.#limits.turnRequestsMax;
    this.#bytesLeft = this.#limits.turnBytesMax;
    this.#usedMs = 0;
    this.#turn.peers += 1;
    this.#runtime.defer(() => {
      this.#turn.peers -= 1;
      this.#isTurnOpen = false;
      this.resume('share');
    });
  }
}

/** Their responses wait for the disk. */
const waitsForDisk: ReadonlySet<Request['kind']> = new Set(['post', 'import', 'settle']);

/** Closes a connection that is one too many. */
export function refuseConnection(connection: Connection, connectionsMax: number): void {
  const message = `${connectionsMax} connections are open, which is the limit`;
  const code = 'too_many_connections';
  connection.send(encodeResponse({ kind: 'error', request: 0, code, message }));
  connection.close();
  connection.onFrame = () => {};
}

/** Each message, mailbox or id that a request names, beyond the first, costs as much as a request. */
function furtherItems(request: Request): number {
  switch (request.kind) {
    case 'post':
      return request.alsoTo.length + request.settles.length;
    case 'settle':
    case 'release':
      return Math.max(0, request.holds.length - 1);
    case 'wait':
    case 'watch':
    case 'fetch':
      return request.mailboxes.length - 1;
    case 'events':
      return request.mailboxes.length;
    case 'pause':
      return Math.max(0, request.mailboxes.length - 1);
    case 'find':
      return Math.max(0, request.ids.length - 1);
    default:
      return 0;
  }
}
