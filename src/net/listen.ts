// The listening sockets of an owner.
import { createServer, type Server, type Socket } from 'node:net';
import { IpcError, outOfFiles, systemErrorCode } from '../base/errors.ts';
import { backlogMax } from '../base/limits.ts';

/** Binding a port of this address is the lock of the store. */
export const ownerAddress = '127.0.0.1';

/** Listens on one more address of this machine. */
export async function listenAlso(host: string, port: number): Promise<Server> {
  return listen({ host, port, ipv6Only: true }).catch((error: unknown) => {
    throw listenError(error, `${host}:${port}`);
  });
}

export function listen(
  where: { host: string; port: number; ipv6Only?: boolean } | { path: string },
  onConnection: (socket: Socket) => void = hangUp,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onConnection);
    server.once('error', reject);
    server.listen({ ...where, exclusive: true, backlog: backlogMax }, () => {
      server.off('error', reject);
      // EMFILE and the like: the peer connects again, and the listener stays.
      server.on('error', () => {});
      resolve(server);
    });
  });
}

/** For a peer that connects before the broker serves: it will connect again. */
export function hangUp(socket: Socket): void {
  socket.on('error', () => {}).destroy();
}

export function listenError(error: unknown, where: string): IpcError {
  const code = systemErrorCode(error);
  const kind = code === 'EADDRINUSE' ? 'port_taken' : 'address_unusable';
  const rights = code === 'EACCES' ? ': the port needs special rights' : '';
  const what = `cannot listen on ${where} (${code})${rights}`;
  return outOfFiles(error) ?? new IpcError(kind, what, { cause: error });
}
