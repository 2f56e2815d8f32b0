// The events behind a cursor, and those that come, for those who follow mail and own no broker.
//
// 1. The broker is asked. It answers once there are events, or its time is over.
// 2. Without a broker the files of the store are read on behind the cursor: each command that posts then owns the broker
//    for a moment, and a follower may find no time to connect to it. While no file changes, none is read again, and later
//    those alone that may have new records.
// 3. Broker and files go on from the same cursor, so no event is told twice.
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cancelled, IpcError } from '../base/errors.ts';
import { waitMsDefault } from '../base/limits.ts';
import { startBehindEpoch } from '../broker/past-events.ts';
import { realDisk } from '../journal/disk.ts';
import { epochPath, listSegments, newestEpoch, segmentPath } from '../journal/paths.ts';
import { storeId } from '../journal/recovery.ts';
import type { EventBatch, EventCursor } from '../model/mail-events.ts';
import type { MailService } from '../model/mail-service.ts';
import { PastTail } from './past-tail.ts';
import { readPast, storeFault } from './store-past.ts';

export interface LiveOptions {
  /** `now` reads no files. */
  readonly after: EventCursor | 'now';
  readonly partBytesMax: number;
  readonly signal: AbortSignal;
  /** The files of the broker's store; undefined if they are not on this machine. */
  readonly files: StoreTail | undefined;
  /**
   * Gets each error of the broker and of the files, but not that there is no broker if there are files. The follower goes on
   * unless it throws.
   */
  readonly onFault: (error: IpcError) => void;
}

/** A call whose connection is lost lasts until its time is over, and files are read only then. */
const askMsBesideFiles = 2_000;
const retryMs = 1_000;
/** A file may have changed again in the same tick of the clock of its file system. */
const settledMsMin = 1_000;

/** Batches may be empty. Without end; throws `cancelled` after the signal. */
export async function* liveEvents(
  mail: Pick<MailService, 'events'>,
  { after, partBytesMax, signal, files, onFault }: LiveOptions,
): AsyncGenerator<EventBatch, never> {
  const wanted = { timeoutMs: files ? askMsBesideFiles : waitMsDefault, partBytesMax, signal };
  const failed = (error: unknown): undefined => {
    if (signal.aborted || !(error instanceof IpcError)) throw error;
    if (!files || error.code !== 'no_broker') onFault(error);
  };
  for (let cursor = after; !signal.aborted; ) {
    const answer = await mail.events({ ...wanted, after: cursor }).catch(failed);
    if (answer) {
      cursor = answer.next;
      yield answer;
      continue;
    }
    if (files && cursor !== 'now') {
      try {
        for await (const batch of files.behind(cursor, { partBytesMax, signal })) {
          cursor = batch.next;
          yield batch;
        }
      } catch (error) {
        failed(error);
      }
    }
    await sleep(retryMs, undefined, { signal }).catch(() => {}); // the loop ends
  }
  throw cancelled();
}

/** Reads the events behind a cursor from the files of a store. */
export class StoreTail {
  readonly #folder: string;
  readonly #past: PastTail;
  /** Of the newest file, when all files were read last; undefined if they have to be read again. */
  #state: string | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    const look = async <Found>(at: () => Found | Promise<Found>): Promise<Found> => {
      try {
        return await at();
      } catch (error) {
        throw storeFault(folder, error);
      }
    };
    this.#past = new PastTail({
      storeId: () => look(() => storeId(folder)),
      read: (options) => readPast(folder, options),
      startBehind: (epoch) => look(() => startBehindEpoch(realDisk, folder, epoch)),
    });
  }

  /** All of it in batches; none if no file changed since all of it was read. */
  async *behind(
    cursor: EventCursor,
    options: Pick<LiveOptions, 'partBytesMax' | 'signal'>,
  ): AsyncGenerator<EventBatch, void> {
    const state = this.#stateNow();
    if (state !== undefined && state === this.#state) return;
    this.#state = undefined;
    yield* this.#past.behind(cursor, options);
    this.#state = state;
  }

  /** undefined if that is not certain. */
  #stateNow(): string | undefined {
    const epoch = newestEpoch(realDisk, this.#folder);
    if (epoch === undefined) return 'none';
    const newest = listSegments(realDisk, this.#folder, epoch).at(-1);
    const path = newest ? segmentPath(this.#folder, newest) : epochPath(this.#folder, epoch);
    const { mtimeMs, size } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    const isSettled = Math.abs(Date.now() - mtimeMs) > settledMsMin;
    return isSettled ? `${path} ${mtimeMs} ${size}` : undefined;
  }
}
