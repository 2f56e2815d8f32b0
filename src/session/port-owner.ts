// Finds the process that holds a TCP port of this machine, from /proc; for error messages only.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { describeUser } from '../files/users.ts';

export interface PortOwner {
  readonly pid: number;
  readonly program: string;
  /** As the kernel writes it: 'T (stopped)', 'D (disk sleep)', ... */
  readonly state: string;
}

export function isStopped({ state }: PortOwner): boolean {
  return /^[Tt]/.test(state);
}

/** What a user can do about a process that is stopped. */
export function continueHint({ pid }: PortOwner): string {
  return `continue it (kill -CONT ${pid}), or end it`;
}

/** undefined when the port is free, when there is no /proc, or when the process is another user's. */
export async function findPortOwner(port: number): Promise<PortOwner | undefined> {
  const sockets = await listeningSockets(port);
  if (sockets.length === 0) return undefined;
  const wanted = new Set(sockets.map(({ inode }) => `socket:[${inode}]`));
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (/^\d+$/.test(entry) && (await hasOpen(entry, wanted)))
      return describeProcess(Number(entry));
  }
  return undefined;
}

/** undefined when there is no such process, or no /proc. */
export async function describeProcess(pid: number): Promise<PortOwner | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const thread = /^Name:\t(.*)$/m.exec(status)?.[1];
  const program = (await commandOf(pid)) ?? thread;
  const state = /^State:\t(.*)$/m.exec(status)?.[1];
  return program === undefined || state === undefined ? undefined : { pid, program, state };
}

/** The name of its program, unless that is no plain word. The kernel's name is that of a thread: Node 24 has `MainThread`. */
async function commandOf(pid: number): Promise<string | undefined> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const name = basename(words.split('\0')[0] ?? '');
  return /^[\w.+-]{1,32}$/.test(name) ? name : undefined;
}

/**
 * What holds the port, for a sentence: 'pid 7 (node)'. Of a process that this one may not look into, because
 * it is another user's or in another container, the kernel reports the user alone. undefined if nothing
 * listens there, or when there is no /proc.
 */
export async function describeHolder(port: number): Promise<string | undefined> {
  const owner = await findPortOwner(port);
  if (owner) return `pid ${owner.pid} (${owner.program})`;
  const [socket] = await listeningSockets(port);
  if (!socket) return undefined;
  const isOwn = socket.user === process.getuid?.();
  const where = isOwn ? ', which cannot be seen from here, as in another container' : '';
  return `a program of ${describeUser(socket.user)}${where}`;
}

interface ListeningSocket {
  /** In hexadecimal, as the kernel writes it. */
  readonly address: string;
  readonly inode: string;
  /** The id of the user that made it, as this process sees it. */
  readonly user: number;
}

/** Those on other addresses count only if none has 127.0.0.1, alone or with all addresses. */
async function listeningSockets(port: number): Promise<ListeningSocket[]> {
  const sockets = [...(await socketsIn('tcp', port)), ...(await socketsIn('tcp6', port))];
  const near = sockets.filter(({ address }) => /^0+$|0100007F$/.test(address));
  return near.length > 0 ? near : sockets;
}

/** The sockets that listen on the port. proc(5) describes the columns of /proc/net/tcp. */
async function socketsIn(file: 'tcp' | 'tcp6', port: number): Promise<ListeningSocket[]> {
  const table = await readFile(`/proc/net/${file}`, 'utf8').catch(() => '');
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(`:${hexPort}`) && columns[3] === '0A')
    .map((columns) => ({
      address: columns[1]?.split(':')[0] ?? '',
      inode: columns[9] ?? '',
      user: Number(columns[7]),
    }));
}

async function hasOpen(pid: string, wanted: ReadonlySet<string>): Promise<boolean> {
  const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const file of files) {
    const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => '');
    if (wanted.has(target)) return true;
  }
  return false;
}
