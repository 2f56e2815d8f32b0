// A run of `ipc wake`, from the name of its host to its exit code.
import { shown } from '../../app/parameters.ts';
import { IpcError } from '../../base/errors.ts';
import type { HookName } from '../../hosts/wake/hooks.ts';
import { print, warn } from '../output.ts';
import { endingSignals, exitSuccess } from '../run.ts';
import { hookHosts } from './hook-host.ts';
import { watchForHook } from './hook-watch.ts';

/**
 * Returns the exit code. A signal, and the end of its time, are ends like any other: a host would show its user a
 * failure.
 */
export async function runHook(name: string, seconds?: number): Promise<number> {
  const host = hookHosts[parseHost(name)];
  const secondsMax = seconds ?? host.secondsMax;
  const ended = new AbortController();
  for (const signal of endingSignals) process.on(signal, () => ended.abort());
  if (secondsMax !== undefined) setTimeout(() => ended.abort(), secondsMax * 1_000).unref();
  const output = await watchForHook(host, process.env, ended.signal);
  if (!output) return exitSuccess;
  const { stream, line, exitCode } = output;
  if (stream === 'stdout') await print(`${line}\n`, 'nobody was woken');
  else await warn(line);
  return exitCode;
}

function parseHost(name: string): HookName {
  if (Object.hasOwn(hookHosts, name)) return name as HookName;
  const what = `for is ${shown(name)}; it must be one of ${Object.keys(hookHosts).join(', ')}`;
  throw new IpcError('bad_parameter', what);
}
