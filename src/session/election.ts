// The port is the lock of the store. Who wins it also asks at the store's own socket, because a
// process in another network namespace holds "the" port there.
import { chmod, readdir, rename, stat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { join } from 'node:path';
import { IpcError, outOfFiles } from '../base/errors.ts';
import { randomId } from '../base/random-id.ts';
import { listen, listenError, ownerAddress } from '../net/listen.ts';

export type ClaimResult =
  /** The store's Unix socket, and the port. */
  | { readonly kind: 'won'; readonly listeners: readonly [Server, Server] }
  /** Somebody else has the port. */
  | { readonly kind: 'taken' }
  /** An owner in another network namespace serves the store; it is reached through this socket. */
  | { readonly kind: 'elsewhere'; readonly path: string };

/** sun_path holds 108 bytes with its end; Node 20 binds a longer name cut off, in silence. */
const socketPathBytesMax = 107;
/** Of a door's first name, which is then as long as its last one. */
const doorPrefix = 'o-';
const doorCharacters = 8;
/** A process is done with the first name within milliseconds, unless it was stopped or died. */
const doorLeftMs = 60_000;

/** `folder`: the store's, which exists. */
export async function claim(port: number, folder: string): Promise<ClaimResult> {
  const path = socketPath(folder);
  const listener = await listen({ host: ownerAddress, port }).catch((error: unknown) => {
    if (errorCode(error) === 'EADDRINUSE') return undefined;
    throw listenError(error, `${ownerAddress}:${port}`);
  });
  if (!listener) return { kind: 'taken' };
  try {
    if (await answers(path)) {
      listener.close();
      return { kind: 'elsewhere', path };
    }
    const door = await openDoor(folder, path);
    await removeLeftDoors(folder);
    return { kind: 'won', listeners: [door, listener] };
  } catch (error) {
    listener.close();
    if (error instanceof IpcError) throw error;
    throw socketError(error, path);
  }
}

/** The store's own. */
export function socketPath(folder: string): string {
  const path = join(folder, 'owner.sock');
  if (Buffer.byteLength(path) <= socketPathBytesMax) return path;
  const what = `${path} is longer than ${socketPathBytesMax} bytes, too long for a socket`;
  throw new IpcError('home_unusable', what, { hint: 'name a shorter path in IPC_HOME' });
}

/**
 * For the user alone, whatever the umask; its folder is so already. Node removes the name under which a
 * socket was made when that is closed, so an owner that was replaced would close its successor's door:
 * it is made under a name of its own, and then takes the place of the one before it.
 */
async function openDoor(folder: string, path: string): Promise<Server> {
  const made = join(folder, `${doorPrefix}${randomId(doorCharacters)}`);
  const door = await listen({ path: made });
  try {
    await chmod(made, 0o600);
    await rename(made, path);
    return door;
  } catch (error) {
    door.close();
    throw error;
  }
}

/**
 * Removes the sockets of processes that died before they gave them their last name. One that listens
 * belongs to a process in another network namespace that is about to; nothing depends on the rest.
 */
async function removeLeftDoors(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(doorPrefix))) {
    const path = join(folder, name);
    try {
      const isOld = (await stat(path)).mtimeMs < Date.now() - doorLeftMs;
      if (isOld && !(await answers(path))) await unlink(path);
    } catch {
      // It is gone, or is no socket of ours: the next owner looks again.
    }
  }
}

/** Somebody listens at the socket. What is neither yes nor no is an error: nobody may own then. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolve(false);
      else reject(socketError(error, path));
    });
  });
}

function socketError(error: unknown, path: string): IpcError {
  const what = `${path}: ${errorCode(error)}`;
  return outOfFiles(error) ?? new IpcError('home_unusable', what, { cause: error });
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
