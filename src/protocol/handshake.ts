// The bytes before the first frame. They never change, so sides with different versions get far enough to
// report it.
// 1. The client sends its preface and a nonce.  2. The server is silent until it has all 40 bytes; then
// it sends its preface, a nonce and its proof.  3. The client checks that proof and sends its own.  4. The
// server checks it. Frames follow. A side that finds a wrong byte closes the connection and sends nothing.
// While a key is being replaced, each side may have two. The client's nonce names its newest key. The
// server proves that key if it has it, else its own newest; the client accepts any of its keys.
import assert from 'node:assert/strict';
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { IpcError } from '../base/errors.ts';
import { handshakeBytesMax } from '../base/limits.ts';

export const keyBytes = 32;
/** All keys that are good, the newest first: two while a key is being replaced, else one. */
export type Keys = readonly [Buffer, ...Buffer[]];
export const nonceBytes = 32;
const proofBytes = 32;
/** The random part of the client's nonce; the rest names the key. */
const randomNonceBytes = 16;
const clientPreface = Buffer.from([0xa9, 0x49, 0x50, 0x43, 0x63, 0x0d, 0x0a, 0x01]);
const serverPreface = Buffer.from([0xa9, 0x49, 0x50, 0x43, 0x73, 0x0d, 0x0a, 0x01]);
const prefaceBytes = 8;
/** Where the two prefaces differ. */
const sideOffset = 4;

/** Length of the first bytes that the client sends. */
export const helloBytes = prefaceBytes + nonceBytes;
const serverHelloBytes = prefaceBytes + nonceBytes + proofBytes;
assert(
  helloBytes + proofBytes <= handshakeBytesMax,
  'a peer may send its whole handshake before it has proved the key',
);

export interface HandshakeStep {
  /** Bytes to send now; may be empty. */
  readonly send: Buffer;
  /** The bytes after the peer's valid proof; undefined while more bytes are needed. */
  readonly rest: Buffer | undefined;
  /** With `rest`: the key that both sides have. */
  readonly key?: Buffer;
}

export interface HandshakeOptions {
  readonly keys: Keys;
  /** 32 bytes, used once: random, or from `clientNonce`. */
  readonly nonce: Buffer;
  /** Ties the proofs to the channel below the handshake. */
  readonly binding?: Buffer;
}

const nothing: Buffer = Buffer.alloc(0);

/**
 * Random bytes, and a tag that names the key to a server that has it, so that a server with two keys
 * proves the one that this client has. Without the key nothing can be learned from the nonce.
 */
export function clientNonce(key: Buffer): Buffer {
  const random = randomBytes(randomNonceBytes);
  return Buffer.concat([random, keyTag(key, random)]);
}

function keyTag(key: Buffer, random: Buffer): Buffer {
  const tag = createHmac('sha256', key).update('agent-ipc nonce 1\0', 'latin1').update(random);
  return tag.digest().subarray(0, nonceBytes - randomNonceBytes);
}

/** Returns the newest key when the nonce names none of them. */
function namedKey(keys: Keys, nonce: Buffer): Buffer {
  const random = nonce.subarray(0, randomNonceBytes);
  const tag = nonce.subarray(randomNonceBytes);
  return keys.find((key) => timingSafeEqual(keyTag(key, random), tag)) ?? keys[0];
}

