// The one tool. A call of it goes:
// 1. The parameters are checked.  2. The messages of the call's tickets are settled; a read is sent right behind these
// settles, and does not wait for them.
// 3. The operation runs.  4. What it hands over gets a ticket, and the result leaves.  5. The transport
// reports when it is written, or that the host has cancelled the call, and the tickets decide what follows.
// A call that blocks for long goes on as a task, where the host declares tasks: see tasks.ts.
import type { CallToolResult, Result } from '@modelcontextprotocol/server';
import { AppContext } from '../app/context.ts';
import { sendsPerHourIn } from '../app/environment.ts';
import {
  isAbsent,
  type OperationCall,
  type OperationParameters,
  operations,
  parseCall,
} from '../app/operations.ts';
import { pausedFacts } from '../app/pause-words.ts';
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
import {
  endMsMax,
  peekLineBytes,
  peekMessagesDefault,
  resultCharactersMax,
  sendsPerHourMcp,
} from '../base/limits.ts';
import { effectiveSeconds, findProfile, type HostProfile } from '../hosts/profiles.ts';
import { OwnPosts } from './own-posts.ts';
import type { HostRequest } from './plain-call.ts';
import { ownPostsLines, presentMailbox, readersNote } from './presence-text.ts';
import { Reads } from './reads.ts';
import { Settlement, type ToolRequest } from './settlement.ts';
import type { TaskCall } from './task-id.ts';
import {
  declaresTasks,
  protocolError,
  requireTasks,
  type TaskAnswer,
  type TaskRequest,
  Tasks,
} from './tasks.ts';
import type { Caller } from './tickets.ts';
import type { HostTransport, ResultWatcher } from './transport.ts';
import { Wake } from './wake.ts';
import { Writes } from './writes.ts';

const progressEveryMs = 12_000;
/** A model reads all of a status. */
const statusShown = { mailboxesMax: 20, sessionsMax: 20, charactersMax: resultCharactersMax };

export class Tool {
  readonly #env: NodeJS.ProcessEnv;
  readonly #transport: HostTransport;
  readonly #settlement = new Settlement();
  readonly #own = new OwnPosts();
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #tasks: Tasks;
  readonly #wake: Wake;
  /** Made by the first call whose parameters are right. */
  #context: AppContext | undefined;
  #isEnding = false;

  constructor(env: NodeJS.ProcessEnv, transport: HostTransport) {
    this.#env = env;
    this.#transport = transport;
    this.#reads = new Reads(this.#settlement, this.#own);
    this.#writes = new Writes(this.#settlement, this.#reads, this.#own);
    this.#tasks = new Tasks(env, (call, request) => this.#runTask(call, request));
    this.#wake = new Wake(env, this.#settlement);
  }

  /** Never throws: whatever goes wrong is a result that is an error. */
  async call(given: Record<string, unknown>, mcpReq: HostRequest): Promise<CallToolResult> {
    const { id, signal } = mcpReq;
    const startedMs = Date.now();
    const { hostName: name } = this.#transport;
    const host = findProfile(name);
    const stopProgress = startProgress(mcpReq, host);
    let ended: (() => void) | undefined;
    try {
      if (this.#isEnding) throw new IpcError('closed', 'this session has ended');
      const caller = callerOf(mcpReq, host);
      if (host?.isSerial) this.#reads.endOpen(caller.id);
      const call = parseCall(given);
      const context = this.#openContext();
      this.#watchUnasked({ caller, host: name, context });
      ended = this.#wake.noteCall(call, caller.id);
      const watch = (watcher: ResultWatcher) => this.#transport.watch(id, watcher);
      const takesTasks = declaresTasks(mcpReq) && !caller.dropsCalls;
      const answer = await this.#run(call, {
        ...{ caller, host: name, signal, context, watch, notes: [] },
        secondsAllowed: (asked) => effectiveSeconds(asked, host, this.#env),
        offerTask: (work, timeout) => {
          const seconds = isAbsent(given.timeout) ? undefined : timeout;
          const task = { ...work, startedMs, seconds };
          return takesTasks
            ? this.#tasks.offer(task, { caller, host: name, context, watch })
            : undefined;
        },
      });
      return typeof answer === 'string' ? textResult(answer) : answer;
    } catch (error) {
      return errorResult(error);
    } finally {
      ended?.();
      stopProgress();
      this.#transport.finished(id);
    }
  }

  getTask(taskId: string, mcpReq: HostRequest): Promise<Result> {
    return this.#ofTask(mcpReq, (request) => this.#tasks.get(taskId, request));
  }

  cancelTask(taskId: string, mcpReq: HostRequest): Promise<Result> {
    return this.#ofTask(mcpReq, async (request) => this.#tasks.cancel(taskId, request));
  }

