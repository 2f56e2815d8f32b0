// The checks of this program's Node, state folder and key.
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { IpcError } from '../../base/errors.ts';
import { quotedForShell } from '../../base/shell.ts';
import { requireTrustedFolder } from '../../files/trusted-path.ts';
import { isNodeEnough, nodeMin } from '../../hosts/programs.ts';
import { requireTrustedBodies } from '../../mcp/overflow-files.ts';
import { checkParent, currentKeys, keyPath } from '../../net/keys.ts';
import { bad, fine, type Result } from './finding.ts';

export function checkNode(): Result {
  const { version } = process;
  return isNodeEnough(version) ? fine(version) : bad(version, `install Node ${nodeMin} or newer`);
}

export function checkHome(home: string): Result {
  requireTrustedFolder(home);
  const found = checkFolder(home);
  if (!found) checkParent(home);
  requireTrustedBodies(home);
  if (!found) return fine(`${home}, created by the first call`);
  if ((found.mode & 0o077) === 0) return fine(home);
  return bad(`${home} is open to other users`, `chmod 700 ${quotedForShell(home)}`);
}

/** Throws unless the folder is, or can be made, writable; undefined when it does not exist yet. */
export function checkFolder(path: string): Stats | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) {
    if (dirname(path) !== path) checkFolder(dirname(path));
    return undefined;
  }
  if (!found.isDirectory()) throw new IpcError('home_unusable', `${path} is not a folder`);
  accessSync(path, constants.W_OK | constants.X_OK);
  return found;
}

export function checkKey(home: string, env: NodeJS.ProcessEnv): Result {
  const keys = currentKeys(home, env);
  if (env.IPC_KEY) return fine('in IPC_KEY');
  const path = keyPath(home, env);
  return fine(keys ? path : `${path}, created by the first call`);
}
