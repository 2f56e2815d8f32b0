// `ipc log`: what was said, as a conversation. It reads the files of the store, so it costs the broker nothing, and takes
// no message.
//
// 1. A first reading folds all that happened to the messages that are wanted. If they are few, they are printed then; if
//    they are many, those that are over are printed meanwhile.
// 2. If a message that is not over keeps many others waiting, a second reading prints the rest, each with the state that
//    the first one found.
// 3. With --follow the broker's events go on where the files ended; without a broker the files are read on.
import type { Command } from 'commander';
import type { BrokerAddress } from '../../app/context.ts';
import { StoreTail } from '../../app/live-events.ts';
import type { MessageStory } from '../../app/message-stories.ts';
import { parseNameValue, parsePort, parseSince } from '../../app/parameters.ts';
import { firstLine, partText } from '../../app/peek.ts';
import { cancelled, IpcError } from '../../base/errors.ts';
import { bodyBytesMax, peekLineBytes } from '../../base/limits.ts';
import { quoted } from '../../base/quoted.ts';
import { realDisk } from '../../journal/disk.ts';
import { hasPast } from '../../journal/past-files.ts';
import type { EventCursor, MailEvent } from '../../model/mail-events.ts';
import {
  deadLetterMailbox,
  type MessageId,
  type Name,
  parseMessageId,
} from '../../model/message.ts';
import { withExamples, withJson } from '../command-parts.ts';
import { FaultReport } from '../fault-report.ts';
import type { LogEntry } from '../log/log-entries.ts';
import { LogFold } from '../log/log-fold.ts';
import { entryLine, logFields, pauseLine } from '../log/log-json.ts';
import { LogPauses } from '../log/log-pauses.ts';
import { brokerSource, followed, type LogSource, storeSource } from '../log/log-source.ts';
import { LogText } from '../log/log-text.ts';
import { threadBegin } from '../log/log-thread.ts';
import { MailSearch, type MessageQuery } from '../log/message-query.ts';
import { confirmed, say, showProgress, warn, writeReport, writeResult } from '../output.ts';
import { type CommandContext, execute, exitFailed, exitSuccess } from '../run.ts';
import { erase } from './log-erase.ts';
import { brokerAt, lookOwnership, requireTerminal, withBroker } from './look.ts';
import { sayNone } from './store.ts';

interface LogLine {
  readonly query: MessageQuery;
  readonly mailbox: Name | undefined;
  readonly id: MessageId | undefined;
  readonly thread: MessageId | undefined;
  readonly follow: boolean;
  readonly full: boolean;
  readonly at: BrokerAddress;
}

/** A search that takes longer shows how far it is. */
const progressMsMin = 500;
/** Messages that are written at once. */
const writtenAtOnce = 200;

const words = `
It reads the files of the store, with or without a broker, or asks the owner on
a NATS server. It takes no message and changes nothing. Settled mail is kept as
IPC_HISTORY says. Times are UTC.
Without a filter, or with --mailbox or --since alone, it has a line for each
pause and its end, too.
States: "stored"; "with NAME" while a session holds it; "done by NAME" when NAME
has settled it; "dropped" unread; "dead letter". --id shows all that happened to
one message; --thread shows the messages that it answers, and their answers.
With --follow --json a message has a new line whenever its state changes.
--erase forgets settled mail; mail that is not settled stays.`;

