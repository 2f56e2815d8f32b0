// An MCP server of the SDK that ours uses, whose one tool does nothing: the limit of a call, and what a start usually
// takes. It is bundled as the SDK comes, with all that our build leaves out of it.
import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

serveStdio(() => {
  const server = new McpServer({ name: 'noop', version: '1' });
  // The name is ours, so that the same host can call both.
  server.registerTool('ipc', { description: 'Nothing.', inputSchema: z.looseObject({}) }, () => ({
    content: [{ type: 'text', text: 'done' }],
  }));
  return server;
});
process.stdin.once('end', () => process.exit());
