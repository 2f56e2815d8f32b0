// The manual beside the commands: `ipc help TOPIC`. Lines of at most 80 columns.
import { attemptsMax, endMsMax, portBrokerDefault, sendsPerHourMcp } from '../base/limits.ts';
import { retryMsMax, retryMsMin } from './commands/work.ts';
import { jsonObjects } from './json-fields.ts';

export interface Topic {
  readonly what: string;
  readonly text: string;
}

/** Each with its meaning, a line for each string. */
type Rows = Readonly<Record<string, readonly string[]>>;

export const exitCodes: Rows = {
  0: ['done'],
  1: [
    'the world said no: nobody there, no room, damage, something amiss that',
    '`doctor` or `store check` found, output that cannot be written',
  ],
  2: ['the call is wrong: the same line never succeeds'],
  124: ['the time is over, and no message came'],
  130: [
    'interrupted by SIGINT (Ctrl-C); 143 by SIGTERM, 129 by SIGHUP. Mail that',
    'is held goes back. `broker` and `work`, which are ended so, exit with 0',
  ],
};

export const environment: Rows = {
  IPC_HOME: ['folder of key and mail, absolute; ~/.agent-ipc by default'],
  IPC_PORT: [`port of the broker; ${portBrokerDefault} by default`],
  IPC_BROKER: ['HOST:PORT of the broker, perhaps on another machine'],
  IPC_NAME: ['`from` of posts and sends that give none'],
  IPC_KEY: ['the key itself: 64 hex digits, or base64 of 32 bytes'],
  IPC_KEY_FILE: ['its file; `key` in IPC_HOME by default'],
  IPC_SENDS_PER_HOUR: [
    'messages of `ipc mcp` from one sender to one mailbox;',
    `${sendsPerHourMcp} by default, 0: no limit`,
  ],
  IPC_MAX_WAIT: ['longest wait of `ipc mcp`, in seconds'],
  NO_COLOR: ['not empty: no colours'],
  TERM: ['dumb: no colours, and no line of a wait'],
};

/** `work` sets them for its command. */
export const workEnvironment: Rows = {
  IPC_FROM: ['who sent the message; empty when nobody can be answered'],
  IPC_ID: ['its id'],
  IPC_ATTEMPT: ['how often it was handed over, this time included'],
  IPC_MAILBOX: ['where it was read'],
};

export const topics: Readonly<Record<string, Topic>> = {
  'exit-codes': { what: 'what a command exits with', text: rows(exitCodes) },
  environment: {
    what: 'the variables that are read, or set',
    text: `${rows(environment)}

\`ipc work\` sets for its command:

${rows(workEnvironment)}`,
  },
  output: {
    what: 'what goes where; pipes, terminals, colours',
    text: `Bodies go to stdout, all else to stderr, the help that is asked for to stdout.
\`wait\`, \`ask\` and \`receive\` print the exact bytes of one message, \`fetch\` has a
newline after each. On a terminal characters that would move it are shown by
their numbers; \`--raw\` leaves them as they are.

A reader that goes away, as in \`ipc fetch ann | head -1\`, ends the command
without a word and with 1. A message that could not be written whole goes back
to its mailbox, and the sender of a \`receive\` tries again; what the pipe has
taken is settled, though nobody may have read it.

Where stderr is a terminal, a wait says there how long it still lasts. That line
is gone before anything else is written. Colours are for terminals alone, and
never where NO_COLOR is set.`,
  },
  json: {
    what: 'what `--json` prints, field by field',
    text: `With \`--json\` stdout gets one object a line, and nothing else; every field is
there, null when there is nothing in it. What is said on stderr is one object a
line, too, with one of these fields:

  error    code, message, hint, retry (the same call may succeed later),
           maybeStored (the message may have been taken all the same)
  timeout  seconds, stored: nothing came in time, the command exits with 124;
           stored is the question of an \`ask\` (id, number), else null
  note     anything else, in words

The exit codes are the same. Codes of errors: docs/guide/errors.md.

${jsonObjects.map(({ commands, fields }) => `${commands.join(', ')}\n${rows(fields)}`).join('\n\n')}

\`store dump\` prints a record a line without being asked to: kind, epoch,
segment, offset, bytes, and what docs/internals/journal.md says of its kind.`,
  },
  settling: {
    what: 'when a message is done, and when it comes again',
    text: `A message is handed to one reader at a time, and comes again until it is
settled; each time its attempt counts up. After ${attemptsMax} attempts it waits in the
mailbox \`dead-letters\`: \`ipc status\` names it, \`ipc store retry\` puts it back.

\`wait\`, \`ask\` and \`fetch\` settle a message when its body is written to stdout.
The program waits ${endMsMax / 1_000} s at most for the answer to that; it says when none came,
and the message may come again. \`receive\` tells the sender when the body is
written. \`work\` settles a message when its command has exited with 0 and nobody
holds its stdout open any more, in one step with the answer. Ctrl-C before that,
or a kill, and it goes back to its place.

A stdout that is closed (\`>&-\`) is /dev/null to Node: what is written there
counts as written.

A reader that is killed between the two reads its message twice: it has the same
id then, and a higher attempt.`,
  },
  worker: {
    what: 'a command that answers messages',
    text: `  ipc work upper -- tr a-z A-Z
  ipc ask upper hello --mailbox me

The first line runs \`tr\` for each message in "upper": the body is its stdin, its
stdout is posted to the sender, and the message is settled with that. The second
asks it, and prints HELLO.

When the command exits with anything but 0, its message comes again after a
pause of ${retryMsMin / 1_000} s, doubled each time up to ${retryMsMax / 1_000} s; other messages go on meanwhile. A
command that cannot be started ends the work: no message is to blame. One that
cannot be started because the machine has no processes, memory or open files
left is tried again after a pause, and that counts as no attempt.
\`--parallel\` runs several at a time, and \`ipc work\` may run several times, too:
each message goes to one of them.

A message \`shutdown\` ends the work when the running commands have ended. So does
Ctrl-C; a second one ends them (SIGTERM). If \`ipc work\` itself is killed
(kill -9), a command that runs goes on, nobody reads what it prints, and its
message goes to the next worker: a command should bear being run twice for one
id.`,
  },
  machines: {
    what: 'mail between machines',
    text: `On the machine with the mail, which keeps it:

  ipc broker --bind 0.0.0.0
  ipc key show | ssh HOST ipc key import

On the other one, HOST:

  ipc post ann hello --host one.lan:${portBrokerDefault}

or IPC_BROKER=one.lan:${portBrokerDefault} for all commands and \`ipc mcp\`. \`receive --bind\`
and \`send\` go between machines likewise. All that leaves a machine is TLS 1.3
with the key. The other machine is a guest: it never takes the broker over.`,
  },
};

export const topicNames = Object.keys(topics);

/** Names in one column, their meanings in the next. */
function rows(list: Rows | Readonly<Record<string, string>>): string {
  const names = Object.keys(list);
  const width = Math.max(...names.map((name) => name.length)) + 2;
  return Object.entries(list)
    .flatMap(([name, words]) =>
      [words].flat().map((line, index) => `  ${(index ? '' : name).padEnd(width)}${line}`),
    )
    .join('\n');
}
