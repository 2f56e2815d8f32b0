// `ipc work NAME -- COMMAND`: the worker pattern as one command. worker/worker.ts does the work.
import type { Command } from 'commander';
import { type CallOf, parseParameters } from '../../app/operations.ts';
import { parseCount, parseSendsPerHour, refuseLists } from '../../app/parameters.ts';
import { attemptsMax, sendsPerHourWork } from '../../base/limits.ts';
import { quoted } from '../../base/quoted.ts';
import { parseName } from '../../model/message.ts';
import { parameterWords, withExamples, withJson } from '../command-parts.ts';
import { jsonLine, lineFor, passStderr, print, say, sayError, warn } from '../output.ts';
import { type CommandContext, endingSignals, execute, exitSuccess, whenAborted } from '../run.ts';
import { checkCommand } from '../worker/command-check.ts';
import { commandEnvironment } from '../worker/command-environment.ts';
import { JobLog } from '../worker/job-log.ts';
import { jobFields, jobLine, jobObject } from '../worker/job-report.ts';
import { Worker, type WorkOptions } from '../worker/worker.ts';

const parallelMax = 256;
/** The pauses between them take 15 s, so the sender hears of a failure while it waits with a default timeout. */
export const workAttemptsDefault = 5;
const timeoutSecondsMax = 86_400;

const afterOptions = `
COMMAND gets the body on stdin. When it exits with 0, its stdout is posted to
the sender. If it fails for good, the sender is answered why, and the message
waits in \`dead-letters\`. Put \`--\` before a command that has options. The work
ends when somebody posts \`shutdown\`, or with Ctrl-C. \`ipc help worker\` explains
more.`;

type Plan = Pick<
  WorkOptions,
  'parallel' | 'from' | 'attempts' | 'timeoutMs' | 'sendsPerHour' | 'shutdown'
> & { readonly passesKey: boolean };

export function addCommands(program: Command): void {
  const command = program
    .command('work')
    .description('Run a command for each message; its output is the answer.')
    .argument('<mailbox>', parameterWords('wait', 'mailbox'))
    .argument('<command...>', 'the command and its arguments')
    .option('--from <from>', 'the name that answers; the mailbox by default')
    .option('--parallel <parallel>', `commands at the same time, 1-${parallelMax}; 1 by default`)
    .option(
      '--timeout <timeout>',
      `seconds that one run may take, 1-${timeoutSecondsMax}; no limit by default`,
    )
    .option(
      '--attempts <attempts>',
      `attempts before a job has failed for good, 1-${attemptsMax}; ${workAttemptsDefault} by default`,
    )
    .option(
      '--sends-per-hour <count>',
      `answers an hour to one sender, 0: no limit; ${sendsPerHourWork} by default`,
    )
    .option('--pass-key', 'the command gets IPC_KEY, and the login in IPC_BROKER')
    .option('--no-shutdown', 'a message `shutdown` is a job like any other')
    .option('--host <host>', parameterWords('wait', 'host'))
    .option('--port <port>', parameterWords('wait', 'port'))
    .addHelpText('after', afterOptions)
    .action(async (mailbox, words, options) => {
      const { parallel = 1, attempts = workAttemptsDefault, ...others } = options;
      const {
        from,
        timeout,
        sendsPerHour = sendsPerHourWork,
        shutdown,
        passKey,
        json,
        ...broker
      } = others;
      refuseLists([mailbox], 'mailbox');
      const { given } = parseParameters('wait', { mailbox: [mailbox], ...broker });
      const plan = {
        parallel: parseCount(parallel, 'parallel', parallelMax),
        attempts: parseCount(attempts, 'attempts', attemptsMax),
        timeoutMs: timeout === undefined ? undefined : parseSeconds(timeout) * 1_000,
        sendsPerHour: parseSendsPerHour(sendsPerHour, 'sends-per-hour'),
        from: from === undefined ? given.mailbox[0] : parseName(from, 'from'),
        shutdown,
        passesKey: passKey === true,
      };
      const act = (context: CommandContext) => work(given, plan, words, context);
      process.exit(await execute(act, { json: json !== undefined }));
    });
  withJson(command, jobFields, 'one JSON object for each event of a job, on stdout');
  withExamples(
    command,
    'ipc work upper -- tr a-z A-Z',
    'ipc work jobs --parallel 4 --timeout 600 -- ./job.sh',
  );
}

async function work(
  given: CallOf<'wait'>['given'],
  plan: Plan,
  [command = '', ...args]: readonly string[],
  { context, signal, json }: CommandContext,
): Promise<number> {
  await checkCommand(command, process.env);
  const [mailbox] = given.mailbox;
  const { mail } = await context.broker(given);
  const killer = new AbortController();
  const log = new JobLog();
  const worker = new Worker(mail, {
    ...plan,
    mailbox,
    command,
    args,
    env: commandEnvironment(process.env, context.home, plan.passesKey),
    signal,
    killSignal: killer.signal,
    report: async (delivery, news) => {
      if (json) await print(jsonLine(jobObject(delivery, news)), 'the work ends');
      else log.write('reason' in news ? warn : say, jobLine(delivery, news));
    },
    passStderr,
    warn: (line) => log.write(warn, line),
    sayError,
    retryLine: (id) => lineFor('store retry', given.port ? { port: given.port } : {}, id),
  });
  whenAborted(signal, () => {
    for (const name of endingSignals) process.once(name, () => killer.abort());
    const running = worker.running > 0;
    const then = ' after the running commands; Ctrl-C again ends those, too';
    log.write(warn, `ipc: ending${running ? then : ''}.`);
  });
  await say(`ipc: waiting for messages in ${quoted(mailbox)}; Ctrl-C ends it.`);
  await worker.run().finally(() => log.flush());
  return exitSuccess;
}

function parseSeconds(timeout: string): number {
  return parseCount(timeout, 'timeout', timeoutSecondsMax, 'bad_timeout');
}
