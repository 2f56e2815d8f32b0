// `ipc top`: a screen of sessions, mailboxes and the flow of mail. It only looks. It owns no broker, except on a NATS
// server where no other session does.
import type { Command } from 'commander';
import type { AppContext, BrokerAddress } from '../../app/context.ts';
import { StoreTail } from '../../app/live-events.ts';
import { type PastOptions, readPast } from '../../app/store-past.ts';
import { at } from '../../app/summaries.ts';
import { cancelled, IpcError } from '../../base/errors.ts';
import { lateCode } from '../../base/late-code.ts';
import { withExamples } from '../command-parts.ts';
import { type CommandContext, execute, exitSuccess } from '../run.ts';
import { isColoured, theTerminal } from '../terminal.ts';
import { BrokerSource } from '../top/broker-source.ts';
import { brokerAt, lookOwnership, withBroker } from './look.ts';

const words = `
Tab goes from the sessions to the mailboxes and to the flow of mail, the arrows
or j and k from line to line. Enter shows a message in full with its life, or a
session; on a mailbox it leaves only that mail. / filters, ? shows all keys,
q quits. The screen takes no mail and settles nothing. It needs 80 columns and
24 rows. Without a broker it shows what the store has.`;

export function addCommands(program: Command): void {
  const command = program
    .command('top')
    .description('Show sessions, mailboxes and the flow of mail on a screen.')
    .option('--no-color', 'no colours, as with NO_COLOR');
  withBroker(command).action(async ({ color, host, port }) => {
    requireScreen();
    const at = brokerAt(host, port);
    const act = (context: CommandContext) => top(at, color !== false, context);
    process.exit(await execute(act, {}, { ownership: lookOwnership(at) }));
  });
  withExamples(command, 'ipc top', 'ipc top --host one.lan');
  command.addHelpText('after', words);
}

/** A terminal without a cursor that can be moved is no screen. */
function requireScreen(): void {
  const { stdin, stdout } = theTerminal();
  const isDumb = process.env.TERM === 'dumb';
  if (stdin.isTTY && stdout.isTTY && !isDumb) return;
  const what = isDumb
    ? 'the terminal (TERM=dumb) has no cursor that can be moved'
    : `${stdout.isTTY ? 'stdin' : 'stdout'} is not a terminal`;
  throw new IpcError('bad_parameter', what, {
    hint: '`ipc status` and `ipc log` print the same as text',
  });
}

async function top(
  at: BrokerAddress,
  wantsColours: boolean,
  { context, signal }: CommandContext,
): Promise<number> {
  // Loaded only here, because it is as large as the rest of the program.
  const { showScreen } = await lateCode(import('../top/screen.ts'));
  const { stdin, stdout } = theTerminal();
  const source = await sourceOf(context, at);
  await showScreen({
    ...{ source, stdin, stdout, signal },
    isColoured: wantsColours && isColoured(stdout),
  });
  if (signal.aborted) throw cancelled();
  return exitSuccess;
}

async function sourceOf(context: AppContext, address: BrokerAddress): Promise<BrokerSource> {
  const { mail, host, port } = await context.broker(address);
  if (host !== undefined)
    return new BrokerSource({ mail, place: at({ host, port }), readPast: undefined });
  const folder = context.storeFolder(port);
  const past = (options: PastOptions) => readPast(folder, options);
  const files = new StoreTail(folder);
  return new BrokerSource({ mail, place: `port ${port}`, readPast: past, files });
}
