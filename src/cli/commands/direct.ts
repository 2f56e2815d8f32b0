// The commands that work without a broker: send, receive, ping.
import type { Command } from 'commander';
import { type CallOf, run } from '../../app/operations.ts';
import * as present from '../../app/summaries.ts';
import { bodyFields, originFields, plainOrigin } from '../deliver.ts';
import { addOperation } from '../operation-command.ts';
import {
  jsonLine,
  outputFailed,
  printable,
  sayNoAddress,
  sayTimeout,
  sayWaiting,
  write,
  writeJson,
  writeReport,
} from '../output.ts';
import { type CommandContext, exitSuccess, exitTimedOut } from '../run.ts';

export function addCommands(program: Command): void {
  addOperation(program, {
    name: 'send',
    operation: 'send',
    positional: ['host', 'message'],
    json: { received: 'true', host: 'HOST:PORT of the session that has it' },
    examples: ['ipc send 127.0.0.1:19900 < plan.md'],
    act: send,
  });
  addOperation(program, {
    name: 'receive',
    operation: 'receive',
    positional: [],
    printsBodies: true,
    json: { ...originFields, ...bodyFields },
    examples: ['ipc receive --port 19900 > plan.md'],
    act: receive,
  });
  addOperation(program, {
    name: 'ping',
    operation: 'ping',
    positional: ['host'],
    json: { host: 'HOST:PORT that answered', ms: 'round trip time in ms' },
    examples: ['ipc ping 127.0.0.1:19900'],
    act: ping,
  });
}

async function send(
  call: CallOf<'send'>,
  { context, signal, json }: CommandContext,
): Promise<number> {
  await run(call, context, { signal });
  const { host, from } = call.given;
  if (json) await writeJson({ received: true, host: present.at(host) });
  else await writeReport(present.presentSend(host, []));
  if (!json && (from ?? context.name) === undefined) await sayNoAddress(call.given.message);
  return exitSuccess;
}

async function receive(
  call: CallOf<'receive'>,
  { context, signal, json, raw }: CommandContext,
): Promise<number> {
  const { port, timeout } = call.given;
  await sayWaiting(`a message on port ${port}`, timeout);
  const message = await run(call, context, { signal });
  if (!message) {
    await sayTimeout(`No message within ${timeout} s.`, timeout);
    return exitTimedOut;
  }
  const { from, origin, body } = message;
  try {
    const plainMessage = { from, ...plainOrigin(origin), body: body.toString('utf8') };
    await write(json ? jsonLine(plainMessage) : printable(body, raw), signal);
  } catch (error) {
    message.refuse();
    throw outputFailed(error, 'its sender was asked to try again');
  }
  await message.confirm();
  return exitSuccess;
}

async function ping(
  call: CallOf<'ping'>,
  { context, signal, json }: CommandContext,
): Promise<number> {
  const { host } = call.given;
  const { ms } = await run(call, context, { signal });
  if (json) await writeJson({ host: present.at(host), ms });
  else await writeReport(present.presentPing(host, ms, []));
  return exitSuccess;
}
