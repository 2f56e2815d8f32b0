// One agent of the demo: an `ipc mcp` process of its own, driven by an MCP client over stdio, as a host
// does it. It prints each call and each result.
import { performance } from 'node:perf_hooks';
import { Client } from '@modelcontextprotocol/client';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { version } from '../../src/base/version.ts';
import { BrokenPromise, quoted, type Story } from './story.ts';

/** Shared by all agents of a run. */
export interface Stage {
  readonly story: Story;
  /** dist/ipc.js */
  readonly program: string;
  readonly home: string;
  readonly brokerPort: number;
}

/** The mail in a result. */
export interface Mail {
  readonly head: string;
  /** '' when it names no sender. */
  readonly from: string;
  readonly bodies: readonly string[];
  /** The first body. */
  readonly body: string;
  /** '' for a message from point to point. */
  readonly ticket: string;
  readonly attempt: number;
}

export interface Status {
  readonly pid: number;
  readonly epoch: number;
  readonly messages: number;
  readonly text: string;
}

type Given = Record<string, string | number | undefined>;

/** Longer than any call of the demo takes. */
const callMsMax = 10_000;
const pollMs = 10;

export class Agent {
  readonly name: string;
  readonly #stage: Stage;
  readonly #client: Client;
  readonly #transport: StdioClientTransport;

  /** Running agents, to kill if the demo fails. */
  static readonly running = new Set<Agent>();

