// Plain lines are split as commander splits them, and all others are left to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { mailCommands } from '../../../src/cli/commands/mail.ts';
import { addOperation } from '../../../src/cli/operation-command.ts';
import { splitPlainLine } from '../../../src/cli/plain-line.ts';

function commandOf(name: string) {
  const command = mailCommands.find((each) => each.name === name);
  assert(command);
  return command;
}

const split = ([name = '', ...words]: readonly string[]) => splitPlainLine(commandOf(name), words);

/** What commander makes of the line, as `ipc` has set it up. */
function splitByCommander(line: readonly string[]) {
  const program = new Command().enablePositionalOptions().exitOverride();
  program.configureOutput({ writeErr: () => {} });
  const command = addOperation(program, commandOf(line[0] ?? '')).option('-q, --quiet');
  command.action(() => {});
  program.parse(line, { from: 'user' });
  return { args: command.args, options: command.opts() };
}

const plainLines = [
  ['post', 'ann', 'hello', '--from', 'ben'],
  ['post', '--from', 'ben', 'ann', 'hello'],
  ['post', 'ann', 'hello', '-q'],
  ['post', 'ann', '-', '--json', '--quiet'],
  ['post', 'ann'],
  ['post', 'ann', '', '--id', 'job-7', '--port', '47100', '--host', 'one.lan'],
  ['wait', 'ann', 'jobs', '--timeout', '300'],
  ['wait', 'ann', '--timeout', '0', '--json'],
  ['ask', 'ann', 'Ready?', '--mailbox', 'ben', '--timeout', '300', '--id', 'go-7'],
  ['fetch', 'ann', '--max', '1'],
];

test('a plain line is split as commander splits it', () => {
  for (const line of plainLines)
    assert.deepEqual(split(line), splitByCommander(line), line.join(' '));
});

const otherLines = [
  ['post'],
  ['post', 'ann', 'two', 'words'],
  ['post', 'ann', 'hello', '--from'],
  ['post', 'ann', 'hello', '--from=ben'],
  ['post', 'ann', 'hello', '--from', '-ben'],
  ['post', 'ann', 'hello', '--from', 'ben', '--from', 'bob'],
  ['post', 'ann', 'hello', '--to', 'ben'],
  ['post', 'ann', '--empty'],
  ['post', 'ann', '--', '-hello'],
  ['post', 'ann', 'hello', '--after', 'k7f3-12'],
  ['post', 'ann', 'hello', '--toString', 'x'],
  ['post', 'ann', 'hello', '--help'],
  ['post', 'ann', 'hello', '-h'],
  ['post', 'ann', 'hello', '-qq'],
  ['wait'],
  ['wait', 'ann', '--raw'],
  ['ask', 'ann', '--once', 'x'],
];

test('a line that has, or may have, something else in it is left to commander', () => {
  for (const line of otherLines) assert.equal(split(line), undefined, line.join(' '));
});
