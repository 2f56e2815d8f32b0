// `ipc wake`: the hook that waits for mail when the turn of an agent is over. Its host starts it; `ipc install --wake`
// sets it up.
import { type Command, Option } from 'commander';
import { parseCount } from '../../app/parameters.ts';
import { hookHeldMsMax, watchMsMax } from '../../base/limits.ts';
import { withChoices, withExamples } from '../command-parts.ts';
import { hookHosts } from '../hooks/hook-host.ts';
import { runHook } from '../hooks/hook-run.ts';

const secondsMax = watchMsMax / 1_000;

const afterOptions = `
Hosts start it as a hook: \`ipc install HOST --wake\`. It waits for mail in the
mailboxes that the session asked to be woken for, or in those of IPC_WAKE (names
with commas between them), and prints a notice as its host wants it: for Claude
Code on stderr, with exit code 2. It prints no message and takes none. It ends
with its host, and at once when there is nothing to wait for.`;

export function addCommands(program: Command): void {
  const names = Object.keys(hookHosts);
  const command = program
    .command('wake', { hidden: true })
    .description('Wait for mail as a hook of a host, and wake its agent.')
    .addOption(withChoices(new Option('--for <host>', 'the host').makeOptionMandatory(), names))
    .option(
      '--timeout <timeout>',
      `seconds, 1-${secondsMax}; no limit by default, or ${hookHeldMsMax / 1_000} where it holds the turn open`,
    )
    .addHelpText('after', afterOptions)
    .action(async ({ for: host, timeout }) => {
      const isGiven = timeout !== undefined;
      const seconds = isGiven
        ? parseCount(timeout, 'timeout', secondsMax, 'bad_timeout')
        : undefined;
      process.exit(await runHook(host, seconds));
    });
  withExamples(command, 'ipc wake --for claude');
}
