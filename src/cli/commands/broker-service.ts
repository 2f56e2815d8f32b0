// `ipc broker`: a broker that stays.
// 1. It owns the broker, or waits as a standby until the owner ends, and then takes over.
// 2. With `--bind` the owner is asked to listen there, whichever session it is.
// 3. A signal hands the broker over and ends the command. Nothing failed, so the exit code is 0.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { AppContext } from '../../app/context.ts';
import { type CallOf, run } from '../../app/operations.ts';
import * as present from '../../app/summaries.ts';
import { IpcError } from '../../base/errors.ts';
import { endMsMax } from '../../base/limits.ts';
import type { MailService, StartResult } from '../../model/mail-service.ts';
import { FaultReport } from '../fault-report.ts';
import { addOperation } from '../operation-command.ts';
import { say, warn, writeJson, writeReport } from '../output.ts';
import { type CommandContext, exitSuccess } from '../run.ts';

interface Service {
  readonly port: number;
  readonly namedPort: number | undefined;
  readonly mail: MailService;
  readonly signal: AbortSignal;
  readonly json: boolean;
}

const retryMs = 1_000;
/** How long the end of the command waits to learn which addresses are open. */
const statusMs = 1_000;

const once = {
  name: 'once',
  isFlag: true,
  words: 'say which session owns it now, and exit',
} as const;

const afterOptions = `
It stays until Ctrl-C or SIGTERM, and exits with 0. While another session owns
the broker, it is a standby, and takes over when that session ends. \`--bind\`
asks the owner, whichever session it is, to listen on that address, or on
several with commas between them, and to close all others but 127.0.0.1. The
next owner listens there, too. \`--bind 127.0.0.1\` closes the network again, and
ends the connections that came through it. With IPC_BROKER=nats://HOST there is
nothing to bind. docs/guide/service.md starts it with the machine.`;

export function addBrokerCommand(program: Command): void {
  const command = addOperation(program, {
    name: 'broker',
    operation: 'broker_start',
    what: 'Keep a broker running: own it, or stand by while another does.',
    positional: [],
    options: [once],
    json: {
      port: 'the port of the broker',
      role: '"owner" when this process owns it, else "client"',
      pid: 'the process that owns it',
      epoch: 'counts the owners of the store',
      addresses: 'where it listens; nowhere on NATS',
      messages: 'messages that are not settled',
      warnings: 'problems of the disk or server, in sentences',
      server: [
        'the NATS server that has the mail, or null: url, version,',
        'stream, replicas, isNew',
      ],
    },
    examples: [
      'ipc broker --bind 0.0.0.0           # for other machines; stays until Ctrl-C',
      'ipc broker --bind 127.0.0.1 --once  # closes the network again',
    ],
    act: broker,
  });
  command.addHelpText('after', afterOptions);
}

async function broker(
  call: CallOf<'broker_start'>,
  { context, signal, json, once: isBrief }: CommandContext,
): Promise<number> {
  const { port, mail } = await context.broker(call.given);
  const service: Service = { port, namedPort: call.given.port, mail, signal, json };
  if (isBrief) {
    await report(service, await run(call, context, { mail, signal }));
    return exitSuccess;
  }
  // A standby by itself keeps no process alive.
  const alive = setInterval(() => {}, endMsMax);
  try {
    await serve(service, call, context);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(alive);
  }
  return exitSuccess;
}

/** Ends with an error only: `cancelled` after the signal. */
async function serve(service: Service, call: CallOf<'broker_start'>, context: AppContext) {
  const { port, namedPort, mail, signal, json } = service;
  let result = await run(call, context, { mail, signal });
  let isNew = true;
  const faults = new FaultReport((line) => void warn(line));
  try {
    for (;;) {
      const waiting = mail.nextOwner(result.epoch, { signal });
      // It has failed already if this session can never take over: then it is no standby.
      await Promise.race([waiting, undefined]);
      if (isNew && (json || result.role === 'owner')) await report(service, result);
      else if (isNew) await say(present.presentStandby(port, result, namedPort));
      const next = await waiting.catch((error: unknown) => passing(error, signal, faults));
      if (next) faults.passed();
      isNew = next !== undefined;
      result = next ?? result;
    }
  } finally {
    await sayOpen(service, result);
  }
}

/** An owner that was there for a moment only is no reason to end. */
async function passing(
  error: unknown,
  signal: AbortSignal,
  faults: FaultReport,
): Promise<undefined> {
  if (signal.aborted || !(error instanceof IpcError && error.kind.retry)) throw error;
  faults.report(`${error.code}: ${error.message}`);
  await sleep(retryMs, undefined, { signal });
}

/** The addresses outlive this command, so it ends with how to close them. */
async function sayOpen({ mail, namedPort }: Service, { addresses }: StartResult): Promise<void> {
  const signal = AbortSignal.timeout(statusMs);
  const now = await mail.status({ signal }).catch(() => ({ addresses }));
  const note = present.openNote(now.addresses, namedPort);
  if (note !== undefined) await say(note);
}

async function report({ port, namedPort, json }: Service, result: StartResult): Promise<void> {
  if (json) await writeJson({ port, ...result, server: result.server });
  else await writeReport(present.presentStart(port, result, [], namedPort));
}
