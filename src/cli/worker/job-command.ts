// One run of the command of `ipc work`, in a process group of its own:
// 1. It gets the body on stdin. Its stdout is kept as the answer, its stderr is passed on, and the end kept.
// 2. It is over when it has exited and its stdout is closed.
// 3. At the timeout, or when the worker is to end at once, the group gets SIGTERM, and SIGKILL after a grace
//    period. Then the run is over, even if a process that left the group keeps the pipes open.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError, systemErrorCode } from '../../base/errors.ts';
import { bodyBytesMax } from '../../base/limits.ts';

/** Between SIGTERM and SIGKILL. */
export const killGraceMs = 5_000;
/** How long a process that got SIGKILL may take to end, before the run is over without it. */
const endMs = 1_000;
/** How long the rest of stderr is waited for when the command has ended; a child of it may keep it open. */
const stderrMs = 200;
const stderrTailBytes = 4_096;

export interface JobCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** No limit unless given. */
  readonly timeoutMs: number | undefined;
  /** Ends the command at once. */
  readonly killSignal: AbortSignal;
  /** Without it, the output is only counted. */
  readonly keepsOutput: boolean;
  passStderr(chunk: Buffer): Promise<void>;
}

/** How a run ended. */
export type JobEnding =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'timeout' }
  /** The worker ended it. */
  | { readonly kind: 'killed' };

export interface JobRun {
  readonly ending: JobEnding;
  readonly ms: number;
  readonly output: Buffer;
  /** All that it printed, also what is not in `output`. */
  readonly outputBytes: number;
  /** The end of what it wrote to stderr. */
  readonly stderr: Buffer;
}

/** The command could not be started, so the attempt does not count. */
export class NotStarted extends IpcError {
  /** The machine is out of processes, open files or memory: the command is not at fault. */
  readonly mayPass: boolean;

  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super('bad_parameter', `the command cannot be started (${reason})`, {
      cause,
      hint: 'name a program that is there and may be run',
    });
    this.mayPass = ['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'].includes(systemErrorCode(cause));
  }
}

/** Throws `NotStarted` when there was no process. */
export async function runJob(job: JobCommand, body: Buffer): Promise<JobRun> {
  const begunMs = performance.now();
  const { command, args, env, timeoutMs, killSignal } = job;
  // A process group of its own keeps Ctrl-C from the command.
  const child = spawn(command, args, { env, stdio: 'pipe', detached: true });
  const group = new ProcessGroup(child);
  let stopped: JobEnding | undefined;
  const stop = (kind: 'timeout' | 'killed') => {
    stopped ??= { kind };
    group.stop();
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => stop('timeout'), timeoutMs);
  const kill = () => stop('killed');
  try {
    // First of all: a child that failed to start may have no pipes, and its error event needs a listener.
    const ending = endingOf(child);
    if (killSignal.aborted) kill();
    else killSignal.addEventListener('abort', kill, { once: true });
    // A command need not read its stdin.
    child.stdin?.on('error', () => {}).end(body);
    const stderr = new Tail(stderrTailBytes);
    const stderrRead = passOn(child.stderr, stderr, job.passStderr);
    const output = outputOf(child.stdout, job.keepsOutput);
    const done = await Promise.race([Promise.all([ending, output]), group.givenUp]);
    const late = sleep(stderrMs, undefined, { ref: false });
    await Promise.race([stderrRead, late]);
    const ms = performance.now() - begunMs;
    const [ended, { kept, bytes }] = done ?? [undefined, { kept: noBytes, bytes: 0 }];
    const how = stopped ?? ended ?? { kind: 'killed' };
    return { ending: how, ms, output: kept, outputBytes: bytes, stderr: stderr.bytes };
  } finally {
    clearTimeout(timer);
    killSignal.removeEventListener('abort', kill);
    group.end();
  }
}

const noBytes = Buffer.alloc(0);

/** The command and its children, but for those that have left the group. */
class ProcessGroup {
  readonly givenUp: Promise<undefined>;
  readonly #child: ChildProcess;
  readonly #timers: NodeJS.Timeout[] = [];
  #giveUp: () => void = () => {};

  constructor(child: ChildProcess) {
    this.#child = child;
    this.givenUp = new Promise((resolve) => {
      this.#giveUp = () => resolve(undefined);
    });
  }

  stop(): void {
    if (this.#timers.length > 0) return;
    this.#kill('SIGTERM');
    this.#timers.push(
      setTimeout(() => this.#kill('SIGKILL'), killGraceMs),
      setTimeout(this.#giveUp, killGraceMs + endMs),
    );
  }

  /** After a stop nothing of the group stays. */
  end(): void {
    if (this.#timers.length === 0) return;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#kill('SIGKILL');
    for (const pipe of this.#child.stdio) pipe?.destroy();
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    try {
      if (pid !== undefined) process.kill(-pid, signal);
    } catch {
      // The group has ended.
    }
  }
}

/** The last bytes of a stream. */
class Tail {
  bytes: Buffer = noBytes;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(chunk: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, chunk]).subarray(-this.#bytesMax);
  }
}

async function passOn(
  stream: Readable | null,
  tail: Tail,
  pass: (chunk: Buffer) => Promise<void>,
): Promise<void> {
  try {
    for await (const chunk of stream ?? []) {
      tail.add(chunk);
      await pass(chunk);
    }
  } catch {
    // The run is over, and its pipes are closed.
  }
}

/** Reads all, but keeps no more than fits into a message. */
async function outputOf(
  stdout: Readable | null,
  keepsOutput: boolean,
): Promise<{ kept: Buffer; bytes: number }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdout ?? []) {
    bytes += chunk.length;
    if (keepsOutput && bytes <= bodyBytesMax) chunks.push(chunk);
  }
  return { kept: Buffer.concat(chunks), bytes };
}

async function endingOf(child: ChildProcess): Promise<JobEnding> {
  try {
    const [code, signal] = await once(child, 'exit');
    return signal === null ? { kind: 'exit', code } : { kind: 'signal', signal };
  } catch (error) {
    throw new NotStarted(error);
  }
}
