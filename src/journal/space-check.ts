// Whether the disk has room. A post may wait for it, so it is refused before anything is written down
// unless all is there: zeros for its record, a reserve behind it, and the spares. What makes room in the
// end, or ends an offer, writes into the reserve, and then into what the spares give back.
import { idBytesMax, settleReserveBytes } from '../base/limits.ts';
import type { BallastFiles } from './ballast.ts';
import type { LogWriter } from './log-writer.ts';

/** A post as a record: no more than its frame and so much, for envelope and labels. */
const postedBytesExtra = 640;
/** The same of each further message of it, for number and id. */
const alsoBytesExtra = 8 + 1 + idBytesMax;
/** A copy beside the record that it is made of: mailbox, attempt, holder. */
const copyBytesExtra = 256;

export class SpaceCheck {
  readonly #logWriter: LogWriter;
  readonly #ballast: BallastFiles;
  /** For posts of the next append. */
  #promisedBytes = 0;
  /** The last post, or the last segment, found none. */
  isFull = false;

  constructor(logWriter: LogWriter, ballast: BallastFiles) {
    this.#logWriter = logWriter;
    this.#ballast = ballast;
  }

  /** Promised until appended(). `messages`: those that must be settled some day, beside the post's own. */
  forPost(frameBytes: number, also: number, messages: number): boolean {
    const bytes = frameBytes + postedBytesExtra + also * alsoBytesExtra;
    this.isFull = !this.#has(bytes) || !this.#ballast.refill(messages + also);
    if (!this.isFull) this.#promisedBytes += bytes;
    return !this.isFull;
  }

  forCopies(recordBytes: readonly number[]): boolean {
    return this.#has(recordBytes.reduce((sum, bytes) => sum + bytes + copyBytesExtra, 0));
  }

  appended(): void {
    this.#promisedBytes = 0;
  }

  #has(bytes: number): boolean {
    return this.#logWriter.hasRoom(this.#promisedBytes + bytes + settleReserveBytes);
  }
}
