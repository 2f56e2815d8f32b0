// Point to point, with no broker between.
// 1. receive() listens; anyone with the key may dial, and pings are answered meanwhile.  2. The first
// message ends the wait; whoever else sends is told `busy` and tries again.  3. The face writes the
// result, then confirms: only now the sender is told `received`.  4. When it refuses instead, or is
// cancelled, the sender is told `busy`.  5. The port is free again.
// A sender whose message was written whole, and whose connection died before an answer, does not know;
// it says `cut_off` and never sends again by itself.
import { createServer, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError, outOfFiles } from '../base/errors.ts';
import { backlogMax, connectionsMax, sendRetryMs } from '../base/limits.ts';
import { bodyChecksum, type Name, type Origin } from '../model/message.ts';
import type { Answer, Failed, Ping, Send } from '../model/requests.ts';
import { Crowd } from '../net/buffer-budget.ts';
import { accept, dial } from '../net/connect.ts';
import type { Connection } from '../net/connection.ts';
import { Strangers } from '../net/pending-handshakes.ts';
import { resolveHost } from '../net/tls.ts';
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest } from '../protocol/codec.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Keys } from '../protocol/handshake.ts';

export interface ReceiveOptions {
  readonly port: number;
  /** An address of this machine; 127.0.0.1 unless given. */
  readonly bind?: string | undefined;
  readonly timeoutMs: number;
  /** Those that are good at this moment. */
  readonly keys: () => Keys;
  /** Until the message is confirmed, an abort refuses it. */
  readonly signal?: AbortSignal | undefined;
}

/** In the hands of this process, while its sender waits: confirm it or refuse it. */
export interface ReceivedMessage {
  /** '' when the sender gave no address. */
  readonly from: Name | '';
  /** What its sender's process said of itself. */
  readonly origin: Origin;
  readonly body: Buffer;
  /** The result is written. Resolves when the sender was told, or is gone; throws when it was refused. */
  confirm(): Promise<void>;
  /** Nobody saw the message: the sender may try again. */
  refuse(): void;
}

export interface PeerOptions {
  readonly host: string;
  readonly port: number;
  readonly keys: Keys;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface SendOptions extends PeerOptions {
  readonly from: Name | '';
  readonly origin: Origin;
  readonly body: Buffer;
}

/** The first message that anyone sends, or undefined when the time is over. */
export async function receive(options: ReceiveOptions): Promise<ReceivedMessage | undefined> {
  const [address] = await resolveHost(options.bind ?? '127.0.0.1', 'bind');
  if (options.signal?.aborted) throw cancelled();
  const receiver = new Receiver(options.keys, options.signal);
  await receiver.listen(address, options.port);
  return receiver.wait(options.timeoutMs);
}

/** Resolves when the receiving side has written its result. */
export async function send(options: SendOptions): Promise<void> {
  const { from, origin, body } = options;
  const checksum = bodyChecksum(body);
  const request: Send = { kind: 'send', request: 1, from, origin, checksum, body };
  await tryAgain(options, (connection, signal) => ask(connection, request, signal));
}

/** `ms`: from the question to the answer, on a connection that stands. */
export async function ping(options: PeerOptions): Promise<{ ms: number }> {
  return tryAgain(options, async (connection, signal) => {
    const asked = performance.now();
    await ask(connection, { kind: 'ping', request: 1 }, signal);
    return { ms: performance.now() - asked };
  });
}

type Turn =
  | {
      state: 'waiting';
      timer: NodeJS.Timeout;
      resolve: (message: ReceivedMessage | undefined) => void;
      reject: (error: IpcError) => void;
    }
  | { state: 'offered'; connection: Connection; request: number }
  | { state: 'over' };

class Receiver {
  readonly #keys: () => Keys;
  readonly #signal: AbortSignal | undefined;
  readonly #server = createServer((socket) => this.#shake(socket));
  readonly #strangers = new Strangers();
  readonly #crowd = new Crowd();
  readonly #connections = new Set<Connection>();
  #turn: Turn = { state: 'over' };

