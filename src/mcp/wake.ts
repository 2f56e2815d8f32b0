// The operation `watch`: the agent ends its turn, and mail in its mailboxes wakes it. The answer is the truth about
// this host: mail will wake the agent, or the agent has to start something itself, or it has to wait.
import { realpathSync } from 'node:fs';
import type { BrokerName, BrokerSession } from '../app/context.ts';
import { Doorbell } from '../app/doorbell.ts';
import type { Environment } from '../app/environment.ts';
import type { Notes } from '../app/summaries.ts';
import { shellWord } from '../base/shell.ts';
import type { ToldWaker, WakeFacts } from '../hosts/wake/wake-path.ts';
import { wakePaths } from '../hosts/wake/wake-paths.ts';
import type { MailboxList } from '../model/message.ts';
import { AgentBell, type Way } from './agent-bell.ts';
import { presentNoRing, presentWatch } from './result-text.ts';
import type { CallerId } from './tickets.ts';

export interface WatchCall {
  readonly caller: CallerId;
  /** The name that the host reports. */
  readonly host: string | undefined;
  readonly broker: BrokerSession;
}

/** The doorbell of one agent, at one broker. */
interface Agent {
  readonly broker: BrokerName;
  readonly bell: AgentBell;
  readonly doorbell: Doorbell;
}

export class Wake {
  readonly #env: Environment;
  /** Agents that share this server have one each. */
  readonly #agents = new Map<CallerId, Agent>();

  constructor(env: Environment) {
    this.#env = env;
  }

  /** Watches these mailboxes and no others. Returns the answer for the agent. `unread`: messages that are there. */
  async watch(
    mailboxes: MailboxList,
    unread: number,
    call: WatchCall,
    notes: Notes,
  ): Promise<string> {
    const found = await this.#waysFor(call);
    if (found.ways.length === 0) {
      this.forget(call.caller);
      return presentNoRing(mailboxes, found.told?.words(mailboxes, programWords()), notes);
    }
    const { bell, doorbell } = this.#agentOf(call);
    bell.use(found.ways);
    doorbell.watch(mailboxes);
    return presentWatch(mailboxes, unread, notes);
  }

  /** The result of a call `watch` that is a task: the text of the next ring. */
  async ring(mailboxes: MailboxList, call: WatchCall, signal: AbortSignal): Promise<string> {
    const { ways } = await this.#waysFor(call);
    const { bell, doorbell } = this.#agentOf(call);
    const rung = bell.nextRing(signal);
    bell.use(ways);
    doorbell.watch(mailboxes);
    return rung;
  }

  /** No mail wakes the agent any more. */
  forget(caller: CallerId): void {
    this.#agents.get(caller)?.doorbell.watch(undefined);
    this.#agents.delete(caller);
  }

  /** The agent makes another call than a watch. Returns what is to be called at its end. */
  callBegan(caller: CallerId): (hasRead: boolean) => void {
    const doorbell = this.#agents.get(caller)?.doorbell;
    doorbell?.callBegan();
    return (hasRead) => doorbell?.callEnded(hasRead);
  }

  end(): void {
    for (const caller of [...this.#agents.keys()]) this.forget(caller);
  }

  #agentOf({ caller, broker }: WatchCall): Agent {
    const known = this.#agents.get(caller);
    if (known?.broker === broker.name) return known;
    this.forget(caller);
    const bell = new AgentBell();
    const agent = { broker: broker.name, bell, doorbell: new Doorbell(broker.mail, bell) };
    this.#agents.set(caller, agent);
    return agent;
  }

  async #waysFor({ host, caller: thread }: WatchCall): Promise<Ways> {
    const facts: WakeFacts = { host, env: this.#env, thread };
    const ways: Way[] = [];
    let told: ToldWaker | undefined;
    for (const { name, find } of wakePaths) {
      const waker = await find(facts);
      if (waker?.kind === 'rings') ways.push({ ...waker, name });
      else told ??= waker;
    }
    return { ways, told };
  }
}

interface Ways {
  readonly ways: readonly Way[];
  readonly told: ToldWaker | undefined;
}

/** As a shell takes it. */
function programWords(): string {
  return [process.execPath, realpathSync(process.argv[1] ?? '')].map(shellWord).join(' ');
}
