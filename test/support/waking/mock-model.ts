// A model on loopback, for the APIs that hosts speak: Anthropic's Messages, OpenAI's Responses and Chat Completions,
// Gemini's generateContent. It answers `ok`, except where the test tells it to call a tool, to fail or to be silent. It
// remembers what it was sent.
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';

export interface ModelRequest {
  /** All texts of its last messages. */
  readonly text: string;
  /** All texts since the model spoke last. */
  readonly newest: string;
  /** It offers a tool of agent-ipc. */
  readonly offersMail: boolean;
  readonly atMs: number;
}

/** A call of a tool, an error of the API, or no answer at all. */
export type Reply = PlannedCall | 'error' | 'silence';

interface ToolOffer {
  readonly name: string;
  /** Codex puts the tools of a server into a namespace. */
  readonly namespace?: string;
}

interface ToolCall {
  readonly tool: ToolOffer;
  readonly given: object;
}

export interface PlannedCall {
  /** Of the tool. */
  readonly name: RegExp;
  readonly given: object;
}

type Json = Record<string, unknown>;
type Send = (type: string, event: Json) => void;

/** The messages at the end of a conversation that may be new. */
const messagesRead = 4;
/** The tool of agent-ipc, as each host names it. */
export const mailTool = /(^|[_-])ipc$/;

