// Simulated sockets. A connection is two pipes. Bytes keep their order within a pipe, but not between
// pipes. A pipe delays and splits its bytes; it can be cut, or drop everything silently; and it accepts
// a limited number of unread bytes.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { IpcError } from '../../src/base/errors.ts';
import { handshakeMs } from '../../src/base/limits.ts';
import { Connection } from '../../src/net/connection.ts';
import { type Random, shuffled } from '../support/random.ts';
import type { SimProcess } from './process.ts';
import type { Scheduler } from './scheduler.ts';

/** The number of unread bytes that a kernel buffers in one direction. */
const windowBytes = 4_096;
const key = Buffer.alloc(32, 7);

interface Written {
  readonly bytes: Buffer;
  readonly done: ((error?: Error) => void) | undefined;
}

/** The end of the stream, queued behind the bytes. */
const fin = Buffer.alloc(0);

export class SimSocket extends EventEmitter {
  readonly process: SimProcess;
  readonly #network: SimNetwork;
  peer!: SimSocket;
  /** Bytes that this socket sends are dropped silently. */
  swallowed = false;
  /** Added to the delay of every chunk, in milliseconds. */
  slowMs = 0;
  /** Called with the bytes that the process sends and reads. */
  onSent: (bytes: Buffer) => void = () => {};
  onRead: (bytes: Buffer) => void = () => {};
  onGone: () => void = () => {};

  /** Written by the process, but not yet accepted by the kernel. */
  #written: Written[] = [];
  #corks = 0;
  /** Bytes in the pipe to the peer: in flight, or arrived and unread. */
  #unreadBytes = 0;
  #lastArrival = 0;
  /** Arrived and unread. */
  #arrived: Buffer[] = [];
  #isPaused = true;
  #isReading = false;
  #hasEnded = false;
  #hasPeerEnded = false;
  #isGone = false;

  constructor(process: SimProcess, network: SimNetwork) {
    super();
    this.process = process;
    this.#network = network;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get writable(): boolean {
    return !this.#hasEnded && !this.#isGone;
  }

  get writableLength(): number {
    return this.#written.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  write(bytes: Buffer, done?: (error?: Error) => void): boolean {
    if (!this.process.isDead) this.onSent(bytes);
    this.#written.push({ bytes, done });
    this.#pump();
    return true;
  }

  /** Counted, as in Node. */
  cork(): void {
    this.#corks++;
  }

  uncork(): void {
    if (--this.#corks === 0) this.#pump();
  }

  pause(): this {
    this.#isPaused = true;
    return this;
  }

  resume(): this {
    this.#isPaused = false;
    this.#read();
    return this;
  }

  end(): this {
    if (this.#hasEnded) return this;
    this.#hasEnded = true;
    this.#pump();
    return this;
  }

  /** Ends both directions; bytes that the kernel has accepted are still delivered. */
  destroy(): this {
    if (!this.process.isDead) this.close();
    return this;
  }

  /** Closes the socket as the kernel does for a process that has died. */
  close(): void {
    if (this.#isGone) return;
    this.#carry(fin);
    this.vanish();
  }

  /** Disappears without notice; the peer gets an error when it sends something. */
  vanish(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#arrived = [];
    const lost = this.#written.splice(0);
    this.onGone();
    this.process.after(0, () => {
      for (const { done } of lost) done?.(new Error('the socket is gone'));
      this.emit('close');
    });
  }

  /** Breaks the connection: both sides see it at once, and bytes in flight are lost. */
  cut(): void {
    for (const side of [this, this.peer]) side.vanish();
  }

  #pump(): void {
    if (this.#corks > 0 || this.#isGone || this.process.isDead) return;
    const taken: Written[] = [];
    while (this.#written.length > 0 && this.#unreadBytes < windowBytes) {
      const next = this.#written.shift() as Written;
      this.#unreadBytes += next.bytes.length;
      taken.push(next);
    }
    if (taken.length > 0) {
      this.#carryInParts(Buffer.concat(taken.map(({ bytes }) => bytes)));
      this.process.after(0, () => {
        for (const { done } of taken) done?.();
      });
    }
    if (this.#hasEnded && this.#written.length === 0) this.#sendEnd();
  }

  #sendEnd(): void {
    this.#carry(fin);
    if (this.#hasPeerEnded) this.vanish();
  }

  #carryInParts(bytes: Buffer): void {
    const at = this.#network.random.oneIn(4) ? this.#network.random.below(bytes.length) : 0;
    if (at > 0) this.#carry(bytes.subarray(0, at));
    this.#carry(bytes.subarray(at));
  }

  /** Delivers a chunk after a delay, never before an earlier chunk. */
  #carry(bytes: Buffer): void {
    const { scheduler } = this.#network;
    const arrival = scheduler.now + this.#network.delayMs() + this.slowMs;
    this.#lastArrival = Math.max(this.#lastArrival, arrival);
    scheduler.at(this.#lastArrival, () => {
      if (!this.swallowed) this.peer.#arrive(bytes);
    });
  }

  #arrive(bytes: Buffer): void {
    if (this.#isGone) return this.#refuse(bytes);
    this.#arrived.push(bytes);
    this.#read();
  }

  /** This end no longer exists, so the sender gets a reset. */
  #refuse(bytes: Buffer): void {
    if (bytes === fin || this.swallowed) return;
    this.#network.scheduler.after(this.#network.delayMs(), () => this.peer.vanish());
  }

