// Sends replies. Those to one connection that follow each other are encoded into one buffer, and given to it together: a
// buffer and a queue entry for each would cost more than its bytes.
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

type Recipient = Pick<Peer, 'send' | 'deliver' | 'responseSent'> & {
  readonly connection: Pick<Peer['connection'], 'close'>;
};

/** Frames that are given to a connection at a time: the engine learns of these deliveries when all were taken. */
const togetherBytesMax = 64 * 1024;

export class ReplySender {
  readonly #peers: ReadonlyMap<ConnectionId, Recipient>;
  readonly #completed: (response: Response) => Response;
  readonly #frames = new FrameBatch();
  /** Of the deliveries in `#frames`; undefined without deliveries. */
  #deliveredBytes: number | undefined;

  /** `completed`: adds to a response what the engine does not know. */
  constructor(
    peers: ReadonlyMap<ConnectionId, Recipient>,
    completed: (response: Response) => Response,
  ) {
    this.#peers = peers;
    this.#completed = completed;
  }

  /** Those to connections that are gone are dropped. */
  send(replies: readonly ReplyToSend[]): void {
    try {
      this.#sendEach(replies);
    } catch (error) {
      // A fault of this program. The next connection must not get what was encoded for this one.
      this.#frames.take();
      this.#deliveredBytes = undefined;
      throw error;
    }
  }

  #sendEach(replies: readonly ReplyToSend[]): void {
    let to: ConnectionId | undefined;
    let peer: Recipient | undefined;
    for (const reply of replies) {
      if (reply.to !== to) {
        if (peer) this.#give(peer);
        to = reply.to;
        peer = this.#peers.get(to);
      }
      if (peer) this.#add(reply, peer);
    }
    if (peer) this.#give(peer);
  }

  #add({ after, response, body }: ReplyToSend, peer: Recipient): void {
    if (after === 'sync') peer.responseSent();
    addResponse(this.#frames, this.#completed(response), body);
    if (response.kind === 'offer') this.#countDelivery(response.envelope.bodyBytes);
    else if (response.kind === 'peeked') this.#countDelivery(response.partBytes);
    const isFatal = response.kind === 'error' && errorTable[response.code].fatal;
    const bytes = Math.max(this.#frames.length, body?.length ?? 0);
    if (isFatal || bytes >= togetherBytesMax) this.#give(peer, body);
    if (isFatal) peer.connection.close();
  }

  #countDelivery(bytes: number): void {
    this.#deliveredBytes = (this.#deliveredBytes ?? 0) + bytes;
  }

  /** `body`: of the last reply. Only a large one is to be released, and it is the last. */
  #give(peer: Recipient, body?: Buffer): void {
    if (this.#frames.length === 0) return;
    const buffers = this.#frames.take();
    if (this.#deliveredBytes === undefined) return peer.send(buffers);
    peer.deliver(buffers, this.#deliveredBytes, body);
    this.#deliveredBytes = undefined;
  }
}
