// A plain call is a call of the tool as hosts of the legacy era write it, with nothing but the name of the tool, its
// arguments and the metadata of the host. The transport gives it to the tool itself. The SDK would check the message and
// its result by nine schemas, which takes longer than all that the tool does. Every other message goes to the SDK, which
// reports what is wrong with it, and begins a little later: of messages that came together, a plain call may be answered
// first. JSON-RPC promises no order of answers.
import type { JSONRPCRequest, ServerContext } from '@modelcontextprotocol/server';

export const toolName = 'ipc';

/** The parts of a request that the tool uses. The SDK makes them for its requests, the transport for plain calls. */
export type HostRequest = Pick<
  ServerContext['mcpReq'],
  'id' | 'signal' | '_meta' | 'envelope' | 'notify'
>;

export interface PlainCall extends JSONRPCRequest {
  readonly params: {
    readonly name: typeof toolName;
    readonly arguments?: Record<string, unknown>;
    readonly _meta?: NonNullable<HostRequest['_meta']>;
  };
}

/** MCP keeps these names for itself. What they mean is the matter of the SDK. */
const reservedPrefix = 'io.modelcontextprotocol/';

/** `value`: of one line of JSON. */
export function isPlainCall(value: unknown): value is PlainCall {
  if (!isObject(value) || !hasNoOther(value, ['jsonrpc', 'id', 'method', 'params'])) return false;
  const { jsonrpc, id, method, params } = value;
  if (jsonrpc !== '2.0' || method !== 'tools/call' || !isId(id)) return false;
  if (!isObject(params) || !hasNoOther(params, ['name', 'arguments', '_meta'])) return false;
  const { name, arguments: given = {}, _meta: meta = {} } = params;
  return name === toolName && isObject(given) && isObject(meta) && isPlainMeta(meta);
}

function isPlainMeta(meta: Record<string, unknown>): boolean {
  if ('progressToken' in meta && !isId(meta.progressToken)) return false;
  return !Object.keys(meta).some((name) => name.startsWith(reservedPrefix));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasNoOther(value: Record<string, unknown>, names: readonly string[]): boolean {
  return Object.keys(value).every((name) => names.includes(name));
}

function isId(value: unknown): boolean {
  return typeof value === 'string' || Number.isSafeInteger(value);
}
