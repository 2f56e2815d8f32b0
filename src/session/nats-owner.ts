// Owning a store on a NATS server: from a claim that was made to the broker that serves it, and to its end.
import { join } from 'node:path';
import { homeFault, IpcError } from '../base/errors.ts';
import { replayHeartbeatMs } from '../base/limits.ts';
import { Broker } from '../broker/broker.ts';
import { makePrivateFolder } from '../files/private-files.ts';
import { RemoteFull, realDisk } from '../journal/disk.ts';
import type { HistoryBound } from '../journal/history-limits.ts';
import type { OwnerNote } from '../journal/paths.ts';
import { type Claim, parseClaim } from '../nats/claim.ts';
import { WireListener } from '../nats/dial.ts';
import { LogAppender, replaced } from '../nats/log-appender.ts';
import { claimFile, type LogStream, type StreamState } from '../nats/log-stream.ts';
import { loadMirror } from '../nats/mirror.ts';
import { MirrorFolder } from '../nats/mirror-folder.ts';
import { streamOf } from '../nats/nats-address.ts';
import type { Nats } from '../nats/nats-server.ts';
import { ReplicatedDisk } from '../nats/replicated-disk.ts';
import { type WireSocket, wirePair } from '../nats/wire-socket.ts';
import { Connection, type ConnectionTimes } from '../net/connection.ts';
import { encodeRequest } from '../protocol/codec.ts';

export interface NatsOwnerOptions {
  readonly stream: LogStream;
  readonly claim: Claim;
  /** Of the claim. */
  readonly sequence: number;
  readonly guests: Pick<Guests, 'take' | 'serve' | 'interrupt' | 'close'>;
  /** The state folder of this machine. */
  readonly home: string;
  readonly port: number;
  readonly owner: Pick<OwnerNote, 'program' | 'name'>;
  readonly history: HistoryBound;
  readonly warnings: () => readonly string[];
  /** It ended by itself. */
  onFailed(error: IpcError): void;
}

/** No key is proved here: the server has checked who may speak. */
const noKey = Buffer.alloc(32);
/** Shorter than on TCP, whose kernel tells of a process that is gone. */
export const wireTimes: ConnectionTimes = {
  handshakeMs: 2_000,
  heartbeatMs: 2_000,
  silenceMsDead: 10_000,
};
/** Said of an owner that cannot store. */
export const mailWaits = 'mail waits to be stored by the NATS server';
/** Of a file in one message; a smaller limit of the server makes it less. */
const partBytesMax = 256 * 1024;
/** The last one counts; the others part the messages of earlier owners. */
const claimsKept = 256;
/** A node of a cluster that begins to lead has all messages of the stream after a shorter time. */
const behindMsMax = 4_000;
/** Room for the header of a message in the limit of the server. */
const partHeaderBytes = 512;

export class NatsOwner {
  readonly broker: Broker;
  readonly #options: NatsOwnerOptions;
  readonly #appender: LogAppender;
  readonly #folder: MirrorFolder;
  /** Since when the last claim of the stream is another one that does not lie behind its own. */
  #olderSince: number | undefined;

  /** Restores the store from its stream, and serves it. */
  static async start(options: NatsOwnerOptions): Promise<NatsOwner> {
    const { home, claim } = options;
    let folder: MirrorFolder | undefined;
    try {
      folder = new MirrorFolder(home, claim.claim);
      return await startIn(folder, options);
    } catch (error) {
      await folder?.remove();
      throw homeFault(error, `${join(home, 'nats')}, for a copy of the mail`);
    }
  }

  constructor(
    broker: Broker,
    options: NatsOwnerOptions,
    appender: LogAppender,
    folder: MirrorFolder,
  ) {
    this.broker = broker;
    this.#options = options;
    this.#appender = appender;
    this.#folder = folder;
  }

  /** A connection of the session that owns it. */
  connect(): Connection {
    const [own, other] = wirePair();
    this.#options.guests.take(other);
    return connectionOf(own);
  }

  /** The connection to the server was lost, and messages with it. */
  interrupt(): void {
    this.#options.guests.interrupt();
  }

  get claim(): Claim {
    return this.#options.claim;
  }

