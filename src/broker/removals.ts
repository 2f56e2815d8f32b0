// Requests of sessions that remove settled mail: a compact takes it out of the log, an erase out of history as well.
// 1. Both remove one segment after the other, until nothing more is gained, the session is gone, or the broker ends.
// 2. Erases run one at a time, since each replaces files that the next one is to read.
// 3. An owner that ends, or was replaced, meanwhile has not removed all: it sends no response, so the client sends the
//    request to its successor.
// When the disk fails while history is rewritten, the session gets the error and the broker goes on: no mail depends on
// history.
import { IpcError } from '../base/errors.ts';
import type { ConnectionId } from '../engine/commands.ts';
import { diskFault } from '../journal/epoch.ts';
import type { Journal } from '../journal/journal.ts';
import type { Erased, EraseRequest } from '../model/erase-requests.ts';
import type { CompactRequest, Response } from '../model/requests.ts';
import { checkFencing, type GroupCommit } from './group-commit.ts';

export interface RemovalOptions {
  readonly journal: Journal;
  readonly commit: Pick<GroupCommit, 'endTurn' | 'makeSpace'>;
  isConnected(session: ConnectionId): boolean;
  isEnding(): boolean;
  send(to: ConnectionId, response: Response): void;
  /** History has changed. */
  erased(): void;
  /** The broker is to end. */
  fail(error: unknown): void;
}

export class Removals {
  readonly #options: RemovalOptions;
  /** The last erase that was asked for. */
  #erasing: Promise<void> = Promise.resolve();

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  remove(to: ConnectionId, request: CompactRequest | EraseRequest): Promise<void> {
    if (request.kind === 'compact') return this.#compact(to, request);
    this.#erasing = this.#erasing.then(() => this.#erase(to, request));
    return this.#erasing;
  }

  async #compact(to: ConnectionId, { request }: CompactRequest): Promise<void> {
    await this.#makeAllSpace(to);
    if (!this.#options.isEnding()) this.#options.send(to, { kind: 'compacted', request });
  }

  async #erase(to: ConnectionId, { request, mailbox }: EraseRequest): Promise<void> {
    const { journal, commit, isConnected, isEnding, send, erased, fail } = this.#options;
    if (isEnding() || !isConnected(to)) return;
    try {
      commit.endTurn();
      journal.beginErase();
      await this.#makeAllSpace(to);
      if (isEnding()) return;
      const result: Erased | IpcError = await journal.erase(mailbox).catch(faultOf);
      if (isEnding()) return;
      checkFencing(journal);
      erased();
      if (result instanceof IpcError) {
        const { code, message } = result;
        send(to, { kind: 'error', request, code, message });
      } else send(to, { kind: 'erased', request, ...result });
    } catch (error) {
      fail(error);
    }
  }

  async #makeAllSpace(to: ConnectionId): Promise<void> {
    const { journal, commit, isConnected } = this.#options;
    for (let left = journal.spaceStepsMax; left > 0 && isConnected(to); left--) {
      if (!(await commit.makeSpace(true))) return;
    }
  }
}

/** A fault of the disk is not one of the broker. */
function faultOf(error: unknown): IpcError {
  const fault = diskFault(error);
  if (fault instanceof IpcError) return fault;
  throw error;
}
