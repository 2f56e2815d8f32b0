// `ipc store retry`: dead letters go back to the mailboxes that they were meant for.

import type { AppContext } from '../../app/context.ts';
import { parsePort } from '../../app/parameters.ts';
import { presentRetry } from '../../app/summaries.ts';
import { type Name, parseMessageId, parseName } from '../../model/message.ts';
import { say, writeJson } from '../output.ts';

/** As they were written on the command line. */
export interface RetryLine {
  readonly ids: readonly string[];
  readonly to: string | undefined;
  readonly port: string | undefined;
  readonly json: boolean;
}

/** Returns the exit code: 0 when nothing was left undone. */
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
  else await say(presentRetry(result, missing));
  return result.stayed.length + missing.length === 0 ? 0 : 1;
}
