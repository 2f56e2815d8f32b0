// Whether the disk takes mail: free bytes and free inodes, a probe that is written and removed again, and
// the limit on the size of files.
import { randomBytes } from 'node:crypto';
import { constants, statSync } from 'node:fs';
import { access, open, readFile, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemErrorCode } from '../../base/errors.ts';
import {
  ballastFileBytes,
  ballastFilesMin,
  bodyBytesMax,
  segmentReserveBytes,
} from '../../base/limits.ts';
import { isDiskFull } from '../../journal/epoch.ts';
import { bad, type Finding, finding, fine, type Result } from './finding.ts';

/** Space for a first post of the largest body: ballast, the zeros of a segment, and the body. */
const freeBytesMin = ballastFilesMin * ballastFileBytes + segmentReserveBytes + bodyBytesMax;
/** Length of a file that has room for a post of the largest body: the ballast is in files of its own. */
const fileBytesMin = 2 * bodyBytesMax;
/** The key, the socket, and the files and folders of an epoch and of the ballast. */
const freeInodesMin = ballastFilesMin + 16;
/** A quota refuses blocks, not only names. */
const probeBytes = 64 * 1024;

/** One finding for each disk that the folders are on. A folder that does not exist yet is on its parent's. */
export async function diskFindings(folders: readonly string[]): Promise<Finding[]> {
  const disks = new Map<number, string>();
  for (const folder of folders.map(nearestFolder)) {
    const { dev } = statSync(folder);
    if (!disks.has(dev)) disks.set(dev, folder);
  }
  return Promise.all([...disks.values()].map((each) => finding('disk', () => checkDisk(each))));
}

/** A folder that this user cannot enter is reported by the check of the folder. */
function nearestFolder(path: string): string {
  return dirname(path) === path || isFolder(path) ? path : nearestFolder(dirname(path));
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

async function checkDisk(folder: string): Promise<Result> {
  const refused = await access(folder, constants.W_OK).then(() => '', systemErrorCode);
  if (refused === 'EROFS') {
    const hint = 'set IPC_HOME to a folder that can be written, or remount this file system';
    return bad(`${folder} is on a file system that is read-only`, hint);
  }
  const { bavail, bfree, bsize, files, ffree } = await statfs(folder);
  // Some blocks are reserved for root.
  const free = (process.getuid?.() === 0 ? bfree : bavail) * bsize;
  const what = `${shownBytes(free)} free for ${folder}`;
  const hint = 'free space there; mail that is stored can be read meanwhile';
  if (free === 0) return bad(`${what}: posts may be refused`, hint);
  // A file system without a fixed number of inodes reports 0 of 0.
  if (files > 0 && ffree < freeInodesMin) {
    const left = `${ffree} of ${files} inodes free for ${folder}`;
    return bad(`${left}: a broker may need ${freeInodesMin}`, 'remove files there');
  }
  if (free < freeBytesMin) return bad(`${what}: too little to store a message of 1 MB`, hint);
  // A folder of another user is reported by the check of the folder.
  return (refused === '' ? await probe(folder) : undefined) ?? fine(what);
}

/** undefined if a file can be written. */
async function probe(folder: string): Promise<Result | undefined> {
  const path = join(folder, `.ipc-probe-${randomBytes(8).toString('hex')}`);
  try {
    await writeProbe(path);
    return undefined;
  } catch (error) {
    const code = systemErrorCode(error);
    // The limit on file sizes has a finding of its own.
    if (code === 'EFBIG') return undefined;
    if (!isDiskFull(error)) return bad(`${folder} cannot be written (${code})`, 'check the disk');
    const why = code === 'EDQUOT' ? 'the quota of this user is used up' : 'the disk is full';
    const what = `${folder} takes no file of ${shownBytes(probeBytes)} (${code}): ${why}`;
    return bad(what, 'free space there');
  }
}

async function writeProbe(path: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(Buffer.alloc(probeBytes));
      await file.datasync();
    } finally {
      await file.close();
    }
  } finally {
    await rm(path, { force: true });
  }
}

/** No finding where there is no limit, or no /proc. `pid`: this process unless given. */
export async function fileLimitFindings(pid?: number): Promise<Finding[]> {
  const limits = await readFile(`/proc/${pid ?? 'self'}/limits`, 'utf8').catch(() => '');
  const bytes = Number(/^Max file size\s+(\d+)\s/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  if (bytes >= fileBytesMin) return [];
  const of = pid === undefined ? 'this process' : `pid ${pid}, which owns the broker,`;
  const what = `${of} may write no file above ${shownBytes(bytes)}, so it can refuse a post of 1 MB`;
  return [{ about: 'file size', ...bad(what, 'raise the limit (`ulimit -f unlimited`)') }];
}

function shownBytes(bytes: number): string {
  if (bytes < 10 * 1024) return `${bytes} bytes`;
  const [unit, name] =
    bytes < 1024 ** 2 ? [1024, 'KiB'] : bytes < 1024 ** 3 ? [1024 ** 2, 'MiB'] : [1024 ** 3, 'GiB'];
  return `${Math.floor(bytes / unit)} ${name}`;
}
