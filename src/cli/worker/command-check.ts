// Whether a command can be started, before the first message is taken for it.
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { IpcError, systemErrorCode } from '../../base/errors.ts';
import { quoted } from '../../base/quoted.ts';

/** Where a system without PATH looks. */
const pathDefault = '/usr/bin:/bin';

/** Throws an error that says what to do. */
export async function checkCommand(
  command: string,
  { PATH: path = pathDefault }: NodeJS.ProcessEnv,
): Promise<void> {
  if (command === '') throw unusable('the command is empty', 'name a program');
  if (command.includes('/')) {
    const fault = await faultOf(command);
    if (fault === undefined) return;
    throw unusable(`the command ${quoted(command)} ${fault}`, remedy(command, fault));
  }
  const faults = await Promise.all(
    path.split(delimiter).map((folder) => faultOf(join(folder || '.', command))),
  );
  if (faults.includes(undefined)) return;
  const fault = faults.find((each) => each !== absent) ?? absent;
  const what = fault === absent ? 'is not on the PATH' : `on the PATH ${fault}`;
  throw unusable(`the command ${quoted(command)} ${what}`, remedy(command, fault));
}

const absent = 'does not exist';
const forbidden = 'may not be executed';

/** undefined if the file can be executed. */
async function faultOf(file: string): Promise<string | undefined> {
  try {
    if ((await stat(file)).isDirectory()) return 'is a folder';
    await access(file, constants.X_OK);
    return undefined;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return absent;
    return code === 'EACCES' ? forbidden : `cannot be used (${code})`;
  }
}

function remedy(command: string, fault: string): string {
  if (/\s/.test(command)) {
    return "give the command and its arguments as separate words, or a line of the shell: sh -c '...'";
  }
  if (fault === forbidden) return 'make it executable (`chmod +x`), or run it with its interpreter';
  return command.includes('/') ? 'check the path' : 'install it, or give its path';
}

function unusable(what: string, hint: string): IpcError {
  return new IpcError('bad_parameter', what, { hint });
}
