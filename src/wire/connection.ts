// One connection after its handshake: frames in, frames out, and the heartbeat. It knows no request.
// 1. dial() or accept() shake hands within `handshakeMs`, inside TLS when it leaves the machine.  2. The owner sets `onClose`, then `onFrame`;
// only then is anything read.  3. A side that sent nothing for `heartbeatMs` sends a ping, which the
// other Connection answers.  4. A side that heard nothing for `silenceMsDead`, or could write nothing
// for as long, gives the connection up.  5. onClose is called once, whoever ended it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { IpcError } from '../core/errors.ts';
import { handshakeMs, heartbeatMs, silenceMsDead } from '../core/limits.ts';
import { type Channel, inTheClear, isLocal, secureAsClient, secureAsServer } from './channel.ts';
import { type Frame, FrameDecoder } from './frame.ts';
import {
  ClientHandshake,
  clientNonce,
  type Keys,
  nonceBytes,
  ServerHandshake,
} from './handshake.ts';
import { answerTypes, encodeAnswer, encodeRequest, requestTypes } from './protocol.ts';

export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ConnectionTimes {
  readonly handshakeMs: number;
  readonly heartbeatMs: number;
  readonly silenceMsDead: number;
}

export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
  readonly times?: ConnectionTimes;
}

/** A peer that asks for pongs and reads none is given no more. */
const pongBytesMax = 64 * 1024;

const timesDefault: ConnectionTimes = { handshakeMs, heartbeatMs, silenceMsDead };

/**
 * `unreachable` and `host_unknown` carry the system's error as their cause. A peer that hangs up before
 * its first byte counts as unreachable: that is how the backlog of an owner that dies looks.
 */
