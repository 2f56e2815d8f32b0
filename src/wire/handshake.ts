// The bytes before the first frame; they never change, so that versions can differ after the proof.
// 1. The client sends its preface and a nonce.  2. The server, silent until it has all 40 bytes, sends
// its preface, a nonce and its proof.  3. The client checks that proof and sends its own.  4. The
// server checks it. Frames follow. Whoever finds a wrong byte closes without a word.
import assert from 'node:assert/strict';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { IpcError } from '../core/errors.ts';
import { handshakeBytesMax } from '../core/limits.ts';

export const keyBytes = 32;
export const nonceBytes = 32;
const proofBytes = 32;
const clientPreface = Buffer.from([0xa9, 0x49, 0x50, 0x43, 0x63, 0x0d, 0x0a, 0x01]);
const serverPreface = Buffer.from([0xa9, 0x49, 0x50, 0x43, 0x73, 0x0d, 0x0a, 0x01]);
const prefaceBytes = 8;
/** Where the two prefaces differ. */
const sideOffset = 4;

/** What the side that dialled sends first. */
export const helloBytes = prefaceBytes + nonceBytes;
const serverHelloBytes = prefaceBytes + nonceBytes + proofBytes;
assert(helloBytes + proofBytes <= handshakeBytesMax, 'a stranger may send his handshake');

export interface HandshakeStep {
  /** To be sent now; may be empty. */
  readonly send: Buffer;
  /** The peer has proved the key; the bytes after its proof. Undefined: more bytes are awaited. */
  readonly rest: Buffer | undefined;
}

export interface HandshakeOptions {
  readonly key: Buffer;
  /** 32 random bytes, used once. */
  readonly nonce: Buffer;
  /** Ties the proofs to the channel below; empty in the clear on loopback. */
  readonly binding?: Buffer;
}

const nothing: Buffer = Buffer.alloc(0);

/** The side that was dialled. Keeps at most the bytes of one handshake. */
export class ServerHandshake {
  readonly #options: HandshakeOptions;
  #received = nothing;
  /** Set once the client's nonce is here. */
  #clientNonce: Buffer | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** Throws `bad_frame` at the first wrong byte, `key_mismatch` at a wrong proof. */
  push(chunk: Buffer): HandshakeStep {
    let rest = chunk;
    let send = nothing;
    if (this.#clientNonce === undefined) {
      rest = this.#fill(rest, helloBytes);
      checkPreface(this.#received);
      if (this.#received.length < helloBytes) return { send, rest: undefined };
      this.#clientNonce = this.#received.subarray(prefaceBytes);
      this.#received = nothing;
      send = this.#hello(this.#clientNonce);
    }
    rest = this.#fill(rest, proofBytes);
    if (this.#received.length < proofBytes) return { send, rest: undefined };
    const expected = clientProof(this.#options, this.#clientNonce, this.#options.nonce);
    if (!timingSafeEqual(this.#received, expected)) {
      throw new IpcError('key_mismatch', 'the client has another key');
    }
    return { send, rest };
  }

  #fill(chunk: Buffer, wantedBytes: number): Buffer {
    const missingBytes = wantedBytes - this.#received.length;
    this.#received = Buffer.concat([this.#received, chunk.subarray(0, missingBytes)]);
    return chunk.subarray(missingBytes);
  }

  #hello(clientNonce: Buffer): Buffer {
    const proof = serverProof(this.#options, clientNonce, this.#options.nonce);
    return Buffer.concat([serverPreface, this.#options.nonce, proof]);
  }
}

/** The side that dials. */
export class ClientHandshake {
  readonly #options: HandshakeOptions;
  #received = nothing;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** The first bytes to send. */
  start(): Buffer {
    return Buffer.concat([clientPreface, this.#options.nonce]);
  }

  /**
   * Throws `unreachable` when it has dialled itself, `port_taken` at the first byte of another
   * protocol, `key_mismatch` at a wrong proof.
   */
  push(chunk: Buffer): HandshakeStep {
    const missingBytes = serverHelloBytes - this.#received.length;
    this.#received = Buffer.concat([this.#received, chunk.subarray(0, missingBytes)]);
    checkServerPreface(this.#received);
    if (this.#received.length < serverHelloBytes) return { send: nothing, rest: undefined };
    const serverNonce = this.#received.subarray(prefaceBytes, prefaceBytes + nonceBytes);
    const expected = serverProof(this.#options, this.#options.nonce, serverNonce);
    if (!timingSafeEqual(this.#received.subarray(prefaceBytes + nonceBytes), expected)) {
      throw new IpcError('key_mismatch', 'the program that answered has another key');
    }
    const send = clientProof(this.#options, this.#options.nonce, serverNonce);
    return { send, rest: chunk.subarray(missingBytes) };
  }
}

function checkPreface(received: Buffer): void {
  if (startsAs(received, clientPreface)) return;
  throw new IpcError('bad_frame', 'the first bytes are not those of agent-ipc');
}

function checkServerPreface(received: Buffer): void {
  if (startsAs(received, serverPreface)) return;
  // On loopback a dialler can be given the very port it dials; then it reads what it wrote.
  if (received.length > sideOffset && startsAs(received, clientPreface)) {
    throw new IpcError('unreachable', 'nobody listens there: the connection met itself');
  }
  throw new IpcError('port_taken', 'the program there does not speak agent-ipc');
}

function startsAs(received: Buffer, preface: Buffer): boolean {
  const bytes = Math.min(received.length, prefaceBytes);
  return received.subarray(0, bytes).equals(preface.subarray(0, bytes));
}

function serverProof(options: HandshakeOptions, clientNonce: Buffer, serverNonce: Buffer): Buffer {
  return proof('agent-ipc server 1\0', options, clientNonce, serverNonce);
}

function clientProof(options: HandshakeOptions, clientNonce: Buffer, serverNonce: Buffer): Buffer {
  return proof('agent-ipc client 1\0', options, clientNonce, serverNonce);
}

/** The labels differ, so that neither side's proof can be sent back to it as the other's. */
function proof(
  label: string,
  { key, binding = nothing }: HandshakeOptions,
  clientNonce: Buffer,
  serverNonce: Buffer,
): Buffer {
  const transcript = [clientPreface, clientNonce, serverPreface, serverNonce];
  const hmac = createHmac('sha256', key).update(label, 'latin1').update(binding);
  for (const part of transcript) hmac.update(part);
  return hmac.digest();
}
