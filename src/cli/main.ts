// The program begins here: the command line is split and run, and errors are reported.
import { IpcError } from '../base/errors.ts';
import { lateCode } from '../base/late-code.ts';
import { bearClosedOutput } from './closed-output.ts';
import { OutputFailed, sayError } from './output.ts';
import { exitFailed, exitUsage, runToEnd } from './run.ts';
import { isColoured } from './terminal.ts';

/** For a host that has started `ipc wake` as a hook, exit code 2 is mail; so a wrong line of it has another one. */
const exitWrong = process.argv[2] === 'wake' ? exitFailed : exitUsage;

/** The commands that send and take mail. Most of their lines need no commander. */
const mailWords: ReadonlySet<string | undefined> = new Set(['post', 'wait', 'ask', 'fetch']);

runToEnd(main());

async function main(): Promise<void> {
  bearClosedOutput();
  try {
    const words = process.argv.slice(2);
    checkBytes(words);
    if (mailWords.has(words[0])) {
      const { runMailLine } = await lateCode(import('./mail-line.ts'));
      await runMailLine(words);
    }
    const { runCommandLine } = await lateCode(import('./command-line.ts'));
    const exitCode = await runCommandLine(words, isColoured(process.stdout), exitWrong);
    if (exitCode !== undefined) process.exit(exitCode);
  } catch (error) {
    process.exit(await reportError(error));
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
async function reportError(error: unknown): Promise<number> {
  if (!(error instanceof IpcError)) throw error;
  if (!(error instanceof OutputFailed && error.isSilent)) await sayError(error);
  return error.kind.fault === 'usage' ? exitWrong : exitFailed;
}
