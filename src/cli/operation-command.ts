// Adds the command of an operation to the tree of commands: its parameters become arguments and options.
import type { Command } from 'commander';
import { type OperationName, operations } from '../app/operations.ts';
import { mailboxesPerReadMax } from '../base/limits.ts';
import { parameterWords, withExamples, withJson } from './command-parts.ts';
import {
  isNeeded,
  type OperationCommand,
  parametersOfLine,
  runOperation,
} from './operation-line.ts';

/** Adds the commands, in their order. */
export function addOperations(
  program: Command,
  commands: readonly OperationCommand<OperationName>[],
): void {
  for (const command of commands) addOperation(program, command);
}

export function addOperation<K extends OperationName>(
  program: Command,
  declared: OperationCommand<K>,
): Command {
  const { name, operation, what, positional, options = [], takesSeveral } = declared;
  const command = program.command(name).description(what ?? operations[operation].what);
  for (const parameter of positional) {
    const name = takesSeveral ? `${parameter}...` : parameter;
    const form = isNeeded(operation, parameter) ? `<${name}>` : `[${name}]`;
    const several = takesSeveral ? `; or up to ${mailboxesPerReadMax}, read in their order` : '';
    command.argument(form, `${parameterWords(operation, parameter)}${several}`);
  }
  for (const option of parametersOfLine(declared)) {
    const isEndless = option === 'timeout' && declared.mayWaitForever;
    const words = `${parameterWords(operation, option)}${isEndless ? '; 0: no end' : ''}`;
    command.option(`--${option} <${option}>`, words);
  }
  for (const { name, isFlag, mayBeRepeated, words } of options) {
    const option = command.createOption(isFlag ? `--${name}` : `--${name} <${name}>`, words);
    if (mayBeRepeated) {
      option.argParser((value: string, others: readonly string[] = []) => [...others, value]);
    }
    command.addOption(option);
  }
  if (positional.includes('message')) command.option('--empty', 'the message may be empty');
  if (declared.printsBodies) {
    command.option('--raw', 'do not escape control characters on a terminal');
  }
  withJson(command, declared.json);
  withExamples(command, ...declared.examples);
  command.action(() => runOperation(declared, { args: command.args, options: command.opts() }));
  return command;
}
