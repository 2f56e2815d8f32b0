// `ipc work NAME -- COMMAND`: the worker pattern. For each message:
// 1. COMMAND gets the body on stdin, and what is known of the message in its environment.
// 2. It exits with 0: its stdout is posted to the sender, which settles the message in one step.
// 3. Otherwise the message is held for a pause that grows with its attempts, and goes back then. Others
//    are worked on meanwhile. A command that cannot be started ends the work, and one that cannot be
//    started for now, because the machine is out of processes or open files, is tried again after a
//    pause: in both cases the message goes back without having counted as attempted.
// 4. A message that says `shutdown` is settled, and ends the work once the running commands have ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { shown } from '../../app/parameters.ts';
import { damagedError, presentError } from '../../app/summaries.ts';
import { IpcError } from '../../base/errors.ts';
import { bodyBytesMax, waitMsMax } from '../../base/limits.ts';
import type { Delivery, MailService } from '../../model/mail-service.ts';
import { type Name, parseBody } from '../../model/message.ts';

export interface WorkOptions {
  readonly mailbox: Name;
  /** The name under which answers are posted. */
  readonly from: Name;
  readonly command: string;
  readonly args: readonly string[];
  /** Commands that run at the same time. */
  readonly parallel: number;
  readonly env: NodeJS.ProcessEnv;
  /** No message is begun any more; commands that run are waited for. */
  readonly signal: AbortSignal;
  /** Commands that run are ended, too. */
  readonly killSignal: AbortSignal;
  readonly say: (line: string) => Promise<void>;
  /** All of them wait for a message, or one of them has ended that. */
  readonly onIdle: (isIdle: boolean) => void;
}

export const parallelMax = 256;

/** Pause before a message goes back after its first attempt; doubled for each one more. */
export const retryMsMin = 1_000;
export const retryMsMax = 30_000;

export function parseParallel(text: string): number {
  const count = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= parallelMax) return count;
  const form = `a whole number from 1 to ${parallelMax}`;
  throw new IpcError('bad_parameter', `parallel is ${shown(text)}; it must be ${form}`);
}

/** The command could not be started, so the message was not attempted. */
class NotStarted extends IpcError {
  /** The machine is short of processes, open files or memory, which says nothing about the command. */
  readonly mayPass: boolean;

  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super('bad_parameter', `the command cannot be started (${reason})`, {
      cause,
      hint: 'name a program that is there and may be run',
    });
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    this.mayPass = ['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'].includes(code);
  }
}

/** What to report of a fault that may pass by itself; undefined for one that ends the work. */
function passingFault(error: unknown): string | undefined {
  if (error instanceof NotStarted) return error.mayPass ? error.message : undefined;
  if (error instanceof IpcError && error.kind.retry) return `${error.code}: ${error.message}`;
  return undefined;
}

export class Worker {
  readonly #mail: MailService;
  readonly #options: WorkOptions;
  readonly #ended = new AbortController();
  readonly #pauses = new Set<Promise<void>>();
  #waiting = 0;

  constructor(mail: MailService, options: WorkOptions) {
    this.#mail = mail;
    this.#options = options;
  }

