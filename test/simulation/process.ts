// A simulated process: the machine as the code in it sees it. It runs, is stopped (SIGSTOP) and goes
// on, or is dead (SIGKILL, or without power); what was to happen in it waits, or never comes.
import type { Runtime, Timer } from '../../src/base/runtime.ts';
import type { CrashDisk, ProcessDisk } from '../support/disk/crash-disk.ts';
import type { Random } from '../support/random.ts';
import type { Scheduler, SimEvent } from './scheduler.ts';

/** Wall clock when the simulation begins. */
const timeStart = 1_700_000_000_000;

/** What all processes share. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** By which the wall clock was set forward or back. */
  clockShiftMs: number;
  /** How long a disk call takes that does not block. */
  diskMs(): number;
}

class SimTimer implements Timer {
  event: SimEvent | undefined;

  unref(): this {
    return this;
  }
}

export class SimProcess implements Runtime {
  readonly name: string;
  readonly pid: number;
  readonly started: number;
  readonly disk: ProcessDisk;
  readonly #around: Surroundings;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  /** What came while it was stopped. */
  #waiting: (() => void)[] = [];
  #lastTurn = 0;
  /** Of the disk, which go on when the process dies. */
  #callsOpen = 0;
  #onQuiet: (() => void) | undefined;

  constructor(name: string, pid: number, disk: CrashDisk, around: Surroundings) {
    this.name = name;
    this.pid = pid;
    this.#around = around;
    this.started = timeStart;
    this.disk = disk.process((work) => this.#slowly(work));
  }

  get isDead(): boolean {
    return this.#state === 'dead' || this.disk.dead;
  }

  get isRunning(): boolean {
    return this.#state === 'running' && !this.isDead;
  }

  now(): number {
    return this.#around.scheduler.now;
  }

  time(): number {
    return timeStart + Math.floor(this.now()) + this.#around.clockShiftMs;
  }

  setTimer(callback: () => void, ms: number): Timer {
    const timer = new SimTimer();
    // The loop is never early, and a little late.
    const lateMs = this.#around.random.below(100) / 100;
    timer.event = this.after(Math.max(1, ms) + lateMs, callback);
    return timer;
  }

  setTicker(callback: () => void, ms: number): Timer {
    const timer = new SimTimer();
    const tick = (): void => {
      timer.event = this.after(ms, tick);
      callback();
    };
    timer.event = this.after(ms, tick);
    return timer;
  }

  clearTimer(timer: Timer | undefined): void {
    if (timer instanceof SimTimer && timer.event) timer.event.cancelled = true;
  }

  /** In the order asked for. */
  defer(callback: () => void): void {
    const now = this.now();
    this.#lastTurn = Math.max(this.#lastTurn, now + this.#around.random.below(50) / 1_000) + 0.001;
    this.after(this.#lastTurn - now, callback);
  }

  randomBytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.#around.random.below(256)));
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.setTimer(resolve, ms));
  }

  /** In this process, if it lives then; when it is stopped, once it goes on. */
  after(ms: number, callback: () => void): SimEvent {
    return this.#around.scheduler.after(ms, () => this.#run(callback));
  }

  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  goOn(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    for (const callback of this.#waiting.splice(0)) this.defer(callback);
  }

  /** `onQuiet` is called when its last disk call has ended: only then the kernel lets go of the rest. */
  kill(onQuiet: () => void): void {
    this.#state = 'dead';
    this.#waiting = [];
    this.disk.kill();
    if (this.#callsOpen === 0) onQuiet();
    else this.#onQuiet = onQuiet;
  }

  #run(callback: () => void): void {
    if (this.isDead) return;
    if (this.#state === 'stopped') this.#waiting.push(callback);
    else callback();
  }

  /** A disk call beside the loop. The kernel does it, whatever becomes of the process. */
  #slowly(work: () => void): Promise<void> {
    this.#callsOpen += 1;
    return new Promise((resolve, reject) => {
      this.#around.scheduler.after(this.#around.diskMs(), () => {
        this.#callsOpen -= 1;
        if (this.#callsOpen === 0) this.#onQuiet?.();
        try {
          work();
          this.after(0, resolve);
        } catch (error) {
          this.after(0, () => reject(error));
        }
      });
    });
  }
}
