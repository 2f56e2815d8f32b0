import { Argument, Command } from 'commander';
import {
  type CallOf,
  type OperationCall,
  type OperationName,
  operations,
  type ParameterName,
  parseParameters,
  run,
} from '../app/operations.ts';
import { parsePort, storedIn } from '../app/parameters.ts';
import { quoted } from '../app/sanitize.ts';
import * as present from '../app/summaries.ts';
import { bodyBytesMax, endMsMax } from '../base/limits.ts';
import { version } from '../base/version.ts';
import type { PostResult } from '../model/mail-service.ts';
import { type Name, parseName, parseNamedId } from '../model/message.ts';
import { checkArguments } from './argv.ts';
import { deliver } from './commands/deliver.ts';
import { addInstallCommands } from './commands/install.ts';
import { addKeyCommands } from './commands/key.ts';
import { addStoreCommands } from './commands/store.ts';
import { parallelMax, parseParallel, Worker, type WorkOptions } from './commands/work.ts';
import { completionScript, shells } from './completion.ts';
import {
  brokerPortWords,
  completeHelp,
  configureHelp,
  type Helped,
  helpFor,
  parameterWords,
  withChoices,
  workHelp,
} from './help.ts';
import {
  jsonLine,
  outputFailed,
  print,
  printable,
  say,
  sayTimeout,
  write,
  writeJson,
} from './output.ts';
import {
  type CommandContext,
  endingSignals,
  execute,
  exitFailed,
  exitSuccess,
  exitTimedOut,
  whenAborted,
} from './run.ts';
import { readInput } from './stdin.ts';
import { painted, showWaiting, whileWaiting } from './terminal.ts';
import { topicNames } from './topics.ts';

/** What writes bodies of peers to stdout. */
const handsOver: readonly OperationName[] = ['wait', 'ask', 'fetch', 'receive'];

interface CommandLine {
  readonly operation: OperationName;
  /** Parameters that are given by their place. */
  readonly places: readonly ParameterName[];
  /** Returns the exit code. */
  act(call: OperationCall, command: CommandContext): Promise<number>;
}

const commands: Readonly<Record<string, CommandLine>> = {
  post: commandLine('post', ['to', 'message'], post),
  wait: commandLine('wait', ['mailbox'], wait),
  ask: commandLine('ask', ['to', 'message'], ask),
  fetch: commandLine('fetch', ['mailbox'], fetch),
  send: commandLine('send', ['host', 'message'], send),
  receive: commandLine('receive', [], receive),
  ping: commandLine('ping', ['host'], ping),
  broker: commandLine('broker_start', [], broker),
  status: commandLine('broker_status', [], status),
};

export function makeProgram(helped: Helped, colours: boolean): Command {
  const program = new Command('ipc')
    .description('Messages between AI agent sessions, through mailboxes or point to point.')
    .version(version);
  configureHelp(program, helped, colours);
  program
    .command('mcp')
    .description('Serve MCP on stdio: the one tool `ipc`.')
    .action(async () => (await import('../mcp/server.ts')).serveMcp(process.env));
  for (const [name, line] of Object.entries(commands)) addCommand(program, name, line);
  addStoreCommands(program.command('store').description('Look after the mail that is stored.'));
  addKeyCommands(
    program.command('key').description('Show or replace the key that opens the mail.'),
  );
  addWorkCommand(program);
  addInstallCommands(program);
  program
    .command('doctor')
    .description('Look at all that a session needs, and say what to do. Changes nothing.')
    .option('--port <port>', brokerPortWords)
    .option('--json', 'one JSON object a line, on stdout')
    .action(async ({ port, json }) => process.exit(await doctor(port, json === true)));
  addManualCommands(program);
  completeHelp(program);
  return program;
}

function addManualCommands(program: Command): void {
  const shell = withChoices(new Argument('<shell>', 'the shell that it is for'), shells);
  program
    .command('completion')
    .description('Print what a shell needs to complete lines of `ipc`.')
    .addArgument(shell)
    .action((name) => print(completionScript(name, program), 'nothing else was asked for'));
  const names = [...program.commands.map((command) => command.name()), ...topicNames];
  const words = withChoices(new Argument('[words...]', 'a command, or a topic'), names);
  program
    .command('help')
    .description('Say what a command does, or more of a topic.')
    .addArgument(words)
    .action((given) => print(helpFor(program, given), 'nothing else was asked for'));
}

