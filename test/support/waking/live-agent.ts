// A real program that runs agents, with the real `ipc mcp`, a mock model and a home of its own. The model's agent
// does what agents are told: it watches a mailbox when it is prompted, reads when a notice comes, and watches again.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { program } from '../mcp-host.ts';
import { nextLine, type Shell, shell } from '../processes/shell.ts';
import { endAll } from './home-processes.ts';
import { MockModel, type ModelRequest, mailTool, type Reply } from './mock-model.ts';
import type { RealHost } from './real-hosts.ts';
import { TmuxTerminal } from './tmux.ts';

/** From the start of the program to the end of its first turn. */
const startMsMax = 80_000;
/** From a post to the turn that it starts. A program on a busy machine takes longer than one that is alone. */
const wakeMsMax = 30_000;
/** A prompt that was lost while the program drew its screen is typed again after this time. */
const promptMsMax = 10_000;
/** A session that has just read counts as busy for 2 s. */
const calmMs = 2_500;

export interface LiveOptions {
  /** Added to the program's arguments. */
  readonly args?: readonly string[];
  /** Added to the program's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Changes what is in the home before the program starts. */
  readonly prepare?: (home: string) => Promise<void>;
}

/** Why a test of tasks is skipped. */
export const noTasks =
  'this machine is busy: the server did not answer its host within 3 s, so it speaks an earlier era';

/** From the start of `ipc post`. */
export interface WakeTimes {
  /** To the request of the model that the notice begins. */
  readonly turnMs: number;
  /** To the end of `ipc post`. */
  readonly storedMs: number;
}

export interface MailPlace extends Shell {
  /** For a program that is to find the same mail. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs before the state folder is removed: a session that goes on would write to it. */
  atEnd(end: () => Promise<unknown>): void;
  /** The process that owns the broker at first. */
  readonly broker: ChildProcess;
}

export async function mailPlace(context: TestContext): Promise<MailPlace> {
  const ends: (() => Promise<unknown>)[] = [];
  // Hooks run in the order of their registration.
  context.after(() => Promise.all(ends.map((end) => end())));
  const place = await shell(context);
  const atEnd = (end: () => Promise<unknown>) => void ends.push(end);
  const broker = place.begin(['broker']);
  await nextLine(broker);
  return { ...place, atEnd, broker, env: { IPC_HOME: place.home, IPC_PORT: `${place.port}` } };
}

export class LiveAgent {
  readonly model: MockModel;
  /** The user's home. */
  readonly home: string;
  readonly #mail: MailPlace;
  readonly #host: RealHost;
  #terminal: TmuxTerminal | undefined;
  #piped: ChildProcess | undefined;
  #prompts = 0;
  #isTask = false;

  private constructor(mail: MailPlace, host: RealHost, model: MockModel, home: string) {
    this.#mail = mail;
    this.#host = host;
    this.model = model;
    this.home = home;
    model.script = (newest) => replyOf(newest);
  }

  /** With everything but the program. */
  static async open(mail: MailPlace, host: RealHost): Promise<LiveAgent> {
    const home = await mkdtemp(join(tmpdir(), 'ipc-'));
    const agent = new LiveAgent(mail, host, await MockModel.start(), home);
    mail.atEnd(() => agent.#end());
    await mkdir(agent.#work);
    return agent;
  }

  /** Starts the program, and has its agent watch "ann". */
  static async watching(
    mail: MailPlace,
    host: RealHost,
    options: LiveOptions = {},
  ): Promise<LiveAgent> {
    const agent = await LiveAgent.open(mail, host);
    await agent.start(options);
    await agent.beginWatch();
    return agent;
  }

  /** Its host took the last watch as a task. On a busy machine Claude Code falls back to an earlier era of MCP. */
  get isTask(): boolean {
    return this.#isTask;
  }

  get #work(): string {
    return join(this.home, 'work');
  }

  async command({ args = [], env, prepare }: LiveOptions = {}) {
    const { words, env: own } = await this.#host.prepare({
      home: this.home,
      work: this.#work,
      url: this.model.url,
      server: [process.execPath, program, 'mcp'],
      serverEnv: this.#mail.env,
    });
    await prepare?.(this.home);
    const { PATH = '' } = process.env;
    const base = { PATH, HOME: this.home, TMPDIR: this.home, LANG: 'C.UTF-8' };
    return { words: [...words, ...args], env: { ...base, ...own, ...env }, cwd: this.#work };
  }

  /** Starts the program in a new terminal. */
  async start(options?: LiveOptions): Promise<void> {
    this.#terminal = await TmuxTerminal.start(this.home, await this.command(options));
  }

  /** Prompts the agent to watch, again until it has the tool, and returns when it has ended its turn. */
  async beginWatch(): Promise<void> {
    const begun = performance.now();
    const told = ({ newest, atMs }: ModelRequest) => atMs > begun && isWatchResult(newest);
    for (;;) {
      await this.prompt('watch the mailbox');
      try {
        const { newest } = await this.model.asked(told, AbortSignal.timeout(promptMsMax));
        this.#isTask = newest.includes('moved to the background');
        return await this.untilStill();
      } catch {
        if (performance.now() > begun + startMsMax) await this.#fail('its agent watches nothing');
      }
    }
  }

  /** Types a prompt that was never typed before. */
  async prompt(text: string): Promise<void> {
    const signal = AbortSignal.timeout(startMsMax);
    await this.#onTerminal.untilStill(signal);
    await this.#onTerminal.type(`${text}, prompt ${++this.#prompts}`, signal);
  }

  /** Types a command of the program. */
  async type(text: string): Promise<void> {
    const signal = AbortSignal.timeout(startMsMax);
    await this.#onTerminal.untilStill(signal);
    await this.#onTerminal.type(text, signal);
    await this.#onTerminal.untilStill(signal);
  }

