// The files of the page, which the build has bundled. They are read once: no address of a request is ever a path.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../base/errors.ts';

export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

/** By the address behind the path of the page. */
const names: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '': ['index.html', 'text/html; charset=utf-8'],
  'page.js': ['page.js', 'text/javascript; charset=utf-8'],
  'page.css': ['page.css', 'text/css; charset=utf-8'],
  'icon.svg': ['icon.svg', 'image/svg+xml'],
};

/** Files that the build has not made are absent. */
export async function readPageFiles(folder: string): Promise<ReadonlyMap<string, PageFile>> {
  const files = new Map<string, PageFile>();
  for (const [address, [file, type]] of Object.entries(names)) {
    try {
      files.set(address, { type, bytes: await readFile(join(folder, file)) });
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
  return files;
}
