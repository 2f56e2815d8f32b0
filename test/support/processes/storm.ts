// Sessions under load that are killed one after the other, owners included. A seed determines the
// victims and times; the timing within the processes is not repeatable.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readOwner } from '../../../src/journal/paths.ts';
import { freePort, makeHome } from '../places.ts';
import { pick, Random } from '../random.ts';
import { StormHistory, type StormReport } from './storm-history.ts';
import type { StormEvent, StormWords } from './storm-protocol.ts';

export interface StormOptions {
  readonly seed: number;
  readonly kills: number;
  readonly sessions: number;
  readonly mailboxes: readonly string[];
  /** The number of kills in ten that hit the owner; the others hit any session. */
  readonly ownersInTen: number;
  readonly pauseMsMax: number;
  /** One in this many next owners is killed before any session has seen it serve. */
  readonly earlyKillOneIn: number;
}

export interface StormResult extends StormReport {
  readonly kills: number;
  readonly owners: number;
  /** Time from the exit of a killed owner to the next "stored" of any session. */
  readonly takeoverMs: { readonly median: number; readonly max: number };
  /** Time from the last kill to an empty store. */
  readonly drainMs: number;
  /** The number of repeated calls by error code. */
  readonly refused: Record<string, number>;
}

const program = fileURLToPath(new URL('./storm-process.js', import.meta.url));
/** The limit for each wait of the storm. */
const patienceMs = 60_000;
/** The number of stored messages from which on sessions pause posting. */
const unreadMax = 200;

export async function storm(context: TestContext, options: StormOptions): Promise<StormResult> {
  const all: StormSession[] = [];
  context.after(() => Promise.all(all.map((session) => session.kill())));
  const home = await makeHome(context);
  return new Storm(options, home, await freePort(), all).run();
}

class Storm {
  readonly #options: StormOptions;
  readonly #home: string;
  readonly #port: number;
  readonly #random: Random;
  readonly #history = new StormHistory();
  /** The processes of all sessions ever started; the test ends them. */
  readonly #all: StormSession[];
  #alive: StormSession[] = [];
  readonly #takeovers: number[] = [];
  readonly #refused: Record<string, number> = {};
  #stored = () => {};
  #owners = 0;

  constructor(options: StormOptions, home: string, port: number, all: StormSession[]) {
    this.#options = options;
    this.#home = home;
    this.#port = port;
    this.#random = new Random(options.seed);
    this.#all = all;
  }

