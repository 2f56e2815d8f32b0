// `ipc log --erase`: has the owner forget settled mail, of one mailbox or all. Unsettled mail stays. Without an owner
// this process opens the store for it. Corrupt segments are never changed, so it says where they are.
import type { AppContext } from '../../app/context.ts';
import { counted } from '../../app/counts.ts';
import { byteCount } from '../../app/summaries.ts';
import { quoted } from '../../base/quoted.ts';
import { realDisk } from '../../journal/disk.ts';
import { listQuarantine, quarantinePath } from '../../journal/paths.ts';
import type { Name } from '../../model/message.ts';
import { writeJson, writeReport } from '../output.ts';
import { exitSuccess } from '../run.ts';

/** As parsed from the command line. */
export interface EraseLine {
  readonly port: number | undefined;
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
  const { mail, host, port } = await context.broker({ port: context.localPort(line.port) });
  const erased = await mail.erase(mailbox ?? '', { signal });
  const { messages: unsettled } = await mail.status({ signal });
  // On a NATS server there is no folder to remove: its owner alone reads those files.
  const folder = host === undefined ? context.storeFolder(port) : undefined;
  const isKept = folder !== undefined && listQuarantine(realDisk, folder).length > 0;
  const damaged = isKept ? quarantinePath(folder) : null;
  if (json) await writeJson({ ...erased, mailbox: mailbox ?? null, unsettled, damaged });
  else {
    const to = mailbox === undefined ? '' : ` to ${quoted(mailbox)}`;
    const gone = `Erased ${counted(erased.messages, 'settled message')}${to}; history is ${byteCount(erased.bytes)} shorter.`;
    const left = `${counted(unsettled, 'unsettled message')} in all mailboxes stayed.`;
    const kept = `Corrupt segments are kept as they were in ${damaged}; remove that folder to erase them, too.`;
    const lines = [gone, ...(unsettled > 0 ? [left] : []), ...(isKept ? [kept] : [])];
    await writeReport(lines.join(' '));
  }
  return exitSuccess;
}
