// `npm run docs`: writes the documents that are generated from tables in the sources, the tables of the README,
// and the files of plugins/ that repeat package.json. A test compares them.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import {
  type OperationName,
  operationNames,
  operations,
  type ParameterName,
  parameters,
} from '../../src/app/operations.ts';
import { errorTable } from '../../src/base/errors.ts';
import { parameterWords } from '../../src/cli/command-parts.ts';
import { makeProgram } from '../../src/cli/program.ts';
import { topics } from '../../src/cli/topics.ts';
import { installLines } from './install-lines.ts';
import { commonLimitHeads, commonLimitRows, limitHeads, limitRows } from './limits.ts';
import { pluginFiles } from './plugins.ts';

/** Each document by its path in the repository. */
export async function documents(): Promise<Readonly<Record<string, string>>> {
  return {
    'README.md': readme(),
    'docs/guide/errors.md': errorsDocument(),
    'docs/guide/limits.md': limitsDocument(),
    'docs/guide/operations.md': operationsDocument(),
    ...pluginFiles(),
    'docs/guide/cli.md': await programDocument(),
  };
}

/** The README with its three tables generated again. */
function readme(): string {
  const text = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const install = installLines('/path/to/agent-ipc', 'linux').map(({ host, into, line }) =>
    row(host, into, quoted(line)),
  );
  const operationRows = operationNames.map((name) => {
    const { needs, takes, what } = operations[name];
    return row(quoted(name), needs.map(quoted).join(' '), takes.map(quoted).join(' '), what);
  });
  return [
    table(['host', 'into', 'line'], install),
    table(
      commonLimitHeads,
      commonLimitRows.map((cells) => row(...cells)),
    ),
    table(['operation', 'needs', 'takes', 'what it does'], operationRows),
  ].reduce(withTable, text);
}

/** Replaces the table that has the same heads. */
function withTable(text: string, table: string): string {
  const start = text.indexOf(table.slice(0, table.indexOf('\n') + 1));
  assert(start !== -1, `README.md has no table with these heads: ${table.split('\n')[0]}`);
  return text.slice(0, start) + table + text.slice(text.indexOf('\n\n', start));
}

function limitsDocument(): string {
  return document(
    '# Limits',
    'The limits that a user can meet; [protocol.md](../internals/protocol.md) has those of the wire. An error in backquotes is a code of [errors.md](errors.md). The constants are in `limits.ts`, `event-limits.ts` and `page-limits.ts` of `src/base/`, each with its reason.',
    table(
      limitHeads,
      limitRows.map((cells) => row(...cells)),
    ),
  );
}

function errorsDocument(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { fault, retry = false, maybeStored = false, fatal = false, hint }]) =>
      row(
        quoted(code),
        fault === 'usage' ? '2' : '1',
        yes(retry),
        yes(maybeStored),
        yes(fatal),
        hint,
      ),
  );
  return document(
    '# Errors',
    'Every error has a code of this table. Over MCP it is a result with `isError`, in the program a line on stderr and an exit code, in the library an `IpcError` with `code`, `hint`, `maybeStored` and `kind`. Its message says what happened, and may be reworded; codes are stable, so a `switch` over them is safe. `errorTable` of the library is this table.',
    '- **exit**: 2 for a usage error: the same call never succeeds. 1 when the operation failed. In the library `kind.fault`, "usage" or "operation".\n- **again** (`kind.retry`): the same call may succeed later.\n- **stored?** (`maybeStored`): the message of a failed `post` or `send` may have been stored or received all the same. It is stored once when the same session makes the failed post again within 5 minutes (same mailboxes, sender and text, in answer to the same message), or when any session makes it with the same id (`--id` of the program, `id` of the library). Without an id a post that succeeded and is made again is a second message, also an answer whose ticket is used. Each command of the program is a session of its own.\n- **closes** (`kind.fatal`): the connection on which it happened is closed. The session reconnects by itself.\n\nThe hint of an error, and its `maybeStored`, may be more exact than the table: they are about the call that failed.',
    table(['code', 'exit', 'again', 'stored?', 'closes', 'what to do'], rows),
  );
}

function operationsDocument(): string {
  const sections = operationNames.map((name) => {
    const { needs, takes, what } = operations[name];
    const rows = [...needs, ...takes].map((parameter) =>
      row(
        quoted(parameter),
        takesList(name, parameter) ? 'string, or list' : parameters[parameter].type,
        yes(needs.includes(parameter)),
        wordsOf(name, parameter),
      ),
    );
    return document(
      `## ${name}`,
      what,
      table(['parameter', 'type', 'needed', 'what it is'], rows).trimEnd(),
    ).trimEnd();
  });
  return document(
    '# Operations',
    'The tool `ipc` takes `operation` and the parameters below. `null` and `""` count as absent, `"60"` is 60; any other value that does not fit, and a parameter that the operation does not take, is an error that names it. The program has the same operations as commands, whose `--help` lists their parameters; the library has them as methods. [errors.md](errors.md) has the errors.',
    ...sections,
  );
}

/** The output of `ipc help` for every topic and command. */
async function programDocument(): Promise<string> {
  const helped = { out: '', errors: '' };
  const program = await makeProgram(helped, false);
  const commands = leaves(program).map(([name, command]) => {
    helped.out = '';
    command.outputHelp();
    return document(`### ${name}`, block(helped.out)).trimEnd();
  });
  const manual = Object.entries(topics).map(([name, { what, text }]) =>
    document(`### ${name}`, `\`ipc help ${name}\`: ${what}.`, block(text(program))).trimEnd(),
  );
  return document(
    '# The program',
    'The output of `ipc help` for all topics and commands. Codes of errors are in [errors.md](errors.md), the records that `store dump` prints in [journal.md](../internals/journal.md).',
    '## Topics',
    ...manual,
    '## Commands',
    ...commands,
  );
}

/** The commands that do something, with their whole names. */
export function leaves(command: Command, name = command.name()): [string, Command][] {
  if (command.commands.length === 0) return [[name, command]];
  return command.commands.flatMap((below) => leaves(below, `${name} ${below.name()}`));
}

function block(text: string): string {
  return `\`\`\`text\n${text.trimEnd()}\n\`\`\``;
}

function wordsOf(operation: OperationName, name: ParameterName): string {
  if (name === 'message') return parameters.message.what;
  const words = parameterWords(operation, name);
  return takesList(operation, name) ? `${words}; ${parameters[name].lists?.words}` : words;
}

function takesList(operation: OperationName, name: ParameterName): boolean {
  return parameters[name].lists?.of.split(', ').includes(operation) ?? false;
}

function document(...parts: readonly string[]): string {
  return `${parts.join('\n\n').trimEnd()}\n`;
}

function table(heads: readonly string[], rows: readonly string[]): string {
  return [row(...heads), row(...heads.map(() => '---')), ...rows].join('\n');
}

function row(...cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function yes(is: boolean): string {
  return is ? 'yes' : '';
}

function quoted(code: string): string {
  return `\`${code}\``;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [path, text] of Object.entries(await documents())) {
    writeFileSync(join(process.cwd(), path), text);
  }
}
