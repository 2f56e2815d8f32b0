// A stream of bytes between two sessions, in messages that a server passes on: what a socket is elsewhere. The server
// keeps none of them, and drops those that a slow subscriber does not take. So each message has a number, and the
// receiver reports how much it has read: a sender with `windowBytes` of unread bytes waits.
import { Duplex } from 'node:stream';
import { IpcError } from '../base/errors.ts';

/** How messages get to the other side. */
export interface WireTransport {
  /** The largest message. */
  readonly bytesMax: number;
  send(message: Buffer): void;
  /** Nothing is sent or received any more. */
  close(): void;
}

/** The window: unread bytes of one direction. A server closes a connection for which more than 64 MB wait. */
const windowBytes = 512 * 1024;
const headBytes = 5;
const kinds = { data: 1, read: 2, end: 3, reset: 4 } as const;

export class WireSocket extends Duplex {
  readonly #transport: WireTransport;
  #sentCount = 0;
  #receivedCount = 0;
  /** Bytes that were sent and read in all, modulo 2^32: a report that is lost is made up for by the next one. */
  #sentBytes = 0;
  #readBytes = 0;
  /** Of the bytes that were read, how many the last report counted. */
  #reportedBytes = 0;
  /** Bytes that the other side has not read yet. */
  #unread = 0;
  /** Resumes the write that waits for the other side. */
  #resume: (() => void) | undefined;
  /** Received, but the reader has paused. */
  #heldBytes = 0;

  constructor(transport: WireTransport) {
    super({
      allowHalfOpen: false,
      readableHighWaterMark: 64 * 1024,
      writableHighWaterMark: 64 * 1024,
    });
    this.#transport = transport;
  }

  /** A message from the other side. */
  receive(message: Buffer): void {
    if (this.destroyed) return;
    const kind = message[0];
    if (kind === kinds.reset || message.length < headBytes) return this.#gone('ended');
    const number = message.readUInt32BE(1);
    if (kind === kinds.read) return this.#wasRead(number);
    this.#receivedCount = (this.#receivedCount + 1) >>> 0;
    if (number !== this.#receivedCount) return this.#gone('lost a message');
    if (kind === kinds.end) {
      this.push(null);
      return;
    }
    const bytes = message.subarray(headBytes);
    this.#heldBytes += bytes.length;
    // The reader asks for more at once, or later, in _read().
    if (this.push(bytes)) this.#noteRead();
  }

  override _read(): void {
    this.#noteRead();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#writeParts(chunk, done);
  }

  /** The parts of one frame, and of several, in as few messages as they fit into. */
  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#writeParts(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#sendNumbered(kinds.end, Buffer.alloc(0));
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#resume = undefined;
    // After an end it would drop what the other side has received, and has not read yet.
    if (!this.writableFinished) this.#send(kinds.reset, 0, Buffer.alloc(0));
    this.#transport.close();
    done(error);
  }

  #writeParts(bytes: Buffer, done: (error?: Error | null) => void): void {
    const partBytes = this.#transport.bytesMax - headBytes;
    let at = 0;
    for (; at < bytes.length && this.#unread < windowBytes; at += partBytes) {
      const part = bytes.subarray(at, at + partBytes);
      this.#unread += part.length;
      this.#sentBytes = (this.#sentBytes + part.length) >>> 0;
      this.#sendNumbered(kinds.data, part);
    }
    if (at >= bytes.length && this.#unread < windowBytes) return done();
    const rest = bytes.subarray(at);
    this.#resume = () => this.#writeParts(rest, done);
  }

  #wasRead(readBytes: number): void {
    const unread = (this.#sentBytes - readBytes) >>> 0;
    // A report that was overtaken by a later one says nothing.
    if (unread > this.#unread) return;
    this.#unread = unread;
    const resume = this.#resume;
    if (!resume || this.#unread >= windowBytes) return;
    this.#resume = undefined;
    resume();
  }

  /** What the stream has taken counts as read. */
  #noteRead(): void {
    this.#readBytes = (this.#readBytes + this.#heldBytes) >>> 0;
    this.#heldBytes = 0;
    const unreported = (this.#readBytes - this.#reportedBytes) >>> 0;
    if (unreported < windowBytes / 4 || this.destroyed) return;
    this.#send(kinds.read, this.#readBytes, Buffer.alloc(0));
    this.#reportedBytes = this.#readBytes;
  }

  #sendNumbered(kind: number, bytes: Buffer): void {
    this.#sentCount = (this.#sentCount + 1) >>> 0;
    this.#send(kind, this.#sentCount, bytes);
  }

  #send(kind: number, number: number, bytes: Buffer): void {
    const message = Buffer.allocUnsafe(headBytes + bytes.length);
    message[0] = kind;
    message.writeUInt32BE(number, 1);
    bytes.copy(message, headBytes);
    try {
      this.#transport.send(message);
    } catch (error) {
      // The connection to the server is closed. A destroyed socket reports no error.
      if (!this.destroyed) this.destroy(error as Error);
    }
  }

  #gone(what: string): void {
    this.destroy(new IpcError('unreachable', `the other side ${what}`));
  }
}

/** Two sides of a stream within this process. */
export function wirePair(): [WireSocket, WireSocket] {
  const sides: WireSocket[] = [];
  const transport = (other: number): WireTransport => ({
    bytesMax: 256 * 1024,
    send: (message) => void setImmediate(() => sides[other]?.receive(message)),
    close: () => {},
  });
  sides.push(new WireSocket(transport(1)), new WireSocket(transport(0)));
  return sides as [WireSocket, WireSocket];
}
