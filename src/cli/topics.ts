// The topics of the manual: `ipc help TOPIC`. Lines of at most 80 columns.
import type { Command } from 'commander';
import {
  attemptsMax,
  chainDepthMax,
  endMsMax,
  portBrokerDefault,
  sendsPerHourMcp,
  sendsPerHourWork,
} from '../base/limits.ts';
import { type OutputFields, outputFields } from './command-parts.ts';
import { workAttemptsDefault } from './commands/work.ts';
import { killGraceMs } from './worker/job-command.ts';
import { retryMsMax, retryMsMin } from './worker/worker.ts';

interface Topic {
  readonly what: string;
  /** `program`: the tree of commands. */
  text(program: Command): string;
}

/** Each name with its meaning, in lines. */
type Rows = Readonly<Record<string, readonly string[]>>;

export const exitCodes: Rows = {
  0: ['success'],
  1: [
    'operation failed: no broker or receiver, no room, damage, a problem',
    'that `doctor` or `store check` found, output that cannot be written, an',
    '`ask` whose job failed',
  ],
  2: [
    'usage error: the same command line never succeeds. But `wake` wakes',
    'Claude Code with it, and exits with 1 for a usage error',
  ],
  124: ['timed out: no message came'],
  '128+N': [
    'killed by signal N: 130 SIGINT (Ctrl-C), 143 SIGTERM, 129 SIGHUP. Held',
    'mail is released. `broker`, `work` and `ui` exit with 0 instead',
  ],
};

export const environment: Rows = {
  IPC_HOME: ['folder of key and mail, absolute; ~/.agent-ipc by default'],
  IPC_PORT: [
    `port of the broker; ${portBrokerDefault} by default. On a NATS server the`,
    'mail of each number is a stream of its own, ipc-PORT',
  ],
  IPC_BROKER: [
    'HOST or HOST:PORT of the broker, on any machine; or a',
    'NATS server: nats://HOST, nats://USER:PASSWORD@A,B,C',
  ],
  IPC_NATS_CREDS: ['file of credentials, or of an nkey seed, for that server'],
  IPC_NATS_CA: ['file of the certificates that it is checked with'],
  IPC_NAME: ['`from` of posts and sends that give none'],
  IPC_KEY: ['the key itself: 64 hex digits, or base64 of 32 bytes'],
  IPC_KEY_FILE: ['file of the key; `key` in IPC_HOME by default'],
  IPC_SENDS_PER_HOUR: [
    'messages of `ipc mcp` from one sender to one mailbox;',
    `${sendsPerHourMcp} by default, 0: no limit`,
  ],
  IPC_MAX_WAIT: ['longest wait of `ipc mcp`, in seconds'],
  IPC_WAKE: [
    'mailboxes, with commas between them, whose mail wakes',
    'the agents of `ipc mcp` without a word of theirs',
  ],
  IPC_HISTORY: [
    'how much of the past a broker keeps: 30d,256MB (the',
    'default), one of them alone, or off',
  ],
  NO_COLOR: ['not empty: no colours'],
  TERM: ['dumb: no colours'],
};

/** Set by `work` for its command. */
export const workEnvironment: Rows = {
  IPC_FROM: ['the sender of the message; empty if it cannot be answered'],
  IPC_ID: ['the id of the message'],
  IPC_ATTEMPT: ['how many times it was delivered, this time included'],
  IPC_MAILBOX: ['where it was read'],
  IPC_KEY_WITHHELD: [
    '1: the key is in IPC_KEY alone, which the command does not',
    'get without --pass-key; `ipc` in it says so',
  ],
};

