// Warnings about file systems that do not keep what a store needs. Only Linux has these type numbers.
import type { Disk } from './disk.ts';

const inMemory = 'its mail is lost when this machine restarts';
const overNetwork = 'its durability depends on the server, and two machines must not share it';
const inContainer = 'its mail is lost with the container, unless the folder is a volume';

/** By the type that statfs(2) reports. */
const kinds = new Map<number, readonly [name: string, warning: string]>([
  [0x0102_1994, ['tmpfs, which is memory', inMemory]],
  [0x8584_58f6, ['ramfs, which is memory', inMemory]],
  [0x6969, ['NFS', overNetwork]],
  [0x517b, ['SMB', overNetwork]],
  [0xff53_4d42, ['CIFS', overNetwork]],
  [0xfe53_4d42, ['SMB', overNetwork]],
  [0x0102_1997, ['9P', overNetwork]],
  [0x794c_7630, ['an overlay', inContainer]],
]);

/** Sentences for people; none for a file system that is not in the list. */
export async function fileSystemWarnings(disk: Disk, folder: string): Promise<string[]> {
  const type = await disk.fileSystemType(folder);
  const [name, warning] = (type !== undefined && kinds.get(type)) || [];
  return name === undefined ? [] : [`the store ${folder} is on ${name}: ${warning}`];
}
