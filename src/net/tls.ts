// The channel below the handshake: in the clear on loopback, and TLS 1.3 between machines. Both sides
// choose by the two addresses of their TCP connection, so no attacker can force a downgrade. On loopback the
// client may choose TLS as well: it does so when the proof in the clear is not from its own place, because then a
// tunnel or a relay leads to the broker. The key is an external PSK: there are no certificates, and each
// connection has a Diffie-Hellman exchange of its own.
// 1. The server checks the first bytes: what is not a ClientHello gets no byte back.  2. There is a
// channel only when both sides have proved the key.  3. The channel's keying material is in the `binding` of
// the handshake inside it. A relay has two channels with two different bindings, so it is detected.
import { createHmac } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { BlockList, isIP, isIPv4, type Socket } from 'node:net';
import { connect, TLSSocket } from 'node:tls';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { handshakeBytesMax } from '../base/limits.ts';
import type { Patience } from '../base/standstill.ts';
import { networkForbiddenHere } from './network-fault.ts';
import { placeHere } from './place.ts';

export interface Channel {
  readonly socket: Socket;
  /** Unique to the channel. In the clear: what the client dialled, and where it is. */
  readonly binding: Buffer;
  /** In the clear, what an older version on the other side takes as the binding. */
  readonly olderBinding?: Buffer;
}

/** The side of a connection that was dialled. Without an address it is the store's own Unix socket. */
interface DialledEnd {
  readonly address: string | undefined;
  readonly port: number | undefined;
}

const bindingBytes = 32;
const bindingLabel = 'EXPERIMENTAL agent-ipc 1';
const suite = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  // The hash of an external PSK is SHA-256.
  ciphers: 'TLS_AES_128_GCM_SHA256',
} as const;

/** The type of the record that has a ClientHello: the first byte of TLS. */
const tlsHandshakeType = 0x16;
const recordHeaderBytes = 5;
const messageHeaderBytes = 4;

let loopbackList: BlockList | undefined;

/** Returns the addresses of a host, IPv4 first. `parameter`: where the host was given, for the error. */
export async function resolveHost(
  host: string,
  parameter = 'host',
): Promise<[string, ...string[]]> {
  const found = await lookup(host, { all: true }).catch(async (error: unknown) => {
    throw await lookupError(host, parameter, error);
  });
  const addresses = found.sort((a, b) => a.family - b.family).map(({ address }) => address);
  const [first, ...others] = addresses;
  if (first === undefined) throw unknownHost(host, parameter);
  return [first, ...others];
}

/**
 * The addresses to dial for a host. A name of this machine stands for both loopback addresses, because sessions
 * here listen on IPv4 whatever the resolver says.
 */
export async function dialAddresses(host: string): Promise<readonly [string, ...string[]]> {
  const found = await resolveHost(host);
  if (isIP(host) !== 0 || !found.every(isLoopback)) return found;
  const [first = '127.0.0.1', ...others] = found.filter(isIPv4);
  const rest = [...others, '127.0.0.1', ...found, '::1'].filter((each) => each !== first);
  return [first, ...new Set(rest)];
}

/** A resolver that may not ask its server answers as if there were none. */
async function lookupError(host: string, parameter: string, cause: unknown): Promise<IpcError> {
  const code = systemErrorCode(cause);
  if (code !== 'EAI_AGAIN' && code !== 'EAI_FAIL') return unknownHost(host, parameter, cause);
  const forbidden = await networkForbiddenHere();
  if (forbidden) return forbidden;
  const what = `${parameter} ${host}: no name server answers (${code})`;
  return new IpcError('host_unknown', what, { cause });
}

function unknownHost(host: string, parameter: string, cause?: unknown): IpcError {
  return new IpcError('host_unknown', `${parameter} ${host}: no such host`, { cause });
}

export function isLoopback(address: string): boolean {
  const [bare = ''] = address.split('%');
  loopbackList ??= loopbackAddresses();
  return loopbackList.check(bare, isIPv4(bare) ? 'ipv4' : 'ipv6');
}

