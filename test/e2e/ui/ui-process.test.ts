// `ipc ui` as a process, with mail of real sessions: what the page's server says and does, and who gets nothing.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type AgentMail, open } from '../../../src/index.ts';
import type {
  WireEvent,
  WireFound,
  WireMessage,
  WireMessages,
  WireState,
} from '../../../src/ui/wire.ts';
import { LiveReader } from '../../support/live-reader.ts';
import { program } from '../../support/mcp-host.ts';
import { freePort } from '../../support/places.ts';
import { exitCodeOf, Lines } from '../../support/processes/lines.ts';
import {
  atTerminal,
  noTerminal,
  shows,
  showsAndEnds,
} from '../../support/processes/pseudo-terminal.ts';
import { nextErrorLine, nextLine, type Shell, shell } from '../../support/processes/shell.ts';
import { enter, rawRequest, statusOf } from '../../support/told-page.ts';

interface UiPlace extends Shell {
  readonly mail: AgentMail;
  readonly broker: ChildProcess;
  readonly ui: Ui;
}

interface Ui {
  readonly child: ChildProcess;
  readonly port: number;
  readonly origin: string;
  readonly path: string;
  readonly cookie: string;
  readonly lines: Lines;
  get<Answer>(address: string): Promise<Answer>;
  post(address: string, fields: object): Promise<[status: number, answer: unknown]>;
  live(messages: WireMessages): Promise<LiveReader>;
}

async function beginUi(context: TestContext, { other }: Shell, words: string[] = []): Promise<Ui> {
  const port = await freePort();
  const line = [process.execPath, program, 'ui', '--port', `${port}`, ...words];
  const child = other('env', ['IPC_NAME=boss', ...line], null);
  const lines = new Lines(child.stdout);
  const { cookie, path } = await enter(await lines.next());
  const origin = `http://127.0.0.1:${port}`;
  const api = `${origin}${path}api/`;
  const get = async <Answer>(address: string) => {
    const answer = await fetch(`${api}${address}`, { headers: { cookie } });
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Answer;
  };
  const post = async (address: string, fields: object): Promise<[number, unknown]> => {
    const answer = await fetch(`${api}${address}`, {
      method: 'POST',
      headers: { cookie, origin, 'content-type': 'application/json' },
      body: JSON.stringify(fields),
    });
    return [answer.status, await answer.json()];
  };
  const live = ({ next }: WireMessages) =>
    LiveReader.open(context, `${api}live?epoch=${next.epoch}&sequence=${next.sequence}`, {
      cookie,
    });
  return { ...{ child, port, origin, path, cookie, lines }, get, post, live };
}

async function place(context: TestContext): Promise<UiPlace> {
  let opened: AgentMail | undefined;
  context.after(() => opened?.close());
  const found = await shell(context);
  const { begin, home, port } = found;
  const broker = begin(['broker']);
  await nextLine(broker);
  const mail = await open({ home, port, env: {}, name: 'ann' });
  opened = mail;
  return { ...found, mail, broker, ui: await beginUi(context, found) };
}

function brief(events: readonly WireEvent[]): string[] {
  return events.map((event) => {
    if (event.kind === 'stored') return `stored ${event.envelope.number} ${event.text}`;
    return `${event.kind} ${'message' in event ? event.message.number : event.mailbox || 'all'}`;
  });
}

/** Reads the stream until so many events came. */
async function events(reader: LiveReader, count: number): Promise<string[]> {
  const got: string[] = [];
  while (got.length < count) got.push(...brief((await reader.until('mail')).events));
  return got;
}