  static async start(name: string, stage: Stage): Promise<Agent> {
    const agent = new Agent(name, stage);
    Agent.running.add(agent);
    await agent.#client
      .connect(agent.#transport, { timeout: callMsMax })
      .catch((error: unknown) => {
        throw new BrokenPromise(`${name} starts\n  instead: ${error}`);
      });
    stage.story.line(name, ' ', 'starts', `pid ${agent.pid}`);
    return agent;
  }

  private constructor(name: string, stage: Stage) {
    const { program, home, brokerPort } = stage;
    this.name = name;
    this.#stage = stage;
    this.#client = new Client({ name: 'agent-ipc-demo', version });
    this.#transport = new StdioClientTransport({
      command: process.execPath,
      args: [program, 'mcp'],
      env: { ...getDefaultEnvironment(), IPC_HOME: home, IPC_PORT: String(brokerPort) },
    });
  }

  get pid(): number {
    const { pid } = this.#transport;
    if (pid === null) throw new BrokenPromise(`${this.name} has no process`);
    return pid;
  }

  /** Returns the pid of the broker's owner. */
  async start(): Promise<number> {
    this.#print('→', 'broker_start');
    const text = await this.#call({ operation: 'broker_start' });
    const [, pid, epoch] = /pid (\d+), epoch (\d+)/.exec(text) ?? [];
    this.#print('←', `the owner is pid ${pid}`, `epoch ${epoch}`);
    return Number(pid);
  }

  async wait(mailbox: string, after?: string): Promise<Mail> {
    this.#print('→', `wait ${quoted(mailbox)}`, named(after));
    const text = await this.#call({ operation: 'wait', mailbox, after });
    return this.#got(text);
  }

  async fetch(mailbox: string, after?: string): Promise<Mail> {
    this.#print('→', `fetch ${quoted(mailbox)}`, named(after));
    return this.#got(await this.#call({ operation: 'fetch', mailbox, after }));
  }

  /** Returns the head. */
  async post(to: string, message: string, after?: string): Promise<string> {
    const from = this.name;
    this.#print('→', `post to ${quoted(to)}`, [quoted(message), named(after)].join(' ').trim());
    const text = await this.#call({ operation: 'post', to, from, message, after });
    const [head = ''] = text.split('\n');
    const [stored = '', reader = ''] = head.split('; ');
    const what = /^Stored as #\d+/.exec(stored)?.[0];
    if (what === undefined) throw new BrokenPromise(`a post is stored\n  instead: ${head}`);
    this.#print('←', what.toLowerCase(), `synced; ${reader.replace(/\.$/, '')}`);
    return head;
  }

  async send(host: string, message: string, after?: string): Promise<void> {
    this.#print('→', `send to ${host}`, [quoted(message), named(after)].join(' ').trim());
    const from = this.name;
    this.#print('←', await this.#call({ operation: 'send', host, from, message, after }));
  }

  async receive(port: number, after?: string): Promise<Mail> {
    this.#print('→', `receive on port ${port}`, named(after));
    return this.#got(await this.#call({ operation: 'receive', port, after }));
  }

  /** Returns milliseconds. */
  async ping(host: string, after?: string): Promise<number> {
    this.#print('→', `ping ${host}`, named(after));
    const text = await this.#call({ operation: 'ping', host, after });
    this.#print('←', text);
    return Number(/answered in ([\d.]+) ms/.exec(text)?.[1]);
  }

  /** Printed only if it names a ticket, because the demo polls the status. */
  async status(after?: string): Promise<Status> {
    if (after !== undefined) this.#print('→', 'broker_status', named(after));
    const text = await this.#call({ operation: 'broker_status', after });
    const found = /pid (\d+), epoch (\d+); (\d+) message/.exec(text);
    if (!found) throw new BrokenPromise(`status names the owner\n  instead: ${text}`);
    const [, pid, epoch, messages] = found.map(Number);
    return { pid: pid ?? 0, epoch: epoch ?? 0, messages: messages ?? 0, text };
  }

  /** Until another agent's wait is parked in the broker. */
  async untilParked(mailbox: string): Promise<void> {
    const line = new RegExp(`^"${mailbox}": .* 1 waiting`, 'm');
    await this.#until(`a wait on ${quoted(mailbox)} is parked`, ({ text }) => line.test(text));
  }

  /** Until another process than `old` owns the broker. */
  untilOwnerIsNot(old: number): Promise<Status> {
    return this.#until(`pid ${old} is not the owner`, ({ pid }) => pid !== old);
  }

  /** Like `kill -9`. */
  kill(): void {
    const { pid } = this.#transport;
    if (pid !== null) process.kill(pid, 'SIGKILL');
  }

  /** Like a host: closes stdin, and waits for the process. */
  async end(): Promise<void> {
    Agent.running.delete(this);
    await this.#client.close();
  }

  async #until(what: string, holds: (status: Status) => boolean): Promise<Status> {
    const began = performance.now();
    for (;;) {
      const status = await this.status();
      if (holds(status)) return status;
      if (performance.now() - began > callMsMax) {
        throw new BrokenPromise(`${what}\n  instead: ${status.text}`);
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  async #call(given: Given): Promise<string> {
    const call = { name: 'ipc', arguments: given };
    const { content, isError } = await this.#client
      .callTool(call, { timeout: callMsMax })
      .catch((error: unknown) => {
        throw new BrokenPromise(
          `${given.operation} of ${this.name} is answered\n  instead: ${error}`,
        );
      });
    const text = content.map((block) => (block.type === 'text' ? block.text : '')).join('\n');
    if (!isError) return text;
    throw new BrokenPromise(`${given.operation} of ${this.name} succeeds\n  instead: ${text}`);
  }

  #got(text: string): Mail {
    const mail = parseMail(text);
    const { from, attempt, bodies, ticket } = mail;
    const again = attempt > 1 ? `, attempt ${attempt}` : '';
    for (const body of bodies.slice(0, -1)) this.#print('←', quoted(body), `from ${quoted(from)}`);
    const last = bodies.at(-1) ?? '';
    const settles = ticket === '' ? '' : `, ticket ${ticket}`;
    this.#print('←', quoted(last), `from ${quoted(from)}${again}${settles}`);
    return mail;
  }

  #print(arrow: '→' | '←', what: string, detail = ''): void {
    this.#stage.story.line(this.name, arrow, what, detail);
  }
}

function parseMail(text: string): Mail {
  const [head = ''] = text.split('\n');
  const blocks = text.matchAll(/^<<<(\w+).*\n([\s\S]*?)\n\1>>>$/gm);
  const bodies = [...blocks].map(([, , body = '']) => body);
  const from = /(?:#\d+|^Message) from "([^"]*)"/.exec(text)?.[1] ?? '';
  const attempt = Number(/, attempt (\d+)/.exec(text)?.[1] ?? 1);
  const ticket = /with after "([^"]+)"/.exec(text)?.[1] ?? '';
  const [body] = bodies;
  if (body !== undefined) return { head, from, bodies, body, ticket, attempt };
  throw new BrokenPromise(`a result has a body\n  instead: ${text}`);
}

function named(ticket: string | undefined): string {
  return ticket === undefined ? '' : `(after ${ticket})`;
}