/** Made when a connection has addresses: one through the store's socket has none. */
function loopbackAddresses(): BlockList {
  const list = new BlockList();
  list.addSubnet('127.0.0.0', 8, 'ipv4');
  list.addAddress('::1', 'ipv6');
  return list;
}

/** A Unix socket, or TCP with loopback addresses at both ends. */
export function isLocal({ localAddress, remoteAddress }: Socket): boolean {
  if (localAddress === undefined) return remoteAddress === undefined;
  return remoteAddress !== undefined && isLoopback(localAddress) && isLoopback(remoteAddress);
}

/** The channel in the clear of a connection that this side dialled. */
export function dialledInTheClear(socket: Socket): Channel {
  return inTheClear(socket, farEnd(socket));
}

function inTheClear(socket: Socket, end: DialledEnd): Channel {
  return { socket, binding: clearBinding(end), olderBinding: route(end) };
}

/**
 * In the clear the proofs depend on what the client dialled and on where it is. So a squatter cannot relay to a
 * broker on another port or address, on another machine or in another network namespace. Empty for the store's own
 * Unix socket, which only its folder leads to.
 */
export function clearBinding(end: DialledEnd, place = placeHere()): Buffer {
  const dialled = route(end);
  return dialled.length === 0 ? dialled : Buffer.from(`${dialled} ${place}`);
}

function route({ address, port }: DialledEnd): Buffer {
  if (address === undefined || port === undefined) return Buffer.alloc(0);
  return Buffer.from(`${address.replace(/^::ffff:/, '')} ${port}`);
}

function farEnd({ remoteAddress: address, remotePort: port }: Socket): DialledEnd {
  return { address, port };
}

function nearEnd({ localAddress: address, localPort: port }: Socket): DialledEnd {
  return { address, port };
}

/** On loopback a squatter on one port could lead through TLS to a broker on another one. */
function routeInside(socket: Socket, end: DialledEnd): Buffer {
  return isLocal(socket) ? route(end) : Buffer.alloc(0);
}

/** The channel that a client chooses for its connection. Destroys the socket on failure. */
export async function acceptChannel(
  socket: Socket,
  keys: readonly Buffer[],
  patience: Patience,
): Promise<Channel> {
  const end = nearEnd(socket);
  if (isLocal(socket)) {
    const isUnixSocket = end.address === undefined;
    const first = isUnixSocket ? undefined : await firstByte(socket, patience);
    if (first !== tlsHandshakeType) return inTheClear(socket, end);
  }
  return secureAsServer(socket, keys, patience);
}

/** Takes a connected socket, and destroys it on failure. `where`: the peer, for error messages. */
export function secureAsClient(
  socket: Socket,
  key: Buffer,
  patience: Patience,
  where: string,
): Promise<Channel> {
  const identity = pskIdentity(key);
  const inside = routeInside(socket, farEnd(socket));
  const secure = connect({ socket, ...suite, pskCallback: () => ({ psk: key, identity }) });
  const late = `a program holds ${where}, but did not shake hands in ${patience.limitMs} ms`;
  return establish(secure, 'secureConnect', {
    patience,
    late: new IpcError('port_taken', late),
    inside,
    fault: (error) => clientFault(error, socket.bytesRead, where),
  });
}

/** Accepts any of `keys`. Destroys the socket on failure. */
export async function secureAsServer(
  socket: Socket,
  keys: readonly Buffer[],
  patience: Patience,
): Promise<Channel> {
  const inside = routeInside(socket, nearEnd(socket));
  await waitForClientHello(socket, patience);
  // A variable, because the types of TLSSocket lack `pskCallback`.
  const options = {
    isServer: true,
    ...suite,
    pskCallback: (_socket: TLSSocket, identity: string) =>
      keys.find((key) => pskIdentity(key) === identity) ?? null,
  };
  const secure = new TLSSocket(socket, options);
  return establish(secure, 'secure', {
    patience,
    late: clientIsLate(),
    inside,
    fault: (error) =>
      new IpcError('key_mismatch', `no TLS with the client (${systemErrorCode(error)})`),
  });
}

