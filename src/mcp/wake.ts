// The operation `watch`: the agent ends its turn, and mail in its mailboxes wakes it. The answer is the truth about
// this host: mail will wake the agent, or the agent has to start something itself, or it has to wait.
import { realpathSync } from 'node:fs';
import type { BrokerName, BrokerSession } from '../app/context.ts';
import { Doorbell } from '../app/doorbell.ts';
import { type Environment, natsFilesIn, wakeIn } from '../app/environment.ts';
import { type OperationCall, type OperationParameters, operations } from '../app/operations.ts';
import { SessionFile, type WatchingSession } from '../app/session-file.ts';
import { at } from '../app/summaries.ts';
import { IpcError } from '../base/errors.ts';
import { portBrokerDefault } from '../base/limits.ts';
import { shellWord } from '../base/shell.ts';
import type { CommandWaker } from '../hosts/wake/wake-path.ts';
import { findWakers } from '../hosts/wake/wake-paths.ts';
import type { MailboxList } from '../model/message.ts';
import { isNatsAddress } from '../nats/nats-address.ts';
import { AgentBell, type Way } from './agent-bell.ts';
import { brokerOf } from './reads.ts';
import {
  presentNoRing,
  presentNoWatch,
  presentOtherWatch,
  presentRing,
  presentWatch,
} from './result-text.ts';
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
  readonly command: CommandWaker | undefined;
  /** The host has a hook of ours, which wakes the agent where there is no better way. */
  readonly hasHook: boolean;
}

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
  /** Agents that have called `watch`: what they asked for counts, and no longer what their user did. */
  readonly #decided = new Set<CallerId>();
  /** Tells the hook of the host what is watched. */
  #file: SessionFile | undefined;
  #hasEnded = false;

  constructor(env: Environment, settlement: Settlement) {
    this.unasked = unaskedIn(env);
    this.#env = env;
    this.#settlement = settlement;
  }

  /** Watches the mailboxes that the user has named, for an agent that has no doorbell yet and has never watched. */
  async watchUnasked(who: Watcher): Promise<void> {
    const { id } = who.caller;
    const isDone = () => this.#agents.has(id) || this.#decided.has(id);
    if (!this.unasked || isDone()) return;
    const { ways, hasHook } = await this.#find(who);
    const broker = await who.context.broker({});
    if ((ways.length === 0 && !hasHook) || isDone()) return;
    this.#begin(this.unasked, ways, broker, who);
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
    this.#decided.add(caller.id);
    if (!mailboxes) {
      this.#forget(caller.id);
      return presentNoWatch(notes);
    }
    const found = await this.#find(request);
    // Mail that comes after this look is named nowhere, so there is no pause between it and the answer.
    const { unread, paused } = await operations.watch.run(given, context, {
      ...{ mail: broker.mail, signal },
    });
    const { host, port } = broker;
    const work = { operation: 'watch', host, port, names: mailboxes } as const;
    const task = request.offerTask(work, noTimeout);
    const isTask = task?.isRunning() ?? false;
    if (task && !isTask) return task.begin(notes);
    if (!isTask && found.ways.length === 0 && !found.hasHook) {
      this.#forget(caller.id);
      return presentNoRing(
        mailboxes,
        found.command?.words(mailboxes, programWords(this.#env, broker)),
        notes,
      );
    }
    const { doorbell } = this.#begin(mailboxes, found.ways, broker, request);
    if (unread !== undefined) doorbell.answered();
    return presentWatch(mailboxes, { unread: unread ?? 0, paused }, notes);
  }

  async watchAsTask(call: TaskCall, request: ToolRequest): Promise<string> {
    const mailboxes = call.names as MailboxList;
    const { notes, signal, caller } = request;
    this.#lastTasks.set(caller.id, call);
    const broker = await brokerOf(call, request);
    const { ways } = await this.#find(request);
    // Meanwhile another call may have ended it, or its host.
    if (this.#lastTasks.get(caller.id) !== call) return presentOtherWatch(notes);
    signal.throwIfAborted();
    const { bell } = this.#agentOf(request, broker);
    const rung = bell.nextRing(signal);
    const { doorbell } = this.#begin(mailboxes, ways, broker, request);
    try {
      const text = await rung;
      return text === undefined ? presentOtherWatch(notes) : presentRing(text, notes);
    } catch (error) {
      // The user or the agent has cancelled the task, so nothing else is to wake the agent.
      if (error instanceof IpcError) this.#forget(caller.id);
      throw error;
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
    this.#hasEnded = true;
    for (const caller of [...this.#agents.keys()]) this.#forget(caller);
  }

  #begin(mailboxes: MailboxList, ways: readonly Way[], broker: BrokerSession, who: Watcher): Agent {
    const agent = this.#agentOf(who, broker);
    const { bell, doorbell } = agent;
    bell.use(ways);
    const byHook = bell.path === undefined;
    doorbell.watch(byHook ? undefined : mailboxes);
    this.#file ??= new SessionFile(who.context.home);
    const { host: brokerHost, port } = broker;
    const onNats = brokerHost !== undefined && isNatsAddress(brokerHost);
    const natsFiles = onNats ? natsFilesIn(this.#env) : undefined;
    const session = { mailboxes, port, brokerHost, natsFiles };
    this.#tellHook({ ...session, byHook });
    bell.onAllFailed = () => this.#tellHook({ ...session, byHook: true });
    return agent;
  }

  /** undefined: the session watches nothing. A hook that cannot be told does no harm. */
  #tellHook(session: WatchingSession | undefined): void {
    try {
      if (session) this.#file?.write(session);
      else this.#file?.remove();
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
    }
  }

  #agentOf({ caller }: Watcher, { name, mail }: BrokerSession): Agent {
    if (this.#hasEnded) throw new IpcError('closed', 'this session has ended');
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
    if (agent) {
      agent.doorbell.watch(undefined);
      agent.bell.endTask();
      // A ring may be under way.
      agent.bell.onAllFailed = () => {};
    }
    this.#agents.delete(caller);
    this.#lastTasks.delete(caller);
    this.#tellHook(undefined);
  }

  async #find({ host, caller }: Watcher): Promise<Found> {
    const found = await findWakers({ host, env: this.#env, thread: caller.id });
    return {
      ways: found.filter((waker) => waker.kind === 'rings'),
      command: found.find((waker) => waker.kind === 'command'),
      hasHook: found.some(({ kind }) => kind === 'hook'),
    };
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
function programWords(
  { IPC_HOME, IPC_KEY_FILE, IPC_NATS_CREDS, IPC_NATS_CA }: Environment,
  { host, port }: BrokerSession,
): string {
  const isOther = port !== portBrokerDefault;
  const onNats = host !== undefined && isNatsAddress(host);
  const variables = {
    IPC_HOME,
    IPC_KEY_FILE,
    ...(onNats && { IPC_NATS_CREDS, IPC_NATS_CA }),
    // Of a NATS server it has no password: the process has that in its own IPC_BROKER, or there is none.
    IPC_BROKER: host === undefined || onNats ? host : at({ host, port }),
    IPC_PORT: (host === undefined || onNats) && isOther ? `${port}` : undefined,
  };
  const assigned = Object.entries(variables).flatMap(([name, value]) =>
    value ? [`${name}=${shellWord(value)}`] : [],
  );
  const words = [process.execPath, realpathSync(process.argv[1] ?? '')].map(shellWord);
  return [...assigned, ...words].join(' ');
}
