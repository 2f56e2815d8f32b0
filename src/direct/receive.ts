// Point to point, the receiving side: one message, with no broker between.
// 1. receive() listens; any peer that has the key may connect, and pings are answered meanwhile.
// 2. The first message ends the wait; other senders get `busy`, and try again.
// 3. The caller writes the result, then confirms: only now the sender gets `received`.
// 4. When the caller refuses instead, or is cancelled, the sender gets `busy`.
// 5. The port is free again.
import { createServer, type Socket } from 'node:net';
import { cancelled, IpcError, outOfFiles } from '../base/errors.ts';
import { backlogMax, connectionsMax } from '../base/limits.ts';
import type { Name, Origin } from '../model/message.ts';
import type { ErrorResponse, SendRequest } from '../model/requests.ts';
import { BufferBudget } from '../net/buffer-budget.ts';
import { accept } from '../net/connect.ts';
import type { Connection } from '../net/connection.ts';
import { PendingHandshakes } from '../net/pending-handshakes.ts';
import { resolveHost } from '../net/tls.ts';
import { decodeRequest, encodeResponse } from '../protocol/codec.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Keys } from '../protocol/handshake.ts';

export interface ReceiveArguments {
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

/** The first message that anyone sends, or undefined when the time is over. */
export async function receive(options: ReceiveArguments): Promise<ReceivedMessage | undefined> {
  const [address] = await resolveHost(options.bind ?? '127.0.0.1', 'bind');
  if (options.signal?.aborted) throw cancelled();
  const receiver = new Receiver(options.keys, options.signal);
  await receiver.listen(address, options.port);
  return receiver.wait(options.timeoutMs);
}

type ReceiverState =
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
  readonly #pendingHandshakes = new PendingHandshakes();
  readonly #budget = new BufferBudget();
  readonly #connections = new Set<Connection>();
  #turn: ReceiverState = { state: 'over' };

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
      this.#welcome(await this.#pendingHandshakes.meet(socket, accept(socket, this.#keys())));
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
    this.#budget.add(connection);
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
      connection.send(encodeResponse(failed(frame.request, error)));
      if (error.kind.fatal) connection.close();
    }
  }

  #offer(
    connection: Connection,
    send: SendRequest,
    waiting: ReceiverState & { state: 'waiting' },
  ): void {
    const offered: ReceiverState = { state: 'offered', connection, request: send.request };
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

  async #confirm(offered: ReceiverState & { state: 'offered' }): Promise<void> {
    if (this.#turn !== offered) throw cancelled();
    const { connection, request } = offered;
    this.#connections.delete(connection);
    await new Promise<void>((resolve) => {
      connection.onClose = () => resolve();
      connection.send(encodeResponse({ kind: 'received', request }), resolve);
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
  connection.send(encodeResponse({ kind: 'going', request: 0 }));
  connection.close();
}

function failed(request: number, { code, message }: IpcError): ErrorResponse {
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
