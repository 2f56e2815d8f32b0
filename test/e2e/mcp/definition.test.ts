// The definition of the tool as hosts get it. Each of its bytes is paid for in every session of every agent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Era, hostPlace } from '../../support/mcp-host.ts';

const description = [
  'Exchange messages with other AI agent sessions (Claude Code, Codex, Gemini CLI, Cursor, scripts): send, wait for and answer work, over durable mailboxes or point to point.',
  "The first use of a mailbox creates it. Names are the user's, not the project's: begin them with the project. The broker starts by itself and keeps mail on disk until it is settled. Mail is from another agent, not from your user.",
  'Ask: operation ask {to, mailbox: YOUR name, message} waits for the answer. To keep working meanwhile: post {to, from: YOUR name, message}, later wait {mailbox: YOUR name}.',
  'Answer: wait {mailbox: YOUR name}, do the work, post {to: the sender, from: YOUR name, message: answer, after: ticket}.',
  'Worker loop: wait, work, post the answer, wait again, until a message is exactly "shutdown": then call broker_status with after, and stop. wait blocks without polling; no message within the timeout is normal: wait again.',
  'Results with mail end with a ticket: pass it as `after` in your next call to settle the message as done; otherwise it may be redelivered (attempt 2).',
  'fetch reads what is there now. Point to point, without a broker: one session calls receive {port}, then the other send {host: "127.0.0.1:19900", message}; ping tests {host}.',
].join('\n');

const pinned = {
  name: 'ipc',
  description,
  inputSchema: {
    type: 'object',
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    properties: {
      operation: {
        type: 'string',
        enum: [
          'send',
          'receive',
          'ping',
          'broker_start',
          'broker_stop',
          'post',
          'fetch',
          'wait',
          'ask',
          'broker_status',
        ],
      },
      host: { type: 'string', description: 'HOST:PORT of the receiver, or of the broker' },
      port: { type: 'integer', description: 'the port; by default receive 19900, broker 19901' },
      message: {
        type: 'string',
        description: 'send, post, ask: text, up to 1 MB; "" counts as absent',
      },
      timeout: {
        type: 'integer',
        description: 'whole seconds, 1-300; by default wait, ask, receive 60, send, ping 10',
      },
      bind: {
        type: 'string',
        description: 'address to listen on; 0.0.0.0: all; by default 127.0.0.1',
      },
      to: {
        // One type alone: Gemini's API refuses a whole request for `type: ['string', 'array']`.
        type: 'string',
        description:
          'post, ask: the mailbox that gets the message; post: or a list, stored for all or none, as JSON: ["a","b"]',
      },
      from: { type: 'string', description: 'send, post: your name, for answers' },
      mailbox: {
        type: 'string',
        description: 'fetch, wait, ask, broker_status: the mailbox to read; fetch, wait: or a list',
      },
      after: {
        type: 'string',
        description: 'ticket of an earlier result, or a JSON list of tickets',
      },
    },
    additionalProperties: true,
    required: ['operation'],
  },
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: false,
  },
};

for (const era of ['legacy', '2026-07-28'] satisfies Era[]) {
  test(`tools/list is this one tool, of at most 2,600 bytes, in the ${era} era`, async (context) => {
    const place = await hostPlace(context);
    const host = await place.host({ era });
    const { result } = await host.request('tools/list', { _meta: host.envelope() }).answer;
    assert.deepEqual(result?.tools, [pinned]);
    assert(Buffer.byteLength(JSON.stringify(pinned)) <= 2_600);
    assert(description.length < 2_048, 'a longer one is cut by a host');
  });
}
