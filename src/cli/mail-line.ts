// Runs a plain line of a command that sends or takes mail.
import { mailCommands } from './commands/mail.ts';
import { runOperation } from './operation-line.ts';
import { beQuiet } from './output.ts';
import { splitPlainLine } from './plain-line.ts';

/** Ends the process, or returns if the line is not plain. */
export async function runMailLine([name, ...words]: readonly string[]): Promise<void> {
  const command = mailCommands.find((each) => each.name === name);
  const line = command && splitPlainLine(command, words);
  if (!line) return;
  if (line.options.quiet) beQuiet();
  await runOperation(command, line);
}
