// Calls that go on as tasks of their host (MCP extension io.modelcontextprotocol/tasks):
// 1. A call that has found nothing for some seconds is answered with the id of a task, and the task begins.
// 2. The host asks for it with tasks/get. A process that does not know the id begins the task from what the id says.
// 3. The task ends. The answer to the next tasks/get carries its result: what that hands over counts as written when
//    this answer is written, and each further tasks/get gets the same one.
// 4. A task that its host no longer asks for, or cancels, gives back unread what was not carried. One that is asked for
//    later begins again.
import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type Result,
} from '@modelcontextprotocol/server';
import type { AppContext } from '../app/context.ts';
import { presentError } from '../app/summaries.ts';
import { BoundedMap } from '../base/bounded-map.ts';
import { cancelled, IpcError } from '../base/errors.ts';
import {
  taskInlineMs,
  taskPollLaterAfterMs,
  taskPollMs,
  taskPollMsLater,
  tasksOpenMax,
  tasksOverMax,
  taskUnaskedMs,
} from '../base/limits.ts';
import { randomId } from '../base/random-id.ts';
import { currentKeys, type KeyEnvironment, loadKeys } from '../net/keys.ts';
import type { HostRequest } from './plain-call.ts';
import type { ToolRequest } from './settlement.ts';
import { fitsTaskId, makeTaskId, readTaskId, type TaskCall, type TaskWork } from './task-id.ts';
import type { Caller } from './tickets.ts';
import type { ResultWatcher } from './transport.ts';

export const tasksExtension = 'io.modelcontextprotocol/tasks';

/** Runs a task to its result, in the background. */
export type RunTask = (call: TaskCall, request: ToolRequest) => Promise<CallToolResult>;

/** The request that begins a task, or asks for it. */
export interface TaskRequest {
  /** The name that the host reports. */
  readonly host: string | undefined;
  readonly caller: Caller;
  readonly context: AppContext;
  /** Follows the answer to this request. */
  readonly watch: (watcher: ResultWatcher) => void;
}

/** The answer to a call that has become a task. */
export interface TaskAnswer extends CallToolResult {
  readonly resultType: 'task';
}

/** A call that may become a task. */
export interface TaskOffer {
  /** The same work is a task already, whose result has not been carried. */
  isOpen(): boolean;
  /** The same work is a task already, which has no result yet. */
  isRunning(): boolean;
  /** Begins the task. `notes`: what its result says beside its own notes. */
  begin(notes?: readonly string[]): Promise<TaskAnswer>;
}

interface TaskEnd {
  readonly result: CallToolResult;
  readonly atMs: number;
  readonly watcher: ResultWatcher | undefined;
  /** An answer that carries it has begun to leave. */
  isLeaving: boolean;
}

interface OpenTask {
  readonly call: TaskCall;
  readonly stopped: AbortController;
  /** Runs out when nobody asks for the task. */
  unasked: NodeJS.Timeout;
  /** undefined while it runs. */
  end: TaskEnd | undefined;
}

export class Tasks {
  readonly #env: KeyEnvironment;
  readonly #run: RunTask;
  readonly #open = new Map<string, OpenTask>();
  /** The answers for tasks that were carried or cancelled. */
  readonly #over = new BoundedMap<string, Result>(tasksOverMax);
  #isEnding = false;

  constructor(env: KeyEnvironment, run: RunTask) {
    this.#env = env;
    this.#run = run;
  }