function addCommand(program: Command, name: string, { operation, places, act }: CommandLine): void {
  const { what, needs, takes } = operations[operation];
  const command = program.command(name).description(what);
  for (const place of places) {
    const form = needs.includes(place) && place !== 'message' ? `<${place}>` : `[${place}]`;
    command.argument(form, parameterWords(operation, place));
  }
  for (const option of takes) {
    if (option === 'after') continue;
    command.option(`--${option} <${option}>`, parameterWords(operation, option));
  }
  if (operation === 'post') {
    command.option(
      '--id <id>',
      'an id of your own: stored once, however often posted; of several ID, ID/2, ...',
    );
    command.option(
      '--to <to>',
      'one more mailbox that gets it: all of them or none; may be repeated',
      (name: string, others: readonly string[] = []) => [...others, name],
    );
  }
  if (handsOver.includes(operation)) {
    command.option('--raw', 'control characters as they are, on a terminal too');
  }
  command.option('--json', 'one JSON object a line, on stdout');
  command.action(async () => {
    const { json, id, raw, to, ...options } = command.opts();
    const given: Record<string, unknown> = { ...options };
    for (const [index, place] of places.entries()) given[place] = command.args[index];
    if (operation === 'post') given.to = [given.to, ...(to ?? [])];
    await checkArguments({ ...given, id });
    if (places.includes('message')) given.message = await readMessage(given.message);
    const call = parseParameters(operation, given);
    const how = { json: json !== undefined, raw: raw !== undefined, id };
    process.exit(await execute((command) => act(call, command), how));
  });
}

function addWorkCommand(program: Command): void {
  program
    .command('work')
    .description('For each message run a command, and post what it prints to the sender.')
    .argument('<mailbox>', parameterWords('wait', 'mailbox'))
    .argument('<command...>', 'the command, and its arguments')
    .option('--from <from>', 'the name that answers; the mailbox by default')
    .option('--parallel <parallel>', `commands at the same time, 1-${parallelMax}; 1 by default`)
    .option('--host <host>', parameterWords('wait', 'host'))
    .option('--port <port>', parameterWords('wait', 'port'))
    .addHelpText('after', workHelp)
    .action(async (mailbox, words, { parallel, from, ...options }) => {
      await checkArguments({ mailbox, from });
      const call = parseParameters('wait', { mailbox, ...options }) as CallOf<'wait'>;
      const plan = {
        parallel: parallel === undefined ? 1 : parseParallel(parallel),
        from: from === undefined ? call.given.mailbox : parseName(from, 'from'),
        words,
      };
      process.exit(await execute((command) => work(call, plan, command), {}));
    });
}

function commandLine<K extends OperationName>(
  operation: K,
  places: readonly ParameterName[],
  act: (call: CallOf<K>, command: CommandContext) => Promise<number>,
): CommandLine {
  return { operation, places, act: (call, command) => act(call as unknown as CallOf<K>, command) };
}

async function post(
  call: CallOf<'post'>,
  { context, signal, json, id }: CommandContext,
): Promise<number> {
  const named = id === undefined ? undefined : parseNamedId(id);
  const { mail } = await context.broker(call.given);
  const result = await run(call, context, { mail, signal, id: named });
  if (!json) await sayStored(call.given, call.given.from ?? context.name, result);
  else for (const stored of storedIn(call.given.to, result)) await writeJson(stored);
  return exitSuccess;
}

async function sayStored(
  { to, host, port }: CallOf<'post'>['given'],
  from: Name | undefined,
  result: PostResult,
): Promise<void> {
  await say(present.presentStored(to, from, result, []));
  if (from === undefined) return say('Next: give --from to be answered.');
  const options = host ? ['--host', present.at(host)] : port === undefined ? [] : ['--port', port];
  await say(['Next: ipc wait', ...options, quotedForShell(from)].join(' '));
}

async function wait(call: CallOf<'wait'>, command: CommandContext): Promise<number> {
  const { context, signal, raw } = command;
  const { mail } = await context.broker(call.given);
  const { mailbox, timeout } = call.given;
  const what = `mail in ${quoted(mailbox)}`;
  const delivery = await whileWaiting(what, timeout, () => run(call, context, { mail, signal }));
  if (!delivery) {
    await sayTimeout(`No message within ${timeout} s.`, timeout);
    return exitTimedOut;
  }
  return deliver(mail, [delivery], command, (body) => printable(body, raw));
}

async function ask(call: CallOf<'ask'>, command: CommandContext): Promise<number> {
  const { context, signal, raw } = command;
  const { mail } = await context.broker(call.given);
  const { to, timeout } = call.given;
  const what = `the answer of ${quoted(to[0])}`;
  const asking = () => run(call, context, { mail, signal });
  const { stored, answer } = await whileWaiting(what, timeout, asking);
  if (!answer) {
    const line = `No answer to #${stored.number} within ${timeout} s; it is stored.`;
    await sayTimeout(line, timeout, stored);
    return exitTimedOut;
  }
  return deliver(mail, [answer], command, (body) => printable(body, raw));
}

