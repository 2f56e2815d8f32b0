// How a session that has locked its port becomes the owner of the store: it replays the journal, then serves. The broker
// and the journal are most of a session's code, so a session that only dials does not load this module.
import { isIP, type Server } from 'node:net';
import { IpcError } from '../base/errors.ts';
import { Acceptor } from '../broker/acceptor.ts';
import { Broker } from '../broker/broker.ts';
import { Listeners } from '../broker/listeners.ts';
import type { HistoryBound } from '../journal/history-limits.ts';
import { type OwnerNote, readOwner } from '../journal/paths.ts';
import { ownerAddress } from '../net/listen.ts';
import type { Keys } from '../protocol/handshake.ts';
import { claimStore } from './election.ts';

export interface OwnStoreOptions {
  /** Its lock is the first argument of `ownStore`. */
  readonly port: number;
  /** The store's folder, which exists. */
  readonly folder: string;
  readonly keys: () => Keys;
  readonly owner: Pick<OwnerNote, 'program' | 'name'>;
  readonly history: HistoryBound | undefined;
  readonly onFailed: (error: IpcError, broker: Broker) => void;
}

export type OwnedStore =
  | { readonly kind: 'own'; readonly broker: Broker }
  /** An owner in another network namespace serves the store; this socket leads to it. */
  | { readonly kind: 'elsewhere'; readonly path: string }
  /** Another session owns it, or may own it now; the lock was given up. */
  | { readonly kind: 'lost' };

export async function ownStore(
  lock: Server,
  { port, folder, keys, owner, history, onFailed }: OwnStoreOptions,
): Promise<OwnedStore> {
  const claimed = await claimStore(lock, folder);
  if (claimed.kind === 'elsewhere') return claimed;
  const listeners = new Listeners(port, claimed.listeners);
  await listenAsBefore(listeners, folder);
  if (!listeners.holdsLock) {
    // A wildcard address replaced the lock, and neither could be bound again.
    listeners.close();
    return { kind: 'lost' };
  }
  try {
    const broker = await Broker.start({
      ...{ listeners, folder, owner, history },
      acceptor: new Acceptor(listeners, keys),
      onFailed: (error) => onFailed(error, broker),
    });
    return { kind: 'own', broker };
  } catch (error) {
    // Another session became the owner at the same moment.
    if (error instanceof IpcError && error.code === 'no_broker') return { kind: 'lost' };
    throw error;
  }
}

/** Listens where the last owner listened. An address that cannot be bound any more is left out. */
async function listenAsBefore(listeners: Listeners, folder: string): Promise<void> {
  const before = readOwner(folder)?.addresses ?? [];
  for (const address of before.filter((each) => each !== ownerAddress && isIP(each) !== 0)) {
    await listeners.listenOn([...listeners.addresses, address]).catch((error: unknown) => {
      if (!(error instanceof IpcError)) throw error;
    });
  }
}
