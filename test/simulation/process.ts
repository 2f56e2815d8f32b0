// A simulated process: the runtime as its code sees it. A process runs, is suspended (SIGSTOP) and
// continues, or is dead (SIGKILL or power loss). Its events then wait, or never happen.
import type { Runtime, Timer } from '../../src/base/runtime.ts';
import type { CrashDisk, ProcessDisk } from '../support/disk/crash-disk.ts';
import type { Random } from '../support/random.ts';
import type { Scheduler, SimEvent } from './scheduler.ts';

/** The wall clock at the start of the simulation. */
const timeStart = 1_700_000_000_000;

/** The environment that all processes share. */
export interface Environment {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Milliseconds by which the wall clock was set forward or back. */
  clockShiftMs: number;
  /** The duration of an asynchronous disk call, in milliseconds. */
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
  readonly #environment: Environment;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  /** Callbacks that became due while the process was suspended. */
  #waiting: (() => void)[] = [];
  #lastTurn = 0;
  /** The number of running disk calls, which continue when the process dies. */
  #callsOpen = 0;
  #onQuiet: (() => void) | undefined;

  constructor(name: string, pid: number, disk: CrashDisk, environment: Environment) {
    this.name = name;
    this.pid = pid;
    this.#environment = environment;
    this.started = timeStart;
    this.disk = disk.process((work) => this.#asynchronously(work));
  }

  get isDead(): boolean {
    return this.#state === 'dead' || this.disk.dead;
  }

  get isRunning(): boolean {
    return this.#state === 'running' && !this.isDead;
  }

  now(): number {
    return this.#environment.scheduler.now;
  }

  time(): number {
    return timeStart + Math.floor(this.now()) + this.#environment.clockShiftMs;
  }

  setTimer(callback: () => void, ms: number): Timer {
    const timer = new SimTimer();
    // Timers of an event loop are never early, and a little late.
    const lateMs = this.#environment.random.below(100) / 100;
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

  /** The scheduler runs no event before the next ticks of the last one. */
  beforeNextEvent(callback: () => void): void {
    process.nextTick(() => this.#run(callback));
  }

  /** Runs the callbacks in the order of the calls. */
  defer(callback: () => void): void {
    const now = this.now();
    this.#lastTurn =
      Math.max(this.#lastTurn, now + this.#environment.random.below(50) / 1_000) + 0.001;
    this.after(this.#lastTurn - now, callback);
  }

  randomBytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.#environment.random.below(256)));
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.setTimer(resolve, ms));
  }

  /** Runs the callback in this process if it is alive then; if it is suspended, when it continues. */
  after(ms: number, callback: () => void): SimEvent {
    return this.#environment.scheduler.after(ms, () => this.#run(callback));
  }

  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  resume(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    for (const callback of this.#waiting.splice(0)) this.defer(callback);
  }

  /**
   * `onQuiet` is called when the last disk call has ended; only then does the kernel free the other
   * resources.
   */
  kill(onDiskIdle: () => void): void {
    this.#state = 'dead';
    this.#waiting = [];
    this.disk.kill();
    if (this.#callsOpen === 0) onDiskIdle();
    else this.#onQuiet = onDiskIdle;
  }

  #run(callback: () => void): void {
    if (this.isDead) return;
    if (this.#state === 'stopped') this.#waiting.push(callback);
    else callback();
  }

  /** An asynchronous disk call. The kernel completes it even if the process dies. */
  #asynchronously(work: () => void): Promise<void> {
    this.#callsOpen += 1;
    return new Promise((resolve, reject) => {
      this.#environment.scheduler.after(this.#environment.diskMs(), () => {
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
