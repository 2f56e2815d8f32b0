// One connection after its handshake: frames in, frames out, and the heartbeat. It knows no requests.
// 1. dial() or accept() completes the handshake.  2. The user sets `onClose`, then `onFrame`; nothing is
// read before that.  3. A side that has sent nothing for `heartbeatMs` sends a ping, which the other
// Connection answers.  4. A side that has received nothing for `silenceMsDead`, or could write nothing
// for that time, closes the connection. After this process stood still, both times begin anew.
// 5. onClose is called once, whichever side ended it.
// The kernel does not report how much of a write it has taken, so a large write is cut into slices: a
// slow link on which bytes move does not count as dead.
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { freeMemory } from '../base/free-memory.ts';
import { endMsMax, handshakeMs, heartbeatMs, silenceMsDead } from '../base/limits.ts';
import { type Runtime, systemRuntime, type Timer } from '../base/runtime.ts';
import { Standstill } from '../base/standstill.ts';
import { encodeRequest, encodeResponse, requestTypes, responseTypes } from '../protocol/codec.ts';
import { type Frame, FrameDecoder, noBytes, payloadBytesOf } from '../protocol/frame.ts';
import type { Keys } from '../protocol/handshake.ts';

export interface ConnectionTimes {
  readonly handshakeMs: number;
  readonly heartbeatMs: number;
  readonly silenceMsDead: number;
}

/** Written at a time: a peer must take at least this much within `silenceMsDead`. */
const sliceBytes = 256 * 1024;
/**
 * Frames of one turn are written together at its end, and before that as soon as they are this many bytes: the peer works
 * on them while the turn goes on. Below that, the further system calls cost more than is gained.
 */
const writeAtOnceBytes = 16 * 1024;
/** Frames of one turn are copied into one buffer of at most this size: that costs less than a write for each. */
const joinBytesMax = 64 * 1024;
/** No pong is sent while this much waits for the peer to read. */
const pongBytesMax = 64 * 1024;

export const timesDefault: ConnectionTimes = { handshakeMs, heartbeatMs, silenceMsDead };

export interface Proven {
  /** Bytes of frames that came together with the handshake. */
  readonly rest: Buffer;
  readonly key: Buffer;
}

/** To be called when the kernel has all bytes up to `end`, counted from the first that was sent. */
interface Awaited {
  readonly end: number;
  readonly onWritten: () => void;
}

export class Connection {
  /** The key that both sides have proved. */
  readonly key: Buffer;
  readonly #socket: Duplex;
  readonly #times: ConnectionTimes;
  readonly #runtime: Runtime;
  readonly #decoder = new FrameDecoder();
  /** Decoded. Those before `#inboxNext` have been passed to `onFrame`; it is 0 but while frames are passed. */
  #inbox: Frame[] = [];
  #inboxNext = 0;
  /** When the first bytes of an incomplete frame came. */
  #incompleteSince = Number.POSITIVE_INFINITY;
  #onFrame: ((frame: Frame) => void) | undefined;
  #onClose: ((reason?: IpcError) => void) | undefined;
  #paused = false;
  /** Sent in this turn, or behind a backlog: not yet given to the socket. */
  #queue: Buffer[] = [];
  /** How many bytes were sent, given to the socket, and taken by the kernel, since the connection began. */
  #bytesSent = 0;
  #bytesGiven = 0;
  #bytesWritten = 0;
  /** In the order of their ends. */
  #awaited: Awaited[] = [];
  /** The frames of the current turn are being collected into one write. */
  #isFlushDue = false;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #reason: IpcError | undefined;
  #lastReceived: number;
  #lastSent: number;
  /** When a slice was last written, or given to the socket after all others were written. */
  #lastWritten: number;
  readonly #standstill: Standstill;
  /** Before this time, silence was that of this process. */
  #silenceCountsFrom = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #keyTimer: Timer | undefined;

