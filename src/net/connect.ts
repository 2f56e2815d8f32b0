// Makes connections: dial() and accept() complete the handshake within `handshakeMs`, inside TLS when the
// peer is on another machine. On loopback:
// 1. The client dials in the clear. A server that proves the key for this place is on the other end of the
// connection, and the frames follow in the clear.  2. Any other proof may have come through a tunnel or a relay:
// the client has sent nothing but its preface and nonce, hangs up, and dials again with TLS.
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { cancelled, IpcError, systemErrorCode } from '../base/errors.ts';
import { type Patience, withPatience } from '../base/standstill.ts';
import {
  ClientHandshake,
  clientNonce,
  type Keys,
  nonceBytes,
  ServerHandshake,
} from '../protocol/handshake.ts';
import { Connection, type ConnectionTimes, type Proven, timesDefault } from './connection.ts';
import { networkForbidden, socketForbidden } from './network-fault.ts';
import { acceptChannel, type Channel, dialledInTheClear, isLocal, secureAsClient } from './tls.ts';

export type DialTarget =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
  readonly times?: ConnectionTimes;
  /**
   * Called with each socket that the dial opens: with a further one when it dials again, with TLS or with an older key.
   * The dial ends when its last socket is destroyed.
   */
  readonly dialled?: (socket: Socket) => void;
}

/** A dial that takes longer than this may wait behind a flood of strangers, so the next address is dialled, too. */
const nextDialMs = 200;
/** Nobody reads it, so one for all spares the cost of a flood. */
const clientGone = new IpcError('unreachable', 'the client did not prove the key');

/**
 * `unreachable` and `host_unknown` have the system's error as their cause. A peer that hangs up before its
 * first byte counts as unreachable: so do connections in the backlog of an owner that dies.
 */
export function dial(
  address: DialTarget,
  keys: Keys,
  options: DialOptions = {},
): Promise<Connection> {
  return dialAs(address, keys, options, false);
}

/** `alwaysTls`: also on loopback, because the other end has not proved that it is in this place. */
async function dialAs(
  address: DialTarget,
  keys: Keys,
  options: DialOptions,
  alwaysTls: boolean,
): Promise<Connection> {
  const { signal, times = timesDefault } = options;
  if (signal?.aborted) throw cancelled();
  // TLS takes one key. When it is refused, the next key is tried on a new connection.
  const [key, older, ...others] = keys;
  let isSecure = alwaysTls;
  const socket = connect({ ...address, noDelay: true });
  socket.on('error', ignore);
  options.dialled?.(socket);
  const cancel = (): void => {
    socket.destroy(cancelled());
  };
  signal?.addEventListener('abort', cancel, { once: true });
  const within = <T>(step: (patience: Patience) => Promise<T>): Promise<T> =>
    withPatience(times.handshakeMs, step);
  try {
    await within((patience) => connected(socket, address, patience));
    if (signal?.aborted) throw cancelled();
    isSecure ||= !isLocal(socket);
    if (!isSecure) {
      const channel = dialledInTheClear(socket);
      const proven = await within((patience) => shakeAsClient(channel, address, keys, patience));
      return new Connection(socket, proven, times);
    }
    const channel = await within((patience) =>
      secureAsClient(socket, key, patience, where(address)),
    );
    const proven = await within((patience) => shakeAsClient(channel, address, [key], patience));
    return new Connection(channel.socket, proven, times);
  } catch (error) {
    if (signal?.aborted) throw cancelled();
    const isMismatch = error instanceof IpcError && error.code === 'key_mismatch';
    if (isMismatch && !isSecure && 'host' in address) {
      return await dialAs(address, keys, options, true);
    }
    if (!isMismatch || !isSecure || older === undefined) throw error;
    return await dialAs(address, [older, ...others], options, alwaysTls);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/**
 * Dials the first address, and each further one when those before it have failed, or have not shaken hands within
 * `nextDialMs`. The first connection counts. If none succeeds, throws the first error that is not `unreachable`,
 * or else the first of all. The errors of ports come before those of Unix sockets, because ports are what people know.
 */
export function dialAny(addresses: readonly DialTarget[], keys: Keys): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const errors: unknown[] = [];
    const opened: { readonly socket: Socket; readonly index: number }[] = [];
    let begun = 0;
    let failed = 0;
    let winner: number | undefined;
    const endLosers = (): void => {
      for (const { socket, index } of opened) if (index !== winner) socket.destroy(cancelled());
    };
    let timer: NodeJS.Timeout | undefined;
    const begin = (): void => {
      clearTimeout(timer);
      const index = begun++;
      const address = addresses[index];
      if (!address || winner !== undefined) return;
      timer = setTimeout(begin, nextDialMs);
      const dialled = (socket: Socket): void => {
        opened.push({ socket, index });
        if (winner !== undefined) endLosers();
      };
      dial(address, keys, { dialled }).then(
        (connection) => won(connection, index),
        (error: unknown) => lost(index, error),
      );
    };
    const won = (connection: Connection, index: number): void => {
      if (winner !== undefined) return connection.destroy();
      winner = index;
      clearTimeout(timer);
      endLosers();
      resolve(connection);
    };
    const lost = (index: number, error: unknown): void => {
      errors[index] = error;
      failed += 1;
      if (failed < addresses.length) return begin();
      clearTimeout(timer);
      const ofPorts = errors.filter((_, place) => 'host' in (addresses[place] as DialTarget));
      reject(
        [...ofPorts, ...errors].find((each) => !isUnreachable(each)) ?? ofPorts[0] ?? errors[0],
      );
    };
    begin();
  });
}

