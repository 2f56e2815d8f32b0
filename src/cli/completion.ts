// `ipc completion`: what a shell needs to complete a line of ipc, made of the tree of commands. A word
// that nothing is known of is completed as the shell does it, by files. Nothing is asked at a broker.
import type { Command } from 'commander';
import { shown } from '../app/parameters.ts';
import { IpcError } from '../base/errors.ts';
import { quotedForShell } from '../base/shell.ts';

/** A word that may come, and what it is for. */
type Word = readonly [word: string, what: string];

interface Flag {
  readonly word: Word;
  readonly takesValue: boolean;
  /** Of its value; none: anything. */
  readonly choices: readonly string[];
}

interface WordPosition {
  /** The commands that lead here: `ipc store check`. */
  readonly path: string;
  /** Commands, or the values of the first argument. */
  readonly words: readonly Word[];
  readonly flags: readonly Flag[];
}

const writers: Readonly<Record<string, (places: readonly WordPosition[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export const shells = Object.keys(writers);

export function completionScript(shell: string, program: Command): string {
  const write = Object.hasOwn(writers, shell) && writers[shell];
  if (write) return write(placesIn(program, program.name()));
  const what = `shell is ${shown(shell)}; it must be one of ${shells.join(', ')}`;
  throw new IpcError('bad_parameter', what);
}

function placesIn(command: Command, path: string): WordPosition[] {
  const choices = command.registeredArguments[0]?.argChoices ?? [];
  const words: Word[] = [
    ...command.commands.map((below): Word => [below.name(), below.description()]),
    ...choices.map((choice): Word => [choice, '']),
  ];
  const flags = command
    .createHelp()
    .visibleOptions(command)
    .map(
      ({ long, description, required, argChoices = [] }): Flag => ({
        word: [long ?? '', description],
        takesValue: required,
        choices: argChoices,
      }),
    );
  const below = command.commands.flatMap((each) => placesIn(each, `${path} ${each.name()}`));
  return [{ path, words, flags }, ...below];
}

/** Behind which options a value stands: those of any value, in a row, and each that has choices. */
function valuesIn(places: readonly WordPosition[]) {
  const all = places.flatMap(({ path, flags }) =>
    flags
      .filter(({ takesValue }) => takesValue)
      .map(({ word: [long], choices }) => ({ behind: `${path} ${long}`, choices })),
  );
  const isAny = ({ choices }: { choices: readonly string[] }) => choices.length === 0;
  return {
    any: patterns(all.filter(isAny).map(({ behind }) => behind)),
    known: all.filter((value) => !isAny(value)),
  };
}

function bashScript(places: readonly WordPosition[]): string {
  const list = (words: readonly Word[]) => words.map(([word]) => word).join(' ');
  const { any, known } = valuesIn(places);
  return `_ipc() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at=ipc words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
      ${patterns(places.slice(1).map(({ path }) => path))}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev" in
    ${any}) ;;
${known.map(({ behind, choices }) => `    ${quotedForShell(behind)}) words=${quotedForShell(choices.join(' '))} ;;`).join('\n')}
    *)
      case "$at:$cur" in
${places
  .flatMap(({ path, words, flags }) => [
    `        ${quotedForShell(`${path}:-`)}*) words=${quotedForShell(list(flags.map(({ word }) => word)))} ;;`,
    `        ${quotedForShell(`${path}:`)}*) words=${quotedForShell(list(words))} ;;`,
  ])
  .join('\n')}
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _ipc ipc
`;
}

function zshScript(places: readonly WordPosition[]): string {
  const list = (words: readonly Word[]) => words.map(described).join(' ');
  const described = ([word, what]: Word) => quotedForShell(what === '' ? word : `${word}:${what}`);
  const { any, known } = valuesIn(places);
  return `#compdef ipc
_ipc() {
  local at=ipc word
  local -a offered
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
      (${patterns(places.slice(1).map(({ path }) => path))}) at="$at $word" ;;
    esac
  done
  case "$at \${words[CURRENT-1]}" in
    (${any}) ;;
${known.map(({ behind, choices }) => `    (${quotedForShell(behind)}) offered=(${choices.map(quotedForShell).join(' ')}) ;;`).join('\n')}
    (*)
      case "$at:\${words[CURRENT]}" in
${places
  .flatMap(({ path, words, flags }) => [
    `        (${quotedForShell(`${path}:-`)}*) offered=(${list(flags.map(({ word }) => word))}) ;;`,
    `        (${quotedForShell(`${path}:`)}*) offered=(${list(words)}) ;;`,
  ])
  .join('\n')}
      esac ;;
  esac
  if ((\${#offered})); then _describe ipc offered; else _files; fi
}
compdef _ipc ipc
`;
}

function fishScript(places: readonly WordPosition[]): string {
  const lines = places.flatMap(({ path, words, flags }) => {
    const here = `complete -c ipc -n ${quotedForShell(`__ipc_at ${path}`)}`;
    return [
      ...words.map(
        ([word, what]) => `${here} -f -a ${quotedForShell(word)} -d ${quotedForShell(what)}`,
      ),
      ...flags.map(({ word: [long, what], takesValue, choices }) => {
        const any = takesValue ? ' -r' : '';
        const value = choices.length === 0 ? any : ` -x -a ${quotedForShell(choices.join(' '))}`;
        return `${here} -l ${long.slice(2)}${value} -d ${quotedForShell(what)}`;
      }),
    ];
  });
  return `function __ipc_at
    set -l at ipc
    for word in (commandline -opc)[2..]
        if contains -- "$at $word" ${places.map(({ path }) => quotedForShell(path)).join(' ')}
            set at "$at $word"
        end
    end
    test "$at" = "$argv"
end
${lines.join('\n')}
`;
}

/** Of a `case`. */
function patterns(words: readonly string[]): string {
  return words.map(quotedForShell).join('|');
}
