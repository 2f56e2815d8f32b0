// One connection after its handshake: frames in, frames out, and the heartbeat. It knows no request.
// 1. Its maker, dial() or accept(), shook hands.  2. The owner sets `onClose`, then `onFrame`; only then
// is anything read.  3. A side that sent nothing for `heartbeatMs` sends a ping, which the
// other Connection answers.  4. A side that heard nothing for `silenceMsDead`, or could write nothing
// for as long, gives the connection up.  5. onClose is called once, whoever ended it.
// The kernel does not tell how much of a write it has taken, so a large one goes to it in slices: a slow
// link on which bytes move is not dead.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { IpcError } from '../base/errors.ts';
import { handshakeMs, heartbeatMs, silenceMsDead } from '../base/limits.ts';
import { type Runtime, systemRuntime, type Timer } from '../base/runtime.ts';
import { encodeRequest, encodeResponse, requestTypes, responseTypes } from '../protocol/codec.ts';
import { type Frame, FrameDecoder } from '../protocol/frame.ts';
import type { Keys } from '../protocol/handshake.ts';

export interface ConnectionTimes {
  readonly handshakeMs: number;
  readonly heartbeatMs: number;
  readonly silenceMsDead: number;
}

/** What is written at a time, so the least that a peer must take within `silenceMsDead`. */
const sliceBytes = 256 * 1024;
/** A peer that asks for pongs and reads none is given no more. */
const pongBytesMax = 64 * 1024;

export const timesDefault: ConnectionTimes = { handshakeMs, heartbeatMs, silenceMsDead };

export interface Proven {
  /** Bytes of frames that came with the handshake. */
  readonly rest: Buffer;
  readonly key: Buffer;
}

/** A part of a frame that is not written. */
interface Part {
  readonly bytes: Buffer;
  /** Called when these bytes, the last of their frame, are with the kernel. */
  readonly onWritten: (() => void) | undefined;
}

export class Connection {
  /** That both sides have proved. */
  readonly key: Buffer;
  readonly #socket: Socket;
  readonly #times: ConnectionTimes;
  readonly #runtime: Runtime;
  readonly #decoder = new FrameDecoder();
  /** Decoded, but not yet handed over. */
  #inbox: Frame[] = [];
  #inboxBytes = 0;
  /** When the frame began of which a part is here. */
  #halfSince = Number.POSITIVE_INFINITY;
  #onFrame: ((frame: Frame) => void) | undefined;
  #onClose: ((reason?: IpcError) => void) | undefined;
  #paused = false;
  /** Not yet with the socket. */
  #queue: Part[] = [];
  #queuedBytes = 0;
  /** A slice is with the socket. */
  #isWriting = false;
  #isFlushDue = false;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #reason: IpcError | undefined;
  #lastHeard: number;
  #lastSent: number;
  /** When a slice was last written, or bytes came after all others were written. */
  #lastWritten: number;
  #timer: Timer | undefined;
  #keyTimer: Timer | undefined;

