// `ipc find`: what has become of messages, by their ids.
import type { Command } from 'commander';
import type { BrokerAddress } from '../../app/context.ts';
import { parseNameValue } from '../../app/parameters.ts';
import { foundWords } from '../../app/presence.ts';
import { quoted } from '../../base/quoted.ts';
import type { FoundMessage } from '../../model/look-results.ts';
import { type MessageId, type Name, parseMessageId } from '../../model/message.ts';
import { type OutputFields, withExamples, withJson } from '../command-parts.ts';
import { jsonLine, writeReport, writeResult } from '../output.ts';
import { type CommandContext, execute, exitFailed, exitSuccess } from '../run.ts';
import { brokerAt, plainHolder, withBroker } from './look.ts';

const findFields: OutputFields = {
  id: 'the id',
  state: '"ready", "held", "settled", "forgotten" or "unknown"',
  number: 'its number in the store; null when that is not known',
  mailbox: 'where it is; null if it is not ready or held',
  to: 'where it was posted to',
  time: 'when it was stored, in ms since 1970',
  attempt: 'its delivery while it is held, else its next one',
  holder: 'session, name, since, program, pid, machine, folder; null: nobody',
  answeredBy: 'the number of an unread answer to it; null: there is none',
};

interface FindLine {
  readonly ids: readonly MessageId[];
  readonly at: BrokerAddress;
  readonly mailbox: Name | undefined;
}

const words = `
"forgotten": it was settled, or refused when it was posted. "unknown": it was
never posted, or settled and forgotten, as all ids of a session are when it
ends. Exits with 1 when an id is unknown.`;

export function addCommands(program: Command): void {
  const command = program
    .command('find')
    .description('Say what has become of messages, by their ids.')
    .argument('<ids...>', 'ids, as --json of a post prints them')
    .option('--mailbox <mailbox>', 'where their answers arrive; IPC_NAME by default');
  withBroker(command).action(async (ids: string[], { mailbox, json, host, port }) => {
    const line = {
      ...{ ids: ids.map(parseMessageId), at: brokerAt(host, port) },
      mailbox: mailbox === undefined ? undefined : parseNameValue(mailbox, 'mailbox'),
    };
    process.exit(await execute((context) => find(line, context), { json: json !== undefined }));
  });
  withJson(command, findFields);
  withExamples(command, 'ipc find 0a1b2c3d4e5f6g7h.1', 'ipc find order-7 order-8 --mailbox ann');
  command.addHelpText('after', words);
}

async function find(
  { ids, at, mailbox }: FindLine,
  { context, signal, json }: CommandContext,
): Promise<number> {
  const { mail } = await context.broker(at);
  const answersIn = mailbox ?? context.name;
  const found = await mail.find(ids, { answersIn, signal });
  const each = ids.map((id, index) => ({ id, message: found[index] as FoundMessage }));
  if (json) await writeResult(each.map((one) => plainFound(one)).join(''));
  else {
    const now = Date.now();
    const lines = each.map(({ id, message }) => `${quoted(id)}: ${foundWords(message, now)}.`);
    await writeReport(lines.join('\n'));
  }
  return found.some(({ state }) => state === 'unknown') ? exitFailed : exitSuccess;
}

function plainFound({ id, message }: { id: MessageId; message: FoundMessage }): string {
  const { state, number, answeredBy, place } = message;
  const { mailbox, to, time, attempt, holder } = place ?? {};
  const where = { mailbox, to, time, attempt, holder: holder && plainHolder(holder) };
  return jsonLine({ id, state, number, ...where, answeredBy });
}
