// The one tool. A call of it goes:
// 1. The parameters are checked.  2. The messages of the call's tickets are settled.
// 3. The operation runs.  4. What it hands over gets a ticket, and the result leaves.  5. The transport
// reports when it is written, or that the host has cancelled the call, and the tickets decide what follows.
import type { CallToolResult, ServerContext } from '@modelcontextprotocol/server';
import { AppContext } from '../app/context.ts';
import { sendsPerHourIn } from '../app/environment.ts';
import {
  type OperationCall,
  type OperationParameters,
  operations,
  parseCall,
} from '../app/operations.ts';
import {
  noAddress,
  presentError,
  presentPing,
  presentSend,
  presentStart,
  presentStatus,
  presentStop,
} from '../app/summaries.ts';
import { IpcError } from '../base/errors.ts';
import { endMsMax, peekLineBytes, peekMessagesDefault, sendsPerHourMcp } from '../base/limits.ts';
import { effectiveSeconds, findProfile, type HostProfile } from '../hosts/profiles.ts';
import { OwnPosts } from './own-posts.ts';
import { ownPostsLines, presentMailbox, readersNote } from './presence-text.ts';
import { Reads } from './reads.ts';
import { presentNoWatch } from './result-text.ts';
import { Settlement, type ToolRequest } from './settlement.ts';
import type { CallerId } from './tickets.ts';
import type { HostTransport } from './transport.ts';
import { Wake } from './wake.ts';
import { Writes } from './writes.ts';

const progressEveryMs = 12_000;
/** A model reads all of a status. */
const statusShown = { mailboxesMax: 20, sessionsMax: 20 };

export class Tool {
  readonly #env: NodeJS.ProcessEnv;
  readonly #transport: HostTransport;
  readonly #settlement: Settlement;
  readonly #own = new OwnPosts();
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #wake: Wake;
  /** Made by the first call whose parameters are right. */
  #context: AppContext | undefined;
  #isEnding = false;

  constructor(env: NodeJS.ProcessEnv, transport: HostTransport) {
    this.#env = env;
    this.#transport = transport;
    this.#settlement = new Settlement(transport);
    this.#reads = new Reads(this.#settlement, transport, this.#own);
    this.#wake = new Wake(env);
    this.#writes = new Writes(this.#settlement, this.#reads, this.#own, transport);
  }

