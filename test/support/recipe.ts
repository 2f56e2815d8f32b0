// Plays a recipe of docs/guide/recipes.md: runs its calls and commands, and compares what they show.
// 1. ```json NAME is a call of the agent NAME, an `ipc mcp` process; ```text NAME is its result.
// 2. ```sh NAME is typed in the terminal NAME; ```text NAME is its output.
// 3. <!-- kill NAME --> kills an agent; its next call is made by a new session. <!-- Ctrl-C NAME -->
//    interrupts the command in a terminal.
// Ids, tickets, marks, pids, machines and times differ in each run. Each one in the document stands for one
// actual value, and for the same value wherever it occurs again.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrokerStatus } from '../../src/model/mail-service.ts';
import type { McpHost, OpenCall } from './mcp-host.ts';
import type { Shell } from './processes/shell.ts';
import type { Terminal } from './processes/terminal.ts';

type Kind = 'json' | 'sh' | 'text' | 'kill' | 'Ctrl-C';

interface Step {
  readonly kind: Kind;
  readonly actor: string;
  readonly text: string;
  readonly line: number;
}

/** The environment of a recipe. */
export interface Stage {
  /** Starts a session for the agent of this name. */
  agent(name: string): Promise<McpHost>;
  terminal(name: string): Terminal;
  /** Ports, machines and folders of the document, with their actual values. */
  readonly names: Readonly<Record<string, string>>;
  /** Whether the terminal is on the machine of the broker. */
  readonly run: Shell['run'];
}

interface Waiting {
  readonly call: OpenCall;
  readonly mailbox: string | undefined;
  isAnswered: boolean;
}

const document = readFileSync(
  join(fileURLToPath(new URL('../../../', import.meta.url)), 'docs/guide/recipes.md'),
  'utf8',
);

const fence = /^```(json|sh|text)(?: (\w+))?$/;
const event = /^<!-- (kill|Ctrl-C) (\w+) -->$/;
const ticket = /\b[0-9a-v]{4}-\d+\b/g;
/** Matches the words that differ in each run, except times: each stands for an actual value. */
const words = [
  /(?<=<<<)[0-9a-v]{8}/,
  /[0-9a-v]{8}(?=>>>)/,
  /\b[0-9a-v]{16}\.\d+/,
  ticket,
  /(?<=pid )\d+/,
  /(?<=" on ")[^"]+(?=" in ")/,
  /(?<=" in ")[^"]+(?="\))/,
];
const changing = new RegExp(words.map(({ source }) => source).join('|'), 'g');
const time =
  /\d{4}-\d\d-\d\dT[\d:]{8}Z|\b\d+ s(?= old)|\b\d+\.\d(?= s;)|(?<=had it from )[-\d :]+ to [-\d :]+(?= UTC)/g;

/** The steps of the section with this title. */
export function stepsOf(title: string): Step[] {
  const lines = document.split('\n');
  const start = lines.indexOf(`## ${title}`);
  assert.notEqual(start, -1, `docs/guide/recipes.md has no "${title}"`);
  const steps: Step[] = [];
  for (let at = start + 1; at < lines.length && !lines[at]?.startsWith('## '); at++) {
    const [, what, actor = ''] = event.exec(lines[at] ?? '') ?? [];
    if (what !== undefined) steps.push({ kind: what as Kind, actor, text: '', line: at + 1 });
    if (!lines[at]?.startsWith('```')) continue;
    const [whole, kind, name] = fence.exec(lines[at] ?? '') ?? [];
    assert(
      whole,
      `line ${at + 1} of docs/guide/recipes.md begins no block of a kind that is known`,
    );
    const end = lines.indexOf('```', at + 1);
    const text = lines.slice(at + 1, end).join('\n');
    // A text without a name is a prompt for an agent. Names are not visible to the reader.
    assert(name !== undefined || kind === 'text', `line ${at + 1}: a name is missing`);
    assert(
      name === undefined || isNamed(name, lines, at),
      `line ${at + 1}: the prose does not mention the name`,
    );
    if (name !== undefined) steps.push({ kind: kind as Kind, actor: name, text, line: at + 1 });
    at = end;
  }
  return steps;
}

/** Whether the prose before a block mentions the name. */
function isNamed(name: string, lines: readonly string[], at: number): boolean {
  const isProse = (line: string) => line !== '' && !event.test(line);
  return new RegExp(`\\b${name}\\b`).test(lines.slice(0, at).findLast(isProse) ?? '');
}

