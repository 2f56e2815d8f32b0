// What loads from one machine to a million sessions need under four architectures, from unit costs: JSON lines to
// stdout, and the same as tables to stderr. It measures nothing. Options replace the loads with one:
// `npm run bench -- load-model --sessions N --mailboxes N --messages N --body BYTES --peak FACTOR --unread SHARE`.
import { parseArgs } from 'node:util';
import {
  architectures,
  type End,
  endOf,
  type Load,
  type Needs,
  type Rate,
} from './support/load-model.ts';
import { print } from './support/measure.ts';
import { brokerCosts, keeperCosts, natsCosts } from './support/unit-costs.ts';

const usual = { bodyBytes: 2_048, peakFactor: 10, unreadShare: 0.05 };
const loads: Record<string, Load> = {
  '1 machine': { ...usual, sessions: 5, mailboxes: 5, messagesPerDay: 5_000 },
  '10 machines': { ...usual, sessions: 50, mailboxes: 50, messagesPerDay: 50_000 },
  '1,000 sessions': { ...usual, sessions: 1_000, mailboxes: 1_000, messagesPerDay: 1_000_000 },
  '10,000 mailboxes': { ...usual, sessions: 4_000, mailboxes: 10_000, messagesPerDay: 4_000_000 },
  '100,000 sessions': {
    ...usual,
    sessions: 100_000,
    mailboxes: 100_000,
    messagesPerDay: 10_000_000,
  },
  '1,000,000 sessions': {
    ...usual,
    sessions: 1_000_000,
    mailboxes: 1_000_000,
    messagesPerDay: 100_000_000,
  },
};

const head = [
  ...['architecture', 'memory', 'open files', 'connections', 'messages/s', 'bytes/s', 'fsyncs/s'],
  ...['disk a day', 'files', 'takeover', 'processes', 'ends at', 'by'],
];

const { values: given } = parseArgs({
  options: {
    sessions: { type: 'string' },
    mailboxes: { type: 'string' },
    messages: { type: 'string' },
    body: { type: 'string' },
    peak: { type: 'string' },
    unread: { type: 'string' },
  },
});

for (const [name, { value, source }] of Object.entries({
  ...prefixed('broker', brokerCosts),
  ...prefixed('nats', natsCosts),
  ...prefixed('keeper', keeperCosts),
})) {
  print(`unit_cost_${name}`, { value, source });
}
for (const [name, load] of Object.entries(isEmpty(given) ? loads : { given: loadGiven() })) {
  const rows: string[][] = [];
  for (const [architecture, needsOf] of Object.entries(architectures)) {
    const [needs, ends] = [needsOf(load), endOf(load, needsOf)];
    const label = `load_model_${name.replaceAll(/[ ,]+/g, '')}_${architecture}`;
    print(label, { load, ...needs, ends });
    rows.push(row(architecture, needs, ends));
  }
  process.stderr.write(`\n${name}: ${inputs(load)}\n${table(rows)}`);
}

function loadGiven(): Load {
  const number = (text: string | undefined, usually: number) => {
    const value = Number(text ?? usually);
    if (value > 0) return value;
    process.stderr.write(`load-model: ${text} is not a number above 0\n`);
    process.exit(2);
  };
  const sessions = number(given.sessions, 1_000);
  return {
    sessions,
    mailboxes: number(given.mailboxes, sessions),
    messagesPerDay: number(given.messages, 100 * sessions),
    bodyBytes: number(given.body, usual.bodyBytes),
    peakFactor: number(given.peak, usual.peakFactor),
    unreadShare: number(given.unread, usual.unreadShare),
  };
}

function inputs(load: Load): string {
  const { sessions, mailboxes, messagesPerDay, bodyBytes, peakFactor, unreadShare } = load;
  const texts = [
    `${short(sessions)} sessions, ${short(mailboxes)} mailboxes, ${short(messagesPerDay)} messages`,
    `a day of ${bodyBytes} bytes, at the peak ${peakFactor} times the mean,`,
    `${unreadShare * 100}% of a day unread`,
  ];
  return texts.join(' ');
}

function row(architecture: string, needs: Needs, { sessions, by }: End): string[] {
  const processes = Object.entries(needs.processes).map(([name, count]) => `${count} ${name}`);
  return [
    architecture,
    `${short(needs.memoryBytes)}B`,
    short(needs.openFiles),
    short(needs.connections),
    rate(needs.messagesPerSecond),
    rate(needs.bytesPerSecond),
    rate(needs.syncsPerSecond),
    `${short(needs.diskBytesPerDay)}B`,
    short(needs.storedFiles),
    `${short(needs.takeoverSeconds)} s`,
    processes.join(', '),
    `${short(sessions)} sessions`,
    by,
  ];
}

function rate({ mean, peak }: Rate): string {
  return `${short(mean)}, ${short(peak)}`;
}

/** Two figures, with a prefix of the SI: "1.2M". */
function short(value: number): string {
  const format = { notation: 'compact', maximumSignificantDigits: 2 } as const;
  return value.toLocaleString('en', format).replace('B', 'G').replace('K', 'k');
}

function table(rows: readonly string[][]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function prefixed<Value>(prefix: string, entries: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(entries).map(([name, value]) => [`${prefix}_${name}`, value]),
  );
}

function isEmpty(options: object): boolean {
  return Object.keys(options).length === 0;
}
