// The operation `watch`: the agent ends its turn, and mail in its mailboxes wakes it. The answer is the truth about
// this host: mail will wake the agent, or the agent has to start something itself, or it has to wait.
import { realpathSync } from 'node:fs';
import type { BrokerName, BrokerSession } from '../app/context.ts';
import { Doorbell } from '../app/doorbell.ts';
import { type Environment, wakeIn } from '../app/environment.ts';
import { type OperationCall, type OperationParameters, operations } from '../app/operations.ts';
import { SessionFile } from '../app/session-file.ts';
import { at } from '../app/summaries.ts';
import { IpcError } from '../base/errors.ts';
import { portBrokerDefault } from '../base/limits.ts';
import { shellWord } from '../base/shell.ts';
import { installedHook } from '../hosts/wake/hooks.ts';
import type { ToldWaker, WakeFacts } from '../hosts/wake/wake-path.ts';
import { wakePaths } from '../hosts/wake/wake-paths.ts';
import type { MailboxList } from '../model/message.ts';
import { AgentBell, type Way, watchEnded } from './agent-bell.ts';
import { brokerOf } from './reads.ts';
import { presentNoRing, presentNoWatch, presentWatch } from './result-text.ts';
import type { Settlement, ToolRequest } from './settlement.ts';
import type { TaskCall } from './task-id.ts';
import type { TaskAnswer } from './tasks.ts';
import type { CallerId } from './tickets.ts';

/** The doorbell of one agent, at one broker. */
interface Agent {
  readonly broker: BrokerName;
  readonly bell: AgentBell;
  readonly doorbell: Doorbell;
}

/** The agent that is to be woken. */
type Watcher = Pick<ToolRequest, 'caller' | 'host' | 'context'>;

interface Found {
  readonly ways: readonly Way[];
  readonly told: ToldWaker | undefined;
  /** The host has a hook of ours, which wakes the agent where there is no better way. */
  readonly hasHook: boolean;
}

/** Of a watch in a status. */
const hookPath = 'hook';
/** A task has no end. */
const noTimeout = Number.POSITIVE_INFINITY;

export class Wake {
  /** Mailboxes whose mail is to wake the agents of this server without a word of theirs. */
  readonly unasked: MailboxList | undefined;
  readonly #env: Environment;
  readonly #settlement: Settlement;
  /** Agents that share this server have one each. */
  readonly #agents = new Map<CallerId, Agent>();
  /** The task of each agent that has begun last, unless a later call of watch has ended it. */
  readonly #lastTasks = new Map<CallerId, TaskCall>();
  /** Tells the hook of the host what is watched. */
  #file: SessionFile | undefined;

  constructor(env: Environment, settlement: Settlement) {
    this.unasked = unaskedIn(env);
    this.#env = env;
    this.#settlement = settlement;
  }