  /** undefined for a call that is answered in the call itself. */
  offer(call: TaskCall, request: TaskRequest): TaskOffer | undefined {
    const isShort = call.seconds !== undefined && call.seconds * 1_000 <= taskInlineMs;
    if (isShort || this.#open.size >= tasksOpenMax || !fitsTaskId(call)) return undefined;
    const same = () => [...this.#open.values()].filter((open) => isSameWork(open.call, call));
    return {
      isOpen: () => same().length > 0,
      isRunning: () => same().some(({ end }) => end === undefined),
      begin: async (notes = []) => {
        const { home } = request.context;
        // As a rule without a pause, in which another call would begin the same task.
        const keys = currentKeys(home, this.#env) ?? (await loadKeys(home, this.#env));
        const id = makeTaskId(call, randomId(4), keys);
        this.#begin(id, call, request, notes);
        // The host that cancels the call never asks for the task.
        request.watch({ writing() {}, written() {}, gone: () => this.#stop(id, cancelled()) });
        return { resultType: 'task', content: [], ...stateOf(id, call, 'working', call.startedMs) };
      },
    };
  }

  /** The answer to a tasks/get. */
  async get(id: string, request: TaskRequest): Promise<Result> {
    // The host asks the next process. This one can answer nothing that is still true then.
    if (this.#isEnding) return new Promise(() => {});
    const over = this.#over.get(id);
    if (over) return over;
    const task = this.#open.get(id) ?? this.#begin(id, this.#read(id, request), request, []);
    this.#restAnew(id, task);
    const { call, end } = task;
    if (!end) return stateOf(id, call, 'working', call.startedMs);
    const result = { resultType: 'complete', ...end.result };
    const answer = { ...stateOf(id, call, 'completed', end.atMs), result };
    request.watch({
      writing: () => {
        if (this.#open.get(id) !== task) return;
        end.isLeaving = true;
        end.watcher?.writing();
      },
      written: () => {
        if (this.#open.get(id) !== task) return;
        end.watcher?.written();
        this.#forget(id, task);
        this.#over.set(id, answer);
      },
      gone: () => {
        end.isLeaving = false;
        if (this.#open.get(id) === task) this.#restAnew(id, task);
      },
    });
    return answer;
  }

  /** The answer to a tasks/cancel. */
  cancel(id: string, request: TaskRequest): Result {
    if (this.#over.has(id)) return {};
    const call = this.#open.get(id)?.call ?? this.#read(id, request);
    this.#stop(id, cancelled());
    this.#over.set(id, stateOf(id, call, 'cancelled', Date.now()));
    return {};
  }

  /** Ends what runs. What tasks hold is released with all else that the process holds. */
  end(): void {
    this.#isEnding = true;
    for (const { stopped, unasked } of this.#open.values()) {
      clearTimeout(unasked);
      stopped.abort();
    }
  }

  #read(id: string, { context }: TaskRequest): TaskCall {
    const keys = currentKeys(context.home, this.#env);
    const call = keys && readTaskId(id, keys);
    if (call) return call;
    const what = 'taskId is not the id of a task that a session with the key of this one began';
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, what);
  }

  #begin(id: string, call: TaskCall, request: TaskRequest, notes: readonly string[]): OpenTask {
    const unasked = this.#restLater(id);
    const task: OpenTask = { call, stopped: new AbortController(), unasked, end: undefined };
    this.#open.set(id, task);
    void this.#runToEnd(task, request, notes);
    return task;
  }

  async #runToEnd(task: OpenTask, request: TaskRequest, notes: readonly string[]): Promise<void> {
    const { signal } = task.stopped;
    const followed: { watcher?: ResultWatcher } = {};
    const result = await this.#run(task.call, {
      caller: { ...request.caller, dropsCalls: false },
      host: request.host,
      context: request.context,
      signal,
      // No host limits a task.
      secondsAllowed: (asked) => asked,
      notes: [...notes],
      watch: (watcher) => {
        followed.watcher = watcher;
      },
      offerTask: () => undefined,
    });
    const isCarried = !signal.aborted && !result.isError;
    if (!isCarried) followed.watcher?.gone();
    const watcher = isCarried ? followed.watcher : undefined;
    if (!signal.aborted) task.end = { result, atMs: Date.now(), watcher, isLeaving: false };
  }

  #restAnew(id: string, task: OpenTask): void {
    clearTimeout(task.unasked);
    task.unasked = this.#restLater(id);
  }

  /** Stops the task if nobody asks for it. Where its result is just being written, that decides. */
  #restLater(id: string): NodeJS.Timeout {
    return setTimeout(() => {
      if (!this.#open.get(id)?.end?.isLeaving) this.#stop(id);
    }, taskUnaskedMs);
  }

  /** `reason`: of the signal that the task gets. */
  #stop(id: string, reason?: IpcError): void {
    const task = this.#open.get(id);
    if (!task) return;
    this.#forget(id, task);
    task.stopped.abort(reason);
    task.end?.watcher?.gone();
  }

  #forget(id: string, { unasked }: OpenTask): void {
    clearTimeout(unasked);
    this.#open.delete(id);
  }
}

/** A server answers no task to a client that does not declare the extension in the same request. */
export function declaresTasks({ envelope }: HostRequest): boolean {
  const members: Record<string, unknown> | undefined = envelope;
  const capabilities = members?.[CLIENT_CAPABILITIES_META_KEY];
  const { extensions } = (capabilities ?? {}) as { readonly extensions?: object };
  return extensions !== undefined && tasksExtension in extensions;
}

export function requireTasks(request: HostRequest): void {
  if (declaresTasks(request)) return;
  const extensions = { [tasksExtension]: {} };
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions } });
}

/** An error of the answer to tasks/get or tasks/cancel. */
export function protocolError(error: unknown): unknown {
  if (!(error instanceof IpcError)) return error;
  return new ProtocolError(ProtocolErrorCode.InternalError, presentError(error));
}

/** The seconds that a task still has. If its time was over when its process started, it looks what is there. */
export function secondsLeft({ startedMs, seconds }: TaskCall): number {
  if (seconds === undefined) return Number.POSITIVE_INFINITY;
  const left = seconds - secondsSince(startedMs);
  return left > 0 ? Math.min(left, seconds) : taskInlineMs / 1_000;
}

/** The whole seconds that a task took, for its result: more than its timeout, if it was not asked for meanwhile. */
export function secondsTaken({ startedMs, seconds = 0 }: TaskCall): number {
  return Math.max(seconds, Math.floor(secondsSince(startedMs)));
}

function secondsSince(ms: number): number {
  return (Date.now() - ms) / 1_000;
}

function isSameWork(one: TaskWork, other: TaskWork): boolean {
  return workKey(one) === workKey(other);
}

function workKey({ operation, host, port, names }: TaskWork): string {
  return JSON.stringify([operation, host, port, names]);
}

function stateOf(
  taskId: string,
  { startedMs }: TaskCall,
  status: 'working' | 'completed' | 'cancelled',
  updatedMs: number,
) {
  const isLater = Date.now() - startedMs >= taskPollLaterAfterMs;
  return {
    taskId,
    status,
    createdAt: new Date(startedMs).toISOString(),
    lastUpdatedAt: new Date(updatedMs).toISOString(),
    ttlMs: null,
    pollIntervalMs: isLater ? taskPollMsLater : taskPollMs,
  };
}
