// The worker pattern. For each message of the mailbox:
// 1. The command gets the body on stdin, and the envelope in its environment.
// 2. It exits with 0: its stdout is posted to the sender, which settles the message in the same step. If the
//    message is itself an answer of `ipc work`, or ends a long chain, it is settled, and the output dropped.
// 3. It fails, or exceeds the timeout: the message is held for a pause that grows with its attempts, and then
//    released. Other messages are worked on meanwhile.
// 4. It fails for good, because its attempts are used up or the next one would fail alike: the sender gets an
//    answer with the reason, and then the message is rejected, so that it waits in `dead-letters`. A crash
//    between the two steps repeats the job: the sender may be answered twice, but is answered.
// 5. It cannot be started: the message is released unread, and the work ends. If only the machine is out of
//    processes or open files, the command is tried again after a pause. In both cases no attempt counts.
// A message `shutdown` is answered and settled, and ends the work once the running commands have ended.
import { isUtf8 } from 'node:buffer';
import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { RateLimiter } from '../../app/rate-limit.ts';
import { damagedError } from '../../app/summaries.ts';
import { BoundedMap } from '../../base/bounded-map.ts';
import { IpcError } from '../../base/errors.ts';
import {
  attemptsMax,
  bodyBytesMax,
  chainDepthMax,
  ratePairsMax,
  waitMsMax,
} from '../../base/limits.ts';
import { quoted } from '../../base/quoted.ts';
import type { Delivery, MailService } from '../../model/mail-service.ts';
import {
  deadLetterMailbox,
  type Envelope,
  isShutdown,
  type MessageId,
  type Name,
  parseBody,
} from '../../model/message.ts';
import { FaultReport } from '../fault-report.ts';
import { programName } from '../program-name.ts';
import { failureAnswer, shutdownAnswer } from './failure-answer.ts';
import { type JobCommand, type JobRun, NotStarted, runJob } from './job-command.ts';
import type { JobNews } from './job-report.ts';

export interface WorkOptions {
  readonly mailbox: Name;
  /** The name under which answers are posted. */
  readonly from: Name;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Limit of commands that run at the same time. */
  readonly parallel: number;
  /** A job that fails at this attempt has failed for good. */
  readonly attempts: number;
  /** Of one run of the command; no limit unless given. */
  readonly timeoutMs: number | undefined;
  /** Limit of answers to one sender; 0: no limit. */
  readonly sendsPerHour: number;
  /** Whether a message `shutdown` ends the work. */
  readonly shutdown: boolean;
  /** Ends the work: no further message is begun, and the running commands are waited for. */
  readonly signal: AbortSignal;
  /** Ends the running commands, too. */
  readonly killSignal: AbortSignal;
  report(delivery: Delivery, news: JobNews): Promise<void>;
  passStderr(chunk: Buffer): Promise<void>;
  /** A problem that the user must see. */
  warn(line: string): void;
  sayError(error: IpcError): Promise<void>;
  /** The line to type that has a dead letter done again. */
  retryLine(id: MessageId): string;
}

/** Pause before a message is released after its first attempt; doubled for each further attempt. */
export const retryMsMin = 1_000;
export const retryMsMax = 30_000;

/** Why a job failed. */
interface JobFailure {
  readonly reason: string;
  /** The next attempt would fail alike. */
  readonly isFinal: boolean;
}

