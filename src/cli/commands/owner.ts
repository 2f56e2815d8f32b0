// The commands about the broker and its owner: broker, status.
import type { Command } from 'commander';
import { type CallOf, run } from '../../app/operations.ts';
import * as present from '../../app/summaries.ts';
import { addOperation } from '../operation-command.ts';
import { writeJson, writeReport } from '../output.ts';
import { type CommandContext, exitSuccess } from '../run.ts';
import { addBrokerCommand } from './broker-service.ts';

export function addCommands(program: Command): void {
  addBrokerCommand(program);
  addOperation(program, {
    name: 'status',
    operation: 'broker_status',
    what: 'Say who owns the broker, who is there and what waits.',
    positional: [],
    without: ['mailbox'],
    json: {
      host: 'the machine of the broker, or NATS server; null: this one',
      port: 'the port of the broker',
      pid: 'the process that owns it',
      own: 'true: this process owns it',
      epoch: 'counts the owners of the store',
      addresses: 'where it listens; nowhere on NATS',
      messages: 'messages that are not settled',
      bytes: 'bytes of their bodies',
      sessions: 'sessions that are connected',
      namedSessions: 'those that have a name or have read a mailbox',
      sessionList: [
        'session, name, origin, since, waitsOn, watches, wakePath,',
        'lastNotice: {time, isRead}, held, holds, own',
      ],
      mailboxCount: 'mailboxes that have mail, readers or watchers',
      mailboxes: ['for each: mailbox, ready, held, waiting, watching,', 'paused, oldestTime'],
      deadLetterCount: 'messages that were given up',
      deadLetters: 'for each mailbox they were posted to: to, messages',
      paused: 'mailboxes from which nothing is delivered; "": all',
      damaged: 'messages that the disk damaged',
      storageStalledMs: 'how long the disk has not responded',
      warnings: 'problems of the disk or server, in sentences',
    },
    examples: ['ipc status --json | jq .mailboxes'],
    act: status,
  });
}

async function status(
  call: CallOf<'broker_status'>,
  { context, signal, json }: CommandContext,
): Promise<number> {
  const { mail } = await context.broker(call.given);
  const result = await run(call, context, { mail, signal });
  const mailboxes = result.mailboxes.map((box) => ({ ...box, oldestTime: box.oldestTime || null }));
  if (json) await writeJson({ host: result.host, ...result, mailboxes });
  else {
    const shown = { ...present.allShown, namedPort: call.given.port };
    await writeReport(present.presentStatus(result, Date.now(), [], shown));
  }
  return exitSuccess;
}