test('it prints a URL on stdout and how to stop on stderr, and a signal ends it with 0', async (context) => {
  const { other, port: broker } = await shell(context);
  const port = await freePort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const child = other(process.execPath, [program, 'ui', '--port', `${port}`], null);
    const [url, note] = await Promise.all([nextLine(child), nextErrorLine(child)]);
    assert.match(url, new RegExp(`^http://127\\.0\\.0\\.1:${port}/\\?token=[\\w-]{43}\n$`));
    assert.equal(
      note,
      'Open it in a browser of this machine: it works once. Enter prints a new one, Ctrl-C ends the page.\n',
    );
    const { cookie, path } = await enter(url.trim());
    const reader = await LiveReader.open(context, `http://127.0.0.1:${port}${path}api/live`, {
      cookie,
    });
    await reader.until('status');
    child.kill(signal);
    assert.equal(await exitCodeOf(child), 0);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
    await assert.rejects(fetch(`http://127.0.0.1:${broker}/`));
  }
});

test('in the background of a terminal it does not read it, and mail flows on', {
  skip: noTerminal,
}, async (context) => {
  const opened = await shell(context);
  const line = `set -m; ipc ui --port ${await freePort()} & read line; ipc post ann hi; kill %1; wait`;
  const terminal = atTerminal(opened, line, null);
  await shows(terminal, /In the background no further one is printed/);
  const posted = showsAndEnds(terminal, /Stored as #1/);
  terminal.stdin?.write('typed\n');
  await posted;
});

test('Enter prints a new URL, for another window', async (context) => {
  const { ui } = await place(context);
  ui.child.stdin?.write('\n');
  const { cookie, path } = await enter(await ui.lines.next());
  assert.deepEqual([cookie, path], [ui.cookie, ui.path]);
  await assert.rejects(enter(`${ui.origin}/?token=x`), /answered with 403/);
});

test('the page, its script, its style and its icon are those of the build', async (context) => {
  const { ui } = await place(context);
  const dist = new URL('../../../../dist/ui/', import.meta.url);
  for (const [address, file] of [
    ['', 'index.html'],
    ['page.js', 'page.js'],
    ['page.css', 'page.css'],
    ['icon.svg', 'icon.svg'],
  ] as const) {
    const answer = await fetch(`${ui.origin}${ui.path}${address}`, {
      headers: { cookie: ui.cookie },
    });
    assert.equal(await answer.text(), await readFile(new URL(file, dist), 'utf8'), address);
  }
  const html = await readFile(new URL('index.html', dist), 'utf8');
  assert.doesNotMatch(html, /(src|href)="\/|<script>|<style|style="|\son\w+=/);
});

test('the page sees the life of a message while it happens, and afterwards in the store', async (context) => {
  const { ui, mail } = await place(context);
  const past = await ui.get<WireMessages>('messages');
  assert.deepEqual([past.events, past.isWhole], [[], true]);
  const reader = await ui.live(past);
  const stored = await mail.post('jobs', 'make test');
  const message = await mail.wait('jobs');
  await mail.post('boss', 'all green', { answers: message, from: 'ann' });
  assert.deepEqual(await events(reader, 4), [
    'stored 1 make test',
    'delivered 1',
    'stored 2 all green',
    'settled 1',
  ]);
  const now = await ui.get<WireMessages>('messages');
  assert.deepEqual(brief(now.events), [
    'stored 1 make test',
    'delivered 1',
    'stored 2 all green',
    'settled 1',
  ]);
  const whole = await ui.get<WireMessage>(`message?id=${stored.id}`);
  assert.equal(whole.event.text, 'make test');
  assert.deepEqual(brief(whole.life), ['delivered 1', 'settled 1']);
  assert.deepEqual(brief(whole.thread), brief(now.events));
  const { events: found } = await ui.get<WireFound>('search?text=GREEN&from=ann');
  assert.deepEqual(brief(found), ['stored 2 all green']);
  const exported = await fetch(`${ui.origin}${ui.path}api/export`, {
    headers: { cookie: ui.cookie },
  });
  const lines = (await exported.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ number, state, body }) => [number, state, body]),
    [
      [1, 'done', 'make test'],
      [2, 'ready', 'all green'],
    ],
  );
});