/** The side that was dialled. Buffers at most the bytes of one handshake. */
export class ServerHandshake {
  readonly #options: HandshakeOptions;
  #received = nothing;
  /** Set once the client's nonce is here. */
  #proof: { readonly ours: Buffer; readonly theirs: Buffer; readonly key: Buffer } | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** Throws `bad_frame` at the first wrong byte, `key_mismatch` at a wrong proof. */
  push(chunk: Buffer): HandshakeStep {
    let rest = chunk;
    let send = nothing;
    if (this.#proof === undefined) {
      rest = this.#fill(rest, helloBytes);
      checkPreface(this.#received);
      if (this.#received.length < helloBytes) return { send, rest: undefined };
      this.#proof = this.#prove(this.#received.subarray(prefaceBytes));
      this.#received = nothing;
      send = Buffer.concat([serverPreface, this.#options.nonce, this.#proof.ours]);
    }
    rest = this.#fill(rest, proofBytes);
    if (this.#received.length < proofBytes) return { send, rest: undefined };
    const { theirs, key } = this.#proof;
    if (!timingSafeEqual(this.#received, theirs)) {
      throw new IpcError('key_mismatch', 'the client has another key');
    }
    return { send, rest, key };
  }

  #fill(chunk: Buffer, wantedBytes: number): Buffer {
    const missingBytes = wantedBytes - this.#received.length;
    this.#received = Buffer.concat([this.#received, chunk.subarray(0, missingBytes)]);
    return chunk.subarray(missingBytes);
  }

  #prove(nonce: Buffer) {
    const key = namedKey(this.#options.keys, nonce);
    const transcript = {
      ...this.#options,
      key,
      clientNonce: nonce,
      serverNonce: this.#options.nonce,
    };
    return { ours: serverProof(transcript), theirs: clientProof(transcript), key };
  }
}

export interface ClientOptions extends HandshakeOptions {
  /** The binding that an older version proves in this channel, if it is another one. */
  readonly olderBinding?: Buffer | undefined;
}

/** The side that dials. */
export class ClientHandshake {
  readonly #options: ClientOptions;
  #received = nothing;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** The first bytes to send. */
  start(): Buffer {
    return Buffer.concat([clientPreface, this.#options.nonce]);
  }

  /**
   * Throws `unreachable` when it has dialled itself, `port_taken` at the first byte of another
   * protocol, `version_mismatch` at the proof of an older version, `key_mismatch` at any other wrong proof.
   */
  push(chunk: Buffer): HandshakeStep {
    const missingBytes = serverHelloBytes - this.#received.length;
    this.#received = Buffer.concat([this.#received, chunk.subarray(0, missingBytes)]);
    checkServerPreface(this.#received);
    if (this.#received.length < serverHelloBytes) return { send: nothing, rest: undefined };
    const serverNonce = this.#received.subarray(prefaceBytes, prefaceBytes + nonceBytes);
    const proved = this.#received.subarray(prefaceBytes + nonceBytes);
    const transcript = { ...this.#options, clientNonce: this.#options.nonce, serverNonce };
    const key = provedKey(proved, transcript);
    if (key) {
      return { send: clientProof({ ...transcript, key }), rest: chunk.subarray(missingBytes), key };
    }
    const { olderBinding } = this.#options;
    if (olderBinding && provedKey(proved, { ...transcript, binding: olderBinding })) {
      const what = 'the program that answered is an older version of agent-ipc';
      const hint = 'end the sessions of that version, then try again';
      throw new IpcError('version_mismatch', what, { hint });
    }
    throw new IpcError('key_mismatch', 'the program that answered has another key');
  }
}

/** The key with which the server made its proof; undefined when it is none of these. */
function provedKey(
  proved: Buffer,
  { keys, ...transcript }: Omit<Transcript, 'key'> & { readonly keys: Keys },
): Buffer | undefined {
  return keys.find((key) => timingSafeEqual(proved, serverProof({ ...transcript, key })));
}

function checkPreface(received: Buffer): void {
  if (startsAs(received, clientPreface)) return;
  throw new IpcError('bad_frame', 'the first bytes are not those of agent-ipc');
}

function checkServerPreface(received: Buffer): void {
  if (startsAs(received, serverPreface)) return;
  // On loopback a client can get as its own port the one that it dials; then it reads its own bytes.
  if (received.length > sideOffset && startsAs(received, clientPreface)) {
    throw new IpcError('unreachable', 'no program listens there: the connection reached itself');
  }
  throw new IpcError('port_taken', 'the program there does not speak agent-ipc');
}

function startsAs(received: Buffer, preface: Buffer): boolean {
  const bytes = Math.min(received.length, prefaceBytes);
  return received.subarray(0, bytes).equals(preface.subarray(0, bytes));
}

interface Transcript {
  readonly key: Buffer;
  readonly binding?: Buffer;
  readonly clientNonce: Buffer;
  readonly serverNonce: Buffer;
}

function serverProof(transcript: Transcript): Buffer {
  return proof('agent-ipc server 1\0', transcript);
}

function clientProof(transcript: Transcript): Buffer {
  return proof('agent-ipc client 1\0', transcript);
}

/** The labels differ, so that a side's proof cannot be sent back to it as the other side's proof. */
function proof(label: string, transcript: Transcript): Buffer {
  const { key, binding = nothing, clientNonce, serverNonce } = transcript;
  const hmac = createHmac('sha256', key).update(label, 'latin1').update(binding);
  for (const part of [clientPreface, clientNonce, serverPreface, serverNonce]) hmac.update(part);
  return hmac.digest();
}