export class MockModel {
  readonly #server: Server;
  readonly #requests: ModelRequest[] = [];
  readonly #arrivals = new EventEmitter();
  readonly #planned: PlannedCall[] = [];
  #count = 0;
  /** Replies to a turn for which no call is planned. */
  script: (newest: string) => Reply | undefined = () => undefined;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<MockModel> {
    const model = new MockModel();
    model.#server.listen(0, '127.0.0.1');
    await once(model.#server, 'listening');
    return model;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next request that offers a tool of this name is answered with a call of it. */
  planCall(name: RegExp, given: object): void {
    this.#planned.push({ name, given });
  }

  /** The first request with this text, also one of the past. */
  sees(text: string, signal: AbortSignal): Promise<ModelRequest> {
    return this.asked((request) => request.text.includes(text), signal);
  }

  /** The first request that is like this, also one of the past. */
  async asked(
    isIt: (request: ModelRequest) => boolean,
    signal: AbortSignal,
  ): Promise<ModelRequest> {
    for (;;) {
      const found = this.#requests.find(isIt);
      if (found) return found;
      await once(this.#arrivals, 'request', { signal });
    }
  }

  /** All that came at this time or later. */
  since(ms: number): readonly ModelRequest[] {
    return this.#requests.filter(({ atMs }) => atMs >= ms);
  }

  end(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readJson(request);
    const path = request.url ?? '';
    if (request.method !== 'POST') return sendJson(response, { data: [{ id: 'mock' }] });
    if (path.includes('count_tokens')) return sendJson(response, { input_tokens: 1 });
    const offers = offersIn(body);
    const reply = this.#take(offers, body.messages ?? body.input ?? body.contents);
    if (reply === 'silence') return;
    if (reply === 'error') return sendJson(response, apiError, 400);
    const call = reply && callIn(offers, reply);
    const id = ++this.#count;
    if (/generateContent/i.test(path)) return contents(response, path, offers, call);
    if (path.includes('/chat/completions')) return completion(response, body, id, call);
    if (body.stream !== true)
      return sendJson(response, message(body, id, [{ type: 'text', text: 'ok' }]));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send: Send = (type, event) =>
      response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...event })}\n\n`);
    if (path.includes('/responses')) responses(send, id, call);
    else messages(send, body, id, call);
    response.end();
  }

  /** Requests without tools, such as one for a title, are no turns. */
  #take(offers: readonly ToolOffer[], conversation: unknown): Reply | undefined {
    if (offers.length === 0) return undefined;
    const all = Array.isArray(conversation) ? conversation : [];
    const newest = textsIn(all.slice(all.findLastIndex(isByModel) + 1)).join('\n');
    const text = textsIn(all.slice(-messagesRead)).join('\n');
    const offersMail = offers.some(({ name }) => mailTool.test(name));
    this.#requests.push({ text, newest, offersMail, atMs: performance.now() });
    this.#arrivals.emit('request');
    const [planned] = this.#planned;
    if (!planned || !callIn(offers, planned)) return this.script(newest);
    this.#planned.shift();
    return planned;
  }
}

const apiError = { type: 'error', error: { type: 'invalid_request_error', message: 'no' } };

/** undefined if the request does not offer the tool. */
function callIn(offers: readonly ToolOffer[], { name, given }: PlannedCall): ToolCall | undefined {
  const tool = offers.find((offer) => name.test(offer.name));
  return tool && { tool, given };
}

/** A message, or with Responses a call of a tool. */
function isByModel({ role, type }: { readonly role?: string; readonly type?: string }): boolean {
  return role === 'assistant' || role === 'model' || type === 'function_call';
}

async function readJson(request: IncomingMessage): Promise<Json> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part;
  return text === '' ? {} : JSON.parse(text);
}

function sendJson(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

interface OfferedTool {
  readonly type?: string;
  readonly name?: string;
  readonly tools?: readonly { readonly name: string }[];
  readonly function?: { readonly name: string };
  readonly functionDeclarations?: readonly { readonly name: string }[];
}

function offersIn({ tools }: Json): ToolOffer[] {
  return ((tools ?? []) as readonly OfferedTool[]).flatMap((tool) => {
    if (tool.functionDeclarations) return tool.functionDeclarations.map(({ name }) => ({ name }));
    const { name = '' } = tool.function ?? tool;
    if (tool.type !== 'namespace') return [{ name }];
    return (tool.tools ?? []).map((inside) => ({ name: inside.name, namespace: name }));
  });
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(textsIn) : [];
}

function message({ model }: Json, id: number, content: readonly object[]): Json {
  const usage = { input_tokens: 1, output_tokens: 1 };
  const base = { id: `msg_${id}`, type: 'message', role: 'assistant', model, content, usage };
  return { ...base, stop_reason: content.length > 0 ? 'end_turn' : null, stop_sequence: null };
}

/** Anthropic's Messages. */
function messages(send: Send, body: Json, id: number, call: ToolCall | undefined): void {
  const block = call
    ? { type: 'tool_use', id: `toolu_${id}`, name: call.tool.name, input: {} }
    : { type: 'text', text: '' };
  const delta = call
    ? { type: 'input_json_delta', partial_json: JSON.stringify(call.given) }
    : { type: 'text_delta', text: 'ok' };
  const stop_reason = call ? 'tool_use' : 'end_turn';
  send('message_start', { message: message(body, id, []) });
  send('content_block_start', { index: 0, content_block: block });
  send('content_block_delta', { index: 0, delta });
  send('content_block_stop', { index: 0 });
  send('message_delta', {
    delta: { stop_reason, stop_sequence: null },
    usage: { output_tokens: 1 },
  });
  send('message_stop', {});
}

/** OpenAI's Responses. */
function responses(send: Send, id: number, call: ToolCall | undefined): void {
  const response = { id: `resp_${id}` };
  const item = call
    ? {
        type: 'function_call',
        id: `fc_${id}`,
        call_id: `call_${id}`,
        ...call.tool,
        arguments: JSON.stringify(call.given),
      }
    : {
        type: 'message',
        role: 'assistant',
        id: `msg_${id}`,
        content: [{ type: 'output_text', text: 'ok' }],
      };
  const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
  const details = { input_tokens_details: null, output_tokens_details: null };
  send('response.created', { response });
  send('response.output_item.done', { output_index: 0, item });
  send('response.completed', { response: { ...response, usage: { ...usage, ...details } } });
}

/** OpenAI's Chat Completions. */
function completion(
  response: ServerResponse,
  body: Json,
  id: number,
  call: ToolCall | undefined,
): void {
  const named = call && { name: call.tool.name, arguments: JSON.stringify(call.given) };
  const answer = named
    ? {
        role: 'assistant',
        tool_calls: [{ index: 0, id: `call_${id}`, type: 'function', function: named }],
      }
    : { role: 'assistant', content: 'ok' };
  const finish_reason = call ? 'tool_calls' : 'stop';
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  const base = { id: `chat_${id}`, created: 1, model: body.model, usage };
  if (body.stream !== true) {
    const choices = [{ index: 0, message: answer, finish_reason }];
    return sendJson(response, { ...base, object: 'chat.completion', choices });
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const parts = [
    { delta: answer, finish_reason: null },
    { delta: {}, finish_reason },
  ];
  for (const part of parts) {
    const choices = [{ index: 0, ...part }];
    const chunk = { ...base, object: 'chat.completion.chunk', choices };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  }
  response.end('data: [DONE]\n\n');
}

/** Gemini's generateContent, streamed or not. Requests without tools want JSON. */
function contents(
  response: ServerResponse,
  path: string,
  offers: readonly ToolOffer[],
  call: ToolCall | undefined,
): void {
  const text = offers.length > 0 ? 'ok' : '{}';
  const part = call ? { functionCall: { name: call.tool.name, args: call.given } } : { text };
  const content = { role: 'model', parts: [part] };
  const usageMetadata = { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 };
  const candidates = [{ content, finishReason: 'STOP', index: 0 }];
  const answer = { candidates, usageMetadata, modelVersion: 'mock' };
  if (!/stream/i.test(path)) return sendJson(response, answer);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(`data: ${JSON.stringify(answer)}\n\n`);
}
