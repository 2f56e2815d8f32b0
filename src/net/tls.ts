// The channel below the handshake: in the clear on loopback, and TLS 1.3 between machines. Both sides
// choose by the two addresses of their TCP connection, never by what the other side sends, so no attacker
// can force a downgrade. The key is an external PSK: there are no certificates, and each connection has a
// Diffie-Hellman exchange of its own.
// 1. The server checks the first bytes: what is not a ClientHello gets no byte back.  2. There is a
// channel only when both sides have proved the key.  3. The channel's keying material is the `binding` of
// the handshake inside it. A relay has two channels with two different bindings, so it is detected.
import { createHmac } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { BlockList, isIP, isIPv4, type Socket } from 'node:net';
import { connect, TLSSocket } from 'node:tls';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { handshakeBytesMax } from '../base/limits.ts';
import type { Patience } from '../base/standstill.ts';
import { networkForbiddenHere } from './network-fault.ts';

export interface Channel {
  readonly socket: Socket;
  /** Unique to the channel. In the clear: the address and port that the client dialled. */
  readonly binding: Buffer;
}

const bindingBytes = 32;
const bindingLabel = 'EXPERIMENTAL agent-ipc 1';
const suite = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  // The hash of an external PSK is SHA-256.
  ciphers: 'TLS_AES_128_GCM_SHA256',
} as const;

const recordHeaderBytes = 5;
const messageHeaderBytes = 4;

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

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
  return loopback.check(bare, isIPv4(bare) ? 'ipv4' : 'ipv6');
}

/** A Unix socket, or TCP with loopback addresses at both ends. */
export function isLocal({ localAddress, remoteAddress }: Socket): boolean {
  if (localAddress === undefined) return remoteAddress === undefined;
  return remoteAddress !== undefined && isLoopback(localAddress) && isLoopback(remoteAddress);
}

/** `address` and `port`: of the side that was dialled. */
export function inTheClear(
  socket: Socket,
  address: string | undefined,
  port: number | undefined,
): Channel {
  return { socket, binding: clearBinding(address, port) };
}

/**
 * In the clear the proofs depend on the address that the client dialled. So a squatter on one port cannot
 * relay to a broker on another port or address. Empty for the store's own Unix socket.
 */
export function clearBinding(address: string | undefined, port: number | undefined): Buffer {
  if (address === undefined || port === undefined) return Buffer.alloc(0);
  return Buffer.from(`${address.replace(/^::ffff:/, '')} ${port}`);
}

/** Takes a connected socket, and destroys it on failure. `where`: the peer, for error messages. */
export function secureAsClient(
  socket: Socket,
  key: Buffer,
  patience: Patience,
  where: string,
): Promise<Channel> {
  const identity = pskIdentity(key);
  const secure = connect({ socket, ...suite, pskCallback: () => ({ psk: key, identity }) });
  const late = `a program holds ${where}, but did not shake hands in ${patience.limitMs} ms`;
  return establish(secure, 'secureConnect', {
    patience,
    late: new IpcError('port_taken', late),
    fault: (error) => clientFault(error, socket.bytesRead, where),
  });
}

/** Accepts any of `keys`. Destroys the socket on failure. */
export async function secureAsServer(
  socket: Socket,
  keys: readonly Buffer[],
  patience: Patience,
): Promise<Channel> {
  const late = new IpcError('unreachable', 'the client did not prove the key in time');
  await waitForClientHello(socket, patience, late);
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
    late,
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
  fault(error: Error): IpcError;
}

function establish(secure: TLSSocket, event: string, options: EstablishOptions): Promise<Channel> {
  const { patience, late, fault } = options;
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
      const binding = secure.exportKeyingMaterial(bindingBytes, bindingLabel, Buffer.alloc(0));
      resolve({ socket: secure, binding });
    });
  });
}

/** Waits for the whole first message and puts it back into the socket. Sends nothing. */
function waitForClientHello(socket: Socket, patience: Patience, late: IpcError): Promise<void> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const stop = (): void => {
      patience.onOver = undefined;
      socket.off('data', take).off('error', gone).off('close', gone).pause();
    };
    const fail = (error: IpcError): void => {
      stop();
      socket.destroy();
      reject(error);
    };
    const gone = (): void => fail(new IpcError('unreachable', 'the client went away'));
    const take = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (!mayBeClientHello(received)) {
        return fail(new IpcError('bad_frame', 'another machine must speak TLS 1.3'));
      }
      if (!isWhole(received)) return;
      stop();
      socket.unshift(received);
      resolve();
    };
    patience.onOver = () => fail(late);
    socket.on('data', take).on('error', gone).on('close', gone);
  });
}

/** A ClientHello is one record with one message of type 1. A larger one is refused at its length. */
function mayBeClientHello(received: Buffer): boolean {
  const [type = 0x16, major = 3] = received;
  if (type !== 0x16 || major !== 3) return false;
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
