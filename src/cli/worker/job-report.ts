// What `ipc work` reports of each job: a line on stderr, or with `--json` an object on stdout.
import { byteCount } from '../../app/summaries.ts';
import { quoted } from '../../base/quoted.ts';
import type { Delivery } from '../../model/mail-service.ts';
import type { OutputFields } from '../command-parts.ts';
import { lastLines } from './failure-answer.ts';
import type { JobRun } from './job-command.ts';

/** What happened to a job. */
export type JobNews =
  | { readonly event: 'begun' | 'shutdown' }
  /** Its output was posted to the sender, or there is no sender to answer. */
  | { readonly event: 'answered' | 'done'; readonly run: JobRun }
  /** It is redelivered after the pause. */
  | {
      readonly event: 'retried';
      readonly run: JobRun;
      readonly reason: string;
      readonly pauseMs: number;
    }
  /** The end of the work ended it; it is redelivered. */
  | { readonly event: 'released'; readonly run: JobRun; readonly reason: string }
  /** For good. `outcome`: where the message is now. */
  | {
      readonly event: 'failed';
      readonly run: JobRun;
      readonly reason: string;
      readonly outcome: string;
    };

export const jobFields: OutputFields = {
  event: 'begun, answered, done, retried, released, failed or shutdown',
  number: 'its number in the store',
  id: 'the id of the message',
  from: 'the name of the sender; "" when it gave none',
  attempt: 'how many times it was delivered, this time included',
  ms: 'how long the command ran',
  exit: 'its exit code',
  signal: 'the signal that ended it',
  bytes: 'of its output',
  reason: 'why it failed',
  stderr: 'the end of its stderr, when it failed',
};

export function jobObject({ envelope, attempt }: Delivery, news: JobNews): object {
  const { number, id, from } = envelope;
  const run = 'run' in news ? news.run : undefined;
  const reason = 'reason' in news ? news.reason : undefined;
  const ending = run?.ending;
  return {
    event: news.event,
    number,
    id,
    from,
    attempt,
    ms: run && Math.round(run.ms),
    exit: ending?.kind === 'exit' ? ending.code : undefined,
    signal: ending?.kind === 'signal' ? ending.signal : undefined,
    bytes: run?.outputBytes,
    reason,
    stderr: reason === undefined || !run ? undefined : lastLines(run.stderr),
  };
}

export function jobLine({ envelope, attempt }: Delivery, news: JobNews): string {
  const { number, from } = envelope;
  const sender = from === '' ? 'from unknown' : `from ${quoted(from)}`;
  const job = `ipc: #${number}`;
  const again = `${job}, attempt ${attempt}`;
  const failed = 'run' in news ? `${again}, ${seconds(news.run)}` : again;
  switch (news.event) {
    case 'begun':
      return `${attempt > 1 ? again : job} ${sender}: begun.`;
    case 'shutdown':
      return `${job} ${sender}: shutdown.`;
    case 'answered':
      return `${job}: exit 0 after ${seconds(news.run)}; ${quoted(from)} is answered, ${byteCount(news.run.outputBytes)}.`;
    case 'done':
      return `${job}: exit 0 after ${seconds(news.run)}; ${nobody(from)}${dropped(news.run)}.`;
    case 'retried':
      return `${failed}: ${news.reason}. Trying again in ${news.pauseMs / 1_000} s.`;
    case 'released':
      return `${failed}: ${news.reason}. It is released.`;
    case 'failed':
      return `${failed}: ${news.reason}. Failed for good: ${news.outcome}.`;
  }
}

function nobody(from: string): string {
  return from === '' ? 'no sender to answer' : 'an answer is not answered';
}

function dropped({ outputBytes }: JobRun): string {
  return outputBytes === 0 ? '' : `, ${byteCount(outputBytes)} of output dropped`;
}

function seconds({ ms }: JobRun): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
