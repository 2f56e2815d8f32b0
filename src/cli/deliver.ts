// How mail leaves the program: each body is written to stdout, then its message is settled. A message that
// could not be written is released.

import * as present from '../app/summaries.ts';
import { IpcError } from '../base/errors.ts';
import { endMsMax } from '../base/limits.ts';
import type { Delivery, MailService } from '../model/mail-service.ts';
import type { Origin } from '../model/message.ts';
import type { OutputFields } from './command-parts.ts';
import { jsonLine, outputFailed, sayError, warn, write } from './output.ts';
import { type CommandContext, exitFailed, exitSuccess } from './run.ts';
import { failureIn } from './worker/failure-answer.ts';

export const originFields: OutputFields = {
  from: 'the name of the sender; "" when it gave none',
  program: 'the program of the sender',
  pid: 'its process',
  machine: 'the machine where that runs',
  folder: 'its working folder; null when it is not known',
};

export const bodyFields: OutputFields = { body: 'its text' };

interface PlainOrigin extends Omit<Origin, 'folder'> {
  readonly folder?: string | null;
}

/** The fields that `plain` returns. */
export const messageFields: OutputFields = {
  id: 'the id of the message',
  number: 'its number in the store',
  mailbox: 'where it was read',
  to: 'where it was posted to',
  ...originFields,
  time: 'when it was stored, in ms since 1970',
  attempt: 'how many times it was delivered, this time included',
  lastHold: 'who had it last, unsettled: name, from, to, ended; null: nobody',
  answers: 'the id of the message that it answers, or ""',
  depth: 'its position in a chain of answers; 0 if it answers none',
  remaining: 'messages left in the mailbox that no session holds',
  elsewhere: "this session's unread mail elsewhere: [{mailbox, ready}]",
  failure: 'why the job failed, in the answer of an `ipc work` that says so',
  damaged: 'true: the disk damaged it, and its body is lost',
  body: 'its text; null when it is damaged',
};

/** Settles the messages that were written, releases the others. A damaged one is reported, and settled. */
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
    failed = outputFailed(error, 'what was not written was released');
    const rest = deliveries.slice(written + 1);
    await mail.release(deliveries.slice(written, written + 1)).catch(() => {});
    await mail.release(rest, { unread: true }).catch(() => {});
  }
  await settle(mail, deliveries.slice(0, written));
  if (failed) throw failed;
  return deliveries.every(({ body }) => body) ? exitSuccess : exitFailed;
}

/** The bodies are written, so a failure to settle is reported and changes nothing else. */
async function settle(mail: MailService, deliveries: readonly Delivery[]): Promise<void> {
  try {
    const late = AbortSignal.timeout(endMsMax);
    const notHeld = await mail.settle(deliveries, { signal: late });
    for (const { envelope } of notHeld)
      await warn(`#${envelope.number} is held by another session.`);
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    await warn('It is not known whether this was settled: it may be redelivered.');
  }
}

/** With all fields, whether the folder is known or not. */
export function plainOrigin({ program, pid, machine, folder = null }: PlainOrigin): PlainOrigin {
  return { program, pid, machine, folder };
}

function plain(delivery: Delivery): object {
  const { envelope, mailbox, attempt, lastHold, remaining, elsewhere, body } = delivery;
  const { id, number, to, from, origin, time, answers, depth } = envelope;
  const text = body?.toString('utf8') ?? null;
  const fields = {
    id,
    number,
    mailbox,
    to,
    from,
    ...plainOrigin(origin),
    time,
    attempt,
    lastHold,
    answers,
    depth,
    remaining,
    elsewhere,
  };
  return { ...fields, failure: failureIn(envelope, body), damaged: body === undefined, body: text };
}
