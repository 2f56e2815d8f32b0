import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schemaFaultWords } from '../../../src/mcp/schema-fault.ts';

const issue = (name: string, expected?: string) => ({
  path: ['params', name],
  message: 'Invalid input',
  ...(expected !== undefined && { expected }),
});
const written = (...issues: readonly object[]) => JSON.stringify(issues, undefined, 2);
const remedy =
  ' To do: write the request as MCP defines it; params of a tools/call are {"name":"ipc","arguments":{"operation":"broker_status"}}.';

test('what a schema finds wrong is a sentence that names each field', () => {
  const list = written(issue('name', 'string'), issue('arguments', 'record'), issue('task'));
  assert.equal(
    schemaFaultWords(`Invalid tools/call request: ${list}`),
    `Invalid tools/call request: params.name must be a text; params.arguments must be an object; params.task: Invalid input.${remedy}`,
  );
});

test('of many faults the first five are named', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const list = written(...names.map((name) => issue(name, 'array')));
  const named = names.slice(0, 5).map((name) => `params.${name} must be a list`);
  assert.equal(schemaFaultWords(list), `${named.join('; ')}; and 2 more.${remedy}`);
});

test('another message stays as it is', () => {
  for (const text of ['Tool a not found', 'a [\n] b', '[\n  1\n]', '[\n  {"path":7}\n]', '[\n']) {
    assert.equal(schemaFaultWords(text), text);
  }
});