export function addCommands(program: Command): void {
  const command = program
    .command('log')
    .description('Show what was said, and what became of each message.')
    .option('--follow', 'go on, with what happens from now on')
    .option('--from <from>', 'only from this sender')
    .option('--to <to>', 'only what was posted to this mailbox')
    .option('--with <name>', 'only from or to this name')
    .option('--mailbox <mailbox>', 'as --to; for dead-letters all that were in it')
    .option('--since <since>', 'only what was stored since: 30s, 5m, 2h, 2d, or a time')
    .option('--grep <text>', 'only messages whose text has this, in any case')
    .option('--id <id>', 'only this message, with all that happened to it')
    .option('--thread <id>', 'the thread of this message')
    .option('--full', 'whole texts, not only their first lines')
    .option('--erase', 'forget settled mail, of all mailboxes or of --mailbox; asks first')
    .option('--yes', 'with --erase: do not ask');
  withBroker(command).action(async (options) => {
    if (options.erase === true) process.exit(await eraseLog(options));
    if (options.yes !== undefined) {
      const hint = '`ipc log --erase --yes` forgets settled mail without a question';
      throw new IpcError('bad_parameter', '--yes goes with --erase only', { hint });
    }
    const line = parseLine(options);
    const act = (context: CommandContext) => new LogCommand(line, context).run();
    const { json } = options;
    const ownership = lookOwnership(line.at);
    process.exit(await execute(act, { json: json !== undefined }, { ownership }));
  });
  withJson(command, logFields);
  withExamples(
    command,
    'ipc log --with ann --since 2h',
    'ipc log --grep "make test" --full',
    'ipc log --follow --json    # a line whenever the state of a message changes',
  );
  command.addHelpText('after', words);
}

type Given = Readonly<Record<string, string | boolean | undefined>>;

const withErase = ['erase', 'yes', 'mailbox', 'port', 'json', 'quiet'];

/** Returns the exit code. */
async function eraseLog(options: Given): Promise<number> {
  const other = Object.keys(options).find((name) => !withErase.includes(name));
  if (other !== undefined) {
    throw new IpcError('bad_parameter', `--erase and --${other} do not go together`, {
      hint: '`ipc log --erase` takes --mailbox, --port, --yes and --json',
    });
  }
  const { port, json } = options;
  const mailbox =
    options.mailbox === undefined ? undefined : parseNameValue(options.mailbox, 'mailbox');
  const at = port === undefined ? undefined : parsePort(String(port));
  const line = { port: at, mailbox, json: json === true };
  if (options.yes !== true) requireTerminal('log', 'erase');
  const act = async ({ context, signal }: CommandContext) => {
    const { host, port } = await context.brokerAddress({ port: context.localPort(at) });
    const folder = host === undefined ? context.storeFolder(port) : undefined;
    if (folder !== undefined && !hasPast(realDisk, folder)) return sayNone(folder);
    const what = mailbox === undefined ? 'all mailboxes' : quoted(mailbox);
    const question = `Forget the past of ${what}?`;
    const isWanted = options.yes === true || (await confirmed(question, signal));
    if (signal.aborted) throw cancelled();
    if (isWanted) return erase(line, context, signal);
    await writeReport('Nothing was erased.');
    return exitFailed;
  };
  return execute(act, { json: line.json });
}

function parseLine(options: Given): LogLine {
  const name = (parameter: string) => {
    const value = options[parameter];
    return value === undefined ? undefined : parseNameValue(value, parameter);
  };
  const id = (parameter: string) => {
    const value = options[parameter];
    return value === undefined ? undefined : parseMessageId(String(value));
  };
  const { since, grep, host, port } = options;
  const mailbox = name('mailbox');
  const to = name('to');
  if (
    to !== undefined &&
    mailbox !== undefined &&
    to !== mailbox &&
    mailbox !== deadLetterMailbox
  ) {
    throw new IpcError('bad_parameter', '--to and --mailbox name two mailboxes', {
      hint: 'give one of them',
    });
  }
  const query: MessageQuery = {
    from: name('from'),
    to: to ?? (mailbox === deadLetterMailbox ? undefined : mailbox),
    with: name('with'),
    sinceMs: since === undefined ? undefined : parseSince(since, 'since', Date.now()),
    text: grep === undefined ? undefined : String(grep),
  };
  return {
    ...{ query, mailbox, id: id('id'), thread: id('thread') },
    follow: options.follow === true,
    full: options.full === true || options.id !== undefined,
    at: brokerAt(host as string | undefined, port as string | undefined),
  };
}

class LogCommand {
  readonly #line: LogLine;
  readonly #context: CommandContext;
  readonly #text: LogText;
  readonly #fold: LogFold;
  readonly #pauses: LogPauses;
  readonly #startedAt = performance.now();
  /** Something was printed. */
  #isAny = false;