  /** Why what is written is not stored; undefined while all goes well. */
  get trouble(): string | undefined {
    return troubleOf(this.#appender);
  }

  /** Ends if another session has claimed the store since, or a new stream that has its name. */
  async checkClaim(): Promise<void> {
    const { stream, sequence, claim } = this.#options;
    const last = await stream.last(claimFile).catch(() => undefined);
    const isOwn = last && parseClaim(last.data)?.claim === claim.claim;
    if (!last || isOwn) this.#olderSince = undefined;
    else if (last.sequence > sequence) this.broker.abandon(replaced());
    else {
      // A node of a cluster may be behind for a moment, but not for long.
      const now = performance.now();
      this.#olderSince ??= now;
      if (now - this.#olderSince >= behindMsMax) this.broker.abandon(replaced());
    }
  }

  /** Waits at most `graceMs` for the server to store what is written. */
  async close(graceMs: number): Promise<void> {
    const late = new IpcError(
      'storage_failed',
      `the NATS server has not answered for ${graceMs} ms`,
    );
    const timer = setTimeout(() => this.#appender.stop(late), graceMs);
    try {
      await this.broker.close();
    } finally {
      clearTimeout(timer);
      this.end(late);
      await this.#folder.remove();
    }
  }

  /** For a broker that has ended. */
  end(error: IpcError): void {
    this.#appender.stop(error);
    this.#options.guests.close();
  }
}

/** The sessions that dial the owner. They get heartbeats also before there is a broker for them. */
export class Guests {
  readonly #listener: WireListener;
  readonly #early = new Set<Connection>();
  #onConnection: ((connection: Connection) => void) | undefined;
  readonly #ticker: NodeJS.Timeout;

  constructor(nats: Nats, port: number, claim: string) {
    this.#listener = new WireListener(nats, port, claim, (socket) => this.take(socket));
    this.#ticker = setInterval(() => {
      for (const each of this.#early) each.send(encodeRequest({ kind: 'ping', request: 0 }));
    }, replayHeartbeatMs);
  }

  take(socket: WireSocket): void {
    const connection = connectionOf(socket);
    if (this.#onConnection) this.#onConnection(connection);
    else this.#early.add(connection);
  }

  /** From now on, connections go to `onConnection`. */
  serve(onConnection: (connection: Connection) => void): void {
    clearInterval(this.#ticker);
    this.#onConnection = onConnection;
    for (const each of this.#early) onConnection(each);
    this.#early.clear();
  }

  /** Ends the connections that came through the server: some of their messages may be lost. */
  interrupt(): void {
    this.#listener.interrupt();
  }

  close(): void {
    clearInterval(this.#ticker);
    this.#listener.close();
    for (const each of this.#early) each.destroy();
  }
}

export function connectionOf(socket: WireSocket): Connection {
  return new Connection(socket, { rest: Buffer.alloc(0), key: noKey }, wireTimes);
}

async function startIn(folder: MirrorFolder, options: NatsOwnerOptions): Promise<NatsOwner> {
  const { stream, claim, sequence, guests } = options;
  const store = join(folder.path, `broker-${options.port}`);
  makePrivateFolder(store);
  const mirror = await loadMirror(stream, store, sequence);
  const purge = (file: string, keep?: number) => {
    // What stays of a file that is gone, the next owner removes.
    void stream.purge(file, keep).catch(() => {});
  };
  purge(claimFile, claimsKept);
  let broker: Broker | undefined;
  let loss: IpcError | undefined;
  const appender = new LogAppender(stream, claim.claim, sequence, (error) => {
    loss = error;
    broker?.abandon(error);
  });
  const room = await StreamRoom.of(stream);
  const disk = new ReplicatedDisk({
    ...{ local: realDisk, folder: store, mirror, appender, purge, claim: claim.claim },
    partBytesMax: Math.min(partBytesMax, stream.messageBytesMax - partHeaderBytes),
    storedBytes: room.bytes,
    storedBytesMax: () => room.bytesMax,
    onFull: () => void room.lookAgain(),
  });
  const failed = (error: IpcError) => {
    appender.stop(error);
    guests.close();
    void folder.remove();
    options.onFailed(error);
  };
  const starting = Broker.start({
    listeners: {
      // No address of this machine leads to it.
      addresses: [],
      holdsLock: true,
      listenOn: () => Promise.reject(noAddress()),
      close: () => guests.close(),
    },
    acceptor: guests,
    folder: store,
    owner: options.owner,
    history: options.history,
    disk,
    isLogRemote: true,
    warnings: () => {
      const trouble = troubleOf(appender);
      return [...options.warnings(), ...(trouble === undefined ? [] : [trouble])];
    },
    onFailed: failed,
  });
  broker = await starting.catch((error: unknown) => {
    // Else it would go on trying to append what waits.
    appender.stop(new IpcError('storage_failed', 'the broker did not start', { cause: error }));
    throw noRoomToStart(error, options.port) ?? error;
  });
  if (loss) {
    broker.abandon(loss);
    throw loss;
  }
  return new NatsOwner(broker, options, appender, folder);
}

/** What the messages of a stream may take. */
class StreamRoom {
  readonly #stream: LogStream;
  /** What they take now. */
  readonly bytes: number;
  bytesMax: number;
  #isLooking = false;

  static async of(stream: LogStream): Promise<StreamRoom> {
    return new StreamRoom(stream, await stream.state());
  }

  private constructor(stream: LogStream, { bytes, bytesMax }: StreamState) {
    this.#stream = stream;
    this.bytes = bytes;
    this.bytesMax = bytesMax;
  }

  /** A server that does not answer is found out by the appends. */
  async lookAgain(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const state = await this.#stream.state().catch(() => undefined);
    this.#isLooking = false;
    if (state) this.bytesMax = state.bytesMax;
  }
}

/** undefined if it did not start for another reason than a full stream. */
function noRoomToStart(error: unknown, port: number): IpcError | undefined {
  const isFull = error instanceof IpcError && error.cause instanceof RemoteFull;
  if (!isFull) return undefined;
  const stream = streamOf(port);
  const what = `stream ${stream} has no room for a broker to start in; the mail in it is safe`;
  const hint = `raise its limit: \`nats stream edit ${stream} --max-bytes 4GB\``;
  return new IpcError('store_full', what, { cause: error, hint });
}

function troubleOf({ trouble }: LogAppender): string | undefined {
  return trouble && `${mailWaits}: ${trouble}`;
}

function noAddress(): IpcError {
  return new IpcError(
    'bad_parameter',
    'bind: the mail is on a NATS server, and sessions reach it there',
  );
}
