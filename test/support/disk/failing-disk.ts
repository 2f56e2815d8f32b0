// Disk faults for real processes: a library for LD_PRELOAD, and a limit on file sizes.
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * While the file FAIL_SYNC exists, fdatasync fails with EIO. While FAIL_READ exists, so do reads of segments that
 * include the byte BAD_BYTE.
 */
const shim = `
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int on(const char *name) { return getenv(name) && access(getenv(name), F_OK) == 0; }
static int segment(int file) {
  char link[64], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t bytes = readlink(link, path, sizeof path - 1);
  return bytes > 0 && (path[bytes] = 0, strstr(path, "/seg-") != NULL);
}
int fdatasync(int file) {
  if (on("FAIL_SYNC")) { errno = EIO; return -1; }
  return syscall(SYS_fdatasync, file);
}
ssize_t read(int file, void *bytes, size_t count) {
  if (on("FAIL_READ") && segment(file)) { errno = EIO; return -1; }
  return syscall(SYS_read, file, bytes, count);
}
ssize_t pread64(int file, void *bytes, size_t count, off_t offset) {
  if (on("FAIL_READ") && segment(file)) {
    long bad = atol(getenv("BAD_BYTE"));
    if (offset <= bad && bad < offset + (off_t)count) { errno = EIO; return -1; }
  }
  return syscall(SYS_pread64, file, bytes, count, offset);
}
ssize_t pread(int file, void *bytes, size_t count, off_t offset) {
  return pread64(file, bytes, count, offset);
}
`;

/** Builds the library for LD_PRELOAD in this folder; undefined without a compiler. */
export function buildShim(folder: string): string | undefined {
  const [source, library] = [join(folder, 'shim.c'), join(folder, 'shim.so')];
  writeFileSync(source, shim);
  try {
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, source], { stdio: 'pipe' });
    return library;
  } catch {
    return undefined;
  }
}

/** A body that is too large to be stored under `fileLimit(128)`. */
export const largeBody = 'x'.repeat(300_000);

/**
 * A command prefix: no file of the process grows beyond this many blocks of 512 bytes; a write that
 * would fails with EFBIG. A first segment needs 128 of them.
 */
export function fileLimit(blocks: number): readonly string[] {
  return ['sh', '-c', `trap '' XFSZ; ulimit -f ${blocks} && exec "$@"`, 'sh'];
}

/** The newest epoch of the store, which is its number of owners so far. */
export function newestEpochOf(home: string, port: number): number {
  const names = readdirSync(join(home, `broker-${port}`, 'epochs'));
  return Math.max(...names.map(Number));
}