  /** Returns when somebody posted `shutdown`, or the signal came; what was begun is ended then. */
  async run(): Promise<void> {
    const { parallel, signal } = this.#options;
    const end = () => this.#ended.abort();
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    const lanes = Array.from({ length: parallel }, () => this.#workOnAndOn());
    try {
      await Promise.all(lanes.map((lane) => lane.finally(end)));
    } finally {
      signal.removeEventListener('abort', end);
      await Promise.allSettled([...lanes, ...this.#pauses]);
    }
  }

  async #workOnAndOn(): Promise<void> {
    for (let failures = 0; !this.#ended.signal.aborted; ) {
      try {
        const delivery = await this.#next();
        if (delivery) await this.#handle(delivery);
        failures = 0;
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        const fault = passingFault(error);
        if (fault === undefined) throw error;
        await this.#options.say(`${fault}. Trying again.`);
        await this.#pause(++failures);
      }
    }
  }

  async #next(): Promise<Delivery | undefined> {
    const { mailbox, parallel, onIdle } = this.#options;
    if (++this.#waiting === parallel) onIdle(true);
    try {
      const { signal } = this.#ended;
      return await this.#mail.wait(mailbox, { timeoutMs: waitMsMax, signal });
    } finally {
      if (this.#waiting-- === parallel) onIdle(false);
    }
  }

  async #handle(delivery: Delivery): Promise<void> {
    const { body, envelope } = delivery;
    if (!body) {
      await this.#options.say(presentError(damagedError(delivery)));
      await this.#mail.settle([delivery]);
      return;
    }
    if (body.toString('utf8').trim() === 'shutdown') {
      await this.#mail.settle([delivery]);
      this.#ended.abort();
      return;
    }
    try {
      await this.#answer(delivery, await this.#runCommand(delivery, body));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (error instanceof NotStarted) {
        await this.#mail.release([delivery], { unread: true });
        throw error;
      }
      const { attempt } = delivery;
      await this.#options.say(`#${envelope.number}, attempt ${attempt}: ${error.message}`);
      this.#putBackLater(delivery);
    }
  }

  async #answer(delivery: Delivery, output: Buffer): Promise<void> {
    const { id, from: to } = delivery.envelope;
    if (to === '') {
      await this.#mail.settle([delivery]);
      return;
    }
    const body = parseBody(output, 'the output of the command');
    const options = { from: this.#options.from, answers: id, settles: [delivery] };
    const { notHeld } = await this.#mail.post(to, body, options);
    if (notHeld.length > 0)
      throw new IpcError('not_held', 'answered, but another session holds it');
  }

  /** Its stdout; throws unless it exits with 0. */
  async #runCommand({ envelope, mailbox, attempt }: Delivery, body: Buffer): Promise<Buffer> {
    const { command, args, killSignal } = this.#options;
    const env = {
      ...this.#options.env,
      IPC_FROM: envelope.from,
      IPC_ID: envelope.id,
      IPC_ATTEMPT: `${attempt}`,
      IPC_MAILBOX: mailbox,
    };
    // Of a process group of its own: Ctrl-C ends the work after the command, not the command.
    const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    const kill = () => killGroup(child);
    killSignal.addEventListener('abort', kill, { once: true });
    try {
      // Before anything else is done with it: a child that failed to start may have no pipes at all,
      // and its error must find a listener.
      const ending = howEnded(child);
      // A command need not read what it gets.
      child.stdin?.on('error', () => {}).end(body);
      const [output, how] = await Promise.all([outputOf(child), ending]);
      if (how !== undefined) throw new Error(`${command} ${how}`);
      return output;
    } finally {
      killSignal.removeEventListener('abort', kill);
    }
  }

  /** At the end of the work nothing is paused for. */
  #putBackLater(delivery: Delivery): void {
    const back = this.#pause(delivery.attempt)
      .then(() => this.#mail.release([delivery]))
      // A session that ends releases what it holds.
      .catch(() => {})
      .finally(() => this.#pauses.delete(back));
    this.#pauses.add(back);
  }

  async #pause(attempt: number): Promise<void> {
    const ms = Math.min(retryMsMin * 2 ** (attempt - 1), retryMsMax);
    await sleep(ms, undefined, { signal: this.#ended.signal }).catch(() => {});
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGTERM');
  } catch {
    // It has ended by itself.
  }
}

/** More than a message holds is not kept. */
async function outputOf({ stdout }: ChildProcess): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdout ?? []) {
    bytes += chunk.length;
    if (bytes <= bodyBytesMax) chunks.push(chunk);
  }
  if (bytes <= bodyBytesMax) return Buffer.concat(chunks);
  throw new Error(`its output has ${bytes} bytes; the limit is ${bodyBytesMax}`);
}

/** undefined for an exit with 0. Throws when it was never started. */
async function howEnded(child: ChildProcess): Promise<string | undefined> {
  try {
    const [code, signal] = await once(child, 'exit');
    if (code === 0) return undefined;
    return signal === null ? `exited with ${code}` : `was ended by ${signal}`;
  } catch (error) {
    throw new NotStarted(error);
  }
}
