// The program begins here: the command line is parsed and run, and what goes wrong is told.
import { CommanderError } from 'commander';
import { IpcError } from '../base/errors.ts';
import type { Helped } from './help.ts';
import { OutputFailed, print, say, sayError } from './output.ts';
import { makeProgram } from './program.ts';
import { exitFailed, exitSuccess, exitUsage } from './run.ts';
import { isColoured } from './terminal.ts';

await main();

async function main(): Promise<void> {
  // A reader that goes away is noticed where something is written to it.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const helped = { out: '', errors: '' };
  try {
    await makeProgram(helped, isColoured(process.stdout)).parseAsync();
  } catch (error) {
    process.exit(await reportError(error, helped));
  }
}

/** Returns the exit code. */
async function reportError(error: unknown, helped: Helped): Promise<number> {
  if (error instanceof CommanderError) return reportHelp(error, helped);
  if (!(error instanceof IpcError)) throw error;
  if (!(error instanceof OutputFailed && error.isQuiet)) await sayError(error);
  return error.kind.fault === 'usage' ? exitUsage : exitFailed;
}

/** Help and version were asked for, or no command was named. */
async function reportHelp({ exitCode }: CommanderError, { out, errors }: Helped): Promise<number> {
  if (exitCode !== 0) {
    await say(errors.trimEnd());
    return exitUsage;
  }
  try {
    await print(out, 'nothing else was asked for');
    return exitSuccess;
  } catch (error) {
    return reportError(error, { out, errors });
  }
}
