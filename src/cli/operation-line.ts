// A command that is one operation of app/operations.ts, and how it runs once its line is split.
import {
  type CallOf,
  type OperationName,
  operations,
  type ParameterName,
  parseParameters,
} from '../app/operations.ts';
import { refuseLists, shown } from '../app/parameters.ts';
import { IpcError } from '../base/errors.ts';
import { bodyBytesMax } from '../base/limits.ts';
import { shellWord } from '../base/shell.ts';
import type { OutputFields } from './command-parts.ts';
import { type CommandContext, execute } from './run.ts';
import { readInput } from './stdin.ts';

export interface OperationCommand<K extends OperationName> {
  readonly name: string;
  readonly operation: K;
  /** Where the words of the operation do not fit the command. */
  readonly what?: string;
  /** Parameters that are arguments; the others are options. */
  readonly positional: readonly ParameterName[];
  /** Parameters for which another command is there. */
  readonly without?: readonly ParameterName[];
  /** The last argument may be repeated. */
  readonly takesSeveral?: true;
  /** Options that are not parameters of the operation. */
  readonly options?: readonly CommandOption[];
  /** `--timeout 0` means that it waits without end. */
  readonly mayWaitForever?: true;
  /** It prints bodies that peers wrote, so it takes `--raw`. */
  readonly printsBodies?: true;
  readonly json: OutputFields;
  readonly examples: readonly string[];
  /** Returns the exit code. */
  act(call: CallOf<K>, command: CommandContext): Promise<number>;
}

/** An option that is not a parameter of the operation. */
export interface CommandOption {
  readonly name: string;
  /** Its value is the list of all that were given. */
  readonly mayBeRepeated?: true;
  /** It has no value. */
  readonly isFlag?: true;
  readonly words: string;
}

/** The words behind the name of the command. */
export interface SplitLine {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** The parameters that are options of the command. */
export function parametersOfLine({
  operation,
  without = [],
}: Pick<OperationCommand<OperationName>, 'operation' | 'without'>): readonly ParameterName[] {
  const takes: readonly ParameterName[] = operations[operation].takes;
  return takes.filter((option) => option !== 'after' && !without.includes(option));
}

/** Whether the line must have this argument. A message may come from stdin. */
export function isNeeded(operation: OperationName, parameter: ParameterName): boolean {
  const needs: readonly ParameterName[] = operations[operation].needs;
  return needs.includes(parameter) && parameter !== 'message';
}

/** Runs the command, and ends the process. */
export async function runOperation<K extends OperationName>(
  { operation, positional, takesSeveral, mayWaitForever, act }: OperationCommand<K>,
  { args, options }: SplitLine,
): Promise<never> {
  const { json, id, max, raw, once, empty, quiet: _, to, ...parameters } = options;
  const others = (to ?? []) as readonly string[];
  const given: Record<string, unknown> = { ...parameters };
  const isEndless = mayWaitForever && given.timeout === '0';
  if (isEndless) delete given.timeout;
  for (const [index, parameter] of positional.entries())
    given[parameter] = takesSeveral ? args.slice(index) : args[index];
  if (operation === 'post') given.to = mailboxesOf(args, others);
  for (const parameter of ['to', 'mailbox']) refuseLists([given[parameter]].flat(), parameter);
  if (positional.includes('message')) {
    const message = await readMessage(given.message, empty === true);
    if (message.length === 0 && !empty) throw noMessage(given.message, args, others);
    given.message = message;
  }
  const call = parsed(operation, given, mayWaitForever);
  if (isEndless) Object.assign(call.given, { timeout: Number.POSITIVE_INFINITY });
  const how = {
    ...{ json: json === true, raw: raw === true, once: once === true },
    ...{ id: id as string | undefined, max: max as string | undefined },
  };
  process.exit(await execute((context) => act(call, context), how));
}

/** `mayWaitForever`: the hint for a wrong timeout is 0. */
function parsed<K extends OperationName>(
  operation: K,
  given: Readonly<Record<string, unknown>>,
  mayWaitForever: true | undefined,
): CallOf<K> {
  try {
    return parseParameters(operation, given) as unknown as CallOf<K>;
  } catch (error) {
    if (!mayWaitForever || !(error instanceof IpcError) || error.code !== 'bad_timeout')
      throw error;
    throw new IpcError(error.code, error.message, { hint: 'to wait without end, give 0' });
  }
}

/**
 * `ipc post ann --to ben` posts stdin to both. In `ipc post --to ann hi`, "hi" looks like the message, and
 * would be a mailbox: refused.
 */
function mailboxesOf([first = '', ...texts]: readonly string[], others: readonly string[]) {
  const words = process.argv.slice(2);
  const optionAt = words.findIndex((word) => word === '--to' || word.startsWith('--to='));
  if (texts.length === 0 && optionAt !== -1 && optionAt < words.indexOf(first)) {
    const what = `--to comes before ${shown(first)}, which may be a mailbox or the message`;
    throw new IpcError('bad_parameter', what, { hint: postForms(first, others) });
  }
  return [first, ...others];
}

function postForms(word: string, [other = '']: readonly string[]): string {
  const [mailbox, text] = [shellWord(other), shellWord(word)];
  const both = `ipc post ${text} --to ${mailbox} < FILE`;
  return `write \`ipc post ${mailbox} ${text}\` for one mailbox, \`${both}\` for both`;
}

/** The text of the command line, or stdin. */
async function readMessage(text: unknown, mayBeEmpty: boolean): Promise<Buffer> {
  if (typeof text === 'string' && text !== '-') return Buffer.from(text);
  if (text === undefined && process.stdin.isTTY) {
    if (mayBeEmpty) return Buffer.alloc(0);
    throw new IpcError('missing_parameter', 'there is no message', { hint: messageHint });
  }
  return readInput(bodyBytesMax, 'message');
}

const messageHint = 'give a text, or pass one on stdin; with --empty the message may be empty';

/** A variable that is not set, or a command that failed before the pipe, is no message. */
function noMessage(
  text: unknown,
  [first = '']: readonly string[],
  others: readonly string[],
): IpcError {
  const isText = typeof text === 'string' && text !== '-';
  const where = isText ? 'its text is ""' : 'stdin is empty';
  const hint = !isText && others.length > 0 ? postForms(first, others) : messageHint;
  return new IpcError('missing_parameter', `there is no message: ${where}`, { hint });
}