  /** Watches the mailboxes that the user has named, for an agent that has no doorbell yet. */
  async watchUnasked(who: Watcher): Promise<void> {
    if (!this.unasked || this.#agents.has(who.caller.id)) return;
    const found = await this.#find(who);
    const broker = await who.context.broker({});
    if ((found.ways.length === 0 && !found.hasHook) || this.#agents.has(who.caller.id)) return;
    this.#begin(this.unasked, found.ways, broker, who);
  }

  /** Watches the mailboxes of this call and no others. Where the host takes tasks, it is one that ends with the ring. */
  async watch(
    given: OperationParameters<'watch'>,
    request: ToolRequest,
  ): Promise<string | TaskAnswer> {
    const { context, signal, caller, notes } = request;
    await this.#settlement.before(request, given.after ?? []);
    const broker = await context.broker(given);
    const { mailbox: mailboxes } = given;
    if (!mailboxes) {
      this.#forget(caller.id);
      return presentNoWatch(notes);
    }
    const unread = await operations.watch.run(given, context, { mail: broker.mail, signal });
    const { host, port } = broker;
    const work = { operation: 'watch', host, port, names: mailboxes } as const;
    const task = request.offerTask(work, noTimeout);
    if (task && !task.isRunning()) return task.begin(notes);
    const found = await this.#find(request);
    if (!task && found.ways.length === 0 && !found.hasHook) {
      this.#forget(caller.id);
      return presentNoRing(
        mailboxes,
        found.told?.words(mailboxes, programWords(this.#env, broker)),
        notes,
      );
    }
    this.#begin(mailboxes, found.ways, broker, request).doorbell.answered();
    return presentWatch(mailboxes, unread, notes);
  }

  async watchAsTask(call: TaskCall, request: ToolRequest): Promise<string> {
    const mailboxes = call.names as MailboxList;
    const { id } = request.caller;
    this.#lastTasks.set(id, call);
    const broker = await brokerOf(call, request);
    const { ways } = await this.#find(request);
    if (this.#lastTasks.get(id) !== call) return watchEnded;
    const { bell } = this.#agentOf(request, broker);
    const rung = bell.nextRing(request.signal);
    const { doorbell } = this.#begin(mailboxes, ways, broker, request);
    try {
      return await rung;
    } finally {
      if (bell.path === undefined) doorbell.watch(undefined);
    }
  }

  /** An agent in a call is not rung. Returns what is to be called at the end of this one. */
  noteCall({ operation }: OperationCall, caller: CallerId): (() => void) | undefined {
    if (operation === 'watch') return undefined;
    const doorbell = this.#agents.get(caller)?.doorbell;
    doorbell?.callBegan();
    return () => doorbell?.callEnded(operation === 'wait' || operation === 'fetch');
  }

  end(): void {
    for (const caller of [...this.#agents.keys()]) this.#forget(caller);
  }

  #begin(mailboxes: MailboxList, ways: readonly Way[], broker: BrokerSession, who: Watcher): Agent {
    const agent = this.#agentOf(who, broker);
    const { bell, doorbell } = agent;
    bell.use(ways);
    if (bell.path !== undefined) doorbell.watch(mailboxes);
    this.#tellHook(mailboxes, broker, bell.path, who);
    bell.onAllFailed = () => this.#tellHook(mailboxes, broker, undefined, who);
    return agent;
  }

  /** `path`: the way of the server; undefined when the hook is to wake the agent. */
  #tellHook(
    mailboxes: MailboxList,
    { host: brokerHost, port }: BrokerSession,
    path: string | undefined,
    { context }: Watcher,
  ): void {
    this.#file ??= new SessionFile(context.home);
    const byHook = path === undefined;
    try {
      this.#file.write({ mailboxes, port, brokerHost, path: path ?? hookPath, byHook });
    } catch (error) {
      // A hook that cannot be told wakes nobody.
      if (!(error instanceof IpcError)) throw error;
    }
  }

  #agentOf({ caller }: Watcher, { name, mail }: BrokerSession): Agent {
    const known = this.#agents.get(caller.id);
    if (known?.broker === name) return known;
    this.#forget(caller.id);
    const bell = new AgentBell();
    const agent = { broker: name, bell, doorbell: new Doorbell(mail, bell) };
    this.#agents.set(caller.id, agent);
    return agent;
  }

  #forget(caller: CallerId): void {
    const agent = this.#agents.get(caller);
    agent?.doorbell.watch(undefined);
    agent?.bell.endTask();
    this.#agents.delete(caller);
    this.#lastTasks.delete(caller);
    this.#file?.remove();
  }

  async #find({ host, caller }: Watcher): Promise<Found> {
    const facts: WakeFacts = { host, env: this.#env, thread: caller.id };
    const ways: Way[] = [];
    let told: ToldWaker | undefined;
    for (const { name, find } of wakePaths) {
      const waker = await find(facts);
      if (waker?.kind === 'rings') ways.push({ ...waker, name });
      else told ??= waker;
    }
    const hook = host === undefined ? undefined : await installedHook(host, this.#env);
    return { ways, told, hasHook: hook !== undefined };
  }
}

/** A value that cannot be used is reported when the server starts. */
function unaskedIn(env: Environment): MailboxList | undefined {
  try {
    return wakeIn(env);
  } catch {
    return undefined;
  }
}

/** As a shell takes it, for a process that does not get the variables of this one: it finds the same mail. */
function programWords({ IPC_HOME }: Environment, { host, port }: BrokerSession): string {
  const variables = {
    IPC_HOME,
    IPC_BROKER: host === undefined ? undefined : at({ host, port }),
    IPC_PORT: host === undefined && port !== portBrokerDefault ? `${port}` : undefined,
  };
  const assigned = Object.entries(variables).flatMap(([name, value]) =>
    value ? [`${name}=${shellWord(value)}`] : [],
  );
  const words = [process.execPath, realpathSync(process.argv[1] ?? '')].map(shellWord);
  return [...assigned, ...words].join(' ');
}
