// What requests look up in the mail and among the sessions without changing anything.
import { otherFolderLook } from '../base/limits.ts';
import type { MailboxList, Name } from '../model/message.ts';
import type {
  EndResponse,
  FindRequest,
  FoundResponse,
  PeekedResponse,
  PeekRequest,
  StatusRequest,
  StatusResponse,
} from '../model/requests.ts';
import type { Connections, SessionConnection } from './connections.ts';
import type { EngineLimits } from './engine-limits.ts';
import { foundResponse } from './found.ts';
import { peekResponses } from './mailbox-reads.ts';
import { sessionsOf } from './session-list.ts';
import type { State } from './state.ts';
import { statusOf, type WatchCounts } from './status.ts';
import type { Waiters } from './waiters.ts';

export class Looks {
  readonly #state: State;
  readonly #waiters: Waiters<SessionConnection>;
  readonly #watches: WatchCounts;
  readonly #connections: Connections;
  readonly #limits: EngineLimits;

  constructor(
    state: State,
    parked: { readonly waiters: Waiters<SessionConnection>; readonly watches: WatchCounts },
    connections: Connections,
    limits: EngineLimits,
  ) {
    this.#state = state;
    this.#waiters = parked.waiters;
    this.#watches = parked.watches;
    this.#connections = connections;
    this.#limits = limits;
  }

  /** `own`: the session that asks. */
  status({ request }: StatusRequest, own: SessionConnection): StatusResponse {
    const mail = statusOf(this.#state, this.#waiters, this.#watches, this.#limits);
    const sessions = sessionsOf(this.#connections, this.#state, this.#limits, own, this.#watches);
    return { request, ...mail, ...sessions };
  }

  /** How many other sessions wait on the mailbox. */
  others(mailbox: Name, own: SessionConnection): number {
    return this.#waiters.others(mailbox, own);
  }

  isWatched = (mailbox: Name): boolean => this.#watches.count(mailbox) > 0;

  /** The folder of one of the sessions that wait on these mailboxes, if it is another than that of `own`. */
  otherFolder(mailboxes: MailboxList, own: SessionConnection): string | undefined {
    for (const mailbox of mailboxes) {
      const otherFolder = this.otherFolderOn(mailbox, own);
      if (otherFolder !== undefined) return otherFolder;
    }
    return undefined;
  }

  /** otherFolder() for one mailbox. */
  otherFolderOn(mailbox: Name, { origin: own }: SessionConnection): string | undefined {
    if (this.#waiters.count(mailbox) === 0) return undefined;
    let looked = 0;
    for (const { origin } of this.#waiters.ownersOn(mailbox)) {
      if (looked++ === otherFolderLook || own.folder === undefined) break;
      if (origin.folder !== undefined && origin.folder !== own.folder) return origin.folder;
    }
    return undefined;
  }

  peek(peek: PeekRequest): (PeekedResponse | EndResponse)[] {
    return peekResponses(peek, this.#state, this.#connections);
  }

  find(find: FindRequest): FoundResponse {
    return foundResponse(find, this.#state, this.#connections);
  }
}