export const topics: Readonly<Record<string, Topic>> = {
  'exit-codes': { what: 'the exit codes of all commands', text: () => rows(exitCodes) },
  environment: {
    what: 'the variables that are read or set',
    text: () => `${rows(environment)}

\`ipc work\` sets for its command:

${rows(workEnvironment)}`,
  },
  output: {
    what: 'stdout and stderr; pipes, terminals, colours',
    text: () => `The result of a command goes to stdout: a body, a report, the receipt of a post.
Progress, hints ("Next: ...") and errors go to stderr; with \`--quiet\` (\`-q\`)
only errors do. \`wait\`, \`ask\` and \`receive\` print the exact bytes of a message;
\`fetch\` adds a newline after each. On a terminal control characters are escaped
and the text ends with a newline, unless \`--raw\` is given.

In reports a message is ready (it can be read) or held (a reader has it); one
that is settled is gone. The owner is the process that runs the broker, perhaps
this very command for as long as it runs. The epoch counts owners.

If the reader of stdout goes away, as in \`ipc fetch ann | head -1\`, the command
exits with 1 and prints no error; a report or a receipt exits with 0. A message
that could not be written completely is released, and the sender of a \`receive\`
tries again. Bytes in a pipe count as written: their message is settled, even if
nothing reads the pipe. So take one message with \`ipc fetch ann --max 1\`;
\`ipc peek ann\` looks and takes none.

\`peek\` prints a report, in a pipe as on a terminal: bodies are indented below
their heads and escaped. \`--json\` has them as they are.

If stderr is a terminal, a command that waits prints what it waits for, and how
long. Colours are for terminals only, and off when NO_COLOR is set.`,
  },
  json: {
    what: 'the fields that `--json` prints',
    text: (
      program,
    ) => `With \`--json\` each line of stdout is an object. Every field is always there,
null if it has no value. Each line of stderr is an object, too, with one of
these fields:

  error    code, message, hint, retry (the same call may succeed later),
           maybeStored (the message may have been stored all the same)
  timeout  seconds, stored: no message came in time, the exit code is 124;
           stored is the question of an \`ask\` (id, number), else null; and
           paused, a list of mailboxes, if deliveries from any are paused
  note     anything else, in words

The exit codes are the same. Codes of errors: docs/guide/errors.md. Times are in
ms since 1970. \`ended\` in \`lastHold\` is "released", "rejected" (given up for
good) or "disconnected" (the session ended).

${jsonObjects(program)
  .map(({ commands, fields }) => `${commands.join(', ')}\n${rows(fields)}`)
  .join('\n\n')}

\`log --erase\` prints messages (settled ones that are erased), bytes (by which
history is shorter), mailbox (null: all), unsettled (messages that stay, in all
mailboxes) and damaged (the folder of corrupt segments; null: there are none).

\`store dump\` always prints a record a line: kind, epoch, segment, offset, bytes,
and what docs/internals/journal.md lists for its kind.`,
  },
  settling: {
    what: 'when a message is settled, and when it is redelivered',
    text: () => `To settle a message is to acknowledge it: it is never delivered again. Until
then one reader holds it; when that reader releases it or ends, the message is
redelivered, and its attempt counts up. After ${attemptsMax} attempts, or when \`ipc work\`
gives it up, it waits in the mailbox \`dead-letters\`: \`ipc status\` shows it,
\`ipc store retry\` moves it back.

\`wait\`, \`ask\` and \`fetch\` settle a message when its body is written to stdout.
They wait at most ${endMsMax / 1_000} s for the broker to confirm that, and report if it does
not: the message may be redelivered. \`receive\` confirms to the sender when the
body is written. \`work\` settles a message when its command has exited with 0
and closed its stdout, in one step with the answer. A job that fails for good is
not settled: its sender is answered why, and then it waits in \`dead-letters\`. If
Ctrl-C or a kill comes first, the message is released.

A stdout that is closed (\`>&-\`) is /dev/null to Node: what is written there
counts as written, so the message is settled and its text is gone.

A reader that is killed between writing and settling gets its message again,
with the same id and a higher attempt.`,
  },
  worker: {
    what: 'a command that answers messages',
    text: () => `  ipc work upper -- tr a-z A-Z
  ipc ask upper hello --mailbox me

The first line runs \`tr\` for each message in "upper": the body is its stdin, its
stdout is posted to the sender, and that settles the message. The second line
asks it, and prints HELLO. All that the command prints is the answer: a script
that runs \`ipc post\` sends its receipt elsewhere, with \`> /dev/null\`.

If the command exits with anything but 0, its message is redelivered after a
pause of ${retryMsMin / 1_000} s, doubled each time up to ${retryMsMax / 1_000} s; other messages go on meanwhile. A
run that takes longer than \`--timeout\` is ended (its process group gets SIGTERM,
and SIGKILL ${killGraceMs / 1_000} s later), and has failed likewise. \`--parallel\` runs several
commands at a time, and \`ipc work\` may run several times, too: each message goes
to one of them.

A job has failed for good after \`--attempts\` attempts (${workAttemptsDefault} by default), or at once
if the next attempt would fail alike: its output is too large or not UTF-8, or
it exits with 126 or 127, as a shell does that finds no such command. Then

- the sender is answered: \`ipc work: failed: exit 3, attempt 5\`, and below that
  the end of stderr, at most 20 lines of 4,096 bytes. \`ask\` prints it and exits
  with 1; with \`--json\` the reason is in \`failure\`.
- the message waits in \`dead-letters\`; \`ipc store retry\` has it done again. A
  worker that is killed between the two steps leaves the message to the next
  one, and the sender may hear of it twice. Without a sender, only a line on
  stderr says that it failed.

A command that is not there, or may not be executed, is refused at the start. If
it goes missing later, the work ends, because no message is to blame. If the
machine is out of processes, memory or open files, or the broker cannot be
reached, the worker tries again after a pause. None of these counts an attempt.

Each job is reported on stderr when it begins and when it ends; with \`--json\` by
an object on stdout. Output for a message without a sender is dropped. So is
output for an answer of \`ipc work\`, or two workers would answer each other for
ever. A command that passes its result on to another worker runs \`ipc post\`.

A loop through other programs is slow, and ends. One sender gets ${sendsPerHourWork}
answers an hour (\`--sends-per-hour\`). Each further answer waits, with a line on
stderr, and takes one of the \`--parallel\` slots; its message stays held, so
nothing is lost. When the work ends, these answers are posted at once. A message
whose \`depth\` (see \`--json\`) is ${chainDepthMax} or more ends too long a chain of answers,
and is not answered.

The command inherits the environment of the worker, except IPC_KEY. If a file
has the same key, \`ipc\` in the command reads it there; otherwise it fails with
\`key_unusable\`, unless the worker was started with \`--pass-key\`. The user and
password of a NATS server in IPC_BROKER are withheld likewise; a file in
IPC_NATS_CREDS is not.

A message \`shutdown\` is answered, if it has a sender, and ends the work when the
running commands have ended; with \`--no-shutdown\` it is a job like any other. So
does Ctrl-C; a second Ctrl-C ends the commands, as \`--timeout\` does.

If \`ipc work\` itself is killed (kill -9), a running command goes on, its output
is lost, and its message goes to the next worker. So a command must tolerate
being run twice for one id.`,
  },
  machines: {
    what: 'mail between machines',
    text: () => `On the machine that keeps the mail:

  ipc broker --bind 0.0.0.0
  ipc key show | ssh HOST ipc key import

On the other one, HOST:

  ipc post ann hello --host one.lan:${portBrokerDefault}

or IPC_BROKER=one.lan:${portBrokerDefault} for all commands and \`ipc mcp\`. \`receive --bind\`
and \`send\` work between machines likewise. Everything that leaves a machine is
TLS 1.3 with the key. The other machine is a guest: it never owns the broker.

The network stays open, also for the next owner. This closes it again:

  ipc broker --bind 127.0.0.1 --once`,
  },
  nats: {
    what: 'mail on a NATS server',
    text: () => `A NATS server with JetStream can keep the mail, for any number of machines:

  IPC_BROKER=nats://nats.lan ipc post ann hello
  IPC_BROKER=nats://nats.lan ipc broker    # optional: an owner that stays

Set it for all commands and \`ipc mcp\`. The stream ipc-PORT has the mail; the
first session makes it. One of the sessions owns the broker, as elsewhere, and
reads and writes the stream; when it ends, another takes over. The server lets
sessions in, no key is needed:

  nats://USER:PASSWORD@HOST   or nats://TOKEN@HOST
  IPC_NATS_CREDS=/etc/nats/team.creds   credentials, or the seed of an nkey
  IPC_NATS_CA=/etc/nats/ca.pem   for tls://HOST with a CA of your own

The hook that wakes an agent is a process of its own: the file in which it finds
the session has no password, but the path of IPC_NATS_CREDS. So use that, or set
IPC_BROKER for the host as well. \`ipc work\` withholds the login likewise.

\`ipc doctor\` checks the server. \`broker_stop\` and \`bind\` are refused: the server
is not this program's to stop or to open. \`ipc store check\` and \`dump\` read
files of this machine, so they are refused unless IPC_BROKER= is before them.
\`ipc store move --to nats://HOST\` moves the mail of this machine to a server.`,
  },
};

export const topicNames = Object.keys(topics);

/** The objects that `--json` prints, each with the commands that print it, as typed after `ipc`. */
export function jsonObjects(
  program: Command,
): readonly { readonly commands: readonly string[]; readonly fields: OutputFields }[] {
  const commandsOf = new Map<OutputFields, string[]>();
  const visit = (command: Command, name: string) => {
    const fields = outputFields(command);
    if (fields) commandsOf.set(fields, [...(commandsOf.get(fields) ?? []), name]);
    for (const below of command.commands) visit(below, `${name} ${below.name()}`.trim());
  };
  visit(program, '');
  return [...commandsOf].map(([fields, commands]) => ({ commands, fields }));
}

/** Names in one column, their meanings in the next. */
function rows(list: Rows | OutputFields): string {
  const names = Object.keys(list);
  const width = Math.max(...names.map((name) => name.length)) + 2;
  return Object.entries(list)
    .flatMap(([name, words]) =>
      [words].flat().map((line, index) => `  ${(index ? '' : name).padEnd(width)}${line}`),
    )
    .join('\n');
}
