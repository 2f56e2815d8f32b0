// `ipc store retry`: moves dead letters back to the mailboxes that they were posted to.
import type { AppContext } from '../../app/context.ts';
import { parsePort } from '../../app/parameters.ts';
import { lines } from '../../app/summaries.ts';
import { quoted } from '../../base/quoted.ts';
import type { RetryResult } from '../../model/mail-service.ts';
import { type MessageId, type Name, parseMessageId, parseName } from '../../model/message.ts';
import { writeJson, writeReport } from '../output.ts';
import { exitFailed, exitSuccess } from '../run.ts';

/** As written on the command line. */
export interface RetryLine {
  readonly ids: readonly string[];
  readonly to: string | undefined;
  readonly port: string | undefined;
  readonly json: boolean;
}

/** Returns the exit code: success if all of them were moved. */
export async function retry(
  line: RetryLine,
  context: AppContext,
  signal: AbortSignal,
): Promise<number> {
  const ids = line.ids.map(parseMessageId);
  const to: Name | undefined = line.to === undefined ? undefined : parseName(line.to, 'to');
  const port = line.port === undefined ? {} : { port: parsePort(line.port) };
  const { mail } = await context.broker(port);
  const result = await mail.retry({ to, ids, signal });
  const found = new Set([...result.moved, ...result.stayed].map(({ id }) => id));
  const missing = ids.filter((id) => !found.has(id));
  if (line.json) await writeJson({ ...result, missing });
  else await writeReport(presentRetry(result, missing));
  return result.stayed.length + missing.length === 0 ? exitSuccess : exitFailed;
}

/** `missing`: ids that are not among the dead letters, or are held. */
function presentRetry({ moved, stayed }: RetryResult, missing: readonly MessageId[]): string {
  const full = stayed.map(({ id, to }) => `${quoted(id)} stays: there is no room in ${quoted(to)}`);
  const absent = missing.map((id) => `${quoted(id)} is no dead letter, or a session holds it`);
  if (moved.length === 0) return lines('No dead letter was moved.', ...full, ...absent);
  const boxes = [...new Set(moved.map(({ to }) => to))].map(
    (box) => `${moved.filter(({ to }) => to === box).length} in ${quoted(box)}`,
  );
  const title = `Moved back, with new attempts: ${boxes.join(', ')}.`;
  return lines(title, ...full, ...absent);
}
