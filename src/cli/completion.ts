// `ipc completion`: a shell script that completes lines of ipc, generated from the tree of commands. Where it
// offers no word, the shell completes file names. For a mailbox the script runs `ipc completion mailboxes`.
import type { Argument, Command } from 'commander';
import { AppContext } from '../app/context.ts';
import { shown } from '../app/parameters.ts';
import { IpcError } from '../base/errors.ts';
import { quotedForShell } from '../base/shell.ts';
import { isNatsAddress } from '../nats/nats-address.ts';
import { currentKeys } from '../net/keys.ts';
import { ownerAddress } from '../net/listen.ts';
import { programName } from './program-name.ts';

/** A word that may be typed, and its description. */
type Word = readonly [word: string, description: string];

interface Flag {
  readonly word: Word;
  readonly takesValue: boolean;
  /** Its possible values; empty if any value is possible. */
  readonly choices: readonly string[];
}

/** A command, and the words that may follow it. */
interface CompletionPoint {
  /** As typed: `ipc store check`. */
  readonly path: string;
  /** Its subcommands, or the values of its first argument. */
  readonly words: readonly Word[];
  /** Each of its arguments is a mailbox. */
  readonly takesMailboxes: boolean;
  readonly flags: readonly Flag[];
}

/** A shell waits for this at each press of Tab. */
const mailboxesMsMax = 300;

/** Parameters whose value is the name of a mailbox that may have mail or readers. */
const mailboxParameters: readonly string[] = ['to', 'mailbox'];

type Writer = (points: readonly CompletionPoint[], mailboxes: readonly string[]) => string;

const writers: Readonly<Record<string, Writer>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export const shells = Object.keys(writers);

export function completionScript(shell: string, program: Command): string {
  const write = Object.hasOwn(writers, shell) && writers[shell];
  const name = program.name();
  if (write) return write(pointsIn(program, name), mailboxPlaces(program, name));
  const what = `shell is ${shown(shell)}; it must be one of ${shells.join(', ')}`;
  throw new IpcError('bad_parameter', what);
}

/**
 * The mailboxes that have mail or readers, a line each, if a broker answers in time. It starts no broker and
 * makes no key. Names that a shell would not read as one plain word are left out.
 */
export async function mailboxLines(env: NodeJS.ProcessEnv): Promise<string> {
  const signal = AbortSignal.timeout(mailboxesMsMax);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
  try {
    const names = await Promise.race([mailboxNames(env, signal), late]);
    return names.filter((name) => /^[\w./@%+,-]+$/.test(name)).join('\n');
  } catch {
    return '';
  }
}

async function mailboxNames(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string[]> {
  const context = new AppContext({ env, program: programName });
  const { host = ownerAddress, port } = await context.brokerAddress({});
  if (!isNatsAddress(host) && !currentKeys(context.home, env)) return [];
  const mail = await context.clientOf(host, port);
  const { mailboxes } = await mail.status({ signal });
  return mailboxes.map(({ mailbox }) => mailbox);
}

/** Where a name of a mailbox is expected: the words before it, as `"$at $prev"` has them. */
function mailboxPlaces(command: Command, path: string): string[] {
  const [first] = command.registeredArguments;
  const argument = isMailbox(first) && !first?.variadic ? [`${path} ${command.name()}`] : [];
  const options = command.options
    .filter(({ long, required }) => required && mailboxParameters.includes(long?.slice(2) ?? ''))
    .map(({ long }) => `${path} ${long}`);
  const below = command.commands.flatMap((each) => mailboxPlaces(each, `${path} ${each.name()}`));
  return [...argument, ...options, ...below];
}

function isMailbox(argument: Argument | undefined): boolean {
  return mailboxParameters.includes(argument?.name() ?? '');
}

function pointsIn(command: Command, path: string): CompletionPoint[] {
  const [first] = command.registeredArguments;
  const choices = first?.argChoices ?? [];
  const takesMailboxes = isMailbox(first) && first?.variadic === true;
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
  const below = command.commands.flatMap((each) => pointsIn(each, `${path} ${each.name()}`));
  return [{ path, words, takesMailboxes, flags }, ...below];
}

/** Options that take a value: one pattern for all that take any value, and each that has choices. */
function valuesIn(points: readonly CompletionPoint[]) {
  const all = points.flatMap(({ path, flags }) =>
    flags
      .filter(({ takesValue }) => takesValue)
      .map(({ word: [long], choices }) => ({ after: `${path} ${long}`, choices })),
  );
  const isAny = ({ choices }: { choices: readonly string[] }) => choices.length === 0;
  return {
    any: patterns(all.filter(isAny).map(({ after }) => after)),
    known: all.filter((value) => !isAny(value)),
  };
}

function bashScript(points: readonly CompletionPoint[], mailboxes: readonly string[]): string {
  const list = (words: readonly Word[]) => words.map(([word]) => word).join(' ');
  const { any, known } = valuesIn(points);
  return `_ipc() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at=ipc words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
      ${patterns(points.slice(1).map(({ path }) => path))}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev:$cur" in
    *:-*) ;;
    ${mailboxes.map((place) => `${quotedForShell(`${place}:`)}*`).join('|')})
      compopt +o default 2> /dev/null
      COMPREPLY=($(compgen -W "$(ipc completion mailboxes 2> /dev/null)" -- "$cur"))
      return ;;
  esac
  case "$at $prev" in
    ${any}) ;;
${known.map(({ after, choices }) => `    ${quotedForShell(after)}) words=${quotedForShell(choices.join(' '))} ;;`).join('\n')}
    *)
      case "$at:$cur" in
${points
  .flatMap(({ path, words, takesMailboxes, flags }) => [
    `        ${quotedForShell(`${path}:-`)}*) words=${quotedForShell(list(flags.map(({ word }) => word)))} ;;`,
    takesMailboxes
      ? `        ${quotedForShell(`${path}:`)}*) compopt +o default 2> /dev/null; words=$(ipc completion mailboxes 2> /dev/null) ;;`
      : `        ${quotedForShell(`${path}:`)}*) words=${quotedForShell(list(words))} ;;`,
  ])
  .join('\n')}
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _ipc ipc
`;
}

