// The command of `ipc work` inherits the environment but for the key, which its logs and children might show. Where
// a file has the same key, the command's own `ipc` reads it there.
import type { Environment } from '../../app/environment.ts';
import { currentKeys } from '../../net/keys.ts';

/** `passesKey`: the user gave `--pass-key`. */
export function commandEnvironment(
  env: Environment,
  home: string,
  passesKey: boolean,
): Environment {
  const { IPC_KEY, ...others } = env;
  if (passesKey || !IPC_KEY) return env;
  const [own] = keysIn(home, { IPC_KEY });
  const isInFile = own !== undefined && keysIn(home, others).some((key) => key.equals(own));
  return isInFile ? others : { ...others, IPC_KEY_WITHHELD: '1' };
}

/** None if they cannot be read. */
function keysIn(home: string, env: Environment): readonly Buffer[] {
  try {
    return currentKeys(home, env) ?? [];
  } catch {
    return [];
  }
}