  async run(): Promise<StormResult> {
    const { kills, sessions } = this.#options;
    for (let count = 0; count < sessions; count++) this.#begin();
    await this.#within(
      'all sessions are ready',
      this.#all.map((session) => session.ready),
    );
    for (let count = 0; count < kills; count++) await this.#killOne();
    const began = performance.now();
    await this.#drain();
    const drainMs = Math.round(performance.now() - began);
    const takeoverMs = { median: this.#takeover(0.5), max: this.#takeover(1) };
    const figures = { kills, owners: this.#owners, takeoverMs, drainMs, refused: this.#refused };
    return { ...figures, ...this.#history.report() };
  }

  #begin(): void {
    const { mailboxes } = this.#options;
    const name = `s${this.#all.length + 1}`;
    const seed = this.#random.below(2 ** 31);
    const args = [this.#home, String(this.#port), name, mailboxes.join(','), String(seed)];
    this.#history.began(name, mailboxes);
    const session = new StormSession(args, (event) => this.#reported(name, event));
    this.#all.push(session);
    this.#alive.push(session);
  }

  #reported(name: string, event: StormEvent): void {
    this.#history.add(name, event);
    if (event.kind === 'stored') this.#stored();
    if (event.kind === 'refused') this.#refused[event.code] = (this.#refused[event.code] ?? 0) + 1;
  }

  async #killOne(): Promise<void> {
    await sleep(this.#random.below(this.#options.pauseMsMax));
    void this.#limitUnread();
    const victim = this.#victim();
    const isOwner = victim.pid === this.#ownerPid();
    this.#alive = this.#alive.filter((session) => session !== victim);
    if (isOwner) this.#history.ownerDies();
    await victim.kill();
    this.#begin();
    if (!isOwner) return;
    this.#owners += 1;
    const took = this.#nextStored();
    if (!this.#random.oneIn(this.#options.earlyKillOneIn))
      await this.#within('the next owner stores', [took]);
  }

  /**
   * Pauses posting while much is unread: takeover times are measured with a journal that is replayed
   * quickly.
   */
  async #limitUnread(): Promise<void> {
    const left = await pick(this.#random, this.#alive).messages();
    for (const session of this.#alive) session.send(left > unreadMax ? 'hold' : 'go');
  }

  #victim(): StormSession {
    const owner = this.#alive.find(({ pid }) => pid === this.#ownerPid());
    const isOwnersTurn = this.#random.below(10) < this.#options.ownersInTen;
    return isOwnersTurn && owner ? owner : pick(this.#random, this.#alive);
  }

  #ownerPid(): number | undefined {
    return readOwner(join(this.#home, `broker-${this.#port}`))?.pid;
  }

  /** Later events happen under the new owner, if it is still alive. */
  async #nextStored(): Promise<void> {
    const began = performance.now();
    await new Promise<void>((resolve) => {
      this.#stored = resolve;
    });
    this.#takeovers.push(performance.now() - began);
    const owners = this.#owners;
    const others = this.#alive.filter((session) => session.isReady);
    await Promise.all(others.map((session) => session.messages()));
    if (owners === this.#owners) this.#history.ownerServes();
  }

  async #drain(): Promise<void> {
    for (const session of this.#alive) session.send('quiet');
    await this.#within(
      'all sessions are quiet',
      this.#alive.map((session) => session.quiet),
    );
    const until = performance.now() + patienceMs;
    for (;;) {
      const [session] = this.#alive;
      assert(session);
      const left = await session.messages();
      if (left === 0) return;
      assert.ok(performance.now() < until, `${left} messages are left after ${patienceMs} ms`);
      await sleep(20);
    }
  }

  async #within(what: string, all: readonly Promise<unknown>[]): Promise<void> {
    const late = AbortSignal.timeout(patienceMs);
    const tooLate = once(late, 'abort').then(() => assert.fail(`not in ${patienceMs} ms: ${what}`));
    await Promise.race([Promise.all(all), tooLate]);
  }

  #takeover(part: number): number {
    const sorted = this.#takeovers.toSorted((one, other) => one - other);
    return Math.round(sorted[Math.ceil(part * sorted.length) - 1] ?? 0);
  }
}

class StormSession {
  readonly ready: Promise<void>;
  readonly quiet: Promise<void>;
  isReady = false;
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  readonly #asked: ((messages: number) => void)[] = [];

  constructor(args: readonly string[], onEvent: (event: StormEvent) => void) {
    this.#child = spawn(process.execPath, [program, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#gone = Promise.all([once(this.#child, 'exit'), once(this.#child, 'disconnect')]);
    this.ready = this.#first('ready').then(() => {
      this.isReady = true;
    });
    this.quiet = this.#first('quiet');
    this.#child.on('message', (event: StormEvent) => {
      if (event.kind === 'status') this.#asked.shift()?.(event.messages);
      else onEvent(event);
    });
    void this.#gone.then(() => {
      for (const answer of this.#asked) answer(0);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(words: StormWords): void {
    if (this.#child.connected) this.#child.send(words, () => {});
  }

  /** The number of unsettled messages according to the broker; 0 if the session has died. */
  messages(): Promise<number> {
    if (!this.#child.connected) return Promise.resolve(0);
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.send('status');
    });
  }

  /** Resolves when the process has ended and all its reports are received. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  #first(kind: StormEvent['kind']): Promise<void> {
    return new Promise((resolve) => {
      const look = (event: StormEvent) => {
        if (event.kind !== kind) return;
        this.#child.off('message', look);
        resolve();
      };
      this.#child.on('message', look);
    });
  }
}