function zshScript(points: readonly CompletionPoint[], mailboxes: readonly string[]): string {
  const list = (words: readonly Word[]) => words.map(described).join(' ');
  const described = ([word, what]: Word) => quotedForShell(what === '' ? word : `${word}:${what}`);
  const { any, known } = valuesIn(points);
  return `#compdef ipc
_ipc() {
  local at=ipc word
  local -a offered
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
      (${patterns(points.slice(1).map(({ path }) => path))}) at="$at $word" ;;
    esac
  done
  case "$at \${words[CURRENT-1]}:\${words[CURRENT]}" in
    (*:-*) ;;
    (${mailboxes.map((place) => `${quotedForShell(`${place}:`)}*`).join('|')})
      offered=(\${(f)"$(ipc completion mailboxes 2> /dev/null)"})
      if ((\${#offered})); then _describe mailbox offered; fi
      return ;;
  esac
  case "$at \${words[CURRENT-1]}" in
    (${any}) ;;
${known.map(({ after, choices }) => `    (${quotedForShell(after)}) offered=(${choices.map(quotedForShell).join(' ')}) ;;`).join('\n')}
    (*)
      case "$at:\${words[CURRENT]}" in
${points
  .flatMap(({ path, words, takesMailboxes, flags }) => [
    `        (${quotedForShell(`${path}:-`)}*) offered=(${list(flags.map(({ word }) => word))}) ;;`,
    takesMailboxes
      ? `        (${quotedForShell(`${path}:`)}*) offered=(\${(f)"$(ipc completion mailboxes 2> /dev/null)"}); if ((\${#offered})); then _describe mailbox offered; fi; return ;;`
      : `        (${quotedForShell(`${path}:`)}*) offered=(${list(words)}) ;;`,
  ])
  .join('\n')}
      esac ;;
  esac
  if ((\${#offered})); then _describe ipc offered; else _files; fi
}
compdef _ipc ipc
`;
}

const mailboxesOfFish = "'(ipc completion mailboxes 2> /dev/null)'";

function fishScript(points: readonly CompletionPoint[], mailboxes: readonly string[]): string {
  const lines = points.flatMap(({ path, words, takesMailboxes, flags }) => {
    const here = `complete -c ipc -n ${quotedForShell(`__ipc_at ${path}`)}`;
    const isFirst = mailboxes.includes(`${path} ${path.split(' ').at(-1)}`);
    const first = `__ipc_at ${path}; and test (count (commandline -opc)) = ${path.split(' ').length}`;
    return [
      ...(isFirst ? [`complete -c ipc -n ${quotedForShell(first)} -f -a ${mailboxesOfFish}`] : []),
      ...(takesMailboxes ? [`${here} -f -a ${mailboxesOfFish}`] : []),
      ...words.map(
        ([word, what]) => `${here} -f -a ${quotedForShell(word)} -d ${quotedForShell(what)}`,
      ),
      ...flags.map(({ word: [long, what], takesValue, choices }) => {
        const name = mailboxes.includes(`${path} ${long}`);
        const any = name ? ` -x -a ${mailboxesOfFish}` : takesValue ? ' -r' : '';
        const value = choices.length === 0 ? any : ` -x -a ${quotedForShell(choices.join(' '))}`;
        return `${here} -l ${long.slice(2)}${value} -d ${quotedForShell(what)}`;
      }),
    ];
  });
  return `function __ipc_at
    set -l at ipc
    for word in (commandline -opc)[2..]
        if contains -- "$at $word" ${points.map(({ path }) => quotedForShell(path)).join(' ')}
            set at "$at $word"
        end
    end
    test "$at" = "$argv"
end
${lines.join('\n')}
`;
}

/** The pattern of a `case`. */
function patterns(words: readonly string[]): string {
  return words.map(quotedForShell).join('|');
}
