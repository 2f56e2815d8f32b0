// The tree of commands. Each command is in a file of commands/, with its arguments, options, examples and
// fields. commander splits the command line; app/parameters.ts checks the values of operations.
import { Command, InvalidArgumentError, Option } from 'commander';
import { lateCode } from '../base/late-code.ts';
import { version } from '../base/version.ts';
import { configureHelp, type Helped, reportWrongLines } from './help.ts';
import { addOperations } from './operation-command.ts';
import { beQuiet } from './output.ts';

/** The command of an operation that sends or takes mail. */
const mail = (name: string) => async () => {
  const { mailCommands } = await import('./commands/mail.ts');
  const named = mailCommands.filter((each) => each.name === name);
  return (program: Command) => addOperations(program, named);
};
const look = () => import('./commands/look.ts');

/** The commands that scripts and agents run again and again, each with the function that adds it. */
const everyday = new Map<string, () => Promise<(program: Command) => void>>([
  ['post', mail('post')],
  ['wait', mail('wait')],
  ['ask', mail('ask')],
  ['fetch', mail('fetch')],
  ['watch', async () => (await import('./commands/watch.ts')).addCommands],
  ['peek', async () => (await look()).addPeek],
  ['drop', async () => (await look()).addDrop],
  ['find', async () => (await import('./commands/find.ts')).addCommands],
]);

/**
 * The whole tree; or, for a line that begins with an everyday command, that command alone: most of the time of a short
 * command is spent on loading code, and on making commands.
 */
export async function makeProgram(
  helped: Helped,
  colours: boolean,
  firstWord = '',
): Promise<Command> {
  const program = new Command('ipc')
    .description('Messages between AI agent sessions, through mailboxes or point to point.')
    .version(version);
  configureHelp(program, helped, colours);
  program.enablePositionalOptions();
  const adding = everyday.get(firstWord)?.();
  if (adding) (await lateCode(adding))(program);
  else (await lateCode(import('./commands/all.ts'))).addAll(program);
  addQuiet(program);
  refuseRepeated(program);
  reportWrongLines(program);
  return program;
}

/**
 * `--quiet` may stand before or behind the name of the command. Behind it, `work` takes none: in
 * `ipc work jobs grep -q x` it is an option of the worker's command.
 */
function addQuiet(program: Command): void {
  program.option('-q, --quiet', 'print only errors to stderr; any command takes it');
  program.hook('preAction', (_program, command) => {
    if (program.opts().quiet || command.opts().quiet) beQuiet();
  });
  for (const command of program.commands) {
    if (command.name() !== 'work') addHiddenQuiet(command);
  }
}

/** commander would take the last value. An option that may be repeated has a parser of its own. */
function refuseRepeated(command: Command): void {
  for (const option of command.options) {
    if (option.required && !option.parseArg) option.argParser(onlyOnce);
  }
  for (const below of command.commands) refuseRepeated(below);
}

function onlyOnce(value: string, earlier: string | undefined): string {
  if (earlier === undefined) return value;
  throw new InvalidArgumentError('It may be given only once.');
}

function addHiddenQuiet(command: Command): void {
  command.addOption(new Option('-q, --quiet').hideHelp());
  for (const below of command.commands) addHiddenQuiet(below);
}
