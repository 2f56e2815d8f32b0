// The command line is a contract: a change of these words breaks scripts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'commander';
import { leaves } from '../../scripts/generate/documents.ts';
import { makeProgram } from '../../src/cli/program.ts';
import { exitCodes, topics } from '../../src/cli/topics.ts';

const helped = { out: '', errors: '' };
const program = await makeProgram(helped, false);

test('each command takes these arguments and options', () => {
  assert.deepEqual(leaves(program).map(usage), [
    'ipc mcp',
    'ipc post <to> [message] --from= --host= --port= --id= --to= --empty --json',
    'ipc wait <mailbox...> --timeout= --host= --port= --raw --json',
    'ipc ask <to> [message] --mailbox= --timeout= --host= --port= --id= --empty --raw --json',
    'ipc fetch <mailbox...> --host= --port= --max= --raw --json',
    'ipc watch <mailbox...> --timeout= --follow --host= --port= --json',
    'ipc peek <mailbox> --max= --full --host= --port= --json',
    'ipc drop <mailbox> --id= --older= --yes --host= --port= --json',
    'ipc find <ids...> --mailbox= --host= --port= --json',
    'ipc log --follow --from= --to= --with= --mailbox= --since= --grep= --id= --thread= --full --erase --yes --host= --port= --json',
    'ipc pause [mailbox...] --all --host= --port= --json',
    'ipc resume [mailbox...] --all --host= --port= --json',
    'ipc send <host> [message] --from= --timeout= --empty --json',
    'ipc receive --port= --timeout= --bind= --raw --json',
    'ipc ping <host> --timeout= --json',
    'ipc broker --port= --bind= --once --json',
    'ipc status --host= --port= --json',
    'ipc top --no-color --host= --port=',
    'ipc ui --port= --host= --open --json',
    'ipc store check --port= --json',
    'ipc store dump --port=',
    'ipc store retry [id...] --to= --port= --json',
    'ipc store compact --port= --json',
    'ipc store move --from= --from-port= --to= --to-port= --dry-run --json',
    'ipc key show --json',
    'ipc key new --json',
    'ipc key import --json',
    'ipc key retire --json',
    'ipc work <mailbox> <command...> --from= --parallel= --timeout= --attempts= --sends-per-hour= --pass-key --no-shutdown --host= --port= --json',
    'ipc wake --for= --timeout=',
    'ipc install [host] --scope= --wake --print --yes',
    'ipc uninstall [host] --scope= --wake --print --yes',
    'ipc doctor --port= --json',
    'ipc completion <shell>',
    'ipc help [words...]',
  ]);
});

test('the commands that are run again and again are loaded alone, with the same words', async () => {
  for (const name of ['post', 'wait', 'ask', 'fetch', 'watch', 'peek', 'drop', 'find']) {
    const expected = leaves(program).filter(([words]) => words === `ipc ${name}`);
    assert.equal(expected.length, 1);
    const alone = leaves(await makeProgram(helped, false, name));
    assert.deepEqual(alone.map(usage), expected.map(usage));
  }
  for (const word of ['status', 'nix', '--help', undefined]) {
    const all = await makeProgram(helped, false, word);
    assert.deepEqual(leaves(all).map(usage), leaves(program).map(usage));
  }
});

test('each command takes --quiet but `work`, where it may belong to the command that follows', () => {
  const others = leaves(program).filter(
    ([, { options }]) => !options.some(({ flags }) => flags === '-q, --quiet'),
  );
  assert.deepEqual(
    others.map(([name]) => name),
    ['ipc work'],
  );
});

test('these are the exit codes and the topics', () => {
  assert.deepEqual(Object.keys(exitCodes), ['0', '1', '2', '124', '128+N']);
  assert.deepEqual(Object.keys(topics), [
    ...['exit-codes', 'environment', 'output', 'json', 'settling', 'worker', 'machines', 'nats'],
  ]);
});

test('each command has an example, which takes its options and no others', () => {
  for (const [name, command] of leaves(program)) {
    const lines = helpOf(command).split('\nExample:\n')[1]?.trim().split('\n') ?? [];
    assert.ok(lines.length > 0, name);
    const [first = ''] = lines;
    assert.ok(first.includes(name), first);
    const own = lines.flatMap((line) => line.split(/[|#]/).filter((part) => part.includes(name)));
    for (const [option] of own
      .join(' ')
      .split(' -- ')[0]
      ?.matchAll(/--[a-z][a-z-]*/g) ?? []) {
      assert.ok(
        command.options.some(({ long }) => long === option),
        `${name}: ${option}`,
      );
    }
  }
});

test('the help of the program fits a screen: 40 lines of 80 columns', () => {
  const lines = helpOf(program).trimEnd().split('\n');
  assert.ok(lines.length <= 40, `${lines.length} lines`);
  for (const line of lines) assert.ok(line.length <= 80, line);
});

test('the help of a command fits 80 columns', () => {
  for (const [, command] of leaves(program)) {
    for (const line of helpOf(command).split('\n')) assert.ok(line.length <= 80, line);
  }
});

function usage([name, command]: [string, Command]): string {
  const places = command.registeredArguments.map((argument) => {
    const word = argument.variadic ? `${argument.name()}...` : argument.name();
    return argument.required ? `<${word}>` : `[${word}]`;
  });
  const shown = command.options.filter(({ hidden }) => !hidden);
  const options = shown.map(({ long, required }) => (required ? `${long}=` : long));
  return [name, ...places, ...options].join(' ');
}

function helpOf(command: Command): string {
  helped.out = '';
  command.outputHelp();
  return helped.out;
}