test('a page that is opened later has what was said before `ipc ui` began, and a long body whole', async (context) => {
  const { mail, ...found } = await place(context);
  const body = `${'é'.repeat(400_000)} end`;
  const { id } = await mail.post('ann', body);
  await (await mail.wait('ann'))?.settle();
  const ui = await beginUi(context, found);
  const { events: past } = await ui.get<WireMessages>('messages');
  const [first] = past;
  assert.deepEqual(
    past.map(({ kind }) => kind),
    ['stored', 'delivered', 'settled'],
  );
  assert.deepEqual(first?.kind === 'stored' && [first.isCut, first.text], [
    true,
    'é'.repeat(2_000),
  ]);
  assert.equal((await ui.get<WireMessage>(`message?id=${id}`)).event.text, body);
  const { excerpts } = await ui.get<WireFound>('search?text=é%20end');
  assert.deepEqual(excerpts, { [id]: `${'é'.repeat(101)} end` });
});

test('a person posts, answers, reads mail of their own, and marks nothing by reading mail of others', async (context) => {
  const { ui, mail } = await place(context);
  const state = await ui.get<WireState>('state');
  assert.deepEqual([state.me, state.status?.messages, state.paused], ['boss', 0, []]);
  const [status, posted] = await ui.post('post', { to: 'ann', text: 'hello', id: 'page-1' });
  assert.deepEqual([status, posted], [200, { id: 'page-1', number: 1, duplicate: false }]);
  const [, again] = await ui.post('post', { to: 'ann', text: 'hello', id: 'page-1' });
  assert.deepEqual(again, { id: 'page-1', number: 1, duplicate: true });
  const { messages } = await mail.fetch('ann');
  assert.deepEqual(
    messages.map(({ from, text }) => [from, text]),
    [['boss', 'hello']],
  );
  for (const text of ['one', 'two', 'three']) await mail.post('boss', text, { from: 'ann' });
  await ui.get<WireMessage>('message?id=page-1');
  const ids = (await ui.get<WireFound>('search?to=boss')).events.flatMap((event) =>
    event.kind === 'stored' ? [event.envelope.id] : [],
  );
  const [, done] = await ui.post('read', { ids: [ids[1]] });
  assert.deepEqual(done, { settled: [ids[1]], missed: [] });
  const left = await mail.peek('boss');
  assert.deepEqual(
    left.messages.map(({ line, attempt }) => [line, attempt]),
    [
      ['one', 1],
      ['three', 1],
    ],
  );
  const [, missed] = await ui.post('read', { ids: [ids[1], 'page-1'] });
  assert.deepEqual(missed, { settled: [], missed: [ids[1], 'page-1'] });
});

test('pause, resume, drop, retry and stop-worker have been applied when they are answered', async (context) => {
  const { ui, mail, begin, run } = await place(context);
  const reader = await ui.live(await ui.get<WireMessages>('messages'));
  assert.deepEqual(await ui.post('pause', { mailboxes: ['jobs'] }), [200, { paused: ['jobs'] }]);
  assert.deepEqual((await mail.status()).paused, ['jobs']);
  await mail.post('jobs', 'stays');
  assert.deepEqual((await mail.fetch('jobs')).messages, []);
  assert.deepEqual(await ui.post('pause', { all: true }), [200, { paused: ['jobs', ''] }]);
  assert.deepEqual((await ui.get<WireState>('state')).paused, ['jobs', '']);
  assert.deepEqual(await ui.post('resume', { all: true }), [200, { paused: [] }]);
  const [, dropped] = await ui.post('drop', { mailbox: 'jobs' });
  assert.equal((dropped as { dropped: unknown[] }).dropped.length, 1);
  assert.equal((await mail.status()).messages, 0);
  assert.deepEqual(await events(reader, 5), [
    'paused jobs',
    'stored 1 stays',
    'paused all',
    'resumed all',
    'dropped 1',
  ]);

  const failing = begin(['work', 'jobs', '--attempts', '1', '--no-shutdown', '--', 'false']);
  const { id } = await mail.post('jobs', 'fails', { from: 'ann' });
  await (await mail.wait('ann'))?.settle();
  failing.kill('SIGTERM');
  await exitCodeOf(failing);
  assert.deepEqual(await ui.post('retry', { ids: [id] }), [200, { moved: [id], stayed: [] }]);
  assert.match((await run(['peek', 'jobs'])).text, /fails/);
  await ui.post('drop', { mailbox: 'jobs', ids: [id] });

  const worker = begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']);
  assert.equal((await ui.post('stop-worker', { mailbox: 'upper' }))[0], 200);
  assert.equal(await exitCodeOf(worker), 0);
});

