// A model for Claude Code, on loopback: it answers as the test says, and shows what it was asked.
import { EventEmitter, on, once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';

/** What the model is asked in one turn. */
export interface Turn {
  /** The texts of the newest messages. */
  readonly newest: string;
  /** Whether it can call the tool. */
  readonly isOffered: boolean;
}

export interface MockModel {
  readonly url: string;
  /** Resolves to the first turn from now on that is like this. */
  turn(isIt: (turn: Turn) => boolean): Promise<Turn>;
}

/** The tool that the model calls. */
const toolName = 'mcp__ipc__ipc';

/** `calls`: made one by one, as soon as the tool is offered; after the last one it ends each turn. */
export async function mockModel(
  context: TestContext,
  calls: readonly Readonly<Record<string, unknown>>[],
): Promise<MockModel> {
  const left = [...calls];
  const turns = new EventEmitter();
  const server = createServer(async (request, response) => {
    const asked: ModelRequest = JSON.parse((await text(request)) || '{}');
    const { tools = [], messages = [] } = asked;
    // Beside turns Claude Code asks for titles and for counts of tokens.
    if (request.method !== 'POST' || tools.length === 0) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{}');
      return;
    }
    const isOffered = tools.some(({ name }) => name === toolName);
    answer(asked, isOffered ? left.shift() : undefined, response);
    turns.emit('turn', { newest: newestText(messages), isOffered });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const turn = async (isIt: (turn: Turn) => boolean) => {
    for await (const [each] of on(turns, 'turn')) if (isIt(each)) return each;
  };
  return { url: `http://127.0.0.1:${port}`, turn };
}

interface ModelRequest {
  readonly model: string;
  readonly tools?: readonly { readonly name: string }[];
  readonly messages?: readonly ModelMessage[];
}

interface ModelMessage {
  readonly role: string;
  readonly content: string | readonly ModelContent[];
}

interface ModelContent {
  readonly text?: string;
  readonly content?: string | readonly { readonly text?: string }[];
}

function newestText(all: readonly ModelMessage[]): string {
  const newest = all.slice(-2).filter(({ role }) => role === 'user');
  return newest.map(textOf).join('\n');
}

function textOf({ content }: ModelMessage): string {
  if (typeof content === 'string') return content;
  const parts = content.map(({ text: own, content: inner = '' }) => {
    if (own !== undefined) return own;
    return typeof inner === 'string' ? inner : inner.map(({ text: part = '' }) => part).join('');
  });
  return parts.join('\n');
}

function answer({ model }: ModelRequest, call: object | undefined, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (type: string, members: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`);
  const id = `${Date.now()}`;
  const usage = { input_tokens: 1, output_tokens: 1 };
  const message = { id, type: 'message', role: 'assistant', model, content: [], usage };
  const block = call
    ? { type: 'tool_use', id: `toolu_${id}`, name: toolName, input: {} }
    : { type: 'text', text: '' };
  const delta = call
    ? { type: 'input_json_delta', partial_json: JSON.stringify(call) }
    : { type: 'text_delta', text: 'ok' };
  send('message_start', { message });
  send('content_block_start', { index: 0, content_block: block });
  send('content_block_delta', { index: 0, delta });
  send('content_block_stop', { index: 0 });
  send('message_delta', { delta: { stop_reason: call ? 'tool_use' : 'end_turn' }, usage });
  send('message_stop', {});
  response.end();
}
