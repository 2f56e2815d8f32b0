// Whether the disk has space. A post can wait, so it is refused before anything is written unless there
// are zeros for its record, a reserve behind them, and all ballast. What must not wait, such as offers and
// settles, uses the reserve, and then the ballast. History goes before any of that: a file of it is removed
// first, and what found no room is tried again.
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { ballastFileBytes, idBytesMax, settleReserveBytes } from '../base/limits.ts';
import type { Ballast } from './ballast.ts';
import { RemoteFull } from './disk.ts';
import { isDiskFull, isFileLimit } from './epoch.ts';
import type { LogWriter } from './log-writer.ts';

/** At most how much longer the record of a post is than its frame: envelope, header, and the stamp before it. */
const postedBytesExtra = 676;
/** The same for each further message of the post: number and id. */
const alsoBytesExtra = 8 + 1 + idBytesMax;
/** At most how much longer a copy is than the record that it is made from: mailbox, attempt, holder. */
const copyBytesExtra = 256;

export class SpaceCheck {
  readonly #logWriter: LogWriter;
  readonly #ballast: Ballast;
  /** Reserved for posts of the next append. */
  #reservedBytes = 0;
  /** What the last check wanted, and the system's reason for no room; undefined if it found room. */
  #wantedBytes = 0;
  #lack: Error | undefined;
  /** The current segment may not grow (EFBIG), and the next one, which is a new file, would have had room. */
  isNextWanted = false;
  /** The post does not fit into the segment; else ballast is missing. */
  #isSegmentShort = false;
  /** The last post, or the last segment that was to be begun, found no space. */
  isDiskFull = false;

  constructor(logWriter: LogWriter, ballast: Ballast) {
    this.#logWriter = logWriter;
    this.#ballast = ballast;
  }

  /** The space stays reserved until appended(). `messages`: how many are live without this post. */
  forPost(frameBytes: number, also: number, messages: number): boolean {
    const bytes = frameBytes + postedBytesExtra + also * alsoBytesExtra;
    do {
      const lack = this.#reserve(bytes);
      this.#isSegmentShort = lack !== undefined;
      this.#lack = lack ?? this.#ballast.refill(messages + also);
    } while (isDiskFull(this.#lack) && this.#ballast.giveUpHistory());
    this.isDiskFull = isDiskFull(this.#lack);
    if (!this.#lack) this.#reservedBytes += bytes;
    return !this.#lack;
  }

  forCopies(recordBytes: readonly number[]): boolean {
    const bytes = recordBytes.reduce((sum, bytes) => sum + bytes + copyBytesExtra, 0);
    do this.#lack = this.#reserve(bytes);
    while (isDiskFull(this.#lack) && this.#ballast.giveUpHistory());
    return !this.#lack;
  }

  appended(): void {
    this.#reservedBytes = 0;
  }

  /** The last check found no room because of a limit on the size of files. */
  get isFileLimited(): boolean {
    return isFileLimit(this.#lack);
  }

  /** In sentences for people. */
  warnings(): string[] {
    const place = this.#lack instanceof RemoteFull ? this.#lack.place : 'the disk';
    const what = `${place} was full at the last post: posts are refused until there is space`;
    return this.isDiskFull ? [`${what}, but mail can be read and settled`] : [];
  }

  /** The next segment was begun. */
  begun(): void {
    this.isNextWanted = false;
  }

  /**
   * The error of the post for which the last check found no room. `pid`: of this process. `liveBytes`: what
   * unsettled mail takes.
   */
  refusal(pid: number, liveBytes: number): IpcError {
    if (this.isFileLimited) return this.#tooLarge(pid);
    const local = {
      place: 'the disk of the store',
      remedy: 'free space or inodes there, or raise the quota',
    };
    const { place, remedy } = this.#lack instanceof RemoteFull ? this.#lack : local;
    const full = `${place} is full (${systemErrorCode(this.#lack)})`;
    const isMail = liveBytes >= this.#wantedBytes;
    const other = `, and unsettled mail takes only ${liveBytes} bytes of it: ${remedy}`;
    return new IpcError('store_full', `${full}${isMail ? '' : other}; this post was not stored`);
  }

  #tooLarge(pid: number): IpcError {
    const limit = `pid ${pid}, which owns the broker, may not write a file`;
    const remedy = 'raise its limit on the size of files (`ulimit -f`)';
    if (this.#isSegmentShort) {
      const what = `${limit} that has room for this post (EFBIG): ${remedy}, or post less at once`;
      return new IpcError('body_too_large', what);
    }
    const what = `${limit} of ${ballastFileBytes} bytes, as a store needs (EFBIG): ${remedy}; this post was not stored`;
    return new IpcError('storage_failed', what);
  }

  #reserve(bytes: number): Error | undefined {
    this.#wantedBytes = bytes;
    const lack = this.#logWriter.reserve(this.#reservedBytes + bytes + settleReserveBytes);
    if (lack && this.#logWriter.fitsInNext(bytes + settleReserveBytes)) this.isNextWanted = true;
    return lack;
  }
}

/** The error of an erase: unsettled mail has to be written again before the segments that it lies in can go. */
export function noRoomToErase(): IpcError {
  const what = 'the disk has no room to write the unsettled mail again, so nothing was erased';
  return new IpcError('store_full', what, { hint: 'free space there, then erase again' });
}
