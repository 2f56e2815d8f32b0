// The tree of commands. Each command is in a file of commands/, with its arguments, options, examples and
// fields. commander splits the command line; app/parameters.ts checks the values of operations.
import { Argument, Command, Option } from 'commander';
import { version } from '../base/version.ts';
import { withChoices, withExamples } from './command-parts.ts';
import { addDirectCommands } from './commands/direct.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addFindCommand } from './commands/find.ts';
import { addInstallCommands } from './commands/install.ts';
import { addKeyCommands } from './commands/key.ts';
import { addLogCommand } from './commands/log.ts';
import { addLookCommands } from './commands/look.ts';
import { addMailCommands } from './commands/mail.ts';
import { addOwnerCommands } from './commands/owner.ts';
import { addPauseCommands } from './commands/pause.ts';
import { addStoreCommands } from './commands/store.ts';
import { addTopCommand } from './commands/top.ts';
import { addUiCommand } from './commands/ui.ts';
import { addWakeCommand } from './commands/wake-hook.ts';
import { addWatchCommand } from './commands/watch.ts';
import { addWorkCommand } from './commands/work.ts';
import { completionScript, mailboxLines, shells } from './completion.ts';
import { configureHelp, type Helped, helpFor, reportWrongLines } from './help.ts';
import { beQuiet, print } from './output.ts';
import { exitSuccess } from './run.ts';
import { topicNames } from './topics.ts';

export function makeProgram(helped: Helped, colours: boolean): Command {
  const program = new Command('ipc')
    .description('Messages between AI agent sessions, through mailboxes or point to point.')
    .version(version);
  configureHelp(program, helped, colours);
  program.enablePositionalOptions();
  addMcpCommand(program);
  addMailCommands(program);
  addWatchCommand(program);
  addLookCommands(program);
  addFindCommand(program);
  addLogCommand(program);
  addPauseCommands(program);
  addDirectCommands(program);
  addOwnerCommands(program);
  addTopCommand(program);
  addUiCommand(program);
  addStoreCommands(
    program
      .command('store')
      .description('Check, dump or compact stored mail, or retry dead letters.'),
  );
  addKeyCommands(
    program.command('key').description('Show or replace the key that opens the mail.'),
  );
  addWorkCommand(program);
  addWakeCommand(program);
  addInstallCommands(program);
  addDoctorCommand(program);
  addCompletionCommand(program);
  addHelpCommand(program);
  addQuiet(program);
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

function addHiddenQuiet(command: Command): void {
  command.addOption(new Option('-q, --quiet').hideHelp());
  for (const below of command.commands) addHiddenQuiet(below);
}

function addMcpCommand(program: Command): void {
  const command = program
    .command('mcp')
    .description('Serve MCP on stdio: the one tool `ipc`.')
    // Loaded only here, because the MCP packages are large.
    .action(async () => (await import('../mcp/server.ts')).serveMcp(process.env));
  withExamples(command, 'ipc mcp    # hosts of agents start it: see `ipc install`');
}

function addCompletionCommand(program: Command): void {
  const command = program
    .command('completion')
    .description('Print a script that completes lines of `ipc` in a shell.')
    .addArgument(withChoices(new Argument('<shell>', 'the shell'), shells))
    .action(async (name) => {
      const isAsked = name === 'mailboxes';
      const text = isAsked ? await mailboxLines(process.env) : completionScript(name, program);
      await print(text, 'nothing else was asked for');
      // The call of a broker that does not answer keeps the process alive.
      if (isAsked) process.exit(exitSuccess);
    });
  withExamples(
    command,
    'source <(ipc completion bash)    # in ~/.bashrc',
    'source <(ipc completion zsh)     # in ~/.zshrc, after compinit',
    'ipc completion fish > ~/.config/fish/completions/ipc.fish',
  );
}

function addHelpCommand(program: Command): void {
  const names = [...program.commands.map((command) => command.name()), ...topicNames];
  const command = program
    .command('help')
    .description('Explain a command or a topic.')
    .addArgument(withChoices(new Argument('[words...]', 'a command, or a topic'), names))
    .action((given) => print(helpFor(program, given), 'nothing else was asked for'));
  withExamples(command, 'ipc help post', 'ipc help exit-codes');
}