/** Names the key to a server that has it. Nothing can be learned about the key from it. */
function pskIdentity(key: Buffer): string {
  const digest = createHmac('sha256', key).update('agent-ipc identity 1\0', 'latin1').digest('hex');
  return `agent-ipc 1 ${digest.slice(0, 16)}`;
}

interface EstablishOptions {
  readonly patience: Patience;
  readonly late: IpcError;
  /** Bound by the proofs together with the channel's keying material. */
  readonly inside: Buffer;
  fault(error: Error): IpcError;
}

function establish(secure: TLSSocket, event: string, options: EstablishOptions): Promise<Channel> {
  const { patience, late, inside, fault } = options;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      patience.onOver = undefined;
      secure.destroy();
      reject(error instanceof IpcError ? error : fault(error));
    };
    patience.onOver = () => fail(late);
    secure.on('error', fail);
    secure.once('close', () => fail(new Error('closed')));
    secure.once(event, () => {
      patience.onOver = undefined;
      // In TLS 1.3 a PSK looks like a resumed session. Without it a certificate was used.
      if (!secure.isSessionReused()) return fail(new Error('no key was used'));
      // The Connection handles later errors. This listener stays: an error event without any ends the process.
      const keying = secure.exportKeyingMaterial(bindingBytes, bindingLabel, Buffer.alloc(0));
      resolve({ socket: secure, binding: Buffer.concat([keying, inside]) });
    });
  });
}

async function firstByte(socket: Socket, patience: Patience): Promise<number | undefined> {
  const [first] = await firstBytes(socket, patience, (received) => received.length > 0);
  return first;
}

/** Waits for the whole first message. */
async function waitForClientHello(socket: Socket, patience: Patience): Promise<void> {
  await firstBytes(socket, patience, (received) => {
    if (mayBeClientHello(received)) return isWhole(received);
    throw new IpcError('bad_frame', 'the first bytes are not those of TLS 1.3');
  });
}

/** Waits until `isEnough`, and puts the bytes back into the socket. Sends nothing. */
function firstBytes(
  socket: Socket,
  patience: Patience,
  isEnough: (received: Buffer) => boolean,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const stop = (): void => {
      patience.onOver = undefined;
      socket.off('data', take).off('error', gone).off('close', gone).pause();
    };
    const fail = (error: unknown): void => {
      stop();
      socket.destroy();
      reject(error);
    };
    const gone = (): void => fail(new IpcError('unreachable', 'the client went away'));
    const take = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      try {
        if (!isEnough(received)) return;
      } catch (error) {
        return fail(error);
      }
      stop();
      socket.unshift(received);
      resolve(received);
    };
    patience.onOver = () => fail(clientIsLate());
    socket.on('data', take).on('error', gone).on('close', gone).resume();
  });
}

function clientIsLate(): IpcError {
  return new IpcError('unreachable', 'the client did not prove the key in time');
}

/** A ClientHello is one record with one message of type 1. A larger one is refused at its length. */
function mayBeClientHello(received: Buffer): boolean {
  const [type = tlsHandshakeType, major = 3] = received;
  if (type !== tlsHandshakeType || major !== 3) return false;
  if (received.length < recordHeaderBytes) return true;
  const bytes = received.readUInt16BE(3);
  if (bytes < messageHeaderBytes || bytes > handshakeBytesMax - recordHeaderBytes) return false;
  if (received.length < recordHeaderBytes + messageHeaderBytes) return true;
  const isHello = received[recordHeaderBytes] === 1;
  return isHello && received.readUIntBE(recordHeaderBytes + 1, 3) === bytes - messageHeaderBytes;
}

function isWhole(received: Buffer): boolean {
  if (received.length < recordHeaderBytes) return false;
  return received.length >= recordHeaderBytes + received.readUInt16BE(3);
}

function clientFault(error: Error, bytes: number, where: string): IpcError {
  const code = systemErrorCode(error);
  if (bytes === 0) return new IpcError('unreachable', `${where} hung up before its first byte`);
  if (/^ERR_SSL_.*ALERT/.test(code)) {
    return new IpcError('key_mismatch', `the program that answered at ${where} has another key`);
  }
  const what = `a program holds ${where}, but does not speak agent-ipc over TLS (${code})`;
  return new IpcError('port_taken', what);
}
