// What lies below the handshake: nothing on loopback, and TLS 1.3 with the key between machines.
// Both sides choose by the two addresses of their TCP connection, never by what the other side says or
// sends, so nobody can talk them down. No certificates; a fresh Diffie-Hellman exchange each time.
// 1. The server looks at the first bytes: what is not a ClientHello gets no byte back.  2. Both have
// shown the key (external PSK), or there is no channel.  3. The channel's keying material is the
// `binding` of the handshake inside it: two channels that are joined by a relay have two.
import { createHmac } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { BlockList, isIPv4, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { connect, TLSSocket } from 'node:tls';
import { IpcError } from '../base/errors.ts';
import { handshakeBytesMax } from '../base/limits.ts';

export interface Channel {
  readonly socket: Socket;
  /** Of the channel alone; in the clear, of where the client dialled. */
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

/** The addresses of a host, IPv4 first. `parameter`: what named it, for the error. */
export async function resolveHost(
  host: string,
  parameter = 'host',
): Promise<[string, ...string[]]> {
  const found = await lookup(host, { all: true }).catch((error: unknown) => {
    throw unknownHost(host, parameter, error);
  });
  const addresses = found.sort((a, b) => a.family - b.family).map(({ address }) => address);
  const [first, ...others] = addresses;
  if (first === undefined) throw unknownHost(host, parameter);
  return [first, ...others];
}

function unknownHost(host: string, parameter: string, cause?: unknown): IpcError {
  return new IpcError('host_unknown', `${parameter} ${host}: no such host`, { cause });
}

export function isLoopback(address: string): boolean {
  const [bare = ''] = address.split('%');
  return loopback.check(bare, isIPv4(bare) ? 'ipv4' : 'ipv6');
}

/** A Unix socket, or TCP of which neither end can be another machine. */
export function isLocal({ localAddress, remoteAddress }: Socket): boolean {
  if (localAddress === undefined) return remoteAddress === undefined;
  return remoteAddress !== undefined && isLoopback(localAddress) && isLoopback(remoteAddress);
}

/** `address` and `port`: those of the side that was dialled. */
export function inTheClear(
  socket: Socket,
  address: string | undefined,
  port: number | undefined,
): Channel {
  return { socket, binding: clearBinding(address, port) };
}

/**
 * In the clear the proofs are tied to where the client dialled: a squatter on one port who relays to a
 * broker on another one, or at another address, is found out. Nothing for the store's own socket.
 */
export function clearBinding(address: string | undefined, port: number | undefined): Buffer {
  if (address === undefined || port === undefined) return Buffer.alloc(0);
  return Buffer.from(`${address.replace(/^::ffff:/, '')} ${port}`);
}

/** `socket` is connected; it is destroyed when this fails. `where`: for messages. */
export function secureAsClient(
  socket: Socket,
  key: Buffer,
  limitMs: number,
  where: string,
): Promise<Channel> {
  const identity = identityOf(key);
  const secure = connect({ socket, ...suite, pskCallback: () => ({ psk: key, identity }) });
  const late = `a program holds ${where}, but did not shake hands in ${limitMs} ms`;
  return established(secure, 'secureConnect', {
    limitMs,
    late: new IpcError('port_taken', late),
    fault: (error) => clientFault(error, socket.bytesRead, where),
  });
}

/** One of `keys` is the client's. The socket is destroyed when this fails. */
export async function secureAsServer(
  socket: Socket,
  keys: readonly Buffer[],
  limitMs: number,
): Promise<Channel> {
  const began = performance.now();
  const late = new IpcError('unreachable', 'the client did not prove the key in time');
  await clientHello(socket, limitMs, late);
  // Not written in place: the types of TLSSocket do not know `pskCallback`.
  const options = {
    isServer: true,
    ...suite,
    pskCallback: (_socket: TLSSocket, identity: string) =>
      keys.find((key) => identityOf(key) === identity) ?? null,
  };
  const secure = new TLSSocket(socket, options);
  return established(secure, 'secure', {
    limitMs: limitMs - (performance.now() - began),
    late,
    fault: (error) => new IpcError('key_mismatch', `no TLS with the client (${codeOf(error)})`),
  });
}

/** Tells the server which key; says nothing about it to others. */
function identityOf(key: Buffer): string {
  const mark = createHmac('sha256', key).update('agent-ipc identity 1\0', 'latin1').digest('hex');
  return `agent-ipc 1 ${mark.slice(0, 16)}`;
}

interface Terms {
  readonly limitMs: number;
  readonly late: IpcError;
  fault(error: Error): IpcError;
}

function established(secure: TLSSocket, event: string, terms: Terms): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      clearTimeout(timer);
      secure.destroy();
      reject(error instanceof IpcError ? error : terms.fault(error));
    };
    const timer = setTimeout(() => fail(terms.late), terms.limitMs);
    secure.on('error', fail);
    secure.once('close', () => fail(new Error('closed')));
    secure.once(event, () => {
      clearTimeout(timer);
      // In TLS 1.3 a PSK looks like a resumed session; anything else was proved by a certificate.
      if (!secure.isSessionReused()) return fail(new Error('no key was used'));
      // Later faults are the connection's; this listener stays, since one without any ends the process.
      const binding = secure.exportKeyingMaterial(bindingBytes, bindingLabel, Buffer.alloc(0));
      resolve({ socket: secure, binding });
    });
  });
}

/** Resolves when the whole first message is there, and puts it back. Not one byte is answered. */
function clientHello(socket: Socket, limitMs: number, late: IpcError): Promise<void> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const stop = (): void => {
      clearTimeout(timer);
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
    const timer = setTimeout(() => fail(late), limitMs);
    socket.on('data', take).on('error', gone).on('close', gone);
  });
}

/** One record with one message of type 1; nothing larger is ever kept for a stranger. */
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
  const code = codeOf(error);
  if (bytes === 0) return new IpcError('unreachable', `${where} hung up without a word`);
  if (/^ERR_SSL_.*ALERT/.test(code)) {
    return new IpcError('key_mismatch', `the program that answered at ${where} has another key`);
  }
  const what = `a program holds ${where}, but does not speak agent-ipc over TLS (${code})`;
  return new IpcError('port_taken', what);
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.message;
}
