// The command of `ipc work` inherits the environment but for the key and the login of a NATS server, which its logs and
// children might show. Where a file has the same key, the command's own `ipc` reads it there.
import type { Environment } from '../../app/environment.ts';
import { isNatsAddress, natsUrl, parseNatsAddress } from '../../nats/nats-address.ts';
import { currentKeys } from '../../net/keys.ts';

/** `passesKey`: the user gave `--pass-key`. */
export function commandEnvironment(
  env: Environment,
  home: string,
  passesKey: boolean,
): Environment {
  if (passesKey) return env;
  const { IPC_KEY, ...others } = withoutLogin(env);
  if (!IPC_KEY) return others;
  const [own] = keysIn(home, { IPC_KEY });
  const isInFile = own !== undefined && keysIn(home, others).some((key) => key.equals(own));
  return isInFile ? others : { ...others, IPC_KEY_WITHHELD: '1' };
}

/** The user and password of a NATS server may be in its address. */
function withoutLogin(env: Environment): Environment {
  const { IPC_BROKER } = env;
  if (!IPC_BROKER || !isNatsAddress(IPC_BROKER)) return env;
  return { ...env, IPC_BROKER: natsUrl(parseNatsAddress(IPC_BROKER)) };
}

/** None if they cannot be read. */
function keysIn(home: string, env: Environment): readonly Buffer[] {
  try {
    return currentKeys(home, env) ?? [];
  } catch {
    return [];
  }
}
