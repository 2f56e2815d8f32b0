// What `ipc --help` and `ipc COMMAND --help` say, and how a wrong command line is answered.
import type { Command, CommanderError } from 'commander';
import { type ErrorCode, IpcError } from './core/errors.ts';
import { portBrokerDefault, portDirectDefault } from './core/limits.ts';
import { type OperationName, operations, type ParameterName, parameters } from './operations.ts';

export const programHelp = `
Texts are arguments, or stdin. Bodies go to stdout, all else to stderr.

Exit codes:
  0    done
  1    the world said no: nobody there, no room, damage, output that cannot be written
  2    the call is wrong
  124  the time is over, and no message came
  130  interrupted by SIGINT (Ctrl-C); 143 by SIGTERM, 129 by SIGHUP; \`broker\` ends with 0

Environment:
  IPC_HOME            folder of key and mail, an absolute path; ~/.agent-ipc by default
  IPC_PORT            port of the broker; ${portBrokerDefault} by default
  IPC_BROKER          HOST:PORT of the broker, perhaps on another machine
  IPC_NAME            \`from\` of posts and sends that give none
  IPC_KEY             the key itself
  IPC_KEY_FILE        its file; \`key\` in IPC_HOME by default
  IPC_SENDS_PER_HOUR  messages of \`ipc mcp\` from one sender to one mailbox; 0: no limit
  IPC_MAX_WAIT        longest wait of \`ipc mcp\`, in seconds`;

export const workHelp = `
COMMAND gets the body on stdin, and IPC_FROM, IPC_ID, IPC_ATTEMPT, IPC_MAILBOX in its environment. When it
exits with 0, its stdout is the answer to the sender; else the message comes again after a pause. Put \`--\`
before a command that has options. The work ends when somebody posts \`shutdown\`, or with Ctrl-C.

Example:
  ipc work upper -- tr a-z A-Z`;

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

/** Each command and subcommand answers a wrong line in the form of all errors, with its own name. */
export function answerWrongLines(command: Command, name = command.name()): void {
  command.exitOverride((error) => {
    throw error.exitCode === 0 || error.code === 'commander.help' ? error : wrongLine(error, name);
  });
  for (const below of command.commands) answerWrongLines(below, `${name} ${below.name()}`);
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
