// A real program that runs agents, in a terminal of its own, with a mock model and a home that is removed. Its first
// turn calls the tool of bell-server.ts and ends. Then the test rings, through one of our paths, and waits until the
// model is asked again, with the text of the ring.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { endAll } from './home-processes.ts';
import { MockModel } from './mock-model.ts';
import type { RealHost } from './real-hosts.ts';
import { TmuxTerminal } from './tmux.ts';

/** From the start of the program to the end of its first turn. Long tests have time for a busy machine. */
const startMsMax = process.env.IPC_TEST_LONG === '1' ? 300_000 : 80_000;
/** From a ring to the turn that it starts. */
const wakeMsMax = 30_000;

const prompt = 'watch the mailbox';

const bellServer = fileURLToPath(new URL('bell-server.js', import.meta.url));

/** What bell-server.ts reports of the path that it found. */
export interface FoundPath {
  /** The name that the host reported. */
  readonly host: string;
  /** '' if there is none. */
  readonly path: string;
  readonly words: string;
}

export class WakeRig {
  readonly model: MockModel;
  /** The user's home. */
  readonly home: string;
  readonly #work: string;
  readonly #test: Server;
  #terminal: TmuxTerminal | undefined;
  #bell: Socket | undefined;
  #reports: AsyncIterator<string> | undefined;

  private constructor(home: string, model: MockModel, test: Server) {
    this.home = home;
    this.#work = join(home, 'work');
    this.model = model;
    this.#test = test;
  }

  /** With everything but the host's program. */
  static async open(context: TestContext): Promise<WakeRig> {
    const home = await mkdtemp(join(tmpdir(), 'ipc-'));
    const model = await MockModel.start();
    model.planCall(/(^|[_-])ipc$/, { operation: 'watch', mailbox: 'ann' });
    const test = createServer();
    const rig = new WakeRig(home, model, test);
    context.after(() => rig.#end());
    await mkdir(rig.#work);
    test.listen(0, '127.0.0.1');
    await once(test, 'listening');
    return rig;
  }

  /** Runs the first turn. `program`: the one that the agent may be told to start. */
  async start(host: RealHost, program = 'ipc'): Promise<FoundPath> {
    const signal = AbortSignal.timeout(startMsMax);
    const { port } = this.#test.address() as AddressInfo;
    const { words, env } = await host.prepare({
      home: this.home,
      work: this.#work,
      url: this.model.url,
      server: [process.execPath, bellServer, `${port}`, program],
    });
    const { PATH = '' } = process.env;
    const whole = { PATH, HOME: this.home, TMPDIR: this.home, LANG: 'C.UTF-8', ...env };
    this.#terminal = await TmuxTerminal.start(this.home, { words, env: whole, cwd: this.#work });
    try {
      await this.#connected(signal);
      await this.#terminal.untilStill(signal);
      await this.#terminal.type(prompt, signal);
      const found = JSON.parse(await this.#report(signal)) as FoundPath;
      await this.model.sees(found.words || 'You will be woken.', signal);
      return found;
    } catch (error) {
      assert.fail(`${host.title}: ${error}; its screen:\n${await this.#terminal.screen()}`);
    }
  }

  /** Waits until the program rests, rings, and returns the time until the model is asked with the text. */
  async ring(text: string): Promise<number> {
    await this.untilIdle();
    const signal = AbortSignal.timeout(wakeMsMax);
    const atMs = performance.now();
    this.#bell?.write(`${text}\n`);
    const report = JSON.parse(await this.#report(signal)) as object;
    assert.deepEqual(report, { rung: text });
    return this.turnAfter(atMs, text);
  }

  /** The time until the model is asked with the text. */
  async turnAfter(atMs: number, text: string): Promise<number> {
    try {
      const request = await this.model.sees(text, AbortSignal.timeout(wakeMsMax));
      return request.atMs - atMs;
    } catch {
      assert.fail(
        `no turn within ${wakeMsMax / 1_000} s; the screen:\n${await this.#terminal?.screen()}`,
      );
    }
  }

  async untilIdle(): Promise<void> {
    await this.#terminal?.untilStill(AbortSignal.timeout(wakeMsMax));
  }

  /** The host starts its MCP servers before the first turn. */
  async #connected(signal: AbortSignal): Promise<void> {
    const [bell] = await once(this.#test, 'connection', { signal });
    this.#bell = bell;
    bell.on('error', () => {});
    this.#reports = createInterface({ input: bell })[Symbol.asyncIterator]();
  }

  /** The next line of the MCP server. */
  async #report(signal: AbortSignal): Promise<string> {
    const late = once(signal, 'abort').then(() => Promise.reject(signal.reason));
    const next = await Promise.race([this.#reports?.next(), late]);
    assert(next && !next.done, 'the MCP server has ended');
    return next.value;
  }

  async #end(): Promise<void> {
    await this.#terminal?.end();
    this.#bell?.destroy();
    this.#test.close();
    this.model.end();
    await endAll(this.home);
    // A program that was killed may still have been writing.
    await rm(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}