  press(key: string): Promise<void> {
    return this.#onTerminal.press(key);
  }

  /** Where a hook holds the turn open, the screen shows for how long. */
  async untilStill(): Promise<void> {
    if (this.#host.holdsTurn) return;
    await this.#onTerminal.untilStill(AbortSignal.timeout(startMsMax));
  }

  /** Rests until the session counts as idle. */
  async untilIdle(): Promise<void> {
    await pause(calmMs);
    await this.untilStill();
  }

  /** Starts the program without a terminal: its prompts are lines of JSON. */
  async startPiped(options: LiveOptions = {}): Promise<void> {
    const streams = ['--input-format', 'stream-json', '--output-format', 'stream-json'];
    const args = ['-p', ...streams, '--verbose', ...(options.args ?? [])];
    const { words, env, cwd } = await this.command({ ...options, args });
    const [file = '', ...rest] = words;
    const child = spawn(file, rest, { cwd, env, stdio: ['pipe', 'ignore', 'ignore'] });
    this.#piped = child;
    const message = { role: 'user', content: 'hello' };
    child.stdin?.write(`${JSON.stringify({ type: 'user', message })}\n`);
    await this.asked(() => true, 0);
  }

  /** The program ends without knowing it. */
  async kill(): Promise<void> {
    process.kill(await this.#onTerminal.pid(), 'SIGKILL');
    await this.#onTerminal.end();
  }

  /** Its user ends the program. */
  async exit(): Promise<void> {
    await this.type('/exit');
    await this.#onTerminal.end();
  }

  /** Closes the window. */
  closeTerminal(): Promise<void> {
    return this.#onTerminal.end();
  }

  /** Posts with the real program. Returns when it was started. */
  async post(message: string): Promise<number> {
    const atMs = performance.now();
    const { code, errors } = await this.#mail.run(['post', 'ann', message, '--from', 'ben']);
    assert.equal(code, 0, errors);
    return atMs;
  }

  /** The first request of the model from this time on that is like this. */
  async asked(isIt: (newest: string) => boolean, sinceMs: number): Promise<ModelRequest> {
    const isFound = ({ newest, atMs }: ModelRequest) => atMs >= sinceMs && isIt(newest);
    try {
      return await this.model.asked(isFound, AbortSignal.timeout(wakeMsMax));
    } catch {
      return this.#fail(`no such turn within ${wakeMsMax / 1_000} s`);
    }
  }

  /** Posts, and waits until the agent has read it. */
  async wakes(message: string): Promise<WakeTimes> {
    const atMs = await this.post(message);
    const storedMs = performance.now() - atMs;
    const turn = await this.asked(isNotice, atMs);
    await this.asked((newest) => newest.includes(message), atMs);
    return { turnMs: turn.atMs - atMs, storedMs };
  }

  /** Resolves when a session watches, and is woken by this path. */
  async untilWatched(path: string): Promise<void> {
    const late = performance.now() + wakeMsMax;
    while (performance.now() < late) {
      const { text } = await this.#mail.run(['status', '--json']);
      const { sessionList } = JSON.parse(text) as { sessionList: { wakePath?: string }[] };
      if (sessionList.some(({ wakePath }) => wakePath === path)) return;
      await pause(100);
    }
    await this.#fail(`nobody watches by ${path}`);
  }

  /** Turns since then that a notice began. */
  notices(sinceMs: number): readonly string[] {
    const found = this.model.since(sinceMs).filter(({ newest }) => isNotice(newest));
    return found.map(({ newest }) => newest);
  }

  async screen(): Promise<string> {
    return this.#terminal?.screen().catch(() => 'closed') ?? 'none';
  }

  get #onTerminal(): TmuxTerminal {
    assert(this.#terminal, 'the program was started');
    return this.#terminal;
  }

  async #fail(what: string): Promise<never> {
    const asked = this.model.since(0).map(({ newest }) => newest.slice(-400));
    assert.fail(
      `${this.#host.title}: ${what}; its screen:\n${await this.screen()}\nThe model was asked:\n${asked.join('\n---\n')}`,
    );
  }

  async #end(): Promise<void> {
    await this.#terminal?.end();
    this.#piped?.kill();
    this.model.end();
    await endAll(this.home);
    // A program that was killed may still have been writing.
    await rm(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Of a session, or of `ipc watch`. */
export function isNotice(newest: string): boolean {
  return /\[ipc\] Automatic notice|^\d+ messages? waits? in "ann"/m.test(newest);
}

function isWatchResult(newest: string): boolean {
  return /You will be woken|moved to the background|To be woken, start/.test(newest);
}

export const watch = { name: mailTool, given: { operation: 'watch', mailbox: 'ann' } };
export const wait = { name: mailTool, given: { operation: 'wait', mailbox: 'ann', timeout: 5 } };

/** As the tool tells it. */
function inBackground(command: string, isAsync: boolean): Reply {
  const how = isAsync ? { mode: 'async' } : { run_in_background: true };
  return { name: /^bash$/i, given: { command, description: 'Wait for mail', ...how } };
}

/** What the agent does in a turn. */
export function replyOf(newest: string): Reply | undefined {
  if (isNotice(newest)) return wait;
  const ticket = /after \\?"([0-9a-v]{4}-\d+)/.exec(newest)?.[1];
  if (ticket) return { name: mailTool, given: { ...watch.given, after: ticket } };
  const command = /start `(.+)` with the tool bash/i.exec(newest)?.[1];
  if (command) return inBackground(command, newest.includes('mode "async"'));
  return newest.includes('watch the mailbox') ? watch : undefined;
}
