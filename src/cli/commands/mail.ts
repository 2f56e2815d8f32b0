// The commands that store and read mail: post, wait, ask, fetch.
import { type CallOf, type OperationName, run } from '../../app/operations.ts';
import { parseCount, postedMessages } from '../../app/parameters.ts';
import { pausedFacts } from '../../app/pause-words.ts';
import { elsewhereFacts, leftFacts, sameTextNotes, unreadFacts } from '../../app/receipt-words.ts';
import { sanitizeLine } from '../../app/sanitize.ts';
import * as present from '../../app/summaries.ts';
import { fetchMessagesMax, holderGraceMs } from '../../base/limits.ts';
import { quoted } from '../../base/quoted.ts';
import type { Delivery, LeftUnread, MailService, PostResult } from '../../model/mail-service.ts';
import { type Name, parseNamedId } from '../../model/message.ts';
import { deliver, messageFields } from '../deliver.ts';
import type { OperationCommand } from '../operation-line.ts';
import {
  printable,
  say,
  sayNextWait,
  sayNoAddress,
  sayTimeout,
  sayWaiting,
  writeJson,
  writeReport,
} from '../output.ts';
import { type CommandContext, exitFailed, exitSuccess, exitTimedOut } from '../run.ts';
import { failureIn } from '../worker/failure-answer.ts';

const postCommand: OperationCommand<'post'> = {
  name: 'post',
  operation: 'post',
  positional: ['to', 'message'],
  options: [
    {
      name: 'id',
      words:
        'an id of your own: a repeated post is stored once; with several mailboxes ID, ID/2, ...',
    },
    {
      name: 'to',
      mayBeRepeated: true,
      words: 'one more mailbox: all get the message, or none; may be repeated',
    },
  ],
  json: {
    to: 'the mailbox; a post to several prints an object for each',
    id: 'the id of the message',
    number: 'its number in the store',
    duplicate: 'true: it was stored by an earlier post, and not again',
    reader: 'true: a reader was waiting for it',
    watched: 'true: none was, but a session that watches will be woken',
    paused: 'true: deliveries from its mailbox are paused',
    before: 'unread messages that will be delivered before it',
    holder: 'the first message that another reader holds: {number, name, heldMs}',
    same: 'its text, stored before and unsettled: {number, ageMs, isHeld}',
    elsewhere: "this session's unread mail elsewhere: [{mailbox, ready}]",
  },
  examples: [
    "ipc post ann --from ben <<'END'    # the shell leaves the text as it is\nWhat does `make test` print?\nEND",
    'ipc post ann Go --from ben',
    'ipc post ann --id job-7 < plan.md    # stored once, however often posted',
  ],
  act: post,
};

const waitCommand: OperationCommand<'wait'> = {
  name: 'wait',
  operation: 'wait',
  positional: ['mailbox'],
  takesSeveral: true,
  mayWaitForever: true,
  printsBodies: true,
  json: messageFields,
  examples: [
    'ipc wait ann --timeout 300 > message.txt',
    'ipc wait ann jobs --json    # whichever has mail, ann first',
  ],
  act: wait,
};

const askCommand: OperationCommand<'ask'> = {
  name: 'ask',
  operation: 'ask',
  positional: ['to', 'message'],
  options: [
    {
      name: 'id',
      words: 'an id of your own: asked again with it, the question is stored once',
    },
  ],
  mayWaitForever: true,
  printsBodies: true,
  json: messageFields,
  examples: [
    "ipc ask ann --mailbox ben <<'END'\nWhat does `make test` print?\nEND",
    'ipc ask ann Ready? --mailbox ben --timeout 300',
    'ipc ask ann Go? --mailbox ben --id go-7    # started again, it waits on',
  ],
  act: ask,
};

const fetchCommand: OperationCommand<'fetch'> = {
  name: 'fetch',
  operation: 'fetch',
  positional: ['mailbox'],
  takesSeveral: true,
  options: [{ name: 'max', words: `take at most that many; ${fetchMessagesMax} by default` }],
  printsBodies: true,
  json: messageFields,
  examples: [
    'ipc fetch ann --json | jq -r .body',
    'ipc fetch ann --max 1    # `| head -1` would lose the others',
  ],
  act: fetch,
};

/** In the order of the manual. */
export const mailCommands: readonly OperationCommand<OperationName>[] = [
  postCommand,
  waitCommand,
  askCommand,
  fetchCommand,
];

async function post(call: CallOf<'post'>, { context, json, id }: CommandContext): Promise<number> {
  const named = id === undefined ? undefined : parseNamedId(id);
  const { mail } = await context.broker(call.given);
  const result = await run(call, context, { mail, id: named });
  if (!json) await reportStored(call.given, call.given.from ?? context.name, result);
  else for (const stored of postedMessages(call.given.to, result)) await writeJson(stored);
  return exitSuccess;
}

