// `ipc wake`: the hook that waits for mail when the turn of an agent is over. Its host starts it; `ipc install --wake`
// sets it up.
import { type Command, Option } from 'commander';
import { parseCount, shown } from '../../app/parameters.ts';
import { IpcError } from '../../base/errors.ts';
import { type HookName, heldSecondsMax } from '../../hosts/wake/hooks.ts';
import { withChoices, withExamples } from '../command-parts.ts';
import { type HookHost, hookHosts } from '../hooks/hook-host.ts';
import { watchForHook } from '../hooks/hook-watch.ts';
import { print, warn } from '../output.ts';
import { endingSignals, exitSuccess } from '../run.ts';

const secondsMax = 604_800;

const afterOptions = `
Hosts start it as a hook: \`ipc install HOST --wake\`. It waits for mail in the
mailboxes that the session asked to be woken for, or in those of IPC_WAKE (names
with commas between them), and prints a notice as its host wants it: for Claude
Code on stderr, with exit code 2. It prints no message and takes none. It ends
with its host, and at once when there is nothing to wait for.`;

export function addWakeCommand(program: Command): void {
  const names = Object.keys(hookHosts);
  const command = program
    .command('wake', { hidden: true })
    .description('Wait for mail as a hook of a host, and wake its agent.')
    .addOption(withChoices(new Option('--for <host>', 'the host').makeOptionMandatory(), names))
    .option(
      '--timeout <timeout>',
      `seconds, 1-${secondsMax}; no limit by default, or ${heldSecondsMax} where it holds the turn open`,
    )
    .addHelpText('after', afterOptions)
    .action(async ({ for: name, timeout }) => {
      const host = parseHost(name);
      const seconds =
        timeout === undefined
          ? host.secondsMax
          : parseCount(timeout, 'timeout', secondsMax, 'bad_timeout');
      process.exit(await wake(host, seconds));
    });
  withExamples(command, 'ipc wake --for claude');
}

function parseHost(name: string): HookHost {
  if (Object.hasOwn(hookHosts, name)) return hookHosts[name as HookName];
  const what = `for is ${shown(name)}; it must be one of ${Object.keys(hookHosts).join(', ')}`;
  throw new IpcError('bad_parameter', what);
}

/** A signal, and the end of its time, are ends like any other: a host would show its user a failure. */
async function wake(host: HookHost, seconds: number | undefined): Promise<number> {
  const ended = new AbortController();
  for (const signal of endingSignals) process.on(signal, () => ended.abort());
  if (seconds !== undefined) setTimeout(() => ended.abort(), seconds * 1_000).unref();
  const output = await watchForHook(host, process.env, ended.signal);
  if (!output) return exitSuccess;
  const { stream, line, exitCode } = output;
  if (stream === 'stdout') await print(`${line}\n`, 'nobody was woken');
  else await warn(line);
  return exitCode;
}
