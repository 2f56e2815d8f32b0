// Parts that commands share: the words for parameters, choices, examples, and `--json` with its fields.
import type { Argument, Command, Option } from 'commander';
import {
  type OperationName,
  operations,
  type ParameterName,
  parameters,
} from '../app/operations.ts';
import { portBrokerDefault, portDirectDefault } from '../base/limits.ts';

/** The fields of an object that `--json` prints, in their order, each with its meaning, perhaps in several lines. */
export type OutputFields = Readonly<Record<string, string | readonly string[]>>;

/** Commands that print the same objects share one `OutputFields`. */
const fieldsOf = new WeakMap<Command, OutputFields>();

export const brokerPortWords = `port of the broker; ${portBrokerDefault} by default`;
const brokerBindWords = 'addresses to listen on, A,B; 0.0.0.0: all IPv4; as before by default';
const objectALine = 'one JSON object a line, on stdout';

/** Adds `--json`. */
export function withJson(command: Command, fields: OutputFields, words = objectALine): Command {
  fieldsOf.set(command, fields);
  return command.option('--json', words);
}

/** The fields of `command`, or undefined if it takes no `--json`. */
export function outputFields(command: Command): OutputFields | undefined {
  return fieldsOf.get(command);
}

/** Shown at the end of the command's help. A text for stdin is not indented, so that it can be pasted. */
export function withExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', ['\nExample:', ...lines].join('\n  '));
}

/** Lists the values in the help and the completion. The command itself checks them, with our own errors. */
export function withChoices<T extends Argument | Option>(part: T, values: readonly string[]): T {
  part.argChoices = [...values];
  return part;
}

/** Describes a parameter for one operation. */
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
    case 'bind':
      if (operation === 'broker_start') return brokerBindWords;
      return `${parameters.bind.what}; ${parameters.bind.otherwise} by default`;
    case 'host':
      return hostWords(operation);
    case 'mailbox':
      return operation === 'ask'
        ? 'your own mailbox, which gets the answer; IPC_NAME by default'
        : parameters.mailbox.what;
    default: {
      const { what, otherwise } = parameters[name];
      return otherwise === undefined ? what : `${what}; ${otherwise} by default`;
    }
  }
}

function hostWords(operation: OperationName): string {
  if (operation === 'send') return 'HOST:PORT of the session that receives';
  return operation === 'ping' ? parameters.host.what : 'HOST or HOST:PORT of the broker';
}

function defaultTimeout(operation: OperationName): number | undefined {
  const { defaults = {} } = operations[operation];
  return 'timeout' in defaults ? defaults.timeout : undefined;
}
