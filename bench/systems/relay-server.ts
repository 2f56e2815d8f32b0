// The limit of a message through MCP: a server like that of noop-server.ts, whose one tool passes its call on to the bare
// queue, and answers when that has answered. The benchmark runs two of them. Argument: the port of the queue.
import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';
import { BareQueueClient } from '../support/bare-queue-client.ts';
import { kinds } from '../support/queue-frames.ts';

const queue = await BareQueueClient.connect(Number(process.argv[2]));
const inputSchema = z.object({
  operation: z.enum(['post', 'wait', 'settle', 'clear']),
  message: z.string().default(''),
});
serveStdio(() => {
  const server = new McpServer({ name: 'relay', version: '1' });
  server.registerTool(
    'ipc',
    { description: 'Passes a call on.', inputSchema },
    async ({ operation, message }) => {
      const body = await queue.call(kinds[operation], Buffer.from(message));
      return { content: [{ type: 'text', text: body.toString() }] };
    },
  );
  return server;
});
process.stdin.once('end', () => process.exit());