test('a broker that is killed under the open page: the page is told of trouble or goes on, and misses nothing', async (context) => {
  const { ui, mail, broker } = await place(context);
  const reader = await ui.live(await ui.get<WireMessages>('messages'));
  await mail.post('jobs', 'before');
  assert.deepEqual(await events(reader, 1), ['stored 1 before']);
  broker.kill('SIGKILL');
  await mail.post('jobs', 'after');
  assert.deepEqual(await events(reader, 1), ['stored 2 after']);
  assert.deepEqual(brief((await ui.get<WireMessages>('messages')).events), [
    'stored 1 before',
    'stored 2 after',
  ]);
  assert.equal((await ui.post('post', { to: 'jobs', text: 'from the page' }))[0], 200);
});

test('a broker that stands still under the open page: the page says so, and goes on when it is back', async (context) => {
  const { ui, mail, broker } = await place(context);
  const reader = await ui.live(await ui.get<WireMessages>('messages'));
  await reader.until('status');
  broker.kill('SIGSTOP');
  const { message } = await reader.until('trouble');
  assert.match(message, /^(no_broker|owner_silent|unreachable): /);
  broker.kill('SIGCONT');
  await reader.until('fine');
  await mail.post('jobs', 'after');
  assert.deepEqual(await events(reader, 1), ['stored 1 after']);
});

