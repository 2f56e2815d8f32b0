// How sessions reach the owner through their NATS server: each connection has two subjects of its own, one in each
// direction. A session dials the claim of the owner, so a session that knows the newest claim reaches no earlier owner.
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { IpcError } from '../base/errors.ts';
import { randomId } from '../base/random-id.ts';
import { natsFault } from './nats-faults.ts';
import type { Nats } from './nats-server.ts';
import { WireSocket, type WireTransport } from './wire-socket.ts';

/** How a dial ended without a connection: `absent` when nobody has subscribed to the claim, as the server says. */
export type DialFailure = 'absent' | 'silent';

const idCharacters = 22;
const dialMs = 2_500;
/** The largest message of a connection, if the server takes it. */
const messageBytesMax = 256 * 1024;
const idForm = /^[0-9a-v]{22}$/;

/** `silent` also when the connection to the server is closed. Throws `not_authorized`: then the owner may be well. */
export async function dialOwner(
  { connection, url }: Nats,
  port: number,
  claim: string,
): Promise<WireSocket | DialFailure> {
  const id = randomId(idCharacters);
  let socket: WireSocket | undefined;
  let fault: Error | undefined;
  try {
    socket = openWire(connection, `ipcwire.${port}.c.${id}`, 'down', 'up');
    socket.on('error', (error) => {
      fault = error;
    });
    await connection.request(dialSubject(port, claim), id, { timeout: dialMs });
    if (fault) throw fault;
    return socket;
  } catch (error) {
    socket?.destroy();
    const refusal = natsFault(error, url);
    if (refusal instanceof IpcError && refusal.code === 'not_authorized') throw refusal;
    return isAbsent(error) ? 'absent' : 'silent';
  }
}

/** Accepts the connections of sessions that dial a claim. */
export class WireListener {
  readonly #connection: NatsConnection;
  readonly #port: number;
  readonly #subscription: Subscription;
  readonly #sockets = new Set<WireSocket>();
  readonly #onSocket: (socket: WireSocket) => void;

  /** Throws `unreachable` over a connection that is closed. */
  constructor(
    { connection }: Nats,
    port: number,
    claim: string,
    onSocket: (socket: WireSocket) => void,
  ) {
    this.#onSocket = onSocket;
    this.#connection = connection;
    this.#port = port;
    this.#subscription = subscribe(connection, dialSubject(port, claim), (message) =>
      this.#accept(message),
    );
  }

  /** Ends the connections that came through the server: some of their messages may be lost. */
  interrupt(): void {
    for (const socket of [...this.#sockets]) socket.destroy(broken());
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #accept(message: Msg): void {
    const id = message.string();
    if (!idForm.test(id)) return;
    const socket = openWire(this.#connection, `ipcwire.${this.#port}.c.${id}`, 'up', 'down');
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    message.respond();
    this.#onSocket(socket);
  }
}

/** Throws `unreachable` over a connection that is closed. */
function subscribe(
  connection: NatsConnection,
  subject: string,
  onMessage: (message: Msg) => void,
): Subscription {
  try {
    return connection.subscribe(subject, {
      callback: (error, message) => {
        if (!error) onMessage(message);
      },
    });
  } catch {
    throw broken();
  }
}

export function broken(): IpcError {
  return new IpcError('unreachable', 'the connection to the NATS server broke');
}

function dialSubject(port: number, claim: string): string {
  return `ipcwire.${port}.d.${claim}`;
}

/** `from` and `to`: the last parts of the subjects that it receives and sends on. */
function openWire(
  connection: NatsConnection,
  subject: string,
  from: string,
  to: string,
): WireSocket {
  const received = `${subject}.${from}`;
  const transport: WireTransport = {
    bytesMax: Math.min(messageBytesMax, connection.info?.max_payload ?? messageBytesMax),
    // Where nobody has subscribed, the server sends a status back: the other process is gone.
    send: (message) => connection.publish(`${subject}.${to}`, message, { reply: received }),
    close: () => subscription.unsubscribe(),
  };
  const socket = new WireSocket(transport);
  const subscription = connection.subscribe(received, {
    callback: (error, message) => {
      if (error) socket.destroy(error);
      else if (message.headers?.code === 503) socket.destroy(gone());
      else socket.receive(Buffer.from(message.data));
    },
  });
  return socket;
}

function gone(): IpcError {
  return new IpcError('unreachable', 'the process on the other side is gone');
}

function isAbsent(error: unknown): boolean {
  const name = error instanceof Error ? `${error.name} ${error.message}` : '';
  return /no ?responders/i.test(name);
}