  /** `name`: the host's. */
  async call(
    given: Record<string, unknown>,
    { mcpReq }: ServerContext,
    name: string | undefined,
  ): Promise<CallToolResult> {
    const { id, _meta: meta, signal } = mcpReq;
    const host = findProfile(name);
    const stopProgress = startProgress(mcpReq, host);
    let ended: (() => void) | undefined;
    try {
      if (this.#isEnding) throw new IpcError('closed', 'this session has ended');
      const thread = meta?.threadId;
      const caller = {
        id: typeof thread === 'string' ? thread : '',
        dropsCalls: host?.drops ?? false,
      };
      if (host?.isSerial) this.#reads.endOpen(caller.id);
      const call = parseCall(given);
      const context = this.#openContext(name ?? 'mcp');
      ended = this.#noteCall(call, caller.id);
      const secondsAllowed = (asked: number) => effectiveSeconds(asked, host, this.#env);
      const request = { id, caller, signal, context, secondsAllowed, notes: [] };
      return textResult(await this.#run(call, request, name));
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      return { ...textResult(presentError(error)), isError: true };
    } finally {
      ended?.();
      stopProgress();
      this.#transport.finished(id);
    }
  }

  /** An agent in a call is not rung. Returns what is to be called at the end of this one. */
  #noteCall({ operation }: OperationCall, caller: CallerId): (() => void) | undefined {
    if (operation === 'watch') return undefined;
    const ended = this.#wake.callBegan(caller);
    return () => ended(operation === 'wait' || operation === 'fetch');
  }

  /** Settles each message `shutdown` that was read, releases the rest, and gives the broker up; 2 s at most. */
  async end(): Promise<void> {
    if (this.#isEnding) return new Promise(() => {});
    this.#isEnding = true;
    const context = this.#context;
    if (!context) return;
    const late = new Promise<void>((resolve) => setTimeout(resolve, endMsMax));
    await Promise.race([this.#endAll(context), late]);
  }

  async #watch(
    given: OperationParameters<'watch'>,
    request: ToolRequest,
    host: string | undefined,
  ): Promise<string> {
    const { context, signal, caller, notes } = request;
    await this.#settlement.before(request, given.after ?? []);
    const broker = await context.broker(given);
    const { mailbox } = given;
    if (!mailbox) {
      this.#wake.forget(caller.id);
      return presentNoWatch(notes);
    }
    const unread = await operations.watch.run(given, context, { mail: broker.mail, signal });
    return this.#wake.watch(mailbox, unread, { caller: caller.id, host, broker }, notes);
  }

  async #endAll(context: AppContext): Promise<void> {
    this.#wake.end();
    this.#reads.endOpen();
    this.#reads.refuseReceived();
    await this.#settlement.end(context);
    await context.close();
  }

  #openContext(program: string): AppContext {
    const sendsPerHour = sendsPerHourIn(this.#env) ?? sendsPerHourMcp;
    this.#context ??= new AppContext({ env: this.#env, program, sendsPerHour });
    return this.#context;
  }

  async #run(call: OperationCall, request: ToolRequest, host: string | undefined): Promise<string> {
    switch (call.operation) {
      case 'wait':
        return this.#reads.wait(call.given, request);
      case 'fetch':
        return this.#reads.fetch(call.given, request);
      case 'receive':
        return this.#reads.receive(call.given, request);
      case 'post':
        return this.#writes.post(call.given, request);
      case 'ask':
        return this.#writes.ask(call.given, request);
      case 'watch':
        return this.#watch(call.given, request, host);
      default:
        await this.#settlement.before(request, call.given.after ?? []);
        return runPlain(call, this.#own, request);
    }
  }
}

type PlainCall = Exclude<
  OperationCall,
  { operation: 'wait' | 'fetch' | 'receive' | 'post' | 'ask' | 'watch' }
>;

/** The operations that neither read nor post to a mailbox. */
async function runPlain(call: PlainCall, own: OwnPosts, request: ToolRequest): Promise<string> {
  const { context, signal, notes } = request;
  switch (call.operation) {
    case 'send': {
      const { host, from, timeout } = call.given;
      const given = { ...call.given, timeout: request.secondsAllowed(timeout) };
      await operations.send.run(given, context, { signal });
      return presentSend(host, [...noAddress(from ?? context.name), ...notes]);
    }
    case 'ping': {
      const { host, timeout } = call.given;
      const given = { host, timeout: request.secondsAllowed(timeout) };
      const { ms } = await operations.ping.run(given, context, { signal });
      return presentPing(host, ms, notes);
    }
    case 'broker_start': {
      const { port, mail } = await context.broker(call.given);
      const result = await operations.broker_start.run(call.given, context, { mail, signal });
      return presentStart(port, result, notes);
    }
    case 'broker_stop': {
      const { port, mail } = await context.broker(call.given);
      const result = await operations.broker_stop.run(call.given, context, { mail, signal });
      return presentStop(port, result, notes);
    }
    case 'broker_status':
      return status(call.given, own, request);
  }
}

async function status(
  given: OperationParameters<'broker_status'>,
  own: OwnPosts,
  { context, signal, notes }: ToolRequest,
): Promise<string> {
  const { mail } = await context.broker(given);
  const result = await operations.broker_status.run(given, context, { mail, signal });
  if (given.mailbox) {
    const [mailbox] = given.mailbox;
    const look = { messagesMax: peekMessagesDefault, partBytesMax: peekLineBytes, signal };
    const seen = await mail.peek(mailbox, look);
    const all = [...readersNote(mailbox, result.sessionList), ...notes];
    return presentMailbox(mailbox, seen, Date.now(), all);
  }
  const newest = own.newestFirst();
  const ids = newest.map(({ id }) => id);
  const found = await mail.find(ids, { signal });
  const posts = found.map((each, index) => ({ ...each, number: newest[index]?.number }));
  const now = Date.now();
  return presentStatus(result, now, notes, { ...statusShown, posts: ownPostsLines(posts, now) });
}

function textResult(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] };
}

/** Progress gives a call more time at some hosts. Returns what stops it. */
function startProgress(mcpReq: ServerContext['mcpReq'], host: HostProfile | undefined): () => void {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined || host?.wantsProgress === false) return () => {};
  let progress = 0;
  const timer = setInterval(() => {
    const params = { progressToken, progress: ++progress };
    mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  }, progressEveryMs);
  return () => clearInterval(timer);
}
