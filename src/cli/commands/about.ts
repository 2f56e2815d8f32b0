// The commands about the program itself: completion, help. They show the whole tree of commands.
import { Argument, type Command } from 'commander';
import { shown } from '../../app/parameters.ts';
import { IpcError } from '../../base/errors.ts';
import { withChoices, withExamples } from '../command-parts.ts';
import { completionScript, mailboxLines, shells } from '../completion.ts';
import { print } from '../output.ts';
import { exitSuccess } from '../run.ts';
import { topicNames, topics } from '../topics.ts';

const topicsHelp = `
\`ipc help COMMAND\` has an example. \`ipc help TOPIC\` explains one of these:
  ${topicNames.join(', ')}`;

/** `program` has all other commands. */
export function addCommands(program: Command): void {
  addCompletionCommand(program);
  addHelpCommand(program);
  program.addHelpText('after', topicsHelp);
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

/** Help of a command, or a topic; throws the error that commander throws for `--help`. */
function helpFor(program: Command, words: readonly string[]): string {
  const [first = ''] = words;
  if (words.length === 1 && Object.hasOwn(topics, first))
    return `${topics[first]?.text(program)}\n`;
  let command = program;
  for (const word of words) {
    const below = command.commands.find((each) => each.name() === word);
    if (!below) throw unknownHelp(words);
    command = below;
  }
  return command.help();
}

function unknownHelp(words: readonly string[]): IpcError {
  const what = `no command and no topic is called ${shown(words.join(' '))}`;
  return new IpcError('unknown_operation', what, {
    hint: `see \`ipc --help\`; the topics are ${topicNames.join(', ')}`,
  });
}
