// An MCP host for tests. It speaks raw JSON-RPC with `ipc mcp`, and misbehaves like real hosts: it
// drops calls silently, cancels late, stops reading, closes stdin, kills the server.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, makeHome } from './places.ts';

/** The program as it ships. */
export const program = join(fileURLToPath(new URL('../../../', import.meta.url)), 'dist/ipc.js');

const built: ServerCommand = { command: process.execPath, args: [program, 'mcp'] };

export type Era = 'legacy' | '2026-07-28';

export interface HostOptions {
  readonly home: string;
  readonly port?: number;
  /** The client name that the host reports. */
  readonly name?: string;
  readonly era?: Era;
  /** Whether the host declares that it takes tasks, which only the later era has. */
  readonly tasks?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs the server, for example in a network namespace. */
  readonly prefix?: readonly string[];
  /** The command that starts the server; the built program by default. */
  readonly server?: ServerCommand;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
}

export interface Answer {
  readonly result?: ToolResult & Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string };
}

export interface ToolResult {
  readonly content: readonly { readonly type: string; readonly text: string }[];
  readonly isError?: boolean;
}

/** A state folder and a port, with hosts that end before the folder is removed. */
export interface HostPlace {
  readonly home: string;
  readonly port: number;
  host(options?: Partial<HostOptions>): Promise<McpHost>;
}

/** `env`: what the hosts give to their servers, unless a host has another environment. */
export async function hostPlace(
  context: TestContext,
  env: Readonly<Record<string, string>> = {},
): Promise<HostPlace> {
  const hosts: Promise<McpHost>[] = [];
  context.after(async () => {
    for (const host of hosts) await (await host).destroy();
  });
  const home = join(await makeHome(context), 'home');
  const port = await freePort();
  const start = (options?: Partial<HostOptions>) => {
    const host = McpHost.start({ home, port, env, ...options });
    hosts.push(host);
    return host;
  };
  return { home, port, host: start };
}

/** Asserts that the command starts our server: it has the one tool, and mail passes through it. */
export async function speak(
  place: HostPlace,
  server: ServerCommand,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const host = await place.host({ server, env });
  const { result } = await host.request('tools/list', {}).answer;
  const tools = result?.tools as readonly { name: string }[];
  assert.deepEqual(
    tools.map(({ name }) => name),
    ['ipc'],
  );
  await host.call({ operation: 'post', to: 'ann', from: 'ben', message: 'hello' });
  const { bodies } = await host.call({ operation: 'fetch', mailbox: 'ann' });
  assert.deepEqual(bodies, ['hello']);
  await host.end();
}

/** The text of a result, parsed as an agent would. */
export interface Reading {
  readonly text: string;
  readonly head: string;
  readonly bodies: readonly string[];
  readonly foot: string;
  readonly ticket: string | undefined;
  readonly isError: boolean;
}

export interface OpenCall {
  readonly id: number;
  readonly answer: Promise<Reading>;
}

type Notification = { readonly method: string; readonly params: Record<string, unknown> };

export class McpHost {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly notifications: Notification[] = [];
  readonly #options: HostOptions;
  #count = 0;
  readonly #open = new Map<number, (answer: Answer) => void>();
  /** Lines of stdout that are not JSON-RPC. */
  readonly strays: string[] = [];

