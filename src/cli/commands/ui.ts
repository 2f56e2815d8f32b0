// `ipc ui`: the page, until a signal ends it.
//
// Like `ipc watch` it may end at any moment, so it is no standby; but a page without a broker would show nothing, so it
// owns one if no other session does for a second.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { AppContext, BrokerAddress } from '../../app/context.ts';
import { historyIn } from '../../app/environment.ts';
import { parseBrokerHost, parsePort } from '../../app/parameters.ts';
import { ownUser } from '../../app/process-facts.ts';
import { at } from '../../app/summaries.ts';
import { IpcError } from '../../base/errors.ts';
import { historyAgeMsDefault, historyBytesDefault, portUiDefault } from '../../base/limits.ts';
import { type Name, parseName } from '../../model/message.ts';
import { ownerAddress } from '../../net/listen.ts';
import { BrokerFeed, StoreFeed } from '../../ui/mail-feed.ts';
import { openBrowser, openerOf } from '../../ui/open-browser.ts';
import { type PageService, servePage } from '../../ui/page-service.ts';
import { type OutputFields, withExamples, withJson } from '../command-parts.ts';
import { say, warn, writeJson, writeReport } from '../output.ts';
import { type CommandContext, execute, exitSuccess, whenAborted } from '../run.ts';
import { isInBackground } from '../terminal.ts';

const uiFields: OutputFields = {
  url: 'opens the page, once',
};

/** Beside the program, where the build puts the page's files. */
const folder = join(import.meta.dirname, 'ui');

interface UiLine {
  readonly port: number;
  readonly at: BrokerAddress;
  readonly opens: boolean;
}

const words = `
The page shows who is there, what was said and what becomes of it, live and as
far back as the store keeps it; you can write, read mail of your own, pause,
drop, and stop workers. It is served on 127.0.0.1 alone. The URL has a token
that opens it once, in a browser of your own user; Enter prints a new one. Your
name there is IPC_NAME, or your login. For another machine's broker: --host, or
IPC_BROKER; for a page on another machine:
\`ssh -L ${portUiDefault}:127.0.0.1:${portUiDefault} HOST ipc ui\`.`;

export function addCommands(program: Command): void {
  const command = program
    .command('ui')
    .description('Show the mail in a browser, and take part in it.')
    .option('--port <port>', `port of the page; ${portUiDefault} by default`)
    .option('--host <host>', 'HOST or HOST:PORT of the broker')
    .option('--open', 'start the browser')
    .action(async ({ port, host, open, json }) => {
      const line: UiLine = {
        port: port === undefined ? portUiDefault : parsePort(port),
        at: host === undefined ? {} : { host: parseBrokerHost(host) },
        opens: open === true,
      };
      const act = (command: CommandContext) => ui(line, command);
      process.exit(await execute(act, { json: json !== undefined }, { ownership: 'late' }));
    });
  withJson(command, uiFields, 'one JSON object for each URL, on stdout');
  withExamples(command, 'ipc ui --open', 'IPC_NAME=boss ipc ui --port 8080');
  command.addHelpText('after', words);
}

/** The signal is the way to end it, so the exit code is 0. */
async function ui({ port, at: address, opens }: UiLine, { context, signal, json }: CommandContext) {
  const { mail, host, port: brokerPort } = await context.broker(address);
  const page = await servePage({
    ...{ mail, port, folder, me: personIn(context) },
    feed:
      host === undefined
        ? new StoreFeed(mail, context.storeFolder(brokerPort))
        : new BrokerFeed(mail),
    place: at({ host: host ?? ownerAddress, port: brokerPort }),
    history: host === undefined ? historyText() : '',
    onFault: (error) => void warn(`ipc: ${faultText(error)}`),
  });
  const url = page.newUrl();
  await writeUrl(url, json);
  const readsInput = !(process.stdin.isTTY && isInBackground());
  const more = readsInput
    ? 'Enter prints a new one, Ctrl-C ends the page.'
    : 'In the background no further one is printed.';
  await say(`Open it in a browser of this machine: it works once. ${more}`);
  if (opens) void startBrowser(url);
  if (readsInput) printMore(page, json);
  await new Promise((resolve) => whenAborted(signal, resolve));
  await page.close();
  return exitSuccess;
}

function writeUrl(url: string, json: boolean): Promise<boolean> {
  return json ? writeJson({ url }) : writeReport(url);
}

/** A line of stdin, which Enter ends, asks for a further URL. */
function printMore(page: PageService, json: boolean): void {
  createInterface({ input: process.stdin })
    .on('error', () => {})
    // What keeps one from being printed kept the first one from it, too, or ends the command.
    .on('line', () => void writeUrl(page.newUrl(), json).catch(() => {}));
}

async function startBrowser(url: string): Promise<void> {
  const fault = await openBrowser(openerOf(process.platform, url));
  if (fault !== undefined)
    await warn(`ipc: the browser was not started: ${fault}. Open the URL by hand.`);
}

const historyDefault = `${historyAgeMsDefault / 86_400_000}d,${historyBytesDefault / 1024 ** 2}MB`;

/** As this process would keep it; the owner of the broker may have another IPC_HISTORY. */
function historyText(): string {
  const bound = historyIn(process.env);
  if (bound === undefined) return historyDefault;
  return bound.bytesMax === 0 ? 'off' : `${process.env.IPC_HISTORY}`.trim();
}

function personIn({ name }: AppContext): Name {
  if (name !== undefined) return name;
  try {
    return parseName(ownUser());
  } catch {
    return 'person' as Name;
  }
}

function faultText(error: unknown): string {
  if (error instanceof IpcError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
