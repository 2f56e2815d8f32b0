// The commands about the broker and its owner: broker, status.
import type { Command } from 'commander';
import { type CallOf, run } from '../../app/operations.ts';
import * as present from '../../app/summaries.ts';
import { endMsMax } from '../../base/limits.ts';
import { addOperation } from '../operation-command.ts';
import { writeJson, writeReport } from '../output.ts';
import { type CommandContext, exitSuccess, whenAborted } from '../run.ts';

export function addOwnerCommands(program: Command): void {
  addOperation(program, {
    name: 'broker',
    operation: 'broker_start',
    positional: [],
    json: {
      port: 'the port of the broker',
      role: '"owner" when this process owns it, else "client"',
      pid: 'the process that owns it',
      epoch: 'counts the owners of the store',
      addresses: 'where it listens',
      messages: 'messages that are not settled',
      warnings: 'problems of the disk, in sentences',
    },
    examples: ['ipc broker --bind 0.0.0.0    # for other machines, until Ctrl-C'],
    act: broker,
  });
  addOperation(program, {
    name: 'status',
    operation: 'broker_status',
    positional: [],
    json: {
      host: 'the machine of the broker; null when it is this one',
      port: 'the port of the broker',
      pid: 'the process that owns it',
      own: 'true: this process owns it',
      epoch: 'counts the owners of the store',
      addresses: 'where it listens',
      messages: 'messages that are not settled',
      bytes: 'bytes of their bodies',
      sessions: 'sessions that are connected',
      mailboxCount: 'mailboxes that have mail or readers',
      mailboxes: 'for each: mailbox, ready, held, waiting, oldestTime',
      deadLetterCount: 'messages that are out of attempts',
      deadLetters: 'for each mailbox they were posted to: to, messages',
      damaged: 'messages that the disk damaged',
      storageStalledMs: 'how long the disk has not responded',
      warnings: 'problems of the disk, in sentences',
    },
    examples: ['ipc status --json | jq .mailboxes'],
    act: status,
  });
}

/** An owner stays until the user ends it; any other session names the owner, and exits. */
async function broker(
  call: CallOf<'broker_start'>,
  { context, signal, json }: CommandContext,
): Promise<number> {
  const { port, mail } = await context.broker(call.given);
  const result = await run(call, context, { mail, signal });
  if (json) await writeJson({ port, ...result });
  else await writeReport(present.presentStart(port, result, []));
  if (result.role !== 'owner') return exitSuccess;
  // An owner that is replaced becomes a standby, which by itself keeps no process alive.
  const alive = setInterval(() => {}, endMsMax);
  await new Promise((resolve) => whenAborted(signal, resolve));
  clearInterval(alive);
  return exitSuccess;
}

async function status(
  call: CallOf<'broker_status'>,
  { context, signal, json }: CommandContext,
): Promise<number> {
  const { mail } = await context.broker(call.given);
  const result = await run(call, context, { mail, signal });
  const mailboxes = result.mailboxes.map((box) => ({ ...box, oldestTime: box.oldestTime || null }));
  if (json) await writeJson({ host: result.host, ...result, mailboxes });
  else await writeReport(present.presentStatus(result, Date.now(), []));
  return exitSuccess;
}
