// `ipc pause` and `ipc resume`: people stop the deliveries from mailboxes, and let them go on.
import type { Command } from 'commander';
import type { BrokerAddress } from '../../app/context.ts';
import { parseMailboxes } from '../../app/parameters.ts';
import { pausedWords } from '../../app/pause-words.ts';
import { IpcError } from '../../base/errors.ts';
import { pausedMailboxesMax } from '../../base/limits.ts';
import type { Name } from '../../model/message.ts';
import type { PausedNames } from '../../model/pause-requests.ts';
import { type OutputFields, withExamples, withJson } from '../command-parts.ts';
import { lineFor, writeJson, writeReport } from '../output.ts';
import { type CommandContext, execute, exitSuccess } from '../run.ts';
import { brokerAt, withBroker } from './look.ts';

const pausedFields: OutputFields = {
  all: 'true: deliveries from all mailboxes are paused',
  mailboxes: 'those that are paused by their names',
};

interface PauseLine {
  readonly does: 'pause' | 'resume';
  /** Empty for all. */
  readonly mailboxes: readonly Name[];
  readonly at: BrokerAddress;
}

const pauseWords = `
Posts are still stored. A session may settle what it holds already, and peek,
drop and find work as before. Waits and fetches get nothing, nobody is woken,
and the results say why. The pause lasts until \`ipc resume\`, also when the
broker or the machine starts again. With --all nothing is delivered from any
mailbox; \`ipc resume --all\` ends that and all other pauses.`;

const resumeWords = `
What waits is delivered at once, in its order. While all mailboxes are paused,
one that is resumed by its name stays paused; --all ends every pause.`;

export function addCommands(program: Command): void {
  const pause = add(
    program,
    'pause',
    'Deliver nothing from a mailbox, or from any, until resumed.',
  );
  withExamples(pause, 'ipc pause jobs', 'ipc pause --all    # everything stops; nothing is lost');
  pause.addHelpText('after', pauseWords);
  const resume = add(program, 'resume', 'Let deliveries go on that were paused.');
  withExamples(resume, 'ipc resume jobs', 'ipc resume --all');
  resume.addHelpText('after', resumeWords);
}

function add(program: Command, does: PauseLine['does'], what: string): Command {
  const command = program
    .command(does)
    .description(what)
    .argument('[mailbox...]', `the mailbox to ${does}; several may be given`)
    .option('--all', 'all mailboxes');
  withBroker(command).action(async (names: string[], { all, json, host, port }) => {
    const mailboxes = chosen(does, names, all === true);
    const line = { does, mailboxes, at: brokerAt(host, port) };
    process.exit(await execute((context) => act(line, context), { json: json !== undefined }));
  });
  return withJson(command, pausedFields, 'one JSON object, on stdout');
}

function chosen(does: PauseLine['does'], names: readonly string[], all: boolean): readonly Name[] {
  if (all && names.length > 0) {
    throw new IpcError('bad_parameter', `${does} takes mailboxes or --all, not both`);
  }
  if (all) return [];
  if (names.length > 0) return parseMailboxes(names, 'mailbox', pausedMailboxesMax);
  throw new IpcError('missing_parameter', `${does} needs a mailbox, or --all`, {
    hint: `name mailboxes, or give --all for every mailbox: ipc ${does} --all`,
  });
}

async function act(
  { does, mailboxes, at }: PauseLine,
  { context, signal, json }: CommandContext,
): Promise<number> {
  const { mail } = await context.broker(at);
  const paused = await mail[does](mailboxes, { signal });
  const names = paused.filter((name) => name !== '');
  if (json) await writeJson({ all: paused.includes(''), mailboxes: names });
  else {
    const words = pausedWords(paused);
    await writeReport(
      words === undefined
        ? 'Nothing is paused.'
        : `Paused now: deliveries from ${words}. Mail is kept until \`${resumeLine(paused, at)}\`.`,
    );
  }
  return exitSuccess;
}

/** Ends all that is paused. */
function resumeLine([name, ...others]: PausedNames, at: BrokerAddress): string {
  if (!name || others.length > 0) return lineFor('resume --all', at);
  return lineFor('resume', at, name);
}
