// Sends replies. Those to one connection that follow each other are encoded into one buffer, and given to it together: a
// buffer and a queue entry for each would cost more than its bytes. What waits for a sync can be encoded before that ends.
import { errorTable } from '../base/errors.ts';
import type { ConnectionId, Reply } from '../engine/commands.ts';
import type { Response } from '../model/requests.ts';
import { addResponse } from '../protocol/codec.ts';
import { FrameBatch } from '../protocol/frame.ts';
import type { Peer } from './peer.ts';

export interface ReplyToSend extends Reply {
  /** Of a delivery or a peek: undefined if it is corrupt on disk, or not asked for. It is held in `largeMemory`. */
  readonly body?: Buffer | undefined;
}

/** Encoded replies to one connection, which are given to it together. */
export interface EncodedReplies {
  readonly to: ConnectionId;
  readonly buffers: readonly Buffer[];
  /** How many of them had to wait for a sync. */
  readonly synced: number;
  /** Bytes of the bodies of the deliveries; undefined without deliveries. */
  readonly deliveredBytes: number | undefined;
  /** The body of the last reply. Only a large body is to be released, and a reply with a large body is always the last. */
  readonly body: Buffer | undefined;
  /** The connection is to be closed behind them. */
  readonly isFatal: boolean;
}

type Recipient = Pick<Peer, 'send' | 'deliver' | 'flush' | 'responseSent'> & {
  readonly connection: Pick<Peer['connection'], 'close'>;
};

/** Frames that are given to a connection at a time: the engine learns of these deliveries when all were taken. */
const togetherBytesMax = 64 * 1024;

export class ReplySender {
  readonly #peers: ReadonlyMap<ConnectionId, Recipient>;
  readonly #completed: (response: Response) => Response;
  readonly #frames = new FrameBatch();
  /** Of the replies in `#frames`, as in EncodedReplies. */
  #synced = 0;
  #deliveredBytes: number | undefined;

  /** `completed`: adds to a response what the engine does not know. */
  constructor(
    peers: ReadonlyMap<ConnectionId, Recipient>,
    completed: (response: Response) => Response,
  ) {
    this.#peers = peers;
    this.#completed = completed;
  }

  /** Replies to connections that are gone are dropped: by encode(), and once more by give(). */
  send(replies: readonly ReplyToSend[]): void {
    this.give(this.encode(replies));
  }

  encode(replies: readonly ReplyToSend[]): EncodedReplies[] {
    const encoded: EncodedReplies[] = [];
    try {
      this.#encodeEach(replies, encoded);
    } catch (error) {
      // A fault of this program. The next connection must not get what was encoded for this one.
      this.#take(0);
      throw error;
    }
    return encoded;
  }

  give(encoded: readonly EncodedReplies[]): void {
    for (const each of encoded) {
      const peer = this.#peers.get(each.to);
      if (!peer) continue;
      for (let count = 0; count < each.synced; count++) peer.responseSent();
      const { buffers, deliveredBytes, body } = each;
      if (deliveredBytes === undefined) peer.send(buffers);
      else peer.deliver(buffers, deliveredBytes, body);
      if (each.isFatal) peer.connection.close();
    }
  }

  /** Gives the replies, and has them written before it returns. */
  giveNow(encoded: readonly EncodedReplies[]): void {
    this.give(encoded);
    // If it is there twice, the first flush has written all, and the second does nothing.
    for (const { to } of encoded) this.#peers.get(to)?.flush();
  }

  #encodeEach(replies: readonly ReplyToSend[], encoded: EncodedReplies[]): void {
    let to: ConnectionId | undefined;
    for (const reply of replies) {
      if (to !== undefined && reply.to !== to) this.#seal(to, encoded);
      to = reply.to;
      if (this.#peers.has(to)) this.#add(reply, encoded);
    }
    if (to !== undefined) this.#seal(to, encoded);
  }

  #add({ to, after, response, body }: ReplyToSend, encoded: EncodedReplies[]): void {
    if (after === 'sync') this.#synced += 1;
    addResponse(this.#frames, this.#completed(response), body);
    if (response.kind === 'offer') this.#countDelivery(response.envelope.bodyBytes);
    else if (response.kind === 'peeked') this.#countDelivery(response.partBytes);
    const isFatal = response.kind === 'error' && errorTable[response.code].fatal;
    const bytes = Math.max(this.#frames.length, body?.length ?? 0);
    if (isFatal || bytes >= togetherBytesMax) this.#seal(to, encoded, body, isFatal);
  }

  #countDelivery(bytes: number): void {
    this.#deliveredBytes = (this.#deliveredBytes ?? 0) + bytes;
  }

  #seal(to: ConnectionId, encoded: EncodedReplies[], body?: Buffer, isFatal = false): void {
    if (this.#frames.length > 0) encoded.push(this.#take(to, body, isFatal));
  }

  /** The replies in `#frames`, which is empty then. */
  #take(to: ConnectionId, body?: Buffer, isFatal = false): EncodedReplies {
    const [synced, deliveredBytes] = [this.#synced, this.#deliveredBytes];
    this.#synced = 0;
    this.#deliveredBytes = undefined;
    return { to, buffers: this.#frames.take(), synced, deliveredBytes, body, isFatal };
  }
}
