// `ipc store move`: moves all unsettled mail from one broker to another.
import type { Command } from 'commander';
import type { AppContext, BrokerSession } from '../../app/context.ts';
import { counted } from '../../app/counts.ts';
import { type MoveResult, moveMail } from '../../app/move-mail.ts';
import { parseBrokerHost, parsePort } from '../../app/parameters.ts';
import { pausedWords } from '../../app/pause-words.ts';
import { sanitizeLine } from '../../app/sanitize.ts';
import { byteCount, head, lines, messages } from '../../app/summaries.ts';
import { IpcError } from '../../base/errors.ts';
import { quoted } from '../../base/quoted.ts';
import { type OutputFields, withExamples, withJson } from '../command-parts.ts';
import { showProgress, writeJson, writeReport } from '../output.ts';
import { type CommandContext, execute, exitFailed, exitSuccess } from '../run.ts';

/** As written on the command line, of the source or of the target. */
interface SideLine {
  readonly does: 'from' | 'to';
  readonly broker: string | undefined;
  readonly port: string | undefined;
}

interface MoveLine {
  readonly from: SideLine;
  readonly to: SideLine;
  readonly dryRun: boolean;
}

/** A move that takes longer shows how far it is. */
const progressMsMin = 500;
const mailboxesShown = 20;
const stayedShown = 20;

const fields: OutputFields = {
  from: 'the source: this machine, HOST, or a NATS server; with its port',
  to: 'the target, as from',
  dryRun: 'true: nothing was moved',
  messages: 'messages that moved, or would move',
  bytes: 'bytes of their bodies',
  again: 'those of them that an earlier run had stored already',
  mailboxes: 'for each: mailbox, messages, bytes',
  held: 'messages that sessions hold at the source; they stay',
  holders: 'how many sessions hold them',
  stayed: 'damaged or refused messages that stay: id, mailbox, reason',
  later: 'messages that were posted to the source meanwhile; they stay',
  taken: 'messages that were delivered at the source while they moved',
  paused: 'what is paused at the target now, as at the source; "": all',
};

const words = `
A broker is named by HOST, HOST:PORT or nats://HOST, and by its port; a side
that is not named is the broker of this machine. On a NATS server the port is
the number of the broker there.
All unsettled mail moves, dead letters too. Each message keeps its id, sender,
answers, time and body, and each mailbox its order; attempts begin anew.
While mail moves, nothing is delivered at the source. What is paused there is
paused at the target first. A message that a session holds stays with it: run
the command again when the session has settled or released it.
It can be interrupted at any point: run it again, and each message is stored
once. After a crash the source stays paused until then; \`ipc resume --all\`
there gives its mail out again, also what is at the target already.
Exits with 1 if a message stays.`;

export function addMove(store: Command): void {
  const command = store
    .command('move')
    .description('Move all unsettled mail from one broker to another.')
    .option('--from <broker>', 'the source; this machine by default')
    .option('--from-port <port>', 'its port')
    .option('--to <broker>', 'the target; this machine by default')
    .option('--to-port <port>', 'its port')
    .option('--dry-run', 'only say what would move')
    .action(async ({ from, fromPort, to, toPort, dryRun, json }) => {
      const line: MoveLine = {
        from: { does: 'from', broker: from, port: fromPort },
        to: { does: 'to', broker: to, port: toPort },
        dryRun: dryRun === true,
      };
      checkNamed(line);
      const act = (command: CommandContext) => move(line, command);
      process.exit(await execute(act, { json: json === true }));
    });
  withJson(command, fields, 'one JSON object, on stdout');
  withExamples(
    command,
    'ipc store move --to nats://mail.example --dry-run',
    'ipc store move --to nats://mail.example',
    'ipc store move --from nats://mail.example    # back to this machine',
    'ipc store move --from-port 19901 --to-port 19950',
  );
  command.addHelpText('after', words);
}

