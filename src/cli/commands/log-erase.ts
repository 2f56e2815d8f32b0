// `ipc log --erase`: has the owner forget settled mail, of one mailbox or all. Unsettled mail stays. Without an owner
// this process opens the store for it.
import type { AppContext } from '../../app/context.ts';
import { parsePort } from '../../app/parameters.ts';
import { byteCount } from '../../app/summaries.ts';
import { quoted } from '../../base/quoted.ts';
import type { Name } from '../../model/message.ts';
import { writeJson, writeReport } from '../output.ts';
import { exitSuccess } from '../run.ts';

/** As parsed from the command line. */
export interface EraseLine {
  readonly port: string | undefined;
  /** undefined for all. */
  readonly mailbox: Name | undefined;
  readonly json: boolean;
}

export async function erase(
  line: EraseLine,
  context: AppContext,
  signal: AbortSignal,
): Promise<number> {
  const { mailbox, json } = line;
  const port = context.localPort(line.port === undefined ? undefined : parsePort(line.port));
  const { mail } = await context.broker({ port });
  const erased = await mail.erase(mailbox ?? '', { signal });
  const { messages: unsettled } = await mail.status({ signal });
  if (json) await writeJson({ ...erased, mailbox: mailbox ?? null, unsettled });
  else {
    const to = mailbox === undefined ? '' : ` to ${quoted(mailbox)}`;
    const gone = `Erased ${counted(erased.messages, 'settled')}${to}; history is ${byteCount(erased.bytes)} shorter.`;
    const left = `${counted(unsettled, 'unsettled')} in all mailboxes stayed.`;
    await writeReport(unsettled === 0 ? gone : `${gone} ${left}`);
  }
  return exitSuccess;
}

function counted(count: number, kind: string): string {
  return count === 1 ? `1 ${kind} message` : `${count} ${kind} messages`;
}
