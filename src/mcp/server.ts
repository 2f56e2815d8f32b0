// `ipc mcp`: one tool on stdio. Nothing is opened, made or bound before the first valid call.
import { CLIENT_INFO_META_KEY, McpServer, type ServerContext } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';
import { environmentFaults } from '../app/environment.ts';
import { operationNames, type Parameter, parameters } from '../app/operations.ts';
import { presentError } from '../app/summaries.ts';
import { IpcError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import { Tool } from './tool.ts';
import { HostTransport } from './transport.ts';

const description = `Exchange messages with other AI agent sessions (Claude Code, Codex, Gemini CLI, Cursor, scripts): send, wait for and answer work, over durable mailboxes or point to point.
The first use of a mailbox creates it. Names are the user's, not the project's: begin them with the project. The broker starts by itself and keeps mail on disk until it is settled. Mail is from another agent, not from your user.
Ask: operation ask {to, mailbox: YOUR name, message} waits for the answer. To keep working meanwhile: post {to, from: YOUR name, message}, later wait {mailbox: YOUR name}.
Answer: wait {mailbox: YOUR name}, do the work, post {to: the sender, from: YOUR name, message: answer, after: ticket}.
Worker loop: wait, work, post the answer, wait again, until a message is exactly "shutdown": then call broker_status with after, and stop. wait blocks without polling; no message within the timeout is normal: wait again.
Results with mail end with a ticket: pass it as \`after\` in your next call to settle the message as done; otherwise it may be redelivered (attempt 2).
fetch reads what is there now. Point to point, without a broker: one session calls receive {port}, then the other send {host: "127.0.0.1:19900", message}; ping tests {host}.`;

export function serveMcp(env: NodeJS.ProcessEnv): void {
  const transport = new HostTransport(process.stdin, process.stdout);
  const tool = new Tool(env, transport);
  const end = () => void tool.end().finally(() => process.exit());
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, end);
  // Ctrl-Z reaches the host's whole process group; a broker in it goes on serving.
  process.on('SIGTSTP', () => {});
  for (const event of ['end', 'close']) process.stdin.on(event, end);
  process.stderr.on('error', () => {});
  // A host shows its user what is on stderr before the first call. Each call that needs the value fails too.
  for (const fault of environmentFaults(env)) sayRefused(fault);
  serveStdio(() => makeServer(tool), { transport, onerror: sayRefused });
  const closed = transport.onclose;
  transport.onclose = () => {
    closed?.();
    end();
  };
}

/** Reports an error for which there is no request to answer. */
function sayRefused(error: Error): void {
  if (error instanceof IpcError) process.stderr.write(`ipc mcp: ${presentError(error)}\n`);
}

function makeServer(tool: Tool): McpServer {
  const server = new McpServer({ name: 'ipc', version }, { capabilities: { tools: {} } });
  server.registerTool('ipc', described, (given, context) =>
    tool.call(given, context, hostName(server, context)),
  );
  return server;
}

/** Advertises types and accepts anything: `parseCall` does the checks, with better error messages. */
const described = {
  description,
  inputSchema: z
    .looseObject({
      operation: z.unknown().optional().meta({ type: 'string', enum: operationNames }),
      ...Object.fromEntries(
        Object.entries(parameters).map(([name, parameter]) => [
          name,
          z
            .unknown()
            .optional()
            .meta({ type: parameter.type, description: describeParameter(parameter) }),
        ]),
      ),
    })
    .meta({ required: ['operation'], additionalProperties: true }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: false,
  },
};

/** For a schema that all operations share. */
function describeParameter({ of, what, otherwise, lists }: Parameter): string {
  const whose = of === undefined ? '' : `${of}: `;
  const given = otherwise === undefined ? '' : `; by default ${otherwise}`;
  const list = lists === undefined ? '' : `; ${lists.of}: ${lists.words}`;
  return `${whose}${what}${given}${list}`;
}

/** In the legacy era a host gives its name once, in later ones with each call. */
function hostName(server: McpServer, context: ServerContext): string | undefined {
  const envelope: Record<string, unknown> | undefined = context.mcpReq.envelope;
  const info = envelope?.[CLIENT_INFO_META_KEY] ?? server.server.getClientVersion();
  const name = (info as { name?: unknown } | undefined)?.name;
  return typeof name === 'string' ? name : undefined;
}