export async function dial(
  address: Address,
  keys: Keys,
  options: DialOptions = {},
): Promise<Connection> {
  const { signal, times = timesDefault } = options;
  if (signal?.aborted) throw cancelled();
  // TLS takes one key; where it is refused, the next one is tried on a connection of its own.
  const [key, older, ...others] = keys;
  let isSecure = false;
  const socket = connect({ ...address, noDelay: true });
  socket.on('error', ignore);
  const cancel = (): void => {
    socket.destroy(cancelled());
  };
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    await connected(socket, address, times.handshakeMs);
    if (signal?.aborted) throw cancelled();
    isSecure = !isLocal(socket);
    if (!isSecure) {
      const channel = inTheClear(socket, socket.remoteAddress, socket.remotePort);
      const proven = await shakeAsClient(channel, address, keys, times.handshakeMs);
      return new Connection(socket, proven, times);
    }
    const channel = await secureAsClient(socket, key, times.handshakeMs, where(address));
    const proven = await shakeAsClient(channel, address, [key], times.handshakeMs);
    return new Connection(channel.socket, proven, times);
  } catch (error) {
    if (signal?.aborted) throw cancelled();
    const isRefused = isSecure && error instanceof IpcError && error.code === 'key_mismatch';
    if (!isRefused || older === undefined) throw error;
    return await dial(address, [older, ...others], options);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** The socket is destroyed when the peer does not prove the key in time. */
export async function accept(
  socket: Socket,
  keys: Keys,
  times: ConnectionTimes = timesDefault,
): Promise<Connection> {
  socket.on('error', ignore);
  socket.setNoDelay(true);
  const began = performance.now();
  const channel = isLocal(socket)
    ? inTheClear(socket, socket.localAddress, socket.localPort)
    : await secureAsServer(socket, keys, times.handshakeMs);
  const { binding } = channel;
  const handshake = new ServerHandshake({ keys, nonce: randomBytes(nonceBytes), binding });
  const leftMs = times.handshakeMs - (performance.now() - began);
  const proven = await shake(channel.socket, handshake, leftMs, {
    late: new IpcError('unreachable', 'the client did not prove the key in time'),
    gone: () => new IpcError('unreachable', 'the client went away during the handshake'),
  });
  return new Connection(channel.socket, proven, times);
}

interface Proven {
  /** Bytes of frames that came with the handshake. */
  readonly rest: Buffer;
  readonly key: Buffer;
}

export class Connection {
  /** That both sides have proved. */
  readonly key: Buffer;
  readonly #socket: Socket;
  readonly #times: ConnectionTimes;
  readonly #decoder = new FrameDecoder();
  /** Decoded, but not yet handed over. */
  #inbox: Frame[] = [];
  #onFrame: ((frame: Frame) => void) | undefined;
  #onClose: ((reason?: IpcError) => void) | undefined;
  #paused = false;
  #corked = false;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #reason: IpcError | undefined;
  #lastHeard = performance.now();
  #lastSent = this.#lastHeard;
  /** When a write last ended, or began with none before it. */
  #lastWritten = this.#lastHeard;
  #writesOpen = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, { rest, key }: Proven, times: ConnectionTimes) {
    assert(times.silenceMsDead >= 2 * times.heartbeatMs, 'a peer gets two chances to be heard');
    this.#socket = socket;
    this.#times = times;
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

  /** Called for every heartbeat that came. */
  onBeat: (() => void) | undefined;

  /** Called once, at once when it is over already; without a reason after an orderly end. */
  set onClose(handler: (reason?: IpcError) => void) {
    this.#onClose = handler;
    if (this.#state === 'closed') queueMicrotask(() => handler(this.#reason));
  }

  /** `performance.now()` of the last byte that came. */
  get lastHeard(): number {
    return this.#lastHeard;
  }

  /** Bytes that wait for the peer to read. */
  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  /**
   * The frames of one turn leave in one write. `onWritten` is called when the bytes are with the
   * kernel, never when the connection was lost before. Nothing is sent once it is closing.
   */
  send(buffers: readonly Buffer[], onWritten?: () => void): void {
    if (this.#state !== 'open' || !this.#socket.writable) return;
    this.#cork();
    this.#lastSent = performance.now();
    if (this.#writesOpen === 0) this.#lastWritten = this.#lastSent;
    this.#writesOpen += 1;
    const last = buffers.length - 1;
    for (const [index, buffer] of buffers.entries()) {
      if (index < last) this.#socket.write(buffer);
      else this.#socket.write(buffer, (error) => this.#wrote(error, onWritten));
    }
  }

  /** Leaves the peer's bytes in the kernel; its silence does not count meanwhile. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#lastHeard = performance.now();
    this.#drain();
    if (!this.#paused && this.#onFrame) this.#socket.resume();
  }

  /** Sends what is buffered, then ends. Nothing is handed over any more. */
  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#inbox = [];
    this.#uncork();
    this.#socket.end();
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
    this.#lastHeard = performance.now();
    try {
      for (const frame of this.#decoder.push(chunk)) this.#inbox.push(frame);
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#fail(error);
      return;
    }
    this.#drain();
  }

  /** A handler may pause, close or destroy; what is left then stays, or is dropped with the inbox. */
  #drain(): void {
    while (!this.#paused && this.#onFrame !== undefined) {
      const frame = this.#inbox.shift();
      if (frame === undefined) return;
      this.#handOver(frame, this.#onFrame);
    }
  }

  #handOver(frame: Frame, onFrame: (frame: Frame) => void): void {
    const isPing = frame.type === requestTypes.ping;
    if (!isPing && frame.type !== answerTypes.pong) return onFrame(frame);
    this.onBeat?.();
    if (frame.header.length + frame.body.length > 0) {
      this.#fail(new IpcError('bad_frame', 'a heartbeat has neither header nor body'));
    } else if (isPing) {
      // Bytes that wait for the peer already say that we live.
      if (this.bufferedBytes < pongBytesMax)
        this.send(encodeAnswer({ kind: 'pong', request: frame.request }));
    } else if (frame.request !== 0) {
      onFrame(frame);
    }
  }

  #wrote(error: Error | null | undefined, onWritten: (() => void) | undefined): void {
    this.#writesOpen -= 1;
    this.#lastWritten = performance.now();
    if (!error) onWritten?.();
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => this.#uncork());
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  #fail(reason: IpcError | undefined): void {
    if (this.#state === 'closed') return;
    this.#reason ??= reason;
    this.#inbox = [];
    this.#socket.destroy();
    this.#closed();
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#onClose?.(this.#reason);
  }

  #arm(): void {
    const beat = this.#lastSent + this.#times.heartbeatMs;
    const delayMs = Math.max(1, Math.min(beat, this.#deadAt()) - performance.now());
    this.#timer = setTimeout(() => this.#tick(), delayMs);
    this.#timer.unref();
  }

  /** When the peer is given up, if nothing changes. */
  #deadAt(): number {
    const unheard = this.#paused ? Number.POSITIVE_INFINITY : this.#lastHeard;
    const unwritten = this.#writesOpen === 0 ? Number.POSITIVE_INFINITY : this.#lastWritten;
    return Math.min(unheard, unwritten) + this.#times.silenceMsDead;
  }

  #tick(): void {
    const now = performance.now();
    if (now >= this.#deadAt()) {
      // As in whenLate().
      setImmediate(() => this.#judge());
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
    if (performance.now() < this.#deadAt()) this.#arm();
    else this.#fail(silent(this.#times.silenceMsDead));
  }
}

/** An error with nobody to hear it would end the process; those that matter are heard elsewhere. */
function ignore(): void {}

/** If it was we who stood still, what came meanwhile lies in the kernel: it is read before we judge. */
function whenLate(limitMs: number, judge: () => void): () => void {
  let judging: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    judging = setImmediate(judge);
  }, limitMs);
  return () => {
    clearTimeout(timer);
    clearImmediate(judging);
  };
}

function connected(socket: Socket, address: Address, limitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = new IpcError('unreachable', `${where(address)} did not answer in ${limitMs} ms`);
    const cancel = whenLate(limitMs, () => socket.destroy(late));
    const failed = (error: Error): void => {
      cancel();
      reject(error instanceof IpcError ? error : refused(error, address));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      cancel();
      socket.off('error', failed);
      resolve();
    });
  });
}