  #read(): void {
    if (this.#isReading || this.#isPaused || this.#arrived.length === 0) return;
    this.#isReading = true;
    this.process.after(this.#network.random.below(20) / 1_000, () => {
      this.#isReading = false;
      while (!this.#isPaused && !this.#isGone) {
        const bytes = this.#arrived.shift();
        if (!bytes) return;
        if (bytes === fin) this.#peerEnded();
        else this.#take(bytes);
      }
    });
  }

  #take(bytes: Buffer): void {
    this.onRead(bytes);
    const { peer } = this;
    this.#network.scheduler.after(this.#network.delayMs(), () => {
      peer.#unreadBytes -= bytes.length;
      peer.#pump();
    });
    this.emit('data', bytes);
  }

  #peerEnded(): void {
    this.#hasPeerEnded = true;
    if (this.#hasEnded && this.#written.length === 0) this.vanish();
    else this.end();
  }
}

/** A port that a process has bound in a network namespace, which is the lock of the store. */
interface Listener {
  readonly process: SimProcess;
  admit: ((connection: Connection) => void) | undefined;
  /** Connections that are not accepted yet, each with a function that closes it. */
  readonly backlog: Set<() => void>;
}

export class SimNetwork {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Called with the broker's end of a connection before its first frame. */
  readonly #onAdmitted: (server: SimSocket) => void;
  readonly #listeners = new Map<string, Listener>();
  #sockets: SimSocket[] = [];
  /** Longest delay of a chunk, in milliseconds. */
  delayMsMax = 1;

  constructor(scheduler: Scheduler, random: Random, onAdmitted: (server: SimSocket) => void) {
    this.scheduler = scheduler;
    this.random = random;
    this.#onAdmitted = onAdmitted;
  }

  delayMs(): number {
    return ((1 + this.random.below(100)) / 100) * this.delayMsMax;
  }

  /** The client ends of all connections. */
  get connections(): readonly SimSocket[] {
    this.#sockets = this.#sockets.filter((socket) => !socket.isGone && !socket.peer.isGone);
    return this.#sockets;
  }

  /** The process that has bound the port. */
  owner(namespace: string): SimProcess | undefined {
    return this.#listeners.get(namespace)?.process;
  }

  /** False if another process has bound the port. */
  bind(namespace: string, process: SimProcess): boolean {
    if (this.#listeners.has(namespace)) return false;
    this.#listeners.set(namespace, { process, admit: undefined, backlog: new Set() });
    return true;
  }

  /** From now on connections are accepted; before, they are closed. */
  serve(namespace: string, process: SimProcess, admit: (connection: Connection) => void): void {
    const listener = this.#listeners.get(namespace);
    if (listener?.process === process) listener.admit = admit;
  }

  unbind(process: SimProcess): void {
    for (const [namespace, listener] of this.#listeners) {
      if (listener.process !== process) continue;
      this.#listeners.delete(namespace);
      for (const hangUp of listener.backlog) hangUp();
    }
  }

  /** Removes a dead process: frees its port and closes its connections, silently after a power loss. */
  removeProcess(process: SimProcess, silently: boolean): void {
    this.unbind(process);
    for (const client of this.connections) {
      for (const socket of shuffled(this.random, [client, client.peer])) {
        if (socket.process !== process) continue;
        if (silently) socket.vanish();
        else socket.close();
      }
    }
  }

  /** Connects like net/connect.ts, but without proofs, because both ends are known here. */
  dial(process: SimProcess, namespace: string): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (settle: () => void): void => {
        if (!isOver) settle();
        isOver = true;
        process.clearTimer(timer);
      };
      const timer = process.setTimer(() => end(() => reject(silent())), handshakeMs);
      const back = (settle: () => void): void => {
        process.after(this.delayMs(), () => end(settle));
      };
      this.scheduler.after(this.delayMs(), () => {
        const listener = this.#listeners.get(namespace);
        if (!listener) return back(() => reject(refused()));
        const hangUp = (): void => back(() => reject(connectionClosed()));
        listener.backlog.add(hangUp);
        listener.process.after(this.delayMs(), () => {
          if (!listener.backlog.delete(hangUp)) return;
          const { admit } = listener;
          if (!admit) hangUp();
          else back(() => resolve(this.#connect(process, listener.process, admit)));
        });
      });
    });
  }

  /**
   * The client is connected at once; the server accepts when it has read the proof, which is one byte
   * here.
   */
  #connect(from: SimProcess, to: SimProcess, admit: (connection: Connection) => void): Connection {
    const client = new SimSocket(from, this);
    const server = new SimSocket(to, this);
    client.peer = server;
    server.peer = client;
    this.#sockets.push(client);
    if (to.isDead) server.vanish();
    server.once('data', () => {
      server.pause();
      this.#onAdmitted(server);
      admit(connectionOn(server));
    });
    server.resume();
    client.write(Buffer.of(1));
    return connectionOn(client);
  }
}

function connectionOn(socket: SimSocket): Connection {
  return new Connection(socket as unknown as Socket, { rest: fin, key }, undefined, socket.process);
}

function refused(): IpcError {
  const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  return new IpcError('unreachable', 'no response', { cause });
}

function silent(): IpcError {
  return new IpcError('port_taken', 'a program holds the port, but did not shake hands');
}

function connectionClosed(): IpcError {
  return new IpcError('unreachable', 'the connection closed during the handshake');
}
