// Where the owner of a store is found: at its port, which is also the lock of the store, and at the store's own socket.
import type { Server } from 'node:net';
import { join } from 'node:path';
import { IpcError, systemErrorCode } from '../base/errors.ts';
import { listen, listenError, ownerAddress } from '../net/listen.ts';

/** sun_path has room for 108 bytes with the final 0. Node 20 silently cuts a longer name off. */
const socketPathBytesMax = 107;

/** undefined if another process holds the port. */
export async function lockPort(port: number): Promise<Server | undefined> {
  return listen({ host: ownerAddress, port }).catch((error: unknown) => {
    if (systemErrorCode(error) === 'EADDRINUSE') return undefined;
    throw listenError(error, ownerAddress, port);
  });
}

/** The path of the store's own socket. */
export function socketPath(folder: string): string {
  const path = join(folder, 'owner.sock');
  if (Buffer.byteLength(path) <= socketPathBytesMax) return path;
  const what = `${path} is longer than ${socketPathBytesMax} bytes, too long for a socket`;
  throw new IpcError('home_unusable', what, { hint: 'name a shorter path in IPC_HOME' });
}
