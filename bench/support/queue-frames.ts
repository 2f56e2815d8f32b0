// The frames of the bare queue: bytes of the body (u32), kind (u8), request (u32), body.
import type { Socket } from 'node:net';

export const kinds = { post: 1, wait: 2, settle: 3, clear: 4, done: 5 } as const;

const headBytes = 9;
/** Up to this size the frames of a turn are joined into one write; beyond it they are written buffer by buffer. */
export const joinBytesMax = 65_536;
const noBytes: Buffer = Buffer.alloc(0);

/** `body` is a view of what was received. */
type OnFrame = (kind: number, request: number, body: Buffer) => void;

export class QueueFrames {
  readonly #socket: Socket;
  readonly #onFrame: OnFrame;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  /** The size of `#received` from which on it has a complete frame, or at least a complete head. */
  #wantedBytes = headBytes;
  #out: Buffer[] = [];
  #outBytes = 0;

  constructor(socket: Socket, onFrame: OnFrame) {
    this.#socket = socket;
    this.#onFrame = onFrame;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** The frames of one turn of the event loop are written together. */
  send(kind: number, request: number, body = noBytes): void {
    if (this.#out.length === 0) process.nextTick(() => this.#flush());
    const head = Buffer.allocUnsafe(headBytes);
    head.writeUInt32BE(body.length, 0);
    head.writeUInt8(kind, 4);
    head.writeUInt32BE(request, 5);
    this.#out.push(head, body);
    this.#outBytes += headBytes + body.length;
  }

  #flush(): void {
    const out = this.#out;
    this.#out = [];
    if (this.#outBytes <= joinBytesMax) {
      this.#socket.write(Buffer.concat(out, this.#outBytes));
    } else {
      this.#socket.cork();
      for (const bytes of out) this.#socket.write(bytes);
      this.#socket.uncork();
    }
    this.#outBytes = 0;
  }

  #read(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes < this.#wantedBytes) return;
    const bytes = this.#received.length === 1 ? chunk : Buffer.concat(this.#received);
    let at = 0;
    for (;;) {
      const left = bytes.length - at;
      this.#wantedBytes = headBytes + (left < headBytes ? 0 : bytes.readUInt32BE(at));
      if (left < this.#wantedBytes) break;
      const end = at + this.#wantedBytes;
      const body = bytes.subarray(at + headBytes, end);
      this.#onFrame(bytes.readUInt8(at + 4), bytes.readUInt32BE(at + 5), body);
      at = end;
    }
    this.#received = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#receivedBytes = bytes.length - at;
  }
}