  constructor(
    socket: Duplex,
    { rest, key }: Proven,
    times = timesDefault,
    runtime = systemRuntime,
  ) {
    assert(times.silenceMsDead >= 2 * times.heartbeatMs, 'a peer can miss one heartbeat');
    this.#socket = socket;
    this.#times = times;
    this.#runtime = runtime;
    this.#lastReceived = this.#lastSent = this.#lastWritten = runtime.now();
    this.#standstill = new Standstill(times.heartbeatMs, runtime);
    this.key = key;
    socket.on('error', (error) => this.#fail(brokenBy(error)));
    socket.on('close', () => this.#closed());
    if (rest.length > 0) socket.unshift(rest);
    this.#arm();
  }

  /** Called for every frame except heartbeats. Nothing is read before it is set. */
  set onFrame(handler: (frame: Frame) => void) {
    const first = this.#onFrame === undefined;
    this.#onFrame = handler;
    if (!first) return;
    this.#socket.on('data', (chunk: Buffer) => this.#received(chunk));
    if (!this.#paused) this.#socket.resume();
  }

  /** Closes the connection within `heartbeatMs` after its key was retired. `keys`: those that are good now. */
  endWhenRetired(keys: () => Keys): void {
    const check = () => {
      if (!keys().some((key) => key.equals(this.key))) this.destroy();
    };
    this.#keyTimer = this.#runtime.setTicker(check, this.#times.heartbeatMs).unref();
  }

  /** The peer is in this place, on this machine: all others are behind TLS. */
  get isLocal(): boolean {
    return !('encrypted' in this.#socket);
  }

  /** Whether it leads through a Unix socket, which has no address. A connection that is closed does not know. */
  get isUnixSocket(): boolean {
    return this.#socket instanceof Socket && this.#socket.remoteAddress === undefined;
  }

  /** When `onWritten` is called, nothing refers to the buffers that were sent. Other transports may still have them. */
  get copiesWritten(): boolean {
    return this.#socket instanceof Socket;
  }

  /** Called for every heartbeat that is received. */
  onHeartbeat: (() => void) | undefined;

  /** Called when `memoryBytes` may have changed, and when the connection is closed. */
  onMemoryChange: (() => void) | undefined;

  /** Called when the kernel has taken some of the bytes that were sent. */
  onWrote: (() => void) | undefined;

  /** Called once, also when the connection was closed before; without a reason after an orderly end. */
  set onClose(handler: (reason?: IpcError) => void) {
    this.#onClose = handler;
    if (this.#state === 'closed') queueMicrotask(() => handler(this.#reason));
  }

  /** When the last byte came, on the runtime's clock. */
  get lastReceived(): number {
    return this.#lastReceived;
  }

  /** Bytes that wait for the peer to read. */
  get bufferedBytes(): number {
    return this.#bytesSent - this.#bytesWritten;
  }

  /** `bufferedBytes`, and the bytes of frames that are incomplete or not yet passed to `onFrame`. */
  get memoryBytes(): number {
    let bytes = this.bufferedBytes + this.#decoder.keptBytes;
    for (let at = this.#inboxNext; at < this.#inbox.length; at++) {
      bytes += payloadBytesOf(this.#inbox[at] as Frame);
    }
    return bytes;
  }

  /** Since when the peer has read nothing of what waits, or left a frame incomplete; infinite when it does neither. */
  get stalledSince(): number {
    return Math.min(this.#unwrittenSince, this.#incompleteSince);
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  get #bytesQueued(): number {
    return this.#bytesSent - this.#bytesGiven;
  }

  get #unwrittenSince(): number {
    return this.#bytesGiven > this.#bytesWritten ? this.#lastWritten : Number.POSITIVE_INFINITY;
  }

  /**
   * The frames of one turn are written together, at flush() or at the end of the turn, or in parts when they are many.
   * `onWritten` is called when the kernel has the bytes, not during this call; it is never called when the connection is
   * lost before that. A connection that is closing sends nothing.
   */
  send(buffers: readonly Buffer[], onWritten?: () => void): void {
    if (this.#state !== 'open' || !this.#socket.writable) return;
    for (const bytes of buffers) {
      this.#queue.push(bytes);
      this.#bytesSent += bytes.length;
    }
    if (onWritten) this.#awaited.push({ end: this.#bytesSent, onWritten });
    if (this.#bytesQueued >= writeAtOnceBytes) this.#writeQueued();
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#runtime.beforeNextEvent(this.flush);
  }

  /** Writes the frames of this turn now: the peer works on them while the turn goes on. */
  flush = (): void => {
    if (!this.#isFlushDue) return;
    this.#isFlushDue = false;
    this.#lastSent = this.#runtime.now();
    this.#writeQueued();
    this.onMemoryChange?.();
  };

  /** Leaves the peer's bytes in the kernel. Until resume() the peer's silence does not count. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#lastReceived = this.#runtime.now();
    this.#drain();
    if (!this.#paused && this.#onFrame) this.#socket.resume();
  }

  /** Sends what is buffered, then ends, after `endMsMax` at the latest. No more frames are passed to `onFrame`. */
  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#dropInbox();
    this.#writeQueued();
    // Bytes that still come are read and dropped, so that the end of the peer's bytes is noticed.
    this.#paused = false;
    this.#socket.resume();
    // A peer that is stopped, or means harm, never ends its side, and would keep this process from its end.
    this.#runtime.clearTimer(this.#timer);
    this.#timer = this.#runtime.setTimer(() => this.#fail(silent(endMsMax)), endMsMax).unref();
  }

  /** Ends at once and drops the bytes of both directions. */
  destroy(reason?: IpcError): void {
    this.#fail(reason);
  }

  #received(chunk: Buffer): void {
    // After close(), bytes that the peer goes on sending are not a sign of life.
    if (this.#state !== 'open') return;
    this.#lastReceived = this.#runtime.now();
    try {
      const frames = this.#decoder.push(chunk);
      // Without a frame in it, its bytes were copied.
      if (frames.length === 0 && this.#socket instanceof Socket) freeMemory(chunk);
      this.#noteIncomplete(frames.length > 0);
      this.#take(frames);
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#fail(error);
      return;
    }
    this.#drain();
    this.onMemoryChange?.();
  }

  #take(frames: Frame[]): void {
    if (this.#inbox.length === 0) this.#inbox = frames;
    else this.#inbox.push(...frames);
  }

  /** `isNew`: the incomplete frame, if any, began in the last chunk. */
  #noteIncomplete(isNew: boolean): void {
    if (this.#decoder.keptBytes === 0) this.#incompleteSince = Number.POSITIVE_INFINITY;
    else if (isNew || this.#incompleteSince > this.#lastReceived)
      this.#incompleteSince = this.#lastReceived;
  }

  #dropInbox(): void {
    this.#inbox = [];
    this.#inboxNext = 0;
  }

  /** A handler may pause, close or destroy; then the rest stays in the inbox, or is dropped with it. */
  #drain(): void {
    while (!this.#paused && this.#onFrame !== undefined) {
      const frame = this.#inbox[this.#inboxNext];
      if (frame === undefined) return this.#dropInbox();
      this.#inboxNext++;
      this.#pass(frame, this.#onFrame);
    }
    this.#inbox.splice(0, this.#inboxNext);
    this.#inboxNext = 0;
  }

  #pass(frame: Frame, onFrame: (frame: Frame) => void): void {
    const isPing = frame.type === requestTypes.ping;
    if (!isPing && frame.type !== responseTypes.pong) return onFrame(frame);
    this.onHeartbeat?.();
    if (payloadBytesOf(frame) > 0) {
      this.#fail(new IpcError('bad_frame', 'a heartbeat has neither header nor body'));
    } else if (isPing) {
      // Bytes that wait for the peer already show that this side is alive.
      if (this.bufferedBytes < pongBytesMax)
        this.send(encodeResponse({ kind: 'pong', request: frame.request }));
    } else if (frame.request !== 0) {
      onFrame(frame);
    }
  }

  /** Gives the socket as much as it may have unwritten. Only a large backlog waits for the end of a write. */
  #writeQueued(): void {
    if (this.#state === 'closed' || !this.#socket.writable) return;
    while (this.#queue.length > 0 && this.#bytesGiven - this.#bytesWritten < sliceBytes) {
      this.#writeSlice();
    }
    if (this.#state === 'closing' && this.#queue.length === 0) this.#socket.end();
  }

  #writeSlice(): void {
    const bytes = Math.min(this.#bytesQueued, sliceBytes);
    const slice = this.#takeSlice();
    if (this.#bytesGiven === this.#bytesWritten) this.#lastWritten = this.#runtime.now();
    this.#bytesGiven += bytes;
    const end = this.#bytesGiven;
    const wrote = (error?: Error | null) => this.#wrote(error, end);
    if (slice.length > 1 && bytes > joinBytesMax) this.#writeEach(slice, wrote);
    else this.#socket.write(joined(slice, bytes), wrote);
  }

  /** `wrote`: called with the last. */
  #writeEach(slice: readonly Buffer[], wrote: (error?: Error | null) => void): void {
    this.#socket.cork();
    slice.forEach((bytes, index) => {
      this.#socket.write(bytes, index === slice.length - 1 ? wrote : undefined);
    });
    this.#socket.uncork();
  }

  #takeSlice(): Buffer[] {
    if (this.#bytesQueued <= sliceBytes) {
      const all = this.#queue;
      this.#queue = [];
      return all;
    }
    let end = 0;
    let bytes = 0;
    while (end < this.#queue.length && bytes < sliceBytes) bytes += this.#queue[end++]?.length ?? 0;
    const slice = this.#queue;
    this.#queue = slice.splice(end);
    const last = slice.at(-1);
    if (last && bytes > sliceBytes) {
      const cut = last.length - (bytes - sliceBytes);
      slice[end - 1] = last.subarray(0, cut);
      this.#queue.unshift(last.subarray(cut));
    }
    return slice;
  }

  #wrote(error: Error | null | undefined, end: number): void {
    if (error) return;
    this.#bytesWritten = end;
    this.#lastWritten = this.#runtime.now();
    this.#writeQueued();
    let written = 0;
    while ((this.#awaited[written]?.end ?? Number.POSITIVE_INFINITY) <= end) written++;
    if (written > 0) for (const { onWritten } of this.#awaited.splice(0, written)) onWritten();
    this.onWrote?.();
    this.onMemoryChange?.();
  }

  #fail(reason: IpcError | undefined): void {
    if (this.#state === 'closed') return;
    this.#reason ??= reason;
    this.#dropInbox();
    this.#socket.destroy();
    this.#closed();
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#queue = [];
    this.#runtime.clearTimer(this.#timer);
    this.#runtime.clearTimer(this.#keyTimer);
    this.onMemoryChange?.();
    this.#onClose?.(this.#reason);
  }

  #arm(): void {
    const beat = this.#lastSent + this.#times.heartbeatMs;
    const delayMs = Math.max(1, Math.min(beat, this.#deadAt()) - this.#runtime.now());
    this.#timer = this.#runtime.setTimer(() => this.#tick(), delayMs);
    this.#timer.unref();
  }

  /** When the peer counts as dead, if nothing changes. */
  #deadAt(): number {
    const unreadSince = this.#paused ? Number.POSITIVE_INFINITY : this.#lastReceived;
    const silentSince = Math.min(unreadSince, this.#unwrittenSince);
    return Math.max(silentSince, this.#silenceCountsFrom) + this.#times.silenceMsDead;
  }

  /** Runs at least every `heartbeatMs`. */
  #tick(): void {
    const now = this.#runtime.now();
    if (this.#standstill.hasEnded()) this.#silenceCountsFrom = now;
    if (now >= this.#deadAt()) {
      // If this process was busy, the peer's bytes wait in the kernel; they are read first.
      this.#runtime.defer(() => this.#judge());
      return;
    }
    if (now - this.#lastSent >= this.#times.heartbeatMs) {
      this.#lastSent = now;
      this.send(encodeRequest({ kind: 'ping', request: 0 }));
    }
    this.#arm();
  }

  #judge(): void {
    if (this.#state !== 'open') return;
    if (this.#runtime.now() < this.#deadAt()) this.#arm();
    else this.#fail(silent(this.#times.silenceMsDead));
  }
}

function brokenBy(error: Error): IpcError {
  const what = `the connection broke (${systemErrorCode(error)})`;
  return new IpcError('unreachable', what, { cause: error });
}

function joined(buffers: readonly Buffer[], bytes: number): Buffer {
  const [first = noBytes] = buffers;
  return buffers.length <= 1 ? first : Buffer.concat(buffers, bytes);
}

function silent(limitMs: number): IpcError {
  return new IpcError('unreachable', `the other side was silent for ${limitMs} ms`);
}