async function reportStored(
  given: CallOf<'post'>['given'],
  from: Name | undefined,
  result: PostResult,
): Promise<void> {
  await writeReport(present.presentStored(given.to, result, []));
  if (from === undefined) return sayNoAddress(given.message);
  await sayNextWait(from, given);
}

async function wait(call: CallOf<'wait'>, command: CommandContext): Promise<number> {
  const { context, signal, json, raw } = command;
  const { mail } = await context.broker(call.given);
  const { mailbox, timeout } = call.given;
  await sayWaiting(`mail in ${present.anyOf(mailbox)}`, timeout);
  let left: LeftUnread | undefined;
  const onTimeout = (unread: LeftUnread) => {
    left = unread;
  };
  let delivery = await run(call, context, { mail, signal, onTimeout });
  // A broker that has not answered the wait may not answer a fetch either.
  if (!delivery && left) delivery = await takeReturned(mail, call.given, signal);
  if (!delivery) {
    const unread = left ? unreadFacts(mailbox, left) : [];
    const what = present.head(`No message within ${timeout} s`, unread);
    await sayTimeout(what, timeout, { paused: left?.paused });
    return exitTimedOut;
  }
  const code = await deliver(mail, [delivery], command, (body) => printable(body, raw));
  // With --json fields say the same.
  if (!json) await sayFacts([...leftFacts(delivery), ...elsewhereFacts(delivery.elsewhere)]);
  return code;
}

/**
 * A new owner redelivers what a killed reader held only after `holderGraceMs`, in case the reader reconnects. A command
 * that waits for less may be that owner, and so may the next one: each begins that time anew. A fetch waits for its end.
 */
async function takeReturned(
  mail: MailService,
  { mailbox, timeout }: CallOf<'wait'>['given'],
  signal: AbortSignal,
): Promise<Delivery | undefined> {
  if (timeout * 1_000 > holderGraceMs) return undefined;
  const { deliveries, remaining } = await mail.fetch(mailbox, { messagesMax: 1, signal });
  const [delivery] = deliveries;
  return delivery && { ...delivery, remaining };
}

async function sayFacts([first, ...others]: present.Notes): Promise<void> {
  if (first === undefined) return;
  const sentence = present.head(first, others);
  await say(`${sentence.slice(0, 1).toUpperCase()}${sentence.slice(1)}`);
}

async function ask(call: CallOf<'ask'>, command: CommandContext): Promise<number> {
  const { context, signal, raw, id } = command;
  const named = id === undefined ? undefined : parseNamedId(id);
  const { mail } = await context.broker(call.given);
  const { to, timeout } = call.given;
  await sayWaiting(`the answer of ${quoted(to[0])}`, timeout);
  const { stored, answer } = await run(call, context, { mail, signal, id: named });
  const again = sameTextNotes(stored);
  if (again.length > 0)
    await say(present.head(`The question is stored as #${stored.number}`, again));
  if (!answer) {
    const state = stored.duplicate
      ? 'it was stored before, and an answer that was read by now does not come again'
      : 'it was stored';
    const notes = [state, ...(stored.paused ? pausedFacts(to) : [])];
    const line = present.head(`No answer to #${stored.number} within ${timeout} s`, notes);
    await sayTimeout(line, timeout, { stored, paused: stored.paused ? to : undefined });
    return exitTimedOut;
  }
  const code = await deliver(mail, [answer], command, (body) => printable(body, raw));
  const failure = failureIn(answer.envelope, answer.body);
  if (failure === undefined) return code;
  await say(`ipc: the job failed: ${sanitizeLine(failure)}.`);
  return exitFailed;
}

async function fetch(call: CallOf<'fetch'>, command: CommandContext): Promise<number> {
  const { context, signal, json, raw, max } = command;
  const messagesMax = max === undefined ? undefined : parseCount(max, 'max', fetchMessagesMax);
  const { mail } = await context.broker(call.given);
  const found = await run(call, context, { mail, signal, messagesMax });
  const { deliveries, remaining } = found;
  const newline = Buffer.from('\n');
  const code = await deliver(mail, deliveries, command, (body) =>
    Buffer.concat([printable(body, raw), newline]),
  );
  if (remaining > 0) await say(`${present.moreThere(remaining)}.`);
  // No field says why nothing came: there may be no object.
  const elsewhere = json ? [] : elsewhereFacts(found.elsewhere);
  await sayFacts([...pausedFacts(found.paused), ...elsewhere]);
  return code;
}
