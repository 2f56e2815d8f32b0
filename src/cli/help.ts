// How help is printed, and the errors for a wrong command line.
import type { Command, CommanderError } from 'commander';
import { type ErrorCode, IpcError } from '../base/errors.ts';
import { styled } from './terminal.ts';

/** The same on every terminal, so that the generated manual is the same everywhere. */
const helpColumns = 80;

/** Collects help and version until they are written. */
export interface Helped {
  out: string;
  errors: string;
}

/** Must run before commands are added: they inherit it. */
export function configureHelp(program: Command, helped: Helped, colours: boolean): void {
  program
    .configureHelp({
      subcommandTerm: (command) => command.name(),
      styleTitle: (title) => styled('bold', title),
    })
    .configureOutput({
      writeOut: (text) => {
        helped.out += text;
      },
      writeErr: (text) => {
        helped.errors += text;
      },
      outputError: () => {},
      getOutHelpWidth: () => helpColumns,
      getErrHelpWidth: () => helpColumns,
      getOutHasColors: () => colours,
      getErrHasColors: () => false,
    });
}

/** For a command and all its subcommands: a wrong line becomes an error of ours that names the command. */
export function reportWrongLines(command: Command, name = command.name()): void {
  command.helpCommand(false);
  command.exitOverride((error) => {
    throw error.exitCode === 0 || error.code === 'commander.help'
      ? error
      : wrongLine(error, name, command);
  });
  for (const below of command.commands) reportWrongLines(below, `${name} ${below.name()}`);
}

const codes: Readonly<Record<string, ErrorCode>> = {
  'commander.unknownCommand': 'unknown_operation',
  'commander.missingArgument': 'missing_parameter',
  'commander.missingMandatoryOptionValue': 'missing_parameter',
  'commander.optionMissingArgument': 'missing_parameter',
};

const remedies: Readonly<Record<string, string>> = {
  'commander.unknownOption': "; put `--` before a text that begins with '-'",
};

/** Names that other programs give to what a command of ours does. */
const synonyms: Readonly<Record<string, string>> = {
  get: 'fetch',
  list: 'status',
  listen: 'receive',
  ls: 'status',
  ps: 'status',
  read: 'fetch',
  serve: 'broker',
  start: 'broker',
  who: 'status',
};

function wrongLine({ code, message }: CommanderError, name: string, command: Command): IpcError {
  const what = message
    .replace(/^error: /, '')
    .replace(/\n(\(.*\))$/s, ' $1')
    .replace(/^(unknown command '(\w+)').*/, (line, start, word) =>
      command.parent === null && Object.hasOwn(synonyms, word)
        ? `${start} (Did you mean ${synonyms[word]}?)`
        : line,
    )
    .replace(/\.$/, '');
  const remedy =
    code === 'commander.excessArguments' ? excessRemedy(command) : (remedies[code] ?? '');
  return new IpcError(codes[code] ?? 'unknown_parameter', what, {
    hint: `see \`${name} --help\`${remedy}`,
  });
}

function excessRemedy({ registeredArguments }: Command): string {
  const names = registeredArguments.map((argument) => argument.name());
  if (names.includes('message')) return '; put a text with spaces in quotes';
  return names.includes('mailbox') ? '; it looks at one mailbox' : '';
}