async function fetch(call: CallOf<'fetch'>, command: CommandContext): Promise<number> {
  const { context, signal, raw } = command;
  const { mail } = await context.broker(call.given);
  const { deliveries, remaining } = await run(call, context, { mail, signal });
  const newline = Buffer.from('\n');
  const code = await deliver(mail, deliveries, command, (body) =>
    Buffer.concat([printable(body, raw), newline]),
  );
  if (remaining > 0) await say(`${present.moreThere(remaining)}.`);
  return code;
}

async function send(
  call: CallOf<'send'>,
  { context, signal, json }: CommandContext,
): Promise<number> {
  await run(call, context, { signal });
  const { host, from } = call.given;
  if (json) await writeJson({ received: true, host: present.at(host) });
  else await say(present.presentSend(host, from ?? context.name, []));
  return exitSuccess;
}

async function receive(
  call: CallOf<'receive'>,
  { context, signal, json, raw }: CommandContext,
): Promise<number> {
  const { port, timeout } = call.given;
  const what = `a message on port ${port}`;
  const message = await whileWaiting(what, timeout, () => run(call, context, { signal }));
  if (!message) {
    await sayTimeout(`No message within ${timeout} s.`, timeout);
    return exitTimedOut;
  }
  const { from, origin, body } = message;
  try {
    const plainMessage = { from, ...origin, body: body.toString('utf8') };
    await write(json ? jsonLine(plainMessage) : printable(body, raw), signal);
  } catch (error) {
    message.refuse();
    throw outputFailed(error, 'its sender was told to try again');
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
  else await say(present.presentPing(host, ms, []));
  return exitSuccess;
}

/** Owns it until the user ends that, or says who does. */
async function broker(call: CallOf<'broker_start'>, { context, signal, json }: CommandContext) {
  const { port, mail } = await context.broker(call.given);
  const result = await run(call, context, { mail, signal });
  if (json) await writeJson({ port, ...result });
  else await say(present.presentStart(port, result, []));
  if (result.role !== 'owner') return exitSuccess;
  // Who loses the role is a standby from then on, which alone keeps no process alive.
  const alive = setInterval(() => {}, endMsMax);
  await new Promise((resolve) => whenAborted(signal, resolve));
  clearInterval(alive);
  return exitSuccess;
}

async function work(
  { given }: CallOf<'wait'>,
  { words, ...plan }: Pick<WorkOptions, 'parallel' | 'from'> & { words: readonly string[] },
  { context, signal }: CommandContext,
): Promise<number> {
  const [command = '', ...args] = words;
  const { mail } = await context.broker(given);
  const again = new AbortController();
  whenAborted(signal, () => {
    for (const name of endingSignals) process.once(name, () => again.abort());
    void say('ipc: ending after the running command; once more ends that, too.');
  });
  const { mailbox } = given;
  let endWaiting = () => {};
  const onIdle = (isIdle: boolean) => {
    endWaiting();
    endWaiting = isIdle ? showWaiting(`messages in ${quoted(mailbox)}`, undefined) : () => {};
  };
  const ending = { signal, killSignal: again.signal };
  const options = { mailbox, command, args, env: process.env, ...ending, say, onIdle };
  await new Worker(mail, { ...options, ...plan }).run();
  return exitSuccess;
}

async function status(call: CallOf<'broker_status'>, { context, signal, json }: CommandContext) {
  const { mail } = await context.broker(call.given);
  const result = await run(call, context, { mail, signal });
  if (json) await writeJson({ host: result.host, ...result });
  else await say(present.presentStatus(result, Date.now(), []));
  return exitSuccess;
}

async function doctor(port: string | undefined, json: boolean): Promise<number> {
  const { examine } = await import('./commands/doctor.ts');
  const findings = await examine(process.env, port === undefined ? undefined : parsePort(port));
  for (const { about, ok, what, hint } of findings) {
    const remedy = hint === undefined ? '' : ` To do: ${hint}.`;
    if (json) await writeJson({ about, ok, what, hint });
    else
      await say(
        `${ok ? painted('green', 'ok ') : painted('red', 'BAD')}  ${about}: ${what}.${remedy}`,
      );
  }
  return findings.every(({ ok }) => ok) ? exitSuccess : exitFailed;
}

function quotedForShell(text: string): string {
  return /^[\w.@:+][\w.@:+-]*$/.test(text) ? text : `-- '${text.replaceAll("'", "'\\''")}'`;
}

/** The text of the command line, or stdin. */
async function readMessage(text: unknown): Promise<unknown> {
  if (typeof text === 'string' && text !== '-') return Buffer.from(text);
  if (text === undefined && process.stdin.isTTY) return undefined;
  return readInput(bodyBytesMax);
}