  constructor(
    socket: Socket,
    { rest, key }: Proven,
    times = timesDefault,
    runtime = systemRuntime,
  ) {
    assert(times.silenceMsDead >= 2 * times.heartbeatMs, 'a peer gets two chances to be heard');
    this.#socket = socket;
    this.#times = times;
    this.#runtime = runtime;
    this.#lastHeard = this.#lastSent = this.#lastWritten = runtime.now();
    this.key = key;
    socket.on('error', (error) => this.#fail(brokenBy(error)));
    socket.on('close', () => this.#closed());
    if (rest.length > 0) socket.unshift(rest);
    this.#arm();
  }

  /** Called for every frame but heartbeats. Setting it starts the reading. */
  set onFrame(handler: (frame: Frame) => void) {
    const first = this.#onFrame === undefined;
    this.#onFrame = handler;
    if (!first) return;
    this.#socket.on('data', (chunk: Buffer) => this.#heard(chunk));
    if (!this.#paused) this.#socket.resume();
  }

  /** A retired key does not keep open what it opened. `keys`: those that are good at the moment. */
  endWhenRetired(keys: () => Keys): void {
    const look = () => {
      if (!keys().some((key) => key.equals(this.key))) this.destroy();
    };
    this.#keyTimer = this.#runtime.setTicker(look, this.#times.heartbeatMs).unref();
  }

  /** Called for every heartbeat that came. */
  onBeat: (() => void) | undefined;

  /** Called when it may keep more or fewer bytes than before, and when it is over. */
  onKept: (() => void) | undefined;

  /** Called once, at once when it is over already; without a reason after an orderly end. */
  set onClose(handler: (reason?: IpcError) => void) {
    this.#onClose = handler;
    if (this.#state === 'closed') queueMicrotask(() => handler(this.#reason));
  }

  /** When the last byte came, on the machine's clock. */
  get lastHeard(): number {
    return this.#lastHeard;
  }

  /** Bytes that wait for the peer to read. */
  get bufferedBytes(): number {
    return this.#socket.writableLength + this.#queuedBytes;
  }

  /** Bytes that wait for the peer to read, or for the rest of their frame, or to be handed over. */
  get keptBytes(): number {
    return this.bufferedBytes + this.#decoder.keptBytes + this.#inboxBytes;
  }

  /** Since when the peer leaves bytes unread, or a frame half sent: `performance.now()`, or infinite. */
  get stillSince(): number {
    return Math.min(this.#unwrittenSince, this.#halfSince);
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  /** Nothing comes or goes any more. */
  get isOver(): boolean {
    return this.#state === 'closed';
  }

  get #isUnwritten(): boolean {
    return this.#isWriting || this.#queue.length > 0;
  }

  get #unwrittenSince(): number {
    return this.#isUnwritten ? this.#lastWritten : Number.POSITIVE_INFINITY;
  }

  /**
   * The frames of one turn leave together. `onWritten` is called when the bytes are with the
   * kernel, never when the connection was lost before. Nothing is sent once it is closing.
   */
  send(buffers: readonly Buffer[], onWritten?: () => void): void {
    if (this.#state !== 'open' || !this.#socket.writable) return;
    const now = this.#runtime.now();
    this.#lastSent = now;
    if (!this.#isUnwritten) this.#lastWritten = now;
    const last = buffers.length - 1;
    for (const [index, bytes] of buffers.entries()) {
      this.#queue.push({ bytes, onWritten: index === last ? onWritten : undefined });
      this.#queuedBytes += bytes.length;
    }
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    process.nextTick(() => {
      this.#isFlushDue = false;
      this.#flush();
      this.onKept?.();
    });
  }

  /** Leaves the peer's bytes in the kernel; its silence does not count meanwhile. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#lastHeard = this.#runtime.now();
    this.#drain();
    if (!this.#paused && this.#onFrame) this.#socket.resume();
  }

  /** Sends what is buffered, then ends. Nothing is handed over any more. */
  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#dropInbox();
    this.#flush();
    // Bytes that are still coming are read and dropped, so that the peer's end is seen.
    this.#paused = false;
    this.#socket.resume();
  }

  /** Ends at once; bytes in either direction are dropped. */
  destroy(reason?: IpcError): void {
    this.#fail(reason);
  }

  #heard(chunk: Buffer): void {
    // A peer that goes on talking does not keep a connection that we have ended.
    if (this.#state !== 'open') return;
    this.#lastHeard = this.#runtime.now();
    try {
      const frames = this.#decoder.push(chunk);
      for (const frame of frames) this.#take(frame);
      this.#noteHalf(frames.length > 0);
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#fail(error);
      return;
    }
    this.#drain();
    this.onKept?.();
  }

  #take(frame: Frame): void {
    this.#inbox.push(frame);
    this.#inboxBytes += bytesOf(frame);
  }

  /** `isNew`: what is here of a frame began with the last chunk. */
  #noteHalf(isNew: boolean): void {
    if (this.#decoder.keptBytes === 0) this.#halfSince = Number.POSITIVE_INFINITY;
    else if (isNew || this.#halfSince > this.#lastHeard) this.#halfSince = this.#lastHeard;
  }

  #dropInbox(): void {
    this.#inbox = [];
    this.#inboxBytes = 0;
  }

  /** A handler may pause, close or destroy; what is left then stays, or is dropped with the inbox. */
  #drain(): void {
    while (!this.#paused && this.#onFrame !== undefined) {
      const frame = this.#inbox.shift();
      if (frame === undefined) return;
      this.#inboxBytes -= bytesOf(frame);
      this.#handOver(frame, this.#onFrame);
    }
  }

  #handOver(frame: Frame, onFrame: (frame: Frame) => void): void {
    const isPing = frame.type === requestTypes.ping;
    if (!isPing && frame.type !== responseTypes.pong) return onFrame(frame);
    this.onBeat?.();
    if (frame.header.length + frame.body.length > 0) {
      this.#fail(new IpcError('bad_frame', 'a heartbeat has neither header nor body'));
    } else if (isPing) {
      // Bytes that wait for the peer already say that we live.
      if (this.bufferedBytes < pongBytesMax)
        this.send(encodeResponse({ kind: 'pong', request: frame.request }));
    } else if (frame.request !== 0) {
      onFrame(frame);
    }
  }

  /** Writes the next slice unless one is being written. Each that ends begins the next. */
  #flush(): void {
    if (this.#isWriting || this.#state === 'closed' || !this.#socket.writable) return;
    const slice = this.#takeSlice();
    if (slice.length === 0) {
      if (this.#state === 'closing') this.#socket.end();
      return;
    }
    this.#isWriting = true;
    const last = slice.length - 1;
    this.#socket.cork();
    slice.forEach(({ bytes }, index) => {
      this.#socket.write(bytes, index === last ? (error) => this.#wrote(error, slice) : undefined);
    });
    this.#socket.uncork();
  }

  #takeSlice(): Part[] {
    let end = 0;
    let bytes = 0;
    while (end < this.#queue.length && bytes < sliceBytes) {
      bytes += this.#queue[end++]?.bytes.length ?? 0;
    }
    const slice = this.#queue.splice(0, end);
    const last = slice.at(-1);
    if (last && bytes > sliceBytes) {
      const cut = last.bytes.length - (bytes - sliceBytes);
      slice[end - 1] = { bytes: last.bytes.subarray(0, cut), onWritten: undefined };
      this.#queue.unshift({ bytes: last.bytes.subarray(cut), onWritten: last.onWritten });
    }
    this.#queuedBytes -= Math.min(bytes, sliceBytes);
    return slice;
  }

  #wrote(error: Error | null | undefined, slice: readonly Part[]): void {
    this.#isWriting = false;
    if (error) return;
    this.#lastWritten = this.#runtime.now();
    this.#flush();
    for (const { onWritten } of slice) onWritten?.();
    this.onKept?.();
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
    this.#queuedBytes = 0;
    this.#runtime.clearTimer(this.#timer);
    this.#runtime.clearTimer(this.#keyTimer);
    this.onKept?.();
    this.#onClose?.(this.#reason);
  }

  #arm(): void {
    const beat = this.#lastSent + this.#times.heartbeatMs;
    const delayMs = Math.max(1, Math.min(beat, this.#deadAt()) - this.#runtime.now());
    this.#timer = this.#runtime.setTimer(() => this.#tick(), delayMs);
    this.#timer.unref();
  }

  /** When the peer is given up, if nothing changes. */
  #deadAt(): number {
    const unheard = this.#paused ? Number.POSITIVE_INFINITY : this.#lastHeard;
    return Math.min(unheard, this.#unwrittenSince) + this.#times.silenceMsDead;
  }

  #tick(): void {
    const now = this.#runtime.now();
    if (now >= this.#deadAt()) {
      // If it was we who stood still, the peer's bytes lie in the kernel: they are read before this.
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
    if (this.#state === 'closed') return;
    if (this.#runtime.now() < this.#deadAt()) this.#arm();
    else this.#fail(silent(this.#times.silenceMsDead));
  }
}

function brokenBy(error: Error): IpcError {
  const code = 'code' in error ? String(error.code) : error.message;
  return new IpcError('unreachable', `the connection broke (${code})`, { cause: error });
}

function bytesOf({ header, body }: Frame): number {
  return header.length + body.length;
}

function silent(limitMs: number): IpcError {
  return new IpcError('unreachable', `the other side was silent for ${limitMs} ms`);
}
