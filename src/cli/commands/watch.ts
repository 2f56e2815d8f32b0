// `ipc watch`: reports unread mail, and takes none. A host that runs it in the background wakes its agent when it ends,
// or prints a line.
//
// It lasts through failovers, and through a time without a broker. It is no standby, since it may be killed at any
// moment; but if no session owns the broker for a second, it does: a broker that lives only as long as an `ipc post`
// would tell nobody of that mail.
import type { Command } from 'commander';
import type { BrokerAddress } from '../../app/context.ts';
import { presentNotice } from '../../app/notice-text.ts';
import { notices } from '../../app/notices.ts';
import { parseCount, parseReadMailboxes, refuseLists } from '../../app/parameters.ts';
import { anyOf } from '../../app/summaries.ts';
import type { IpcError } from '../../base/errors.ts';
import { mailboxesPerReadMax, watchMsMax, watchQuietMs } from '../../base/limits.ts';
import type { Notice } from '../../model/mail-ahead.ts';
import type { MailboxList } from '../../model/message.ts';
import { type OutputFields, withExamples, withJson } from '../command-parts.ts';
import { FaultReport } from '../fault-report.ts';
import { sayNextWait, sayTimeout, sayWaiting, warn, writeJson, writeReport } from '../output.ts';
import { type CommandContext, execute, exitSuccess, exitTimedOut } from '../run.ts';
import { brokerAt, withBroker } from './look.ts';

const timeoutSecondsMax = watchMsMax / 1_000;
/**
 * A watch that ends sooner could never report mail, however old: it takes a second to find that there is no broker, some
 * time to open the store, and `watchQuietMs` to see that no reader takes the mail.
 */
const timeoutSecondsMin = (2_000 + watchQuietMs) / 1_000;
/** How others see that this session is woken. */
const wakePath = 'ipc watch';

const noticeFields: OutputFields = {
  mailbox: 'the mailbox that has unread mail',
  unread: 'messages in it that no session holds',
  number: 'the number of the first of them in the store',
  attempt: 'the number that its next delivery will have',
  ageMs: 'how long ago it was stored',
};

interface WatchLine {
  readonly mailboxes: MailboxList;
  readonly at: BrokerAddress;
  /** Infinity: no end. */
  readonly seconds: number;
  readonly follow: boolean;
}

const words = `
It takes no message: \`ipc wait\` reads it. Mail that is there already counts as
well, if no reader takes it within a second; a timeout of 1 or 2 counts as 3. If
several sessions watch a mailbox, one is told at a time: the next one after a
message was read, or after 20 s. With --follow each message has a line when it
is the first unread one, and again after it was read and released. A host that
runs this in a background shell wakes its agent when the command ends, or at
each line. It outlives any broker, and owns one if no other session does.`;

export function addCommands(program: Command): void {
  const command = program
    .command('watch')
    .description('Block until a mailbox has unread mail, and take none.')
    .argument('<mailbox...>', `the mailbox to watch; or up to ${mailboxesPerReadMax}`)
    .option('--timeout <timeout>', `seconds, 1-${timeoutSecondsMax}; 0, the default: no end`)
    .option('--follow', 'go on, with a line whenever other mail is unread');
  withBroker(command).action(async (names: string[], { timeout, follow, json, host, port }) => {
    refuseLists(names, 'mailbox');
    const line: WatchLine = {
      mailboxes: parseReadMailboxes(names, 'mailbox'),
      at: brokerAt(host, port),
      seconds: parseSeconds(timeout),
      follow: follow === true,
    };
    const act = (command: CommandContext) => watch(line, command);
    process.exit(await execute(act, { json: json !== undefined }, { ownership: 'late' }));
  });
  withJson(command, noticeFields);
  withExamples(
    command,
    'ipc watch ann && ipc fetch ann',
    'ipc watch ann jobs --follow --json    # an object whenever mail waits',
  );
  command.addHelpText('after', words);
}

function parseSeconds(timeout: string | undefined): number {
  if (timeout === undefined || timeout === '0') return Number.POSITIVE_INFINITY;
  const seconds = parseCount(timeout, 'timeout', timeoutSecondsMax, 'bad_timeout');
  return Math.max(seconds, timeoutSecondsMin);
}

async function watch(
  { mailboxes, at, seconds, follow }: WatchLine,
  { context, signal, json }: CommandContext,
): Promise<number> {
  const { mail } = await context.broker(at);
  await sayWaiting(`unread mail in ${anyOf(mailboxes)}`, seconds);
  const faults = new FaultReport((line) => void warn(line));
  const onFault = ({ code, message }: IpcError) => faults.report(`${code}: ${message}`);
  const options = { timeoutMs: seconds * 1_000, path: wakePath, signal, onFault };
  let isTold = false;
  for await (const notice of notices(mail, mailboxes, options)) {
    isTold = true;
    faults.passed();
    const isRead = await write(notice, json);
    if (follow && isRead) continue;
    if (isRead && !json) await sayNextWait(notice.mailbox, at);
    return exitSuccess;
  }
  if (isTold) return exitSuccess;
  await sayTimeout(`No unread message within ${seconds} s.`, seconds);
  return exitTimedOut;
}

/** Returns false if the reader of stdout is gone. */
function write(notice: Notice, json: boolean): Promise<boolean> {
  return json ? writeJson(notice) : writeReport(presentNotice(notice));
}