async function shakeAsClient(
  { socket, binding }: Channel,
  address: Address,
  keys: Keys,
  limitMs: number,
): Promise<Proven> {
  const handshake = new ClientHandshake({ keys, nonce: clientNonce(keys[0]), binding });
  socket.write(handshake.start());
  return shake(socket, handshake, limitMs, {
    late: new IpcError(
      'port_taken',
      `a program holds ${where(address)}, but did not shake hands in ${limitMs} ms`,
    ),
    gone: (bytes) =>
      bytes === 0
        ? new IpcError('unreachable', `${where(address)} hung up without a word`)
        : new IpcError('port_taken', `a program holds ${where(address)}, but hung up`),
  });
}

interface HandshakeFaults {
  readonly late: IpcError;
  /** The peer ended it after so many bytes. */
  readonly gone: (bytes: number) => IpcError;
}

/** Leaves the socket paused, with no listener of ours. */
function shake(
  socket: Socket,
  handshake: ClientHandshake | ServerHandshake,
  limitMs: number,
  faults: HandshakeFaults,
): Promise<Proven> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const cancel = whenLate(limitMs, () => fail(faults.late));
    const stop = (): void => {
      cancel();
      socket.off('data', step).off('error', broken).off('close', gone);
    };
    const fail = (error: unknown): void => {
      stop();
      socket.destroy();
      reject(error);
    };
    const gone = (): void => fail(faults.gone(bytes));
    const broken = (error: Error): void => {
      fail(error instanceof IpcError ? error : faults.gone(bytes));
    };
    const step = (chunk: Buffer): void => {
      bytes += chunk.length;
      try {
        const { send, rest, key } = handshake.push(chunk);
        if (send.length > 0) socket.write(send);
        if (rest === undefined || key === undefined) return;
        stop();
        socket.pause();
        resolve({ rest, key });
      } catch (error) {
        fail(error);
      }
    };
    socket.on('data', step).on('error', broken).on('close', gone);
  });
}

function refused(error: Error, address: Address): IpcError {
  const code = 'code' in error ? String(error.code) : error.message;
  const unknown = code === 'ENOTFOUND' || code === 'EAI_AGAIN';
  const what = unknown ? 'no such host' : `nobody answers (${code})`;
  const kind = unknown ? 'host_unknown' : 'unreachable';
  return new IpcError(kind, `${where(address)}: ${what}`, { cause: error });
}

function brokenBy(error: Error): IpcError {
  const code = 'code' in error ? String(error.code) : error.message;
  return new IpcError('unreachable', `the connection broke (${code})`, { cause: error });
}

function silent(limitMs: number): IpcError {
  return new IpcError('unreachable', `the other side was silent for ${limitMs} ms`);
}

function cancelled(): IpcError {
  return new IpcError('cancelled', 'the call was cancelled');
}

function where(address: Address): string {
  if ('path' in address) return address.path;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
