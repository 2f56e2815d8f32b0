// The manual in the program: `ipc help`, and the help of each command.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { makeProgram } from '../../../src/cli/program.ts';
import { topics } from '../../../src/cli/topics.ts';
import { shell } from '../../support/processes/shell.ts';

test('`ipc help COMMAND` prints the same as `ipc COMMAND --help`, with an example', async (context) => {
  const { run, home } = await shell(context);
  for (const words of [['post'], ['store', 'check'], ['store'], ['help']]) {
    const asked = await run([...words, '--help']);
    const { code, text, errors } = await run(['help', ...words]);
    assert.deepEqual([code, text, errors], [0, asked.text, '']);
  }
  assert.match(
    (await run(['help', 'post'])).text,
    /\nExample:\n {2}ipc post ann --from ben <<'END' {4}# .*\nWhat does `make test` print\?\nEND\n {2}ipc post ann Go --from ben\n/,
  );
  assert.equal(existsSync(home), false);
});

test('`ipc help` prints the help of the program, and names the topics', async (context) => {
  const { run } = await shell(context);
  const { code, text } = await run(['help']);
  assert.equal(code, 0);
  assert.equal(text, (await run(['--help'])).text);
  for (const name of Object.keys(topics)) assert.ok(text.includes(name), name);
});

test('`ipc help TOPIC` is its text', async (context) => {
  const { run } = await shell(context);
  const tree = await makeProgram({ out: '', errors: '' }, false);
  for (const [name, { text }] of Object.entries(topics)) {
    assert.deepEqual((await run(['help', name])).text, `${text(tree)}\n`);
  }
  const codes = (await run(['help', 'exit-codes'])).text;
  assert.match(codes, /^ {2}0 .*\n {2}1 .*\n[\s\S]*\n {2}2 .*\n[\s\S]*\n {2}124 .*\n {2}128\+N /);
});

test('help of an unknown word says where to look', async (context) => {
  const { run } = await shell(context);
  for (const [words, name] of [
    [['nix'], 'nix'],
    [['store', 'nix'], 'store nix'],
    [['constructor'], 'constructor'],
  ] as const) {
    const { code, text, errors } = await run(['help', ...words]);
    assert.deepEqual([code, text], [2, '']);
    const what = `ipc: unknown_operation: no command and no topic is called "${name}". `;
    assert.ok(errors.startsWith(`${what}To do: see \`ipc --help\`; the topics are exit-codes, `));
  }
});