function isUnreachable(error: unknown): boolean {
  return error instanceof IpcError && error.code === 'unreachable';
}

/** Destroys the socket when the peer does not prove the key in time. */
export async function accept(
  socket: Socket,
  keys: Keys,
  times: ConnectionTimes = timesDefault,
): Promise<Connection> {
  socket.on('error', ignore);
  socket.setNoDelay(true);
  return withPatience(times.handshakeMs, async (patience) => {
    const channel = await acceptChannel(socket, keys, patience);
    const { binding } = channel;
    const handshake = new ServerHandshake({ keys, nonce: randomBytes(nonceBytes), binding });
    const proven = await shake(channel.socket, handshake, patience, {
      late: clientGone,
      gone: () => clientGone,
    });
    return new Connection(channel.socket, proven, times);
  });
}

/** An error event without a listener would end the process. Other listeners handle the errors that matter. */
function ignore(): void {}

function connected(socket: Socket, address: DialTarget, patience: Patience): Promise<void> {
  return new Promise((resolve, reject) => {
    const what = `${where(address)} did not answer in ${patience.limitMs} ms`;
    patience.onOver = () => socket.destroy(new IpcError('unreachable', what));
    const failed = (error: Error): void => {
      reject(error instanceof IpcError ? error : refused(error, address));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve();
    });
  });
}

async function shakeAsClient(
  { socket, binding, olderBinding }: Channel,
  address: DialTarget,
  keys: Keys,
  patience: Patience,
): Promise<Proven> {
  const nonce = clientNonce(keys[0]);
  const handshake = new ClientHandshake({ keys, nonce, binding, olderBinding });
  socket.write(handshake.start());
  return shake(socket, handshake, patience, {
    late: new IpcError(
      'port_taken',
      `a program holds ${where(address)}, but did not shake hands in ${patience.limitMs} ms`,
    ),
    gone: (bytes) =>
      bytes === 0
        ? new IpcError('unreachable', `${where(address)} hung up before its first byte`)
        : new IpcError('port_taken', `a program holds ${where(address)}, but hung up`),
  });
}

interface HandshakeFaults {
  readonly late: IpcError;
  /** The peer hung up; `bytes` were received from it. */
  readonly gone: (bytes: number) => IpcError;
}

/** Leaves the socket paused and without the listeners of the handshake. */
function shake(
  socket: Socket,
  handshake: ClientHandshake | ServerHandshake,
  patience: Patience,
  faults: HandshakeFaults,
): Promise<Proven> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    patience.onOver = () => fail(faults.late);
    const stop = (): void => {
      patience.onOver = undefined;
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
    socket.on('data', step).on('error', broken).on('close', gone).resume();
  });
}

const noRoute = ['ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'EAFNOSUPPORT'];

function refused(error: Error, address: DialTarget): IpcError {
  const forbidden =
    'path' in address ? socketForbidden(error) : networkForbidden(error, address.host);
  if (forbidden) return forbidden;
  const code = systemErrorCode(error);
  if (noRoute.includes(code)) {
    const hint = 'check the network of this machine; a sandbox without network has no route either';
    const what = `${where(address)}: no route leads there (${code})`;
    return new IpcError('unreachable', what, { cause: error, hint });
  }
  const unknown = code === 'ENOTFOUND' || code === 'EAI_AGAIN';
  const what = unknown ? 'no such host' : `no program answers (${code})`;
  const kind = unknown ? 'host_unknown' : 'unreachable';
  return new IpcError(kind, `${where(address)}: ${what}`, { cause: error });
}

function where(address: DialTarget): string {
  if ('path' in address) return address.path;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
