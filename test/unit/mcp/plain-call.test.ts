// Which calls go to the tool without the SDK: those that its schemas accept, and that have nothing for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJSONRPCMessage } from '@modelcontextprotocol/server';
import { isPlainCall } from '../../../src/mcp/plain-call.ts';

const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ipc' } };
const withParams = (params: object) => ({ ...call, params: { name: 'ipc', ...params } });

test('a call of the tool as hosts write it is plain, and the SDK finds nothing wrong with it', () => {
  const calls = [
    call,
    { ...call, id: 'a' },
    { ...call, id: -1 },
    withParams({ arguments: {} }),
    withParams({ arguments: { operation: 'wait', mailbox: null, other: [{ jsonrpc: 3 }] } }),
    withParams({ _meta: {} }),
    withParams({ arguments: {}, _meta: { progressToken: 1, threadId: 't', 'example.com/a': [] } }),
    withParams({ _meta: { progressToken: 'p' } }),
  ];
  for (const value of calls) {
    assert.equal(isPlainCall(value), true, JSON.stringify(value));
    assert.deepEqual(parseJSONRPCMessage(value), value);
  }
});

test('a call with a parameter that the SDK would take out is plain, so the tool refuses it', () => {
  const value = withParams({ arguments: JSON.parse('{"__proto__":1}') });
  assert.equal(isPlainCall(value), true);
});

test('all else is left to the SDK', () => {
  const { id: _, ...notification } = call;
  const values = [
    ...[undefined, null, 'tools/call', 1, [], [call], {}],
    { ...call, jsonrpc: '1.0' },
    { ...call, method: 'tools/list' },
    notification,
    { ...call, id: null },
    { ...call, id: 1.5 },
    { ...call, id: 2 ** 53 },
    { ...call, other: 1 },
    { ...call, params: undefined },
    { ...call, params: [] },
    { ...call, params: { arguments: {} } },
    withParams({ name: 'other' }),
    withParams({ arguments: null }),
    withParams({ arguments: [] }),
    withParams({ arguments: 'text' }),
    withParams({ task: { ttl: 1 } }),
    withParams({ requestState: 'a' }),
    withParams({ _meta: null }),
    withParams({ _meta: { progressToken: null } }),
    withParams({ _meta: { progressToken: 1.5 } }),
    withParams({ _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }),
    withParams({ _meta: { 'io.modelcontextprotocol/related-task': { taskId: 'a' } } }),
  ];
  for (const value of values) assert.equal(isPlainCall(value), false, JSON.stringify(value));
});