function checkNamed({ from, to }: MoveLine): void {
  const isNamed = ({ broker, port }: SideLine) => broker !== undefined || port !== undefined;
  if (isNamed(from) || isNamed(to)) return;
  throw new IpcError('missing_parameter', 'move needs --from or --to', {
    hint: 'name the other broker: ipc store move --to nats://HOST, --to HOST, or --to-port PORT',
  });
}

/** Returns the exit code: success if nothing stays. */
async function move(line: MoveLine, { context, signal, json }: CommandContext): Promise<number> {
  const source = await brokerOf(line.from, context);
  const target = await brokerOf(line.to, context);
  const startedAt = performance.now();
  const onProgress = ({ moved, total }: { moved: number; total: number }) => {
    if (performance.now() - startedAt < progressMsMin) return;
    showProgress(`Moving: ${moved} of ${messages(total)}`);
  };
  const { dryRun } = line;
  const result = await moveMail(source.mail, target.mail, { signal, dryRun, onProgress }).finally(
    () => showProgress(''),
  );
  const [from, to] = [nameOf(source), nameOf(target)];
  if (json) await writeJson({ from, to, dryRun, ...result });
  else await writeReport(presentMove(`from ${from}, to ${to}`, dryRun, result));
  const { held, stayed, later, taken } = result;
  return dryRun || held + stayed.length + later + taken === 0 ? exitSuccess : exitFailed;
}

/** A side without a name is this machine, whatever IPC_BROKER says. */
function brokerOf({ does, broker, port }: SideLine, context: AppContext): Promise<BrokerSession> {
  const given = port === undefined ? undefined : parsePort(port, `${does}-port`);
  const host = broker === undefined ? { host: '127.0.0.1' } : parseBrokerHost(broker, does);
  if (host.port !== undefined && given !== undefined) {
    throw new IpcError(
      'bad_parameter',
      `--${does} has a port already, so --${does}-port is one too many`,
    );
  }
  const number = host.port ?? given ?? context.localPort();
  return context.broker({ host: { host: host.host, port: number } });
}

function nameOf({ host, port }: BrokerSession): string {
  return `${host ?? 'this machine'}, port ${port}`;
}

function presentMove(route: string, dryRun: boolean, result: MoveResult): string {
  const { again, mailboxes, held, holders, stayed, later, taken, paused } = result;
  const size = `${messages(result.messages)}, ${byteCount(result.bytes)}`;
  const pause = pausedWords(paused);
  const at = dryRun ? 'would be paused' : 'are paused';
  return lines(
    head(`${dryRun ? 'Would move' : 'Moved'} ${size}, ${route}`, []),
    ...(again > 0 ? [`an earlier run had stored ${messages(again)} of them`] : []),
    ...mailboxes
      .slice(0, mailboxesShown)
      .map((box) => `${quoted(box.mailbox)}: ${messages(box.messages)}, ${byteCount(box.bytes)}`),
    ...more(mailboxes.length - mailboxesShown, 'mailbox', 'mailboxes'),
    ...(pause === undefined
      ? []
      : [`as at the source, deliveries from ${pause} ${at} at the target`]),
    ...(held > 0 ? [heldWords(held, holders)] : []),
    ...stayed.slice(0, stayedShown).map(({ id, mailbox, reason }) => {
      return `stays: ${quoted(id)} in ${quoted(mailbox)}: ${sanitizeLine(reason)}`;
    }),
    ...more(stayed.length - stayedShown, 'message stays', 'messages stay'),
    ...(later > 0 ? [`posted meanwhile: ${messages(later)}; run it again to move them`] : []),
    ...(taken > 0
      ? [`${messages(taken)} may be delivered twice: deliveries at the source were resumed`]
      : []),
  );
}

function heldWords(held: number, holders: number): string {
  const by = holders === 1 ? 'a session' : `${holders} sessions`;
  return held === 1
    ? `1 message stays, because ${by} holds it; run it again when it is done`
    : `${held} messages stay, because ${by} ${holders === 1 ? 'holds' : 'hold'} them; run it again when they are done`;
}

function more(count: number, one: string, many: string): string[] {
  if (count <= 0) return [];
  return [`and ${counted(count, `more ${one}`, `more ${many}`)}`];
}
