// Programs that a host starts: where they are on a PATH, and which version a Node is.
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';

/** The oldest Node that runs this program. */
export const nodeMin = '20.15';

const run = promisify(execFile);
const versionMsMax = 10_000;

/** `version`: as Node prints it, `v20.15.0`. */
export function isNodeEnough(version: string): boolean {
  const [major = 0, minor = 0] = numbersOf(version);
  const [majorMin = 0, minorMin = 0] = numbersOf(nodeMin);
  return major > majorMin || (major === majorMin && minor >= minorMin);
}

function numbersOf(version: string): number[] {
  return version.replace(/^v/, '').split('.').map(Number);
}

/** The file that a name or an absolute path stands for; undefined if it cannot be run. */
export async function findProgram(name: string, path: string): Promise<string | undefined> {
  if (isAbsolute(name)) return (await isProgram(name)) ? name : undefined;
  for (const folder of path.split(delimiter).filter((each) => each !== '')) {
    const file = join(folder, name);
    if (await isProgram(file)) return file;
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** What `--version` prints; undefined if that is no version of Node. */
export async function nodeVersion(path: string): Promise<string | undefined> {
  if ((await realpath(path)) === (await realpath(process.execPath))) return process.version;
  try {
    const { stdout } = await run(path, ['--version'], { timeout: versionMsMax });
    return /^v\d+\.\d+\.\d+/.exec(stdout)?.[0];
  } catch {
    return undefined;
  }
}