  constructor(keys: () => Keys, signal: AbortSignal | undefined) {
    this.#keys = keys;
    this.#signal = signal;
  }

  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.on('error', (error) => reject(unusable(error, host, port)));
      this.#server.listen({ host, port, exclusive: true, backlog: backlogMax }, resolve);
    });
  }

  wait(timeoutMs: number): Promise<ReceivedMessage | undefined> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#expire(), timeoutMs);
      this.#turn = { state: 'waiting', timer, resolve, reject };
      this.#signal?.addEventListener('abort', this.#abort, { once: true });
      if (this.#signal?.aborted) this.#abort();
    });
  }

  #expire(): void {
    const turn = this.#turn;
    this.#stop();
    if (turn.state === 'waiting') turn.resolve(undefined);
  }

  #abort = (): void => {
    const turn = this.#turn;
    this.#stop();
    if (turn.state === 'waiting') turn.reject(cancelled());
  };

  async #shake(socket: Socket): Promise<void> {
    try {
      this.#welcome(await this.#strangers.meet(socket, accept(socket, this.#keys())));
    } catch (error) {
      // A stranger's fault is his own; the receive goes on.
      if (!(error instanceof IpcError)) throw error;
    }
  }

  #welcome(connection: Connection): void {
    if (this.#turn.state === 'over' || this.#connections.size >= connectionsMax) {
      sendAway(connection);
      return;
    }
    connection.endWhenRetired(this.#keys);
    this.#crowd.add(connection);
    this.#connections.add(connection);
    connection.onClose = () => this.#connections.delete(connection);
    connection.onFrame = (frame) => this.#answer(connection, frame);
  }

  #answer(connection: Connection, frame: Frame): void {
    try {
      const request = decodeRequest(frame);
      if (request.kind !== 'send')
        throw new IpcError('wrong_service', 'a receive listens here, not a broker');
      if (this.#turn.state !== 'waiting') throw new IpcError('busy', 'another message came first');
      this.#offer(connection, request, this.#turn);
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      connection.send(encodeAnswer(failed(frame.request, error)));
      if (error.kind.fatal) connection.close();
    }
  }

  #offer(connection: Connection, send: Send, waiting: Turn & { state: 'waiting' }): void {
    const offered: Turn = { state: 'offered', connection, request: send.request };
    this.#turn = offered;
    clearTimeout(waiting.timer);
    waiting.resolve({
      from: send.from,
      origin: send.origin,
      body: send.body,
      confirm: () => this.#confirm(offered),
      refuse: () => {
        if (this.#turn === offered) this.#stop();
      },
    });
  }

  async #confirm(offered: Turn & { state: 'offered' }): Promise<void> {
    if (this.#turn !== offered) throw cancelled();
    const { connection, request } = offered;
    this.#connections.delete(connection);
    await new Promise<void>((resolve) => {
      connection.onClose = () => resolve();
      connection.send(encodeAnswer({ kind: 'received', request }), resolve);
    });
    connection.close();
    this.#stop();
  }

  /** Frees the port. Whoever still asks, or is still shaking hands, is told to try again. */
  #stop(): void {
    const turn = this.#turn;
    this.#turn = { state: 'over' };
    if (turn.state === 'waiting') clearTimeout(turn.timer);
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#server.close();
    for (const connection of this.#connections) sendAway(connection);
  }
}

/** What comes on it after this is dropped, so the word is true. */
function sendAway(connection: Connection): void {
  connection.send(encodeAnswer({ kind: 'going', request: 0 }));
  connection.close();
}

/** One try after the other until the time is over, as long as the fault can pass. */
async function tryAgain<T>(
  options: PeerOptions,
  attempt: (connection: Connection, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const addresses = await resolveHost(options.host);
  const over = new AbortController();
  const end = (): void => over.abort();
  const timer = setTimeout(end, options.timeoutMs);
  options.signal?.addEventListener('abort', end, { once: true });
  let fault = new IpcError('unreachable', `no answer in ${options.timeoutMs} ms`);
  try {
    for (let tries = 0; ; tries += 1) {
      if (options.signal?.aborted) throw cancelled();
      if (over.signal.aborted) throw fault;
      const host = addresses[tries % addresses.length] ?? addresses[0];
      try {
        return await tryOnce({ host, port: options.port }, options.keys, over.signal, attempt);
      } catch (error) {
        fault = passing(error, fault);
      }
      await sleep(sendRetryMs, undefined, { signal: over.signal }).catch(() => {});
    }
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', end);
  }
}

async function tryOnce<T>(
  address: { host: string; port: number },
  keys: Keys,
  signal: AbortSignal,
  attempt: (connection: Connection, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const connection = await dial(address, keys, { signal });
  try {
    return await attempt(connection, signal);
  } finally {
    connection.destroy();
  }
}

/** What to say when no later try does better; throws what no later try can mend. */
function passing(error: unknown, before: IpcError): IpcError {
  if (!(error instanceof IpcError)) throw error;
  if (error.code === 'cancelled') return before;
  if (error.code === 'unreachable' || error.code === 'busy') return error;
  throw error;
}

/** Resolves at the answer. A fault after the request was written whole is `cut_off`, for a send. */
function ask(connection: Connection, request: Send | Ping, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let written = false;
    const lost = (fault: IpcError): void => {
      signal.removeEventListener('abort', abort);
      reject(written && request.kind === 'send' ? cutOff(fault) : fault);
    };
    const abort = (): void => lost(cancelled());
    signal.addEventListener('abort', abort, { once: true });
    connection.onClose = (reason) => lost(reason ?? hungUp());
    connection.onFrame = (frame) => {
      try {
        checkAnswer(decodeAnswer(frame).answer);
        resolve();
      } catch (error) {
        reject(error);
      }
      signal.removeEventListener('abort', abort);
    };
    connection.send(encodeRequest(request), () => {
      written = true;
    });
    if (signal.aborted) abort();
  });
}

function checkAnswer(answer: Answer): void {
  switch (answer.kind) {
    case 'received':
    case 'pong':
      return;
    case 'going':
      throw new IpcError('busy', 'the receiver took another message, or ended');
    case 'error':
      throw new IpcError(answer.code, answer.message);
    default:
      throw new IpcError('bad_frame', `${answer.kind} answers no message`);
  }
}

function cutOff(fault: IpcError): IpcError {
  const why = fault.code === 'cancelled' ? 'no answer came in time' : fault.message;
  return new IpcError('cut_off', `the message was sent, but ${why}; it may have been received`);
}

function hungUp(): IpcError {
  return new IpcError('unreachable', 'the other side hung up');
}

function cancelled(): IpcError {
  return new IpcError('cancelled', 'the call was cancelled');
}

function failed(request: number, { code, message }: IpcError): Failed {
  return { kind: 'error', request, code, message };
}

function unusable(error: Error, host: string, port: number): IpcError {
  const code = 'code' in error ? String(error.code) : error.message;
  if (code === 'EADDRINUSE')
    return new IpcError('port_taken', `another program holds port ${port}`);
  if (code === 'EACCES')
    return new IpcError('address_unusable', `port ${port} needs special rights (EACCES)`);
  const what = `${host} port ${port} cannot be bound (${code})`;
  return outOfFiles(error) ?? new IpcError('address_unusable', what);
}
