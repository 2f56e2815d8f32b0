// Real file systems of a given kind.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Mounts a tmpfs. `why`: the reason where this machine does not allow it. */
export async function mountTmpfs(
  context: TestContext,
  options: string,
): Promise<{ readonly path?: string; readonly why: string }> {
  const path = await mkdtemp(join(tmpdir(), 'ipc-disk-'));
  const words = ['-t', 'tmpfs', '-o', options, 'tmpfs', path];
  const { status, stderr, error } = spawnSync('mount', words, { encoding: 'utf8' });
  context.after(() => {
    if (status === 0) spawnSync('umount', ['-l', path]);
    rmSync(path, { recursive: true, force: true });
  });
  if (status === 0) return { path, why: '' };
  return { why: `no tmpfs can be mounted here: ${error?.message ?? stderr.trim()}` };
}

/** Creates empty files until no inode is left, or `count` of them. */
export function takeInodes(folder: string, count = Number.POSITIVE_INFINITY): void {
  try {
    for (let number = 0; number < count; number++) writeFileSync(join(folder, `f${number}`), '');
  } catch {
    // There is none left.
  }
}

/** Takes the bytes that are left. Returns the file that has them. */
export function takeSpace(folder: string): string {
  const path = join(folder, 'filler');
  for (let bytes = 1024 ** 2; bytes >= 1; ) {
    try {
      writeFileSync(path, Buffer.alloc(bytes), { flag: 'a' });
    } catch {
      bytes = bytes >> 4;
    }
  }
  return path;
}
