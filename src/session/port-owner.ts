// Finds the process that holds a TCP port of this machine, from /proc; for error messages only.
import { readdir, readFile, readlink } from 'node:fs/promises';

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
  const sockets = [
    ...(await listeningSockets('tcp', port)),
    ...(await listeningSockets('tcp6', port)),
  ];
  if (sockets.length === 0) return undefined;
  const wanted = new Set(sockets.map((inode) => `socket:[${inode}]`));
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (/^\d+$/.test(entry) && (await hasOpen(entry, wanted)))
      return describeProcess(Number(entry));
  }
  return undefined;
}

/** undefined when there is no such process, or no /proc. */
export async function describeProcess(pid: number): Promise<PortOwner | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const program = /^Name:\t(.*)$/m.exec(status)?.[1];
  const state = /^State:\t(.*)$/m.exec(status)?.[1];
  return program === undefined || state === undefined ? undefined : { pid, program, state };
}

/** The inodes of the sockets that listen on the port. proc(5) describes the columns of /proc/net/tcp. */
async function listeningSockets(file: 'tcp' | 'tcp6', port: number): Promise<string[]> {
  const table = await readFile(`/proc/net/${file}`, 'utf8').catch(() => '');
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(`:${hexPort}`) && columns[3] === '0A')
    .map((columns) => columns[9] ?? '');
}

async function hasOpen(pid: string, wanted: ReadonlySet<string>): Promise<boolean> {
  const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const file of files) {
    const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => '');
    if (wanted.has(target)) return true;
  }
  return false;
}