/** Exit codes of shells and of `env`, `nice` and the like: a command may not be executed, or is not there. */
const exitNoCommand = [126, 127];

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
  readonly #faults: FaultReport;
  readonly #rate: RateLimiter | undefined;
  /** Senders of which the user was warned that their answers wait. */
  readonly #delayed = new BoundedMap<string, true>(ratePairsMax);
  #running = 0;

  constructor(mail: MailService, options: WorkOptions) {
    this.#mail = mail;
    this.#options = options;
    // Each lane waits for its end, and each command that runs: Node would warn of more than ten.
    setMaxListeners(0, this.#ended.signal, options.killSignal);
    this.#faults = new FaultReport((line) => options.warn(line));
    const { sendsPerHour } = options;
    this.#rate = sendsPerHour ? new RateLimiter(sendsPerHour, () => performance.now()) : undefined;
  }

  /** Commands that run now. */
  get running(): number {
    return this.#running;
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
        this.#faults.passed();
      } catch (error) {
        if (signal.aborted) return;
        const fault = passingFault(error);
        if (fault === undefined) throw error;
        this.#faults.report(fault);
        await this.#pause(pauseMsAfter(++failures));
      }
    }
  }

  async #handle(delivery: Delivery): Promise<void> {
    const { body } = delivery;
    if (!body) return this.#handleDamaged(delivery);
    if (this.#options.shutdown && isShutdown(body)) {
      return this.#shutDown(delivery);
    }
    await this.#options.report(delivery, { event: 'begun' });
    const run = await this.#run(delivery, body);
    const failure = failureOf(run, delivery, this.#options);
    if (failure) await this.#failed(delivery, run, failure);
    else await this.#answer(delivery, run);
  }

  async #run(delivery: Delivery, body: Buffer): Promise<JobRun> {
    this.#running++;
    try {
      return await runJob(this.#jobFor(delivery), body);
    } catch (error) {
      if (error instanceof NotStarted) await this.#mail.release([delivery], { unread: true });
      throw error;
    } finally {
      this.#running--;
    }
  }

  #jobFor({ envelope, mailbox, attempt }: Delivery): JobCommand {
    const env = {
      ...this.#options.env,
      IPC_FROM: envelope.from,
      IPC_ID: envelope.id,
      IPC_ATTEMPT: `${attempt}`,
      IPC_MAILBOX: mailbox,
    };
    return { ...this.#options, env, keepsOutput: isAnswerable(envelope) };
  }

  async #answer(delivery: Delivery, run: JobRun): Promise<void> {
    const { report } = this.#options;
    if (!isAnswerable(delivery.envelope)) {
      await this.#mail.settle([delivery]);
      return report(delivery, { event: 'done', run });
    }
    const body = parseBody(run.output, 'the output of the command');
    try {
      if (!(await this.#rateLimited(delivery, () => this.#postAnswer(delivery, body)))) {
        const { number } = delivery.envelope;
        this.#options.warn(`ipc: #${number} is answered, but another session holds it by now.`);
        return;
      }
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      const reason = `the answer cannot be posted (${error.code}: ${error.message})`;
      // The command is not at fault, so only the broker's limit of attempts counts.
      return this.#failed(delivery, run, { reason, isFinal: delivery.attempt >= attemptsMax });
    }
    await report(delivery, { event: 'answered', run });
  }

  /**
   * Waits until the sender may be answered; the message is held meanwhile, and its command does not run again.
   * When the work ends, the few answers that still wait are posted at once.
   */
  async #rateLimited<Result>(
    { envelope: { from: to } }: Delivery,
    send: () => Promise<Result>,
  ): Promise<Result> {
    const { from, sendsPerHour } = this.#options;
    while (this.#rate && !this.#ended.signal.aborted) {
      const ms = this.#rate.msUntilReady(from, to);
      if (ms === 0) return this.#rate.run(from, [to], send);
      if (!this.#delayed.has(to)) {
        const limit = `its limit of ${sendsPerHour} answers an hour (--sends-per-hour)`;
        this.#options.warn(`ipc: ${quoted(to)} has reached ${limit}; further answers wait.`);
      }
      this.#delayed.set(to, true);
      await this.#pause(ms);
    }
    return send();
  }

  /** Settles the message in the same step. Returns false if another session holds it. */
  async #postAnswer(delivery: Delivery, body: Buffer): Promise<boolean> {
    const { id: answers, from: to } = delivery.envelope;
    const options = { from: this.#options.from, answers, settles: [delivery] };
    const { notHeld } = await this.#mail.post(to as Name, body, options);
    return notHeld.length === 0;
  }

  async #failed(delivery: Delivery, run: JobRun, { reason, isFinal }: JobFailure): Promise<void> {
    if (run.ending.kind === 'killed') {
      await this.#options.report(delivery, { event: 'released', run, reason });
      return this.#mail.release([delivery]);
    }
    if (!isFinal) return this.#retryLater(delivery, run, reason);
    const outcome = await this.#giveUp(delivery, run, reason);
    await this.#options.report(delivery, { event: 'failed', run, reason, outcome });
  }

  /** Answers the sender, and moves the message to `dead-letters`. Returns where it is then. */
  async #giveUp(delivery: Delivery, run: JobRun, reason: string): Promise<string> {
    const { from, id } = delivery.envelope;
    // Its sender was answered before it got here. Released, it would be redelivered at once, for ever.
    if (delivery.mailbox === deadLetterMailbox) return 'it stays here until this worker ends';
    const ofAttempt = `${reason}, attempt ${delivery.attempt}`;
    const line = this.#options.retryLine(id);
    const place = `It waits in ${deadLetterMailbox}; \`${line}\` has it done again.`;
    const body = failureAnswer(ofAttempt, place, run.stderr);
    try {
      if (mayReport(delivery)) {
        const options = { from: this.#options.from, answers: id };
        await this.#rateLimited(delivery, () => this.#mail.post(from as Name, body, options));
      }
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      this.#options.warn(
        `ipc: #${delivery.envelope.number}: its sender cannot be answered (${error.code}: ${error.message}).`,
      );
    }
    try {
      await this.#mail.release([delivery], { rejected: true });
      return `it waits in ${deadLetterMailbox}`;
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      return `it cannot be moved to ${deadLetterMailbox} (${error.code}), and stays here until this worker ends`;
    }
  }

  /** The body is lost, so nothing can be tried again. */
  async #handleDamaged(delivery: Delivery): Promise<void> {
    await this.#options.sayError(damagedError(delivery));
    const reason = 'the message was damaged on disk';
    const body = failureAnswer(reason, 'Post it again.', Buffer.alloc(0));
    await this.#answerAndSettle(delivery, body);
  }

  async #shutDown(delivery: Delivery): Promise<void> {
    await this.#answerAndSettle(delivery, shutdownAnswer);
    this.#ended.abort();
    await this.#options.report(delivery, { event: 'shutdown' });
  }

  /** Settles it even if its sender cannot be answered. */
  async #answerAndSettle(delivery: Delivery, body: Buffer): Promise<void> {
    if (mayReport(delivery)) {
      const isDone = await this.#postAnswer(delivery, body).then(
        () => true,
        () => false,
      );
      if (isDone) return;
    }
    await this.#mail.settle([delivery]);
  }

  async #retryLater(delivery: Delivery, run: JobRun, reason: string): Promise<void> {
    const pauseMs = pauseMsAfter(delivery.attempt);
    await this.#options.report(delivery, { event: 'retried', run, reason, pauseMs });
    // The end of the work ends the pause.
    const released = this.#pause(pauseMs)
      .then(() => this.#mail.release([delivery]))
      // A session that ends releases what it holds.
      .catch(() => {})
      .finally(() => this.#pauses.delete(released));
    this.#pauses.add(released);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#ended.signal }).catch(() => {});
  }
}