  private constructor(options: HostOptions) {
    this.#options = options;
    const { home, port, env, prefix = [], server = built } = options;
    // The minimum that hosts pass on, and the state folder, so that no test touches the mail of the
    // user.
    const { PATH = '' } = process.env;
    const [command = '', ...words] = [...prefix, server.command, ...server.args];
    this.child = spawn(command, words, {
      cwd: server.cwd,
      env: { PATH, HOME: home, IPC_HOME: home, ...(port && { IPC_PORT: `${port}` }), ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.exited = once(this.child, 'exit');
    this.child.stdin?.on('error', () => {});
    const { stdout } = this.child;
    assert(stdout);
    createInterface({ input: stdout, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) =>
      this.#onLine(line),
    );
  }

  static async start(options: HostOptions): Promise<McpHost> {
    const host = new McpHost(options);
    if ((options.era ?? 'legacy') === 'legacy') await host.initialize();
    return host;
  }

  async initialize(): Promise<Answer> {
    const { name = 'test-host' } = this.#options;
    const answer = await this.request('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name, version: '1' },
    }).answer;
    this.notify('notifications/initialized', {});
    return answer;
  }

  request(method: string, params: object): { id: number; answer: Promise<Answer> } {
    const id = ++this.#count;
    const answer = new Promise<Answer>((resolve) => {
      this.#open.set(id, resolve);
    });
    this.send({ jsonrpc: '2.0', id, method, params });
    return { id, answer };
  }

  notify(method: string, params: object): void {
    this.send({ jsonrpc: '2.0', method, params });
  }

  send(message: object): void {
    this.child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  /** Calls the tool without waiting for the result. */
  begin(given: object, meta: object = {}): OpenCall {
    const params = { name: 'ipc', arguments: given, _meta: { ...this.envelope(), ...meta } };
    const { id, answer } = this.request('tools/call', params);
    return { id, answer: answer.then(readAnswer) };
  }

  async call(given: object, meta: object = {}): Promise<Reading> {
    return this.begin(given, meta).answer;
  }

  cancel(id: number): void {
    this.notify('notifications/cancelled', { requestId: id, ...this.#envelopeOfNotification() });
  }

  /** In later protocol eras each request names its client. */
  envelope(): object {
    if (this.#options.era !== '2026-07-28') return {};
    const { name = 'test-host' } = this.#options;
    return {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name, version: '1' },
      'io.modelcontextprotocol/clientCapabilities': this.#options.tasks
        ? { extensions: { 'io.modelcontextprotocol/tasks': {} } }
        : {},
    };
  }

  endInput(): void {
    this.child.stdin?.end();
  }

  /** Stops reading results. */
  pause(): void {
    this.child.stdout?.pause();
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.exited;
  }

  /** Ends like a host: closes stdin and waits for the exit. */
  async end(): Promise<void> {
    this.endInput();
    await this.exited;
  }

  /** Ends the server in any state, and checks its output. */
  async destroy(): Promise<void> {
    this.child.kill('SIGKILL');
    this.child.stdout?.destroy();
    await this.exited;
    assert.deepEqual(this.strays, [], 'stdout carries JSON-RPC alone');
  }

  #envelopeOfNotification(): object {
    return this.#options.era === '2026-07-28' ? { _meta: this.envelope() } : {};
  }

  #onLine(line: string): void {
    let message: { jsonrpc?: string; id?: number; method?: string; params?: object };
    try {
      message = JSON.parse(line);
    } catch {
      this.strays.push(line);
      return;
    }
    if (message.jsonrpc !== '2.0') this.strays.push(line);
    if (message.id !== undefined) this.#open.get(message.id)?.(message as Answer);
    else this.notifications.push(message as Notification);
  }
}

function readAnswer({ result, error }: Answer): Reading {
  if (error) throw new Error(`${error.code} ${error.message}`);
  assert(result);
  assert.equal('structuredContent' in result, false, 'structuredContent hides the text');
  assert.equal(result.content.length, 1);
  return read(result.content[0]?.text ?? '', result.isError ?? false);
}

export function read(text: string, isError = false): Reading {
  const bodies: string[] = [];
  let rest = text;
  for (;;) {
    const begin = /^<<<([0-9a-v]{8})(?: .*)?\n/m.exec(rest);
    if (!begin) break;
    const start = begin.index + begin[0].length;
    const end = rest.indexOf(`\n${begin[1]}>>>`, start);
    assert.notEqual(end, -1, 'a body ends with its mark');
    bodies.push(rest.slice(start, end));
    rest = rest.slice(0, begin.index) + rest.slice(end + 12);
  }
  const lines = rest.split('\n');
  const foot = lines.length > 1 ? (lines.at(-1) ?? '') : '';
  const ticket = /after "([^"]+)"/.exec(foot)?.[1];
  return { text, head: lines[0] ?? '', bodies, foot, ticket, isError };
}
