// An MCP server that a real host starts: with the first call of its tool it looks for a way to wake the agent, as
// `ipc mcp` does, and from then on rings when the test says so. Its argument is the port on which the test listens.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { CLIENT_INFO_META_KEY, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';
import { type FoundWaker, findWakers } from '../../../src/hosts/wake/wake-paths.ts';
import type { MailboxList } from '../../../src/model/message.ts';

const [, , port = '', program = 'ipc'] = process.argv;
const mailboxes = ['ann'] as unknown as MailboxList;
const test = connect(Number(port), '127.0.0.1');
const say = (report: object) => test.write(`${JSON.stringify(report)}\n`);
let waker: FoundWaker | undefined;

test.on('error', () => process.exit());
createInterface({ input: test }).on('line', async (text) => {
  try {
    if (waker?.kind !== 'rings') throw new Error('there is no way to ring');
    await waker.ring(text);
    say({ rung: text });
  } catch (error) {
    say({ rung: text, error: String(error) });
  }
});

serveStdio(() => {
  const server = new McpServer({ name: 'ipc', version: '1' }, { capabilities: { tools: {} } });
  const tool = {
    description: 'Mail',
    inputSchema: z.looseObject({ operation: z.string() }),
    annotations: { readOnlyHint: true, destructiveHint: false, openWorldHint: false },
  };
  server.registerTool('ipc', tool, async (_, { mcpReq }) => {
    const { _meta: meta } = mcpReq;
    const envelope = mcpReq.envelope as Record<string, unknown> | undefined;
    const client = envelope?.[CLIENT_INFO_META_KEY] ?? server.server.getClientVersion();
    const { name: host } = (client ?? {}) as { name?: string };
    const thread = typeof meta?.threadId === 'string' ? meta.threadId : '';
    [waker] = await findWakers({ host, env: process.env, thread });
    const words = waker?.kind === 'command' ? waker.words(mailboxes, program) : '';
    say({ host, path: waker?.name ?? '', words });
    return { content: [{ type: 'text', text: words === '' ? 'You will be woken.' : words }] };
  });
  return server;
});
for (const event of ['end', 'close']) process.stdin.on(event, () => process.exit());
