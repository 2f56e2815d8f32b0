// Runs a line that commander splits, and prints the help or version that was asked for.
import { CommanderError } from 'commander';
import { print, warnWithHelp } from './output.ts';
import { makeProgram } from './program.ts';
import { exitSuccess } from './run.ts';

/**
 * Returns the exit code, if the command has not ended the process. `colours`: whether help has them. `exitWrong`: the exit
 * code of a line without a command.
 */
export async function runCommandLine(
  words: readonly string[],
  colours: boolean,
  exitWrong: number,
): Promise<number | undefined> {
  const helped = { out: '', errors: '' };
  try {
    const program = await makeProgram(helped, colours, words[0]);
    await program.parseAsync();
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Without a command, help is a usage error.
    if (error.exitCode !== 0) {
      await warnWithHelp(helped.errors.trimEnd());
      return exitWrong;
    }
    await print(helped.out, 'nothing else was asked for');
    return exitSuccess;
  }
}