test('without a broker the page owns one after a moment, and gives it up when it ends', async (context) => {
  const found = await shell(context);
  const ui = await beginUi(context, found);
  assert.equal((await ui.post('post', { to: 'ann', text: 'hello' }))[0], 200);
  // The server of the page may learn of the post a moment later. Until it has, its event could come before the first
  // status, where it would be skipped.
  let messages = await ui.get<WireMessages>('messages');
  while (messages.events.length === 0) messages = await ui.get<WireMessages>('messages');
  const reader = await ui.live(messages);
  await reader.until('status');
  assert.equal((await found.run(['fetch', 'ann'])).text, 'hello\n');
  const all = [...brief(messages.events), ...(await events(reader, 2))];
  assert.deepEqual(all, ['stored 1 hello', 'delivered 1', 'settled 1']);
  ui.child.kill('SIGINT');
  assert.equal(await exitCodeOf(ui.child), 0);
  assert.match((await found.run(['post', 'ann', 'more'])).text, /^Stored as #2 /);
});

test("two pages of one user do not get each other's cookie, and neither opens the other", async (context) => {
  const { ui, ...found } = await place(context);
  const second = await beginUi(context, found);
  assert.notEqual(ui.cookie.split('=')[0], second.cookie.split('=')[0]);
  for (const cookie of [second.cookie, second.cookie.replace(`${second.port}`, `${ui.port}`)]) {
    const answer = await fetch(`${ui.origin}${ui.path}api/messages`, { headers: { cookie } });
    assert.equal(answer.status, 403);
  }
});

test('a token that another process has used is worth nothing, and a stranger gets no byte of mail', async (context) => {
  const { ui, mail } = await place(context);
  await mail.post('ann', 'secret words');
  const host = `Host: 127.0.0.1:${ui.port}\r\nConnection: close\r\n`;
  const cookie = `Cookie: ${ui.cookie}\r\n`;
  const json = `Content-Type: application/json\r\nContent-Length: 12\r\n`;
  const attacks: Record<string, [request: string, status: number]> = {
    'no cookie': [`GET ${ui.path}api/messages HTTP/1.1\r\n${host}\r\n`, 403],
    'no cookie, live': [`GET ${ui.path}api/live HTTP/1.1\r\n${host}\r\n`, 403],
    'another Host': [
      `GET ${ui.path}api/messages HTTP/1.1\r\nHost: evil.example:${ui.port}\r\nConnection: close\r\n${cookie}\r\n`,
      403,
    ],
    'another Origin': [
      `POST ${ui.path}api/pause HTTP/1.1\r\n${host}${cookie}${json}Origin: http://evil.example\r\n\r\n{"all":true}`,
      403,
    ],
    'no Origin': [
      `POST ${ui.path}api/pause HTTP/1.1\r\n${host}${cookie}${json}\r\n{"all":true}`,
      403,
    ],
    'a form': [
      `POST ${ui.path}api/pause HTTP/1.1\r\n${host}${cookie}Origin: ${ui.origin}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\n\r\n{"all":true}`,
      415,
    ],
    'a GET that would change': [
      `GET ${ui.path}api/pause?all=true HTTP/1.1\r\n${host}${cookie}\r\n`,
      405,
    ],
    'a path that leads out': [
      `GET ${ui.path}../../../etc/passwd HTTP/1.1\r\n${host}${cookie}\r\n`,
      404,
    ],
    'a huge body': [
      `POST ${ui.path}api/post HTTP/1.1\r\n${host}${cookie}Origin: ${ui.origin}\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n`,
      413,
    ],
  };
  for (const [name, [request, status]] of Object.entries(attacks)) {
    const answer = await rawRequest(ui.port, request);
    assert.equal(statusOf(answer), status, name);
    assert.doesNotMatch(answer, /secret|root:/, name);
  }
  const { paused, messages } = await mail.status();
  assert.deepEqual([paused, messages], [[], 1]);
});

test('another user of the machine cannot use the token, and it is still there for its own user', async (context) => {
  if (process.getuid?.() !== 0) return context.skip('only root can run a process as another user');
  const { ui } = await place(context);
  ui.child.stdin?.write('\n');
  const url = await ui.lines.next();
  const script = `fetch(${JSON.stringify(url)}, { redirect: 'manual' }).then((answer) => console.log(answer.status, answer.headers.get('set-cookie')))`;
  for (const [user, said] of [
    [65_534, '403 null\n'],
    [0, `303 ${ui.cookie}; Path=${ui.path}; HttpOnly; SameSite=Strict\n`],
  ] as const) {
    const child = spawn(process.execPath, ['-e', script], {
      uid: user,
      gid: user,
      cwd: '/',
      env: {},
    });
    assert.equal(await nextLine(child), said);
    await once(child, 'exit');
  }
});

test('--open gives the browser the URL as one argument, and a browser that does not start is a warning', async (context) => {
  const found = await shell(context);
  const file = join(found.home, '..', 'xdg-open');
  const seen = join(found.home, '..', 'seen');
  await writeFile(file, `#!/bin/sh\nprintf '%s|' "$@" > ${seen}\nexit 3\n`);
  await chmod(file, 0o755);
  const port = await freePort();
  const path = `PATH=${join(found.home, '..')}:/usr/bin:/bin`;
  const child = found.other(
    'env',
    [path, process.execPath, program, 'ui', '--open', '--port', `${port}`],
    null,
  );
  const errors = new Lines(child.stderr);
  const url = (await nextLine(child)).trim();
  assert.equal(
    await errors.until(/browser was/),
    'ipc: the browser was not started: xdg-open ended with 3. Open the URL by hand.',
  );
  assert.equal(await readFile(seen, 'utf8'), `${url}|`);
  await enter(url);
});

test('a port that is taken is an error that says by what, and how to choose another', async (context) => {
  const { ui, run } = await place(context);
  const { code, text, errors } = await run(['ui', '--port', `${ui.port}`]);
  assert.deepEqual([code, text], [1, '']);
  assert.match(
    errors,
    new RegExp(`^ipc: port_taken: port ${ui.port} is taken by pid ${ui.child.pid} .*--port`),
  );
});
