// Sockets for tests of the wire protocol. All are on loopback, on ports below the ephemeral range, so
// that no client connects to itself.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { IpcError } from '../../src/base/errors.ts';
import { accept, dial } from '../../src/net/connect.ts';
import type { Connection, ConnectionTimes } from '../../src/net/connection.ts';
import type { Frame } from '../../src/protocol/frame.ts';
import type { Keys } from '../../src/protocol/handshake.ts';
import { freePort } from './places.ts';

export const keys: Keys = [Buffer.alloc(32, 0x6b)];
export const otherKeys: Keys = [Buffer.alloc(32, 0x6f)];
const host = '127.0.0.1';

/** A server that passes its sockets to the test. */
export class Listener {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async start(onSocket: (socket: Socket) => void): Promise<Listener> {
    const port = await freePort();
    const server = createServer(onSocket);
    server.listen(port, host);
    await once(server, 'listening');
    return new Listener(port, server);
  }

  private constructor(port: number, server: Server) {
    this.port = port;
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  get address(): { host: string; port: number } {
    return { host, port: this.port };
  }

  /** Stops accepting; open sockets stay. */
  stop(): void {
    this.#server.close();
  }

  close(): void {
    this.stop();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** A plain socket without the protocol; its errors count as its end. */
export async function rawSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host, noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** All bytes of a socket until its end. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks);
}

/** Collects the frames of one connection, for a test that awaits them. */
export class FrameCollector {
  readonly connection: Connection;
  readonly closed: Promise<IpcError | undefined>;
  readonly frames: Frame[] = [];
  #wanted: (() => void) | undefined;
  #isClosed = false;

  constructor(connection: Connection) {
    this.connection = connection;
    this.closed = new Promise((resolve) => {
      connection.onClose = (reason) => {
        this.#isClosed = true;
        this.#wanted?.();
        resolve(reason);
      };
    });
    connection.onFrame = (frame) => {
      this.frames.push(frame);
      this.#wanted?.();
    };
  }

  /** The next frames in order of arrival. Rejects if the connection ends before. */
  async next(count = 1): Promise<Frame[]> {
    while (this.frames.length < count) {
      if (this.#isClosed) throw new Error('the connection ended before its next frame');
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
    return this.frames.splice(0, count);
  }
}

/** Both ends of one connection after the handshake. The listener is already closed. */
export async function connectedPair(
  times?: ConnectionTimes,
): Promise<{ client: Connection; server: Connection; serverSocket: Socket }> {
  let accepted: (pair: [Connection, Socket]) => void = () => {};
  const accepting = new Promise<[Connection, Socket]>((resolve) => {
    accepted = resolve;
  });
  const listener = await Listener.start((socket) => {
    accept(socket, keys, times).then((connection) => accepted([connection, socket]));
  });
  const client = await dial(listener.address, keys, times ? { times } : {});
  const [server, serverSocket] = await accepting;
  listener.stop();
  return { client, server, serverSocket };
}