export class Recipe {
  readonly #stage: Stage;
  readonly #agents = new Map<string, McpHost>();
  readonly #terminals = new Set<Terminal>();
  /** The last call of each agent, until its result was compared. */
  readonly #waiting = new Map<string, Waiting>();
  /** Actual values by the words of the document. */
  readonly #meanings = new Map<string, string>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Returns when all agents and terminals have ended. */
  async play(title: string): Promise<void> {
    for (const step of stepsOf(title)) {
      try {
        await this.#do(step);
      } catch (error) {
        throw new Error(`docs/guide/recipes.md, line ${step.line}: ${error}`, { cause: error });
      }
    }
    for (const name of [...this.#waiting.keys()]) await this.#result(name);
    for (const agent of this.#agents.values()) await agent.end();
    for (const terminal of this.#terminals) await terminal.end();
  }

  async #do({ kind, actor, text }: Step): Promise<void> {
    switch (kind) {
      case 'json':
        return this.#call(actor, JSON.parse(this.#here(text)));
      case 'sh':
        this.#terminal(actor).type(this.#here(text));
        return this.#watching(text);
      case 'text': {
        if (!this.#waiting.has(actor))
          return this.#terminal(actor).until((seen) => this.#is(seen, text));
        return this.#is((await this.#result(actor)).text, text);
      }
      case 'kill':
        await this.#agents.get(actor)?.kill('SIGKILL');
        this.#agents.delete(actor);
        this.#waiting.delete(actor);
        return;
      case 'Ctrl-C':
        return this.#terminal(actor).interrupt();
    }
  }

  async #call(actor: string, given: { operation: string; mailbox?: string }): Promise<void> {
    if (this.#waiting.has(actor)) await this.#result(actor);
    const agent = this.#agents.get(actor) ?? (await this.#stage.agent(actor));
    this.#agents.set(actor, agent);
    const waits = ['wait', 'ask'].includes(given.operation);
    const mailbox = waits ? given.mailbox : undefined;
    const call = agent.begin(given);
    const waiting: Waiting = { call, mailbox, isAnswered: false };
    this.#waiting.set(actor, waiting);
    const end = () => {
      waiting.isAnswered = true;
    };
    const answered = call.answer.then(end, end);
    if (mailbox === undefined) await answered;
    else await this.#parked(waiting, mailbox);
  }

  async #result(actor: string) {
    const waiting = this.#waiting.get(actor);
    assert(waiting, `${actor} made no call`);
    const reading = await waiting.call.answer;
    this.#waiting.delete(actor);
    assert.equal(reading.isError, false, reading.text);
    return reading;
  }

  /** Waits until all waits of a mailbox are parked, or until this one gets a result at once. */
  async #parked(waiting: Waiting, mailbox: string): Promise<void> {
    const open = () =>
      [...this.#waiting.values()].filter((each) => each.mailbox === mailbox && !each.isAnswered);
    for (let parked = 0; parked < open().length && !waiting.isAnswered; ) {
      const { text } = await this.#stage.run(['status', '--json']);
      const { mailboxes } = JSON.parse(text) as BrokerStatus;
      parked = mailboxes.find((each) => each.mailbox === mailbox)?.waiting ?? 0;
    }
  }

  /** Waits until a watch that was typed is parked. */
  async #watching(typed: string): Promise<void> {
    const [, mailbox] = /^ipc watch (\w+)$/.exec(typed) ?? [];
    for (let isParked = mailbox === undefined; !isParked; ) {
      const { text } = await this.#stage.run(['status', '--json']);
      const { mailboxes } = JSON.parse(text) as BrokerStatus;
      isParked = mailboxes.some((each) => each.mailbox === mailbox && each.watching > 0);
    }
  }

  #terminal(name: string): Terminal {
    const terminal = this.#stage.terminal(name);
    this.#terminals.add(terminal);
    return terminal;
  }

  /** The text to type or call, with the actual values. */
  #here(text: string): string {
    let here = text;
    for (const [name, meaning] of Object.entries(this.#stage.names)) {
      here = here.replaceAll(name, meaning);
    }
    return here.replace(ticket, (shown) => this.#meanings.get(shown) ?? shown);
  }

  /** Throws unless the text is what the document shows. */
  #is(seen: string, shown: string): void {
    let there = seen.replace(time, 'TIME');
    for (const [name, meaning] of Object.entries(this.#stage.names)) {
      there = there.replaceAll(meaning, name);
    }
    const expected = shown.replace(time, 'TIME');
    assert.equal(there.replace(changing, '…'), expected.replace(changing, '…'));
    const ours = there.match(changing) ?? [];
    for (const [index, word] of (expected.match(changing) ?? []).entries()) {
      const meaning = this.#meanings.get(word) ?? ours[index] ?? '';
      assert.equal(ours[index], meaning, `${word} stood for another one before`);
      this.#meanings.set(word, meaning);
    }
  }
}
