// A command that is one operation of app/operations.ts: its parameters become arguments and options.
import type { Command, Option } from 'commander';
import {
  type CallOf,
  type OperationName,
  operations,
  type ParameterName,
  parseParameters,
} from '../app/operations.ts';
import { bodyBytesMax } from '../base/limits.ts';
import { type OutputFields, parameterWords, withExamples, withJson } from './command-parts.ts';
import { type CommandContext, execute } from './run.ts';
import { readInput } from './stdin.ts';

export interface OperationCommand<K extends OperationName> {
  readonly name: string;
  readonly operation: K;
  /** Parameters that are arguments; the others are options. */
  readonly positional: readonly ParameterName[];
  /** Options that are not parameters of the operation. */
  readonly options?: readonly Option[];
  /** It prints bodies that peers wrote, so it takes `--raw`. */
  readonly printsBodies?: true;
  readonly json: OutputFields;
  readonly examples: readonly string[];
  /** Returns the exit code. */
  act(call: CallOf<K>, command: CommandContext): Promise<number>;
}

export function addOperation<K extends OperationName>(
  program: Command,
  {
    name,
    operation,
    positional,
    options = [],
    printsBodies,
    json,
    examples,
    act,
  }: OperationCommand<K>,
): void {
  const { what, needs, takes } = operations[operation];
  const command = program.command(name).description(what);
  for (const parameter of positional) {
    const isNeeded = needs.includes(parameter) && parameter !== 'message';
    const form = isNeeded ? `<${parameter}>` : `[${parameter}]`;
    command.argument(form, parameterWords(operation, parameter));
  }
  for (const option of takes) {
    if (option === 'after') continue;
    command.option(`--${option} <${option}>`, parameterWords(operation, option));
  }
  for (const option of options) command.addOption(option);
  if (printsBodies) command.option('--raw', 'do not escape control characters on a terminal');
  withJson(command, json);
  withExamples(command, ...examples);
  command.action(async () => {
    const { json, id, raw, quiet: _, to = [], ...options } = command.opts();
    const given: Record<string, unknown> = { ...options };
    for (const [index, parameter] of positional.entries()) given[parameter] = command.args[index];
    if (operation === 'post') given.to = [given.to, ...to];
    if (positional.includes('message')) given.message = await readMessage(given.message);
    const call = parseParameters(operation, given) as unknown as CallOf<K>;
    const how = { json: json !== undefined, raw: raw !== undefined, id };
    process.exit(await execute((context) => act(call, context), how));
  });
}

/** The text of the command line, or stdin. */
async function readMessage(text: unknown): Promise<unknown> {
  if (typeof text === 'string' && text !== '-') return Buffer.from(text);
  if (text === undefined && process.stdin.isTTY) return undefined;
  return readInput(bodyBytesMax);
}
