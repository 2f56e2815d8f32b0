// Point to point, the receiving side: one message, without a broker.
// 1. receive() listens. Every peer that has the key may connect; pings are answered at any time.
// 2. The first message ends the wait. Other senders get `busy`, and try again.
// 3. The caller writes its result, then confirms. Only then the sender gets `received`.
// 4. When the caller refuses, or is cancelled, the connections end with `going`, and senders try again.
// 5. The port is free again; it is free, too, when the sender of the message is gone.
import type { Server, Socket } from 'node:net';
import { cancelled, IpcError } from '../base/errors.ts';
import { connectionsMax } from '../base/limits.ts';
import type { SendRequest } from '../model/direct-requests.ts';
import type { Name, Origin } from '../model/message.ts';
import type { ErrorResponse } from '../model/requests.ts';
import { BufferBudget } from '../net/buffer-budget.ts';
import { accept } from '../net/connect.ts';
import type { Connection } from '../net/connection.ts';
import { listen, listenError } from '../net/listen.ts';
import { PendingHandshakes } from '../net/pending-handshakes.ts';
import { resolveHost } from '../net/tls.ts';
import { decodeRequest, encodeResponse } from '../protocol/codec.ts';
import type { Frame } from '../protocol/frame.ts';
import type { Keys } from '../protocol/handshake.ts';

export interface ReceiveArguments {
  readonly port: number;
  /** An address of this machine; 127.0.0.1 unless given. */
  readonly bind?: string | undefined;
  /** Infinity: without end. */
  readonly timeoutMs: number;
  /** The keys that are good now. */
  readonly keys: () => Keys;
  /** An abort ends the wait, or refuses the message unless it was confirmed before. */
  readonly signal?: AbortSignal | undefined;
}

/** A message whose sender waits until it is confirmed or refused. */
export interface ReceivedMessage {
  /** '' when the sender gave no address. */
  readonly from: Name | '';
  /** As the sending process describes itself. */
  readonly origin: Origin;
  readonly body: Buffer;
  /**
   * Call it once the result is written. Resolves when `received` was written to the sender, or when the
   * sender is gone; throws when the message was refused.
   */
  confirm(): Promise<void>;
  /** The message was not used: the sender may try again. */
  refuse(): void;
}

/** Returns the first message that any peer sends, or undefined when the time is over. */
export async function receive(options: ReceiveArguments): Promise<ReceivedMessage | undefined> {
  const [address] = await resolveHost(options.bind ?? '127.0.0.1', 'bind');
  if (options.signal?.aborted) throw cancelled();
  const receiver = new Receiver(options.keys, options.signal);
  await receiver.listen(address, options.port);
  return receiver.wait(options.timeoutMs);
}

type ReceiverState =
  | {
      kind: 'waiting';
      timer: NodeJS.Timeout | undefined;
      resolve: (message: ReceivedMessage | undefined) => void;
      reject: (error: IpcError) => void;
    }
  | { kind: 'offered'; connection: Connection; request: number }
  | { kind: 'over' };

class Receiver {
  readonly #keys: () => Keys;
  readonly #signal: AbortSignal | undefined;
  readonly #pendingHandshakes = new PendingHandshakes();
  readonly #budget = new BufferBudget();
  readonly #connections = new Set<Connection>();
  #server: Server | undefined;
  #state: ReceiverState = { kind: 'over' };
  /** Before its message was confirmed or refused. */
  #isSenderGone = false;

  constructor(keys: () => Keys, signal: AbortSignal | undefined) {
    this.#keys = keys;
    this.#signal = signal;
  }

  async listen(host: string, port: number): Promise<void> {
    const onConnection = (socket: Socket): void => void this.#shake(socket);
    this.#server = await listen({ host, port }, onConnection).catch((error: unknown) => {
      throw listenError(error, host, port);
    });
  }

  wait(timeoutMs: number): Promise<ReceivedMessage | undefined> {
    return new Promise((resolve, reject) => {
      const isEndless = timeoutMs === Number.POSITIVE_INFINITY;
      const timer = isEndless ? undefined : setTimeout(() => this.#expire(), timeoutMs);
      this.#state = { kind: 'waiting', timer, resolve, reject };
      this.#signal?.addEventListener('abort', this.#abort, { once: true });
      if (this.#signal?.aborted) this.#abort();
    });
  }

  #expire(): void {
    const state = this.#state;
    this.#stop();
    if (state.kind === 'waiting') state.resolve(undefined);
  }

  #abort = (): void => {
    const state = this.#state;
    this.#stop();
    if (state.kind === 'waiting') state.reject(cancelled());
  };

  async #shake(socket: Socket): Promise<void> {
    try {
      this.#add(await this.#pendingHandshakes.track(socket, accept(socket, this.#keys())));
    } catch (error) {
      // A peer that fails the handshake does not end the receive.
      if (!(error instanceof IpcError)) throw error;
    }
  }

  #add(connection: Connection): void {
    if (this.#state.kind === 'over' || this.#connections.size >= connectionsMax) {
      sendAway(connection);
      return;
    }
    connection.endWhenRetired(this.#keys);
    this.#budget.add(connection);
    this.#connections.add(connection);
    connection.onClose = () => this.#connections.delete(connection);
    connection.onFrame = (frame) => this.#onFrame(connection, frame);
  }

  #onFrame(connection: Connection, frame: Frame): void {
    try {
      const request = decodeRequest(frame);
      if (request.kind !== 'send')
        throw new IpcError('wrong_service', 'a receive listens here, not a broker');
      if (this.#state.kind !== 'waiting') throw new IpcError('busy', 'another message came first');
      this.#offer(connection, request, this.#state);
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      connection.send(encodeResponse(failed(frame.request, error)));
      if (error.kind.fatal) connection.close();
    }
  }

  #offer(
    connection: Connection,
    send: SendRequest,
    waiting: ReceiverState & { kind: 'waiting' },
  ): void {
    const offered: ReceiverState = { kind: 'offered', connection, request: send.request };
    this.#state = offered;
    connection.onClose = () => this.#senderGone(connection);
    clearTimeout(waiting.timer);
    waiting.resolve({
      from: send.from,
      origin: send.origin,
      body: send.body,
      confirm: () => this.#confirm(offered),
      refuse: () => {
        if (this.#state === offered) this.#stop();
      },
    });
  }

  async #confirm(offered: ReceiverState & { kind: 'offered' }): Promise<void> {
    if (this.#isSenderGone) return;
    if (this.#state !== offered) throw cancelled();
    const { connection, request } = offered;
    this.#connections.delete(connection);
    await new Promise<void>((resolve) => {
      connection.onClose = () => resolve();
      connection.send(encodeResponse({ kind: 'received', request }), resolve);
    });
    connection.close();
    this.#stop();
  }

  /** Nobody waits for the confirmation: a caller that never gives one would keep the port, and its process, for ever. */
  #senderGone(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#state.kind !== 'offered') return;
    this.#isSenderGone = true;
    this.#stop();
  }

  /** Frees the port. All other peers get `going`, also those that complete the handshake later. */
  #stop(): void {
    const state = this.#state;
    this.#state = { kind: 'over' };
    if (state.kind === 'waiting') clearTimeout(state.timer);
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#server?.close();
    for (const connection of this.#connections) sendAway(connection);
  }
}

/** No frame that comes after this is read, so the peer can be sure that its message was not taken. */
function sendAway(connection: Connection): void {
  connection.send(encodeResponse({ kind: 'going', request: 0 }));
  connection.close();
}

function failed(request: number, { code, message }: IpcError): ErrorResponse {
  return { kind: 'error', request, code, message };
}
