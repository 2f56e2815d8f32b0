// What `ipc --help` and `ipc COMMAND --help` say, and how a wrong command line is answered.
import type { Argument, Command, CommanderError, Option } from 'commander';
import {
  type OperationName,
  operations,
  type ParameterName,
  parameters,
} from '../app/operations.ts';
import { shown } from '../app/parameters.ts';
import { type ErrorCode, IpcError } from '../base/errors.ts';
import { portBrokerDefault, portDirectDefault } from '../base/limits.ts';
import { styled } from './terminal.ts';
import { topicNames, topics } from './topics.ts';

const programHelp = `
Bodies go to stdout, all else to stderr. \`ipc help COMMAND\` has an example.
\`ipc help TOPIC\` says more. Topics:
  ${topicNames.join(', ')}`;

/** By the command's whole name. */
const examples: Readonly<Record<string, readonly string[]>> = {
  'ipc mcp': ['ipc mcp    # hosts of agents start it: see `ipc install`'],
  'ipc post': [
    'ipc post ann "What is 6 times 7?" --from ben',
    'ipc post ann --id job-7 < plan.md    # stored once, however often posted',
  ],
  'ipc wait': ['ipc wait ann --timeout 300 > message.txt'],
  'ipc ask': ['ipc ask ann "What is 6 times 7?" --mailbox ben'],
  'ipc fetch': ['ipc fetch ann --json | jq -r .body'],
  'ipc send': ['ipc send 127.0.0.1:19900 < plan.md'],
  'ipc receive': ['ipc receive --port 19900 > plan.md'],
  'ipc ping': ['ipc ping 127.0.0.1:19900'],
  'ipc broker': ['ipc broker --bind 0.0.0.0    # for other machines, until Ctrl-C'],
  'ipc status': ['ipc status --json | jq .mailboxes'],
  'ipc store check': ['ipc store check'],
  'ipc store dump': [`ipc store dump | jq -c 'select(.kind == "posted").envelope'`],
  'ipc store retry': ['ipc store retry --to ann'],
  'ipc key show': ['ipc key show | ssh HOST ipc key import'],
  'ipc key new': ['ipc key new'],
  'ipc key import': ['ssh HOST ipc key show | ipc key import'],
  'ipc key retire': ['ipc key retire    # once all machines have the new key'],
  'ipc work': ['ipc work upper -- tr a-z A-Z', 'ipc work jobs --parallel 4 -- ./job.sh'],
  'ipc install': ['ipc install claude', 'ipc install --print    # what would be done'],
  'ipc uninstall': ['ipc uninstall claude'],
  'ipc doctor': ['ipc doctor'],
  'ipc completion': [
    'source <(ipc completion bash)    # in ~/.bashrc',
    'source <(ipc completion zsh)     # in ~/.zshrc, after compinit',
    'ipc completion fish > ~/.config/fish/completions/ipc.fish',
  ],
  'ipc help': ['ipc help post', 'ipc help exit-codes'],
};

export const workHelp = `
COMMAND gets the body on stdin; when it exits with 0, its stdout is posted to
the sender. Put \`--\` before a command that has options. The work ends when
somebody posts \`shutdown\`, or with Ctrl-C. \`ipc help worker\` says the rest.`;

export const brokerPortWords = `port of the broker; ${portBrokerDefault} by default`;

/** What a parameter is for one command. */
export function parameterWords(operation: OperationName, name: ParameterName): string {
  switch (name) {
    case 'port':
      return operation === 'receive'
        ? `port to listen on; ${portDirectDefault} by default`
        : brokerPortWords;
    case 'timeout':
      return `${parameters.timeout.what}; ${defaultTimeout(operation)} by default`;
    case 'message':
      return 'text of at most 1 MB; stdin when it is - or left out';
    case 'host':
      return hostWords(operation);
    default: {
      const { what, otherwise } = parameters[name];
      return otherwise === undefined ? what : `${what}; ${otherwise} by default`;
    }
  }
}

function hostWords(operation: OperationName): string {
  if (operation === 'send') return 'HOST:PORT of the session that receives';
  return operation === 'ping' ? parameters.host.what : 'HOST:PORT of the broker';
}

function defaultTimeout(operation: OperationName): number | undefined {
  const { defaults = {} } = operations[operation];
  return 'timeout' in defaults ? defaults.timeout : undefined;
}

const codes: Readonly<Record<string, ErrorCode>> = {
  'commander.unknownCommand': 'unknown_operation',
  'commander.missingArgument': 'missing_parameter',
  'commander.optionMissingArgument': 'missing_parameter',
};

/** Wide terminals lose nothing by it, and the manual is the same everywhere. */
const helpColumns = 80;

/** Where help and version go until they are written. */
export interface Helped {
  out: string;
  errors: string;
}

/** For the program, before its commands are added: they inherit it. */
export function configureHelp(program: Command, helped: Helped, colours: boolean): void {
  program
    .addHelpText('after', programHelp)
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

/** Of a command and all below it: examples, and answers to lines that are wrong. */
export function completeHelp(command: Command, name = command.name()): void {
  const lines = examples[name];
  if (lines) command.addHelpText('after', ['\nExample:', ...lines].join('\n  '));
  command.helpCommand(false);
  // In the form of all errors, with the command's own name.
  command.exitOverride((error) => {
    throw error.exitCode === 0 || error.code === 'commander.help' ? error : wrongLine(error, name);
  });
  for (const below of command.commands) completeHelp(below, `${name} ${below.name()}`);
}

/** Says them in the help and to shells; what else is given is refused in our own words. */
export function withChoices<T extends Argument | Option>(part: T, names: readonly string[]): T {
  part.argChoices = [...names];
  return part;
}

/** Help of a command, or a topic; throws what commander throws for `--help`. */
export function helpFor(program: Command, words: readonly string[]): string {
  const [first = ''] = words;
  if (words.length === 1 && Object.hasOwn(topics, first)) return `${topics[first]?.text}\n`;
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

function wrongLine({ code, message }: CommanderError, name: string): IpcError {
  const what = message
    .replace(/^error: /, '')
    .replace(/\n(\(.*\))$/s, ' $1')
    .replace(/\.$/, '');
  return new IpcError(codes[code] ?? 'unknown_parameter', what, {
    hint: `see \`${name} --help\`${remedies[code] ?? ''}`,
  });
}

const remedies: Readonly<Record<string, string>> = {
  'commander.unknownOption': "; put `--` before a text that begins with '-'",
  'commander.excessArguments': '; put a text with spaces in quotes',
};