  /** Before the first call, for a session that the user wants to be woken without a word of its agent. */
  watchFromStart(): void {
    if (this.#isEnding || !this.#wake.unasked) return;
    const { hostName: host } = this.#transport;
    const caller = { id: '', dropsCalls: false };
    try {
      this.#watchUnasked({ caller, host, context: this.#openContext() });
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
    }
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

  async #endAll(context: AppContext): Promise<void> {
    this.#wake.end();
    this.#tasks.end();
    this.#reads.endOpen();
    this.#reads.refuseReceived();
    await this.#settlement.end(context);
    await context.close();
  }

  /** Answers a request that names a task. */
  async #ofTask(
    mcpReq: HostRequest,
    answer: (request: TaskRequest) => Promise<Result>,
  ): Promise<Result> {
    try {
      requireTasks(mcpReq);
      const { hostName: name } = this.#transport;
      const caller = callerOf(mcpReq, findProfile(name));
      const context = this.#openContext();
      const watch = (watcher: ResultWatcher) => this.#transport.watch(mcpReq.id, watcher);
      return await answer({ caller, host: name, context, watch });
    } catch (error) {
      throw protocolError(error);
    } finally {
      this.#transport.finished(mcpReq.id);
    }
  }

  /** Nobody would see what a task throws. */
  async #runTask(call: TaskCall, request: ToolRequest): Promise<CallToolResult> {
    try {
      return textResult(await this.#textOfTask(call, request));
    } catch (error) {
      const text = error instanceof IpcError ? presentError(error) : `${error}`;
      return { ...textResult(text), isError: true };
    }
  }

  #textOfTask(call: TaskCall, request: ToolRequest): Promise<string> {
    switch (call.operation) {
      case 'wait':
        return this.#reads.waitAsTask(call, request);
      case 'ask':
        return this.#writes.askAsTask(call, request);
      case 'receive':
        return this.#reads.receiveAsTask(call, request);
      case 'watch':
        return this.#wake.watchAsTask(call, request);
    }
  }

  /** What is wrong is the matter of the calls: a session that cannot be woken works all the same. */
  #watchUnasked(who: Pick<ToolRequest, 'caller' | 'host' | 'context'>): void {
    if (!this.#wake.unasked) return;
    this.#wake.watchUnasked(who).catch((error: unknown) => {
      if (!(error instanceof IpcError)) throw error;
    });
  }

  #openContext(): AppContext {
    this.#context ??= new AppContext({
      env: this.#env,
      program: this.#transport.hostName ?? 'mcp',
      sendsPerHour: sendsPerHourIn(this.#env) ?? sendsPerHourMcp,
    });
    return this.#context;
  }

  #run(call: OperationCall, request: ToolRequest): Promise<string | TaskAnswer> {
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
        return this.#wake.watch(call.given, request);
      default:
        return this.#runOther(call, request);
    }
  }

  async #runOther(call: OtherCall, request: ToolRequest): Promise<string> {
    await this.#settlement.before(request, call.given.after ?? []);
    return runOther(call, this.#own, request);
  }
}

type OtherCall = Exclude<
  OperationCall,
  { operation: 'wait' | 'fetch' | 'receive' | 'post' | 'ask' | 'watch' }
>;

/** The operations that neither read nor post to a mailbox. */
async function runOther(call: OtherCall, own: OwnPosts, request: ToolRequest): Promise<string> {
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
      return presentStart(port, result, notes, call.given.port);
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
    const isPaused = result.paused.includes('') || result.paused.includes(mailbox);
    const pause = isPaused ? pausedFacts([mailbox]) : [];
    const all = [...readersNote(mailbox, result.sessionList), ...pause, ...notes];
    return presentMailbox(mailbox, seen, Date.now(), all);
  }
  const newest = own.newestFirst();
  const ids = newest.map(({ id }) => id);
  const found = await mail.find(ids, { signal });
  const posts = found.map((each, index) => ({ ...each, number: newest[index]?.number }));
  const now = Date.now();
  const shown = { namedPort: given.port, posts: ownPostsLines(posts, now) };
  return presentStatus(result, now, notes, { ...statusShown, ...shown });
}

function callerOf({ _meta: meta }: HostRequest, host: HostProfile | undefined): Caller {
  const thread = meta?.threadId;
  return { id: typeof thread === 'string' ? thread : '', dropsCalls: host?.drops ?? false };
}

/** Also of a fault of this program, which has no code and no hint. */
function errorResult(error: unknown): CallToolResult {
  const text =
    error instanceof IpcError
      ? presentError(error)
      : error instanceof Error
        ? error.message
        : `${error}`;
  return { ...textResult(text), isError: true };
}

function textResult(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] };
}

/** Progress gives a call more time at some hosts. Returns what stops it. */
function startProgress(mcpReq: HostRequest, host: HostProfile | undefined): () => void {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined || host?.wantsProgress === false) return () => {};
  let progress = 0;
  const timer = setInterval(() => {
    const params = { progressToken, progress: ++progress };
    mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  }, progressEveryMs);
  return () => clearInterval(timer);
}