  constructor(line: LogLine, context: CommandContext) {
    this.#line = line;
    this.#context = context;
    this.#text = new LogText(line.full);
    const { query, mailbox, id, thread } = line;
    const picked = id ?? thread;
    const near = picked === undefined ? undefined : new Set([picked]);
    this.#pauses = new LogPauses({ ...query, near }, mailbox);
    const isDeadLettersOnly = mailbox === deadLetterMailbox;
    this.#fold = new LogFold({
      isDeadLettersOnly,
      keepsTexts: line.follow && (isDeadLettersOnly || context.json),
      // Answers to the message, which are not printed, must not take its place.
      keepsAll: id !== undefined,
    });
  }

  async run(): Promise<number> {
    const { context } = this.#context;
    const { host, port } = await context.brokerAddress(this.#line.at);
    const folder = host === undefined ? context.storeFolder(port) : undefined;
    if (folder !== undefined && !this.#line.follow && !hasPast(realDisk, folder)) {
      return sayNone(folder);
    }
    try {
      const source =
        folder === undefined
          ? brokerSource((await context.broker(this.#line.at)).mail)
          : storeSource(folder);
      return await this.#print(source);
    } finally {
      showProgress('');
    }
  }

  /** Returns the exit code. */
  async #print(source: LogSource): Promise<number> {
    const query = await this.#query(source);
    const { id, thread, follow } = this.#line;
    if (!query) return this.#sayUnknown(thread);
    const filter = new MailSearch(query);
    const next = await this.#read(source, filter);
    showProgress('');
    if (!next) return exitSuccess;
    if (id !== undefined && !this.#fold.stories.byId(id)) return this.#sayUnknown(id);
    if (!(await this.#writeAll(source, query, next))) return exitSuccess;
    return follow ? this.#follow(filter, next) : exitSuccess;
  }

  async #query(source: LogSource): Promise<MessageQuery | undefined> {
    const { query, id, thread } = this.#line;
    if (id !== undefined) return { ...query, near: new Set([id]) };
    if (thread === undefined) return query;
    const near = await threadBegin(source, thread, this.#options);
    return near && { ...query, near, isThread: true };
  }

  /** Folds all that there is. Returns where it ends; undefined if the reader of stdout is gone. */
  async #read(source: LogSource, filter: MailSearch): Promise<EventCursor | undefined> {
    let next: EventCursor = { epoch: 0, sequence: 0 };
    let missing = 0;
    const options = { ...this.#options, filter, partBytesMax: this.#partBytesMax };
    for await (const batch of source(options)) {
      const { gap } = batch;
      if (gap) missing += gap.to - gap.from + 1;
      for (const event of batch.events) {
        this.#pauses.add(event);
        this.#fold.apply(event, this.#isTextWanted(event) ? this.#textOf(event) : '');
      }
      next = batch.next;
      if (!(await this.#write(this.#fold.takeOver()))) return undefined;
    }
    if (missing > 0) await say(`Records that are missing in between: ${missing}.`);
    return next;
  }

  /** Returns false if the reader of stdout is gone. */
  async #writeAll(source: LogSource, query: MessageQuery, next: EventCursor): Promise<boolean> {
    const { id, follow } = this.#line;
    if (id !== undefined) return writeResult(this.#life(id));
    const isRead = this.#fold.isWhole
      ? await this.#write(this.#fold.rest())
      : await this.#writeAgain(source, query, next);
    if (!isRead || !(await writeResult(this.#pausesBefore(Number.POSITIVE_INFINITY)))) return false;
    if (!this.#isAny && !follow && !this.#context.json) await say('No message.');
    return true;
  }

  /** Returns false if the reader of stdout is gone. */
  async #write(stories: readonly MessageStory[]): Promise<boolean> {
    if (stories.length === 0) return true;
    showProgress('');
    this.#isAny = true;
    for (let at = 0; at < stories.length; at += writtenAtOnce) {
      const some = stories.slice(at, at + writtenAtOnce).map((story) => {
        return this.#pausesBefore(story.stored.sequence) + this.#entry(story);
      });
      if (!(await writeResult(some.join('')))) return false;
    }
    return true;
  }

  /** Reads the messages again that are not printed yet, for their texts. Returns as #write does. */
  async #writeAgain(
    source: LogSource,
    query: MessageQuery,
    { sequence }: EventCursor,
  ): Promise<boolean> {
    const filter = new MailSearch(query);
    const { follow } = this.#line;
    const { signal } = this.#context;
    for await (const { events } of source({ filter, partBytesMax: this.#partBytesMax, signal })) {
      const some = events.flatMap((event) => {
        if (event.kind !== 'stored' || event.sequence > sequence) return [];
        const { envelope } = event;
        const standing = this.#fold.standing(envelope.number);
        if (!standing && !follow) return [];
        const text = this.#textOf(event);
        this.#fold.setText(envelope.number, text);
        if (!standing) return [];
        const entry = { envelope, text, standing };
        return [this.#pausesBefore(event.sequence), this.#written(entry)];
      });
      if (some.length > 0) this.#isAny = true;
      if (!(await writeResult(some.join('')))) return false;
    }
    return true;
  }

  async #follow(filter: MailSearch, after: EventCursor): Promise<number> {
    this.#fold.printed();
    const { context, signal, json } = this.#context;
    const { mail, host, port } = await context.broker(this.#line.at);
    const faults = new FaultReport((line) => void warn(line));
    const onFault = (error: IpcError) => {
      if (!error.kind.retry) throw error;
      faults.report(`${error.code}: ${error.message}`);
    };
    const files = host === undefined ? new StoreTail(context.storeFolder(port)) : undefined;
    const options = { after, filter, files, partBytesMax: this.#partBytesMax, signal, onFault };
    for await (const { events, gap } of followed(mail, options)) {
      faults.passed();
      if (gap) await say(`Records that are missing in between: ${gap.to - gap.from + 1}.`);
      const some = events.flatMap((event) => {
        this.#pauses.add(event);
        if (event.kind === 'paused' || event.kind === 'resumed') {
          return [this.#pausesBefore(Number.POSITIVE_INFINITY)];
        }
        const entry = this.#fold.follow(event, this.#textOf(event));
        if (!entry) return [];
        if (event.kind === 'stored' || entry.isNew || json) return [this.#written(entry)];
        return [this.#text.change(event)];
      });
      if (!(await writeResult(some.join('')))) return exitSuccess;
    }
    throw cancelled();
  }

  #life(id: MessageId): string {
    const { stories } = this.#fold;
    const story = stories.byId(id);
    if (!story) return '';
    const { text, life, stored, answeredBy } = story;
    const entry = { envelope: stored.envelope, text, standing: story };
    if (this.#context.json) return entryLine(entry, true, life);
    const numbers = answeredBy.flatMap((each) => stories.byId(each)?.stored.envelope.number ?? []);
    return this.#text.life(story, text, numbers);
  }

  #pausesBefore(sequence: number): string {
    const pauses = this.#pauses.before(sequence);
    if (pauses.length > 0) this.#isAny = true;
    const { json } = this.#context;
    return pauses.map((each) => (json ? pauseLine(each) : this.#text.pause(each))).join('');
  }

  #entry(story: MessageStory): string {
    const { text, stored } = story;
    return this.#written({ envelope: stored.envelope, text, standing: story });
  }

  #written(entry: LogEntry): string {
    return this.#context.json ? entryLine(entry, this.#line.full) : this.#text.entry(entry);
  }

  /** In the first reading. Of the answers to the message of --id only the numbers are printed. */
  #isTextWanted(event: MailEvent): boolean {
    const { id, follow } = this.#line;
    if (event.kind !== 'stored' || !this.#fold.isWhole) return false;
    return id === undefined || follow || event.envelope.id === id;
  }

  #textOf(event: MailEvent): string | undefined {
    if (event.kind !== 'stored') return undefined;
    return this.#line.full ? partText(event) : firstLine(event);
  }

  get #partBytesMax(): number {
    return this.#line.full ? bodyBytesMax : peekLineBytes;
  }

  get #options() {
    const { signal } = this.#context;
    const onProgress = (read: number, all: number) => {
      if (performance.now() - this.#startedAt < progressMsMin) return;
      showProgress(`Reading the store: ${read} of ${all} files`);
    };
    return { signal, onProgress };
  }

  async #sayUnknown(id: MessageId | undefined): Promise<number> {
    showProgress('');
    await warn(`No message with the id ${quoted(id ?? '')} is kept.`);
    return exitFailed;
  }
}
