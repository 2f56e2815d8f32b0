// How mail leaves the program: each body is written, then its message is settled; what cannot be written
// goes back.

import * as present from '../../app/summaries.ts';
import { IpcError } from '../../base/errors.ts';
import { endMsMax } from '../../base/limits.ts';
import type { Delivery, MailService } from '../../model/mail-service.ts';
import { jsonLine, outputFailed, say, sayError, write } from '../output.ts';
import { type CommandContext, exitFailed, exitSuccess } from '../run.ts';

/** Settles what was written, puts the rest back. What is damaged is said, and settled as well. */
export async function deliver(
  mail: MailService,
  deliveries: readonly Delivery[],
  { json, signal }: Pick<CommandContext, 'json' | 'signal'>,
  bytesOf: (body: Buffer) => Buffer,
): Promise<number> {
  let written = 0;
  let failed: unknown;
  try {
    for (const delivery of deliveries) {
      if (json) await write(jsonLine(plain(delivery)), signal);
      else if (delivery.body) await write(bytesOf(delivery.body), signal);
      if (!delivery.body) await sayError(present.damagedError(delivery));
      written++;
    }
  } catch (error) {
    failed = outputFailed(error, 'what was not written went back to its mailbox');
    const rest = deliveries.slice(written + 1);
    await mail.release(deliveries.slice(written, written + 1)).catch(() => {});
    await mail.release(rest, { unread: true }).catch(() => {});
  }
  await settle(mail, deliveries.slice(0, written));
  if (failed) throw failed;
  return deliveries.every(({ body }) => body) ? exitSuccess : exitFailed;
}

/** The bodies are out: what goes wrong now is said, but does not undo that. */
async function settle(mail: MailService, deliveries: readonly Delivery[]): Promise<void> {
  try {
    const late = AbortSignal.timeout(endMsMax);
    const notHeld = await mail.settle(deliveries, { signal: late });
    for (const { envelope } of notHeld)
      await say(`#${envelope.number} is held by another session.`);
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    await say('It is not known whether this was settled: it may come again.');
  }
}

function plain({ envelope, mailbox, attempt, body }: Delivery): object {
  const { id, number, to, from, origin, time, answers } = envelope;
  const text = body?.toString('utf8') ?? null;
  const fields = { id, number, mailbox, to, from, ...origin, time, attempt, answers };
  return { ...fields, damaged: body === undefined, body: text };
}
