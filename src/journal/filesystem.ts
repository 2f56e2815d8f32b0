// The properties of file systems that a store depends on, by the type that statfs(2) reports. Only Linux has these
// type numbers.

const inMemory = 'its mail is lost when this machine restarts';
const overNetwork = 'its durability depends on the server, and two machines must not share it';
const inContainer = 'its mail is lost with the container, unless the folder is a volume';

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

/** ext2 to ext4, XFS, Btrfs, F2FS, ZFS, tmpfs and overlays. */
const wallClockTypes: ReadonlySet<number | undefined> = new Set([
  0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0x0102_1994, 0x794c_7630,
]);

/** Sentences for people; none for a type that is not in the list. */
export function fileSystemWarnings(type: number | undefined, folder: string): string[] {
  const [name, warning] = (type !== undefined && kinds.get(type)) || [];
  return name === undefined ? [] : [`the store ${folder} is on ${name}: ${warning}`];
}

/** The times in it are from the wall clock of this machine, and every change of a name shows in them at once. */
export function hasWallClock(type: number | undefined): boolean {
  return wallClockTypes.has(type);
}
