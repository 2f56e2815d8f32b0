import type { IpcError } from '../base/errors.ts';
import type { Runtime } from '../base/runtime.ts';
import type { EngineLimits } from '../engine/engine-limits.ts';
import type { Disk } from '../journal/disk.ts';
import type { HistoryBound } from '../journal/history-limits.ts';
import type { JournalLimits } from '../journal/journal.ts';
import type { OwnerNote } from '../journal/paths.ts';
import type { Acceptor } from './acceptor.ts';
import type { EventFeedLimits } from './event-feed.ts';
import type { Listeners } from './listeners.ts';
import type { PeerLimits } from './peer.ts';
import type { SyncShareLimits } from './sync-share.ts';

export interface BrokerLimits
  extends EngineLimits,
    PeerLimits,
    SyncShareLimits,
    JournalLimits,
    EventFeedLimits {
  readonly connectionsMax: number;
  readonly bufferBudgetBytes: number;
}

export interface BrokerOptions {
  /** They are open before the broker starts, since the port is the lock. The broker closes them at its end. */
  readonly listeners: Pick<Listeners, 'addresses' | 'holdsLock' | 'listenOn' | 'close'>;
  /** Gives the broker the connections that come in through them. */
  readonly acceptor: Pick<Acceptor, 'serve'>;
  /** `broker-PORT/` in the state folder. */
  readonly folder: string;
  /** The session that owns it, for messages to people. */
  readonly owner?: Pick<OwnerNote, 'program' | 'name'>;
  /** How much history is kept. */
  readonly history?: HistoryBound | undefined;
  /**
   * The log is on another machine, where a newer owner may write it: nothing is delivered before the record of its
   * delivery is synced.
   */
  readonly isLogRemote?: boolean;
  /** Further sentences for people. */
  readonly warnings?: () => readonly string[];
  readonly disk?: Disk | undefined;
  /** For tests: smaller limits, a runtime that follows a seed. */
  readonly limits?: Partial<BrokerLimits> | undefined;
  readonly runtime?: Runtime;
  /** For tests: announces no later requests, as a broker of version 0.1 does. */
  readonly isOld?: boolean;
  /** The broker ended because of this error. */
  onFailed(error: IpcError): void;
}
