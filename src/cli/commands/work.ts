// `ipc work NAME -- COMMAND`: the worker pattern. For each message:
// 1. COMMAND gets the body on stdin, and the envelope in its environment.
// 2. It exits with 0: its stdout is posted to the sender, which settles the message in the same step.
// 3. Otherwise the message is held for a pause that grows with its attempts, and then released. Other
//    messages are worked on meanwhile. A command that cannot be started ends the work. If only the machine
//    is out of processes or open files, the command is tried again after a pause. In both cases the message
//    is released unread, so the attempt does not count.
// 4. A message `shutdown` is settled, and ends the work once the running commands have ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { type CallOf, parseParameters } from '../../app/operations.ts';
import { shown } from '../../app/parameters.ts';
import { quoted } from '../../app/sanitize.ts';
import { damagedError, presentError } from '../../app/summaries.ts';
import { IpcError, systemErrorCode } from '../../base/errors.ts';
import { bodyBytesMax, waitMsMax } from '../../base/limits.ts';
import type { Delivery, MailService } from '../../model/mail-service.ts';
import { type Name, parseBody, parseName } from '../../model/message.ts';
import { parameterWords, withExamples } from '../command-parts.ts';
import { say, sayWaiting, warn } from '../output.ts';
import { type CommandContext, endingSignals, execute, exitSuccess, whenAborted } from '../run.ts';

export interface WorkOptions {
  readonly mailbox: Name;
  /** The name under which answers are posted. */
  readonly from: Name;
  readonly command: string;
  readonly args: readonly string[];
  /** Limit of commands that run at the same time. */
  readonly parallel: number;
  readonly env: NodeJS.ProcessEnv;
  /** Ends the work: no further message is begun, and the running commands are waited for. */
  readonly signal: AbortSignal;
  /** Ends the running commands, too. */
  readonly killSignal: AbortSignal;
  readonly say: (line: string) => Promise<void>;
}

const parallelMax = 256;

/** Pause before a message is released after its first attempt; doubled for each further attempt. */
export const retryMsMin = 1_000;
export const retryMsMax = 30_000;

const afterOptions = `
COMMAND gets the body on stdin. When it exits with 0, its stdout is posted to
the sender. Put \`--\` before a command that has options. The work ends when
somebody posts \`shutdown\`, or with Ctrl-C. \`ipc help worker\` explains more.`;

export function addWorkCommand(program: Command): void {
  const command = program
    .command('work')
    .description('Run a command for each message, and post its output to the sender.')
    .argument('<mailbox>', parameterWords('wait', 'mailbox'))
    .argument('<command...>', 'the command and its arguments')
    .option('--from <from>', 'the name that answers; the mailbox by default')
    .option('--parallel <parallel>', `commands at the same time, 1-${parallelMax}; 1 by default`)
    .option('--host <host>', parameterWords('wait', 'host'))
    .option('--port <port>', parameterWords('wait', 'port'))
    .addHelpText('after', afterOptions)
    .action(async (mailbox, words, { parallel, from, ...options }) => {
      const { given } = parseParameters('wait', { mailbox, ...options });
      const plan = {
        parallel: parallel === undefined ? 1 : parseParallel(parallel),
        from: from === undefined ? given.mailbox : parseName(from, 'from'),
        words,
      };
      process.exit(await execute((context) => work(given, plan, context), {}));
    });
  withExamples(command, 'ipc work upper -- tr a-z A-Z', 'ipc work jobs --parallel 4 -- ./job.sh');
}

async function work(
  given: CallOf<'wait'>['given'],
  { words, ...plan }: Pick<WorkOptions, 'parallel' | 'from'> & { words: readonly string[] },
  { context, signal }: CommandContext,
): Promise<number> {
  const { mail } = await context.broker(given);
  const killer = new AbortController();
  whenAborted(signal, () => {
    for (const name of endingSignals) process.once(name, () => killer.abort());
    void say('ipc: ending after the running commands; Ctrl-C again ends those, too.');
  });
  const { mailbox } = given;
  const [command = '', ...args] = words;
  await sayWaiting(`messages in ${quoted(mailbox)}`);
  const options = { mailbox, command, args, env: process.env, signal, killSignal: killer.signal };
  await new Worker(mail, { ...options, ...plan, say: warn }).run();
  return exitSuccess;
}

function parseParallel(text: string): number {
  const count = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= parallelMax) return count;
  const form = `a whole number from 1 to ${parallelMax}`;
  throw new IpcError('bad_parameter', `parallel is ${shown(text)}; it must be ${form}`);
}

/** The command could not be started, so the attempt does not count. */
class NotStarted extends IpcError {
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

/** Describes an error that may pass by itself; undefined for one that ends the work. */
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

  constructor(mail: MailService, options: WorkOptions) {
    this.#mail = mail;
    this.#options = options;
  }

  /** Returns after a message `shutdown` or the signal, when all messages that were begun are done. */
  async run(): Promise<void> {
    const { parallel, signal } = this.#options;
    const end = () => this.#ended.abort();
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    const lanes = Array.from({ length: parallel }, () => this.#handleMessages());
    try {
      await Promise.all(lanes.map((lane) => lane.finally(end)));
    } finally {
      signal.removeEventListener('abort', end);
      await Promise.allSettled([...lanes, ...this.#pauses]);
    }
  }

  async #handleMessages(): Promise<void> {
    const { signal } = this.#ended;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const options = { timeoutMs: waitMsMax, signal };
        const delivery = await this.#mail.wait(this.#options.mailbox, options);
        if (delivery) await this.#handle(delivery);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const fault = passingFault(error);
        if (fault === undefined) throw error;
        await this.#options.say(`${fault}. Trying again.`);
        await this.#pause(++failures);
      }
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
      this.#releaseLater(delivery);
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

  /** Returns the command's stdout; throws unless it exits with 0. */
  async #runCommand({ envelope, mailbox, attempt }: Delivery, body: Buffer): Promise<Buffer> {
    const { command, args, killSignal } = this.#options;
    const env = {
      ...this.#options.env,
      IPC_FROM: envelope.from,
      IPC_ID: envelope.id,
      IPC_ATTEMPT: `${attempt}`,
      IPC_MAILBOX: mailbox,
    };
    // A process group of its own keeps Ctrl-C from the command.
    const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    const kill = () => killGroup(child);
    killSignal.addEventListener('abort', kill, { once: true });
    try {
      // First of all: a child that failed to start may have no pipes, and its error event needs a listener.
      const ending = howEnded(child);
      // A command need not read its stdin.
      child.stdin?.on('error', () => {}).end(body);
      const [output, how] = await Promise.all([outputOf(child), ending]);
      if (how !== undefined) throw new Error(`${command} ${how}`);
      return output;
    } finally {
      killSignal.removeEventListener('abort', kill);
    }
  }

  /** The end of the work ends the pause. */
  #releaseLater(delivery: Delivery): void {
    const released = this.#pause(delivery.attempt)
      .then(() => this.#mail.release([delivery]))
      // A session that ends releases what it holds.
      .catch(() => {})
      .finally(() => this.#pauses.delete(released));
    this.#pauses.add(released);
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
    // The group has ended.
  }
}

/** Reads all of stdout, but keeps no more than fits into a message. */
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

/** undefined for an exit with 0. Throws `NotStarted` when the child was never started. */
async function howEnded(child: ChildProcess): Promise<string | undefined> {
  try {
    const [code, signal] = await once(child, 'exit');
    if (code === 0) return undefined;
    return signal === null ? `exited with ${code}` : `was ended by ${signal}`;
  } catch (error) {
    throw new NotStarted(error);
  }
}
