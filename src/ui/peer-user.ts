// The user at the other end of a connection within this machine. On Linux the list of processes shows all users the URL
// with which a browser was started, so a token alone does not show that it is the same user who comes with it.
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

type Ports = Pick<Socket, 'localPort' | 'remotePort'>;

/** Whether the other end is a socket of another user than this process's and root. */
export async function isOtherUser(socket: Ports): Promise<boolean> {
  // A socket of IPv6 can connect to an address of IPv4 as well.
  const files = ['/proc/net/tcp', '/proc/net/tcp6'];
  const tables = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  const user = userOf(tables.join('\n'), socket);
  return user !== undefined && user !== 0 && user !== process.getuid?.();
}

/**
 * The user of the socket at the other end, from the columns that proc(5) describes. undefined where there is no /proc,
 * or for a connection that a relay outside of this network namespace passes on: no process of another user has it.
 */
export function userOf(table: string, { localPort, remotePort }: Ports): number | undefined {
  const [here, there] = [loopback(localPort), loopback(remotePort)];
  for (const line of table.split('\n')) {
    const [, from = '', to = '', , , , , user] = line.trim().split(/\s+/);
    if (from.endsWith(there) && to.endsWith(here)) return Number(user);
  }
  return undefined;
}

/** 127.0.0.1 as the kernel writes it, in the byte order of the machine; of IPv6 it is the end of the address. */
function loopback(port: number | undefined): string {
  const address = isLittleEndian ? '0100007F' : '7F000001';
  return `${address}:${(port ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
