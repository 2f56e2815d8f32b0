// Splits the plain lines of commands that send and take mail: what scripts and agents run again and again. commander
// splits all others, and reports what is wrong with them: to load it and to make a command takes a post a tenth longer.
import type { OperationName } from '../app/operations.ts';
import {
  isNeeded,
  type OperationCommand,
  parametersOfLine,
  type SplitLine,
} from './operation-line.ts';

const flags = { '-q': 'quiet', '--quiet': 'quiet', '--json': 'json' } as const;

/** `words`: behind the name of the command. undefined for a line that has, or may have, something else in it. */
export function splitPlainLine(
  command: OperationCommand<OperationName>,
  words: readonly string[],
): SplitLine | undefined {
  const args: string[] = [];
  const options: Record<string, unknown> = {};
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string;
    if (!word.startsWith('-') || word === '-') args.push(word);
    else if (Object.hasOwn(flags, word)) options[flags[word as keyof typeof flags]] = true;
    else {
      index += 1;
      const [name, value] = [word.slice('--'.length), words[index]];
      if (!takesValue(command, word) || value === undefined || value.startsWith('-')) return;
      if (Object.hasOwn(options, name)) return;
      options[name] = value;
    }
  }
  return fits(command, args.length) ? { args, options } : undefined;
}

function takesValue(command: OperationCommand<OperationName>, word: string): boolean {
  const names = [
    ...parametersOfLine(command),
    ...(command.options ?? []).flatMap(({ name, isFlag, mayBeRepeated }) =>
      isFlag || mayBeRepeated ? [] : [name],
    ),
  ];
  return names.some((name) => word === `--${name}`);
}

function fits(
  { operation, positional, takesSeveral }: OperationCommand<OperationName>,
  count: number,
): boolean {
  const needed = positional.filter((parameter) => isNeeded(operation, parameter)).length;
  return count >= needed && (takesSeveral === true || count <= positional.length);
}
