// The program begins here: the command line is parsed and run, and errors are reported.
import { CommanderError } from 'commander';
import { IpcError } from '../base/errors.ts';
import type { Helped } from './help.ts';
import { OutputFailed, print, sayError, warnWithHelp } from './output.ts';
import { makeProgram } from './program.ts';
import { exitFailed, exitSuccess, exitUsage, runToEnd } from './run.ts';
import { isColoured } from './terminal.ts';

/** For a host that has started `ipc wake` as a hook, exit code 2 is mail; so a wrong line of it has another one. */
const exitWrong = process.argv[2] === 'wake' ? exitFailed : exitUsage;

runToEnd(main());

async function main(): Promise<void> {
  // A closed pipe is noticed where something is written to it.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const helped = { out: '', errors: '' };
  try {
    const words = process.argv.slice(2);
    checkBytes(words);
    const program = await makeProgram(helped, isColoured(process.stdout), words[0]);
    await program.parseAsync();
  } catch (error) {
    process.exit(await reportError(error, helped));
  }
}

/** Node replaces bytes of arguments that are not UTF-8 by U+FFFD, so the text may not be what was given. */
function checkBytes(words: readonly string[]): void {
  const index = words.findIndex((word) => word.includes('\ufffd'));
  if (index === -1) return;
  throw new IpcError('bad_parameter', `argument ${index + 1} contains U+FFFD, or is not UTF-8`, {
    hint: 'pass a message that contains it on stdin',
  });
}

/** Returns the exit code. */
async function reportError(error: unknown, helped: Helped): Promise<number> {
  if (error instanceof CommanderError) return reportHelp(error, helped);
  if (!(error instanceof IpcError)) throw error;
  if (!(error instanceof OutputFailed && error.isQuiet)) await sayError(error);
  return error.kind.fault === 'usage' ? exitWrong : exitFailed;
}

/** Prints the help or version that was asked for; without a command, help is a usage error. */
async function reportHelp({ exitCode }: CommanderError, { out, errors }: Helped): Promise<number> {
  if (exitCode !== 0) {
    await warnWithHelp(errors.trimEnd());
    return exitWrong;
  }
  try {
    await print(out, 'nothing else was asked for');
    return exitSuccess;
  } catch (error) {
    return reportError(error, { out, errors });
  }
}