/**
 * Whether the output is posted to the sender. An answer of `ipc work` is not answered, or two workers, or one
 * that works on its own answers, would go on for ever. No other command of this program posts answers. Those
 * of agents are answered: over MCP a question that names a ticket answers the message of the ticket, too. So an
 * agent and a worker can go on, until the chain of their answers has its limit.
 */
function isAnswerable({ from, answers, depth, origin }: Envelope): boolean {
  if (from === '' || depth >= chainDepthMax) return false;
  return answers === '' || origin.program !== programName;
}

/** Whether the sender gets a report in the worker's own words. This worker must not take it for a job. */
function mayReport({ envelope, mailbox }: Delivery): boolean {
  return isAnswerable(envelope) && envelope.from !== mailbox;
}

function pauseMsAfter(failures: number): number {
  return Math.min(retryMsMin * 2 ** (failures - 1), retryMsMax);
}

/** undefined for a run whose output is the answer. */
function failureOf(
  { ending, output, outputBytes }: JobRun,
  { envelope, attempt }: Delivery,
  { attempts, timeoutMs = 0 }: WorkOptions,
): JobFailure | undefined {
  const isLast = attempt >= attempts;
  switch (ending.kind) {
    case 'killed':
      return { reason: 'ended with the work', isFinal: false };
    case 'timeout':
      return { reason: `timeout of ${timeoutMs / 1_000} s`, isFinal: isLast };
    case 'signal':
      return { reason: `signal ${ending.signal}`, isFinal: isLast };
    case 'exit': {
      const { code } = ending;
      if (exitNoCommand.includes(code)) {
        const what = code === 127 ? 'a command was not found' : 'a command cannot be executed';
        return { reason: `exit ${code} (${what})`, isFinal: true };
      }
      if (code !== 0) return { reason: `exit ${code}`, isFinal: isLast };
      // The output is not posted.
      if (!isAnswerable(envelope)) return undefined;
      if (outputBytes > bodyBytesMax) {
        const reason = `output of ${outputBytes} bytes (limit ${bodyBytesMax})`;
        return { reason, isFinal: true };
      }
      return isUtf8(output) ? undefined : { reason: 'output is not UTF-8', isFinal: true };
    }
  }
}
