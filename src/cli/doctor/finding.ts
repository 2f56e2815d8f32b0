// The results of the checks of `ipc doctor`.
import { homeFolder } from '../../app/environment.ts';
import { IpcError } from '../../base/errors.ts';
import { withOwner } from '../../files/file-owner.ts';
import { folderFault } from '../../journal/epoch.ts';

export interface Finding {
  /** The subject of the check, in a word or two. */
  readonly about: string;
  readonly ok: boolean;
  readonly what: string;
  /** What to do. */
  readonly hint: string | undefined;
}

export type Result = Omit<Finding, 'about'>;

export function fine(what: string, hint?: string): Result {
  return { ok: true, what, hint };
}

export function bad(what: string, hint: string | undefined): Result {
  return { ok: false, what, hint };
}

/** An error during the check is a finding, too. */
export async function finding(
  about: string,
  check: () => Result | Promise<Result>,
): Promise<Finding> {
  try {
    return { about, ...(await check()) };
  } catch (error) {
    return faulty(about, error);
  }
}

export function faulty(about: string, error: unknown): Finding {
  const fault = withOwner(folderFault(error), '/', stateFolder());
  if (!(fault instanceof IpcError)) throw error;
  return { about, ...bad(`${fault.code}: ${fault.message}`, fault.hint) };
}

/** For an error; where there is no folder, another finding says so. */
function stateFolder(): string {
  try {
    return homeFolder(process.env);
  } catch {
    return '/';
  }
}
