// The election: binding the port is acquiring the lock of the store. A process in another network
// namespace can bind the same port there, so the winner also tries the store's own Unix socket.

import { chmodSync, readdirSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { join } from 'node:path';
import { IpcError, outOfFiles, storageFault, systemErrorCode } from '../base/errors.ts';
import { randomId } from '../base/random-id.ts';
import { systemRuntime } from '../base/runtime.ts';
import { Ballast } from '../journal/ballast.ts';
import { realDisk } from '../journal/disk.ts';
import { isDiskFull } from '../journal/epoch.ts';
import { History } from '../journal/history.ts';
import { historyDefault, limitsDefault } from '../journal/journal-options.ts';
import { listen } from '../net/listen.ts';
import { socketForbidden } from '../net/network-fault.ts';
import { socketPath } from './port-lock.ts';

export type ClaimResult =
  /** The store's Unix socket, and the port. */
  | { readonly kind: 'won'; readonly listeners: readonly [Server, Server] }
  /** An owner in another network namespace serves the store; this socket leads to it. */
  | { readonly kind: 'elsewhere'; readonly path: string };

/** The temporary name of a socket, which is as long as its final name. */
const temporaryPrefix = 'o-';
const temporaryCharacters = 8;
/** A socket has its temporary name for milliseconds only, unless its process was stopped or died. */
const staleMs = 60_000;

/** For the process that has the lock, which is given up unless the claim is won. `folder`: the store's, which exists. */
export async function claimStore(lock: Server, folder: string): Promise<ClaimResult> {
  const path = socketPath(folder);
  try {
    if (await isInUse(path)) {
      lock.close();
      return { kind: 'elsewhere', path };
    }
    const socket = await listenAtSocket(folder, path);
    await removeStaleSockets(folder);
    return { kind: 'won', listeners: [socket, lock] };
  } catch (error) {
    lock.close();
    if (error instanceof IpcError) throw error;
    throw socketError(error, path);
  }
}

/**
 * Only the user can connect, whatever the umask. When a socket is closed, Node removes the name under
 * which it was made. So an owner that was replaced would remove the socket of its successor: therefore a
 * socket is made under a temporary name, and then renamed over the previous owner's socket.
 */
async function listenAtSocket(folder: string, path: string): Promise<Server> {
  const temporary = join(folder, `${temporaryPrefix}${randomId(temporaryCharacters)}`);
  const server = await listenWithBallast(temporary, folder);
  try {
    chmodSync(temporary, 0o600);
    renameSync(temporary, path);
    return server;
  } catch (error) {
    server.close();
    throw error;
  }
}

/** On a disk without a free inode the ballast of the store makes room: this process has the port, so it is the owner. */
async function listenWithBallast(path: string, folder: string): Promise<Server> {
  let ballast: Ballast | undefined;
  for (;;) {
    try {
      return await listen({ path });
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      ballast ??= new Ballast(realDisk, folder, undefined, historyOf(folder));
      if (!(ballast.giveUpHistory() || ballast.giveUpOne())) throw error;
    }
  }
}

function historyOf(folder: string): History {
  return new History(realDisk, folder, historyDefault, limitsDefault, systemRuntime);
}

/**
 * Removes the sockets of processes that died before the rename. A socket that is in use belongs to a live
 * process in another network namespace.
 */
async function removeStaleSockets(folder: string): Promise<void> {
  for (const name of namesIn(folder).filter((each) => each.startsWith(temporaryPrefix))) {
    const path = join(folder, name);
    try {
      const isOld = statSync(path).mtimeMs < Date.now() - staleMs;
      if (isOld && !(await isInUse(path))) unlinkSync(path);
    } catch {
      // It is gone, or not ours to remove. The next owner tries again.
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Whether a process listens at the socket. When that cannot be found out, it throws: owning would be unsafe. */
function isInUse(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = systemErrorCode(error);
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolve(false);
      else reject(socketForbidden(error) ?? socketError(error, path));
    });
  });
}

function socketError(error: unknown, path: string): IpcError {
  const what = `${path}: ${systemErrorCode(error)}`;
  return (
    outOfFiles(error) ??
    storageFault(error, what) ??
    new IpcError('home_unusable', what, { cause: error })
  );
}
