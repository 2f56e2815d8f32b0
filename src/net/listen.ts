// The listening sockets of an owner.
import { createServer, type Server, type Socket } from 'node:net';
import { IpcError, outOfFiles, systemErrorCode } from '../base/errors.ts';
import { backlogMax, portMax } from '../base/limits.ts';
import { networkForbidden } from './network-fault.ts';

/** Binding a port of this address is the lock of the store. */
export const ownerAddress = '127.0.0.1';

/** Ports below it need special rights on most systems. */
const portUserMin = 1_024;

/** Listens on one more address of this machine. */
export async function listenAlso(host: string, port: number): Promise<Server> {
  return listen({ host, port, ipv6Only: true }).catch((error: unknown) => {
    throw listenError(error, host, port);
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

export function listenError(error: unknown, host: string, port: number): IpcError {
  const code = systemErrorCode(error);
  const what = `cannot listen on ${host}:${port} (${code})`;
  if (code === 'EACCES' && port < portUserMin) {
    const options = { cause: error, hint: `use a port from ${portUserMin} to ${portMax}` };
    return new IpcError('address_unusable', `${what}: the port needs special rights`, options);
  }
  const kind = code === 'EADDRINUSE' ? 'port_taken' : 'address_unusable';
  return (
    outOfFiles(error) ?? networkForbidden(error, host) ?? new IpcError(kind, what, { cause: error })
  );
}
