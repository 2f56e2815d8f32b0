// Whether the disk has space. A post can wait, so it is refused before anything is written unless there
// are zeros for its record, a reserve behind them, and all ballast. What must not wait, such as offers and
// settles, uses the reserve, and then the ballast.
import { idBytesMax, settleReserveBytes } from '../base/limits.ts';
import type { Ballast } from './ballast.ts';
import type { LogWriter } from './log-writer.ts';

/** At most how much longer the record of a post is than its frame: envelope and header. */
const postedBytesExtra = 640;
/** The same for each further message of the post: number and id. */
const alsoBytesExtra = 8 + 1 + idBytesMax;
/** At most how much longer a copy is than the record that it is made from: mailbox, attempt, holder. */
const copyBytesExtra = 256;

export class SpaceCheck {
  readonly #logWriter: LogWriter;
  readonly #ballast: Ballast;
  /** Reserved for posts of the next append. */
  #reservedBytes = 0;
  /** The last post, or the last segment that was to be begun, found no space. */
  isDiskFull = false;

  constructor(logWriter: LogWriter, ballast: Ballast) {
    this.#logWriter = logWriter;
    this.#ballast = ballast;
  }

  /** The space stays reserved until appended(). `messages`: how many are live without this post. */
  forPost(frameBytes: number, also: number, messages: number): boolean {
    const bytes = frameBytes + postedBytesExtra + also * alsoBytesExtra;
    this.isDiskFull = !this.#reserve(bytes) || !this.#ballast.refill(messages + also);
    if (!this.isDiskFull) this.#reservedBytes += bytes;
    return !this.isDiskFull;
  }

  forCopies(recordBytes: readonly number[]): boolean {
    return this.#reserve(recordBytes.reduce((sum, bytes) => sum + bytes + copyBytesExtra, 0));
  }

  appended(): void {
    this.#reservedBytes = 0;
  }

  #reserve(bytes: number): boolean {
    return this.#logWriter.reserve(this.#reservedBytes + bytes + settleReserveBytes);
  }
}
