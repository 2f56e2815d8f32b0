// Each fact about real hosts that the server reacts to, by a host that behaves so.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { bodyBytesMax } from '../../../src/base/limits.ts';
import { type McpHost, hostPlace as place } from '../../support/mcp-host.ts';
import { freePort } from '../../support/places.ts';

async function untilWaiting(observer: McpHost, mailbox: string): Promise<void> {
  for (;;) {
    const { text } = await observer.call({ operation: 'broker_status' });
    if (new RegExp(`"${mailbox}": .* 1 waiting`).test(text)) return;
  }
}

const post = (to: string, message: string) => ({ operation: 'post', to, from: 'test', message });
const wait = (mailbox: string, more = {}) => ({ operation: 'wait', mailbox, timeout: 1, ...more });
const fetch = (mailbox: string, more = {}) => ({ operation: 'fetch', mailbox, ...more });

for (const era of ['legacy', '2026-07-28'] as const) {
  test(`ask and answer through the broker, in the ${era} era`, async (context) => {
    const { host } = await place(context);
    const a = await host({ era, name: 'claude-code' });
    const b = await host({ era, name: 'codex-mcp-client' });
    const asked = a.begin({ operation: 'wait', mailbox: 'A' });
    await b.call({ operation: 'post', to: 'A', from: 'B', message: 'ping' });
    const question = await asked.answer;
    assert.deepEqual(question.bodies, ['ping']);
    assert.match(
      question.head,
      /^Message for "A": #1 from "B" \("codex-mcp-client" on ".*"\), \S+Z\.$/,
    );
    await a.call({
      operation: 'post',
      to: 'B',
      from: 'A',
      message: 'pong',
      after: question.ticket,
    });
    const answer = await b.call(wait('B'));
    assert.deepEqual(answer.bodies, ['pong']);
    assert.match(answer.head, /from "A" \(.*\), an answer to your #1 "ping", /);
  });
}

test('a client that probes with server/discover falls back to initialize and is served', async (context) => {
  const { host } = await place(context);
  const probing = await host({ era: '2026-07-28' });
  await probing.request('server/discover', { _meta: probing.envelope() }).answer;
  const { result } = await probing.initialize();
  assert.equal(result?.protocolVersion, '2025-11-25');
  const { text } = await probing.call({ operation: 'broker_status' });
  assert.match(text, /^Broker on port/);
});

test('before the first right call there is no file, no folder and no listener', async (context) => {
  const { host, home, port } = await place(context);
  const probing = await host();
  await probing.request('tools/list', {}).answer;
  await probing.call({ operation: 'wait' });
  await probing.call({ operation: 'dance' });
  await assert.rejects(stat(home), { code: 'ENOENT' });
  const { isError } = await probing.call({
    operation: 'ping',
    host: `127.0.0.1:${port}`,
    timeout: 1,
  });
  assert.equal(isError, true);
  await probing.end();
  assert.equal(probing.child.exitCode, 0);
});

test('strings for numbers are numbers, null and "" are absent', async (context) => {
  const { host } = await place(context);
  const one = await host();
  const { head } = await one.call({
    operation: 'wait',
    mailbox: 'A',
    timeout: '1',
    host: null,
    after: '',
  });
  assert.equal(head, 'No message for "A" within 1 s.');
});

test('an error names what is wrong with a call, what is legal and what to do', async (context) => {
  const { host } = await place(context);
  const one = await host();
  const wrong = await one.call({ operation: 'wait', mailbox: 'A', timeout: true });
  assert.equal(wrong.isError, true);
  assert.equal(
    wrong.text,
    'bad_timeout: timeout is true; it must be whole seconds from 1 to 300. To do: to wait longer, call again when the time is over.',
  );
  const unknown = await one.call({ operation: 'wait', box: 'A' });
  assert.match(
    unknown.text,
    /^unknown_parameter: wait takes no "box"; it takes: mailbox, timeout, /,
  );
});

test('a wait that is cancelled while parked takes no message', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  const b = await host();
  const { id } = a.begin(wait('A', { timeout: 60 }));
  await untilWaiting(b, 'A');
  a.cancel(id);
  await b.call(post('A', 'kept'));
  const { head, bodies } = await b.call(wait('A'));
  assert.deepEqual(bodies, ['kept']);
  assert.doesNotMatch(head, /attempt/);
});

test('a cancellation after the result was written releases the message', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  const b = await host();
  await b.call(post('A', 'kept'));
  const { id, answer } = a.begin(wait('A'));
  await answer;
  a.cancel(id);
  const { head, bodies } = await b.call(wait('A', { timeout: 5 }));
  assert.deepEqual(bodies, ['kept']);
  assert.match(head, /attempt 2/);
});

test('a cancellation and a message at the same moment lose nothing', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  const b = await host();
  for (let round = 0; round < 30; round++) {
    const { id } = a.begin(wait('A', { timeout: 60 }));
    await untilWaiting(b, 'A');
    const posted = b.begin(post('A', `round ${round}`));
    if (round % 3 === 0) await posted.answer;
    a.cancel(id);
    await posted.answer;
    const { bodies, ticket } = await b.call(wait('A', { timeout: 5 }));
    assert.deepEqual(bodies, [`round ${round}`]);
    await b.call({ operation: 'broker_status', after: ticket });
  }
});

test('a ticket in the next call settles, on every host', async (context) => {
  const { host } = await place(context);
  for (const name of ['claude-code', 'codex-mcp-client', 'gemini-cli-mcp-client', 'unknown']) {
    const a = await host({ name });
    await a.call(post('A', name));
    const { ticket, bodies } = await a.call(wait('A'));
    assert.deepEqual(bodies, [name]);
    await a.call({ operation: 'broker_status', after: ticket });
    await a.kill('SIGKILL');
  }
  const b = await host();
  assert.deepEqual((await b.call(fetch('A'))).bodies, []);
});

test("a subagent's first wait does not settle the job of another one at the same server", async (context) => {
  const { host } = await place(context);
  const boss = await host();
  for (const job of ['job1', 'job2']) await boss.call({ ...post('jobs', job), from: 'boss' });
  const server = await host({ name: 'claude-code' });
  const { ticket } = await server.call(wait('jobs'));
  const second = await server.call(wait('jobs'));
  assert.deepEqual(second.bodies, ['job2']);
  const note = `this session still holds #1 from "boss": ticket ${ticket}, if you took it`;
  assert.ok(second.head.endsWith(`; ${note}.`), second.head);
  await server.kill('SIGKILL');
  const next = await host();
  assert.deepEqual((await next.call(wait('jobs'))).bodies, ['job1']);
  assert.deepEqual((await next.call(wait('jobs'))).bodies, ['job2']);
});

test('a post without a ticket to the sender of the one message in hand settles it as its answer', async (context) => {
  const { host } = await place(context);
  const boss = await host();
  const asked = boss.begin({
    operation: 'ask',
    to: 'jobs',
    mailbox: 'boss',
    message: 'job',
    timeout: 60,
  });
  const worker = await host({ name: 'claude-code' });
  await worker.call(wait('jobs', { timeout: 60 }));
  const { head } = await worker.call({ ...post('boss', 'result'), from: 'ben' });
  assert.match(head, /^Stored as #2 .*; #1 done\.$/);
  assert.deepEqual((await asked.answer).bodies, ['result']);
});

test('a post without a ticket that may answer two messages settles none, and names the tickets', async (context) => {
  const { host } = await place(context);
  const boss = await host();
  for (const job of ['job1', 'job2']) await boss.call({ ...post('jobs', job), from: 'boss' });
  const worker = await host({ name: 'claude-code' });
  const tickets = [await worker.call(wait('jobs')), await worker.call(wait('jobs'))];
  const [one, two] = tickets.map(({ ticket }) => ticket);
  const { head } = await worker.call({ ...post('boss', 'result'), from: 'ben' });
  const note = `nothing was settled: name the ticket of the message that this answers, ${one} (#1) or ${two} (#2)`;
  assert.ok(head.endsWith(`; ${note}.`), head);
  const named = await worker.call({ ...post('boss', 'result'), from: 'ben', after: two });
  assert.match(named.head, /; #2 done\.$/);
  await worker.kill('SIGKILL');
  assert.deepEqual((await boss.call(fetch('jobs'))).bodies, ['job1']);
});

for (const step of ['wait', 'post', 'second wait']) {
  test(`a worker that names no ticket and is killed after its ${step} loses no job, and a repetition is announced`, async (context) => {
    const { host } = await place(context);
    const boss = await host();
    for (const job of ['job1', 'job2']) await boss.call({ ...post('jobs', job), from: 'boss' });
    const worker = await host({ name: 'claude-code' });
    const [first] = (await worker.call(wait('jobs'))).bodies;
    if (step !== 'wait') await worker.call({ ...post('boss', `did ${first}`), from: 'ben' });
    if (step === 'second wait') await worker.call(wait('jobs'));
    await worker.kill('SIGKILL');
    const next = await host();
    const heads: string[] = [];
    const done: string[] = [];
    for (;;) {
      const { bodies, head } = await next.call(wait('jobs'));
      const [job] = bodies;
      if (job === undefined) break;
      heads.push(/, attempt 2/.test(head) ? `${job} again` : job);
      done.push(job);
      await next.call({ ...post('boss', `did ${job}`), from: 'ben' });
    }
    const expected = {
      wait: ['job1 again', 'job2'],
      post: ['job2'],
      'second wait': ['job2 again'],
    }[step];
    assert.deepEqual(heads, expected);
    const answers = (await boss.call(fetch('boss'))).bodies;
    assert.deepEqual(answers.toSorted(), ['did job1', 'did job2']);
  });
}

for (const name of ['codex-mcp-client', 'gemini-cli-mcp-client']) {
  test(`${name} drops calls without a word: what was given comes once more`, async (context) => {
    const { host } = await place(context);
    const a = await host({ name });
    await a.call(post('A', 'one'));
    await a.call(post('A', 'two'));
    const dropped = await a.call(wait('A'));
    assert.doesNotMatch(dropped.head, /attempt/);
    const again = await a.call(wait('A'));
    assert.deepEqual(again.bodies, ['one']);
    assert.match(again.head, /attempt 2; redelivered, because no call named its ticket/);
    assert.deepEqual((await a.call(wait('A'))).bodies, ['two']);
  });
}

test('a call that Codex dropped ends when the thread calls again, and takes no message', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'codex-mcp-client' });
  const b = await host();
  a.begin(wait('A', { timeout: 60 }), { threadId: 't1' });
  await untilWaiting(b, 'A');
  const next = a.begin(wait('A', { timeout: 60 }), { threadId: 't1' });
  await b.call(post('A', 'hello'));
  assert.deepEqual((await next.answer).bodies, ['hello']);
});

test("one thread's calls leave another thread's waits alone", async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'codex-mcp-client' });
  const b = await host();
  const parked = a.begin(wait('A', { timeout: 60 }), { threadId: 't1' });
  await untilWaiting(b, 'A');
  await a.call(wait('B'), { threadId: 't2' });
  await b.call(post('A', 'hello'));
  assert.deepEqual((await parked.answer).bodies, ['hello']);
  const other = await a.call(fetch('A'), { threadId: 't2' });
  assert.deepEqual(other.bodies, []);
});

test('calls in parallel are answered each with its own message', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  const b = await host();
  const waits = ['A', 'B', 'C'].map((mailbox) => a.begin(wait(mailbox, { timeout: 60 })));
  for (const mailbox of ['C', 'A', 'B']) await b.call(post(mailbox, `for ${mailbox}`));
  const bodies = await Promise.all(waits.map(async ({ answer }) => (await answer).bodies));
  assert.deepEqual(bodies, [['for A'], ['for B'], ['for C']]);
});

test('a ticket of another process is ignored, and the head says so', async (context) => {
  const { host } = await place(context);
  const a = await host();
  const { head } = await a.call(wait('A', { after: 'zzzz-3' }));
  assert.equal(
    head,
    'No message for "A" within 1 s; ticket "zzzz-3" is not from this session and was ignored.',
  );
  const several = await a.call(wait('A', { after: 'zzzz-3,zzzz-4' }));
  assert.equal(
    several.head,
    'No message for "A" within 1 s; ticket "zzzz-3,zzzz-4" is not from this session and was ignored; a list of tickets is JSON: ["a","b"].',
  );
});

for (const name of ['claude-code', 'codex-mcp-client']) {
  test(`at an orderly end of ${name} what no ticket named goes back, but for a shutdown that was read`, async (context) => {
    const { host } = await place(context);
    const a = await host({ name });
    await a.call(post('A', 'job'));
    await a.call(post('B', 'shutdown'));
    await a.call(wait('A'));
    await a.call(wait('B'));
    await a.kill('SIGINT');
    const b = await host();
    const { bodies, head } = await b.call(fetch('A'));
    assert.deepEqual(bodies, ['job']);
    assert.match(head, /attempt 2/);
    assert.deepEqual((await b.call(fetch('B'))).bodies, []);
  });
}

test('the message of a killed session is redelivered', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  await a.call(post('A', 'kept'));
  await a.call(wait('A'));
  await a.kill('SIGKILL');
  const b = await host();
  const { bodies, head } = await b.call(wait('A', { timeout: 5 }));
  assert.deepEqual(bodies, ['kept']);
  assert.match(head, /attempt 2/);
});

for (const end of ['stdin', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${end}: the process ends within 2 s, a parked wait and a receive notwithstanding`, async (context) => {
    const { host } = await place(context);
    const a = await host();
    const b = await host();
    a.begin(wait('A', { timeout: 300 }));
    a.begin({ operation: 'receive', port: await freePort(), timeout: 300 });
    await untilWaiting(b, 'A');
    const began = performance.now();
    if (end === 'stdin') await a.end();
    else await a.kill(end);
    assert.equal(a.child.exitCode, 0);
    assert(performance.now() - began < 2_500);
  });
}

test('an owner goes on serving after Ctrl-Z', async (context) => {
  const { host } = await place(context);
  const owner = await host();
  await owner.call({ operation: 'broker_start' });
  owner.child.kill('SIGTSTP');
  const b = await host();
  await b.call(post('A', 'hello'));
  const state = await readFile(`/proc/${owner.child.pid}/status`, 'utf8').catch(() => 'State:\tS');
  assert.doesNotMatch(state, /State:\tT/);
});

test('a host that reads slowly loses nothing when it is ended', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  const b = await host();
  await b.call({ operation: 'broker_start' });
  const names = Array.from({ length: 40 }, (_, index) => `slow${index}`);
  a.pause();
  for (const name of names) a.begin(wait(name, { timeout: 60 }));
  for (const name of names) await b.call(post(name, name.padEnd(20_000, '.')));
  a.endInput();
  await once(a.child, 'exit');
  for (const name of names) {
    const { bodies } = await b.call(wait(name, { timeout: 5 }));
    assert.equal(bodies[0]?.slice(0, name.length), name);
  }
});

test('a host that closes the pipe under a result ends the session, and the message is released', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  const b = await host();
  a.begin(wait('A', { timeout: 60 }));
  await untilWaiting(b, 'A');
  a.child.stdout?.destroy();
  await b.call(post('A', 'kept'));
  await a.exited;
  assert.deepEqual((await b.call(wait('A', { timeout: 5 }))).bodies, ['kept']);
});

test('an orchestrator posts 200 jobs to one mailbox without a pause', async (context) => {
  const { host } = await place(context);
  const boss = await host();
  for (let count = 1; count <= 200; count++) {
    const { head } = await boss.call(post('jobs', `job ${count}`));
    assert.match(head, new RegExp(`^Stored as #${count} `));
  }
});

test('the rate limit stops agents that thank each other for ever, and its error says what to do', async (context) => {
  const { host } = await place(context);
  const a = await host({ env: { IPC_SENDS_PER_HOUR: '2' } });
  for (let count = 0; count < 2; count++) await a.call(post('A', 'thanks'));
  const { text, isError } = await a.call(post('A', 'thanks'));
  assert.equal(isError, true);
  assert.match(
    text,
    /^too_many_posts: "test" has sent "A" its limit of 2 messages an hour; the next one may be sent in 1\d{3} s\. To do: if agents only answer each other here, stop and tell your user; .* The same call may succeed later\.$/,
  );
  assert.match((await a.call(post('B', 'thanks'))).head, /^Stored/);
});

test('a wait is shortened to what the host allows, and its result says so', async (context) => {
  const { host } = await place(context);
  const a = await host({ env: { IPC_MAX_WAIT: '1' } });
  const { text, isError } = await a.call({ operation: 'wait', mailbox: 'A' });
  assert.equal(isError, false);
  assert.match(
    text,
    /^No message for "A" within 1 s; asked for 60 s, but this host allows 1 s\.\nNext: wait "A"\.$/,
  );
});

test('progress is sent to a host that asks for it and may need it, and to no other', async (context) => {
  const { host } = await place(context);
  const hosts = await Promise.all(
    ['opencode', 'unknown', 'claude-code', 'codex-mcp-client'].map((name) => host({ name })),
  );
  await Promise.all(
    hosts.map((one) => one.call(wait('A', { timeout: 13 }), { progressToken: 'p' })),
  );
  const progress = hosts.map(({ notifications }) => notifications.map(({ params }) => params));
  const one = [{ progressToken: 'p', progress: 1 }];
  assert.deepEqual(progress, [one, one, [], []]);
});

for (const [what, character] of [
  ['newlines', '\n'],
  ['control characters', '\u0001'],
  ['characters of four bytes', '😀'],
] as const) {
  test(`1 MB of ${what} is posted and read, in parts and as a file`, async (context) => {
    const { host, home } = await place(context);
    const a = await host();
    const body = `x${character.repeat(bodyBytesMax / Buffer.byteLength(character))}`;
    const message = Buffer.from(body)
      .subarray(0, bodyBytesMax - 3)
      .toString('utf8')
      .replace(/\ufffd$/, '');
    assert.match((await a.call(post('A', message))).head, /^Stored/);
    const first = await a.call(wait('A'));
    const parts = [...first.bodies];
    for (let next = first; next.ticket?.includes('.'); ) {
      assert(next.text.length <= 30_000);
      next = await a.call(fetch('A', { after: next.ticket }));
      parts.push(...next.bodies);
      if (!next.ticket?.includes('.')) {
        assert.match(
          next.foot,
          /post to "test", wait "A", or to end broker_status, with after "[0-9a-v]{4}-\d+"/,
        );
      }
    }
    // A model is shown a control character by its number; the file has the very bytes.
    assert.equal(parts.join('').replaceAll('\\u{1}', '\u0001'), message);
    const path = /all of it: (\S+?\.txt)/.exec(first.head)?.[1] ?? '';
    assert.equal(await readFile(path, 'utf8'), message);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await readdir(join(home, 'bodies'))).length, 1);
  });
}

test('a fetch gives what fits, says how many remain, and the rest keeps its attempts', async (context) => {
  const { host } = await place(context);
  const a = await host();
  for (let count = 0; count < 5; count++) await a.call(post('A', `${count}`.repeat(9_000)));
  const first = await a.call(fetch('A'));
  assert(first.text.length <= 30_000);
  assert.equal(first.bodies.length, 2);
  assert.equal(first.head, '2 messages for "A", 3 more there.');
  const second = await a.call(fetch('A', { after: first.ticket }));
  assert.doesNotMatch(second.text.replaceAll(/\d{9,}/g, ''), /attempt/);
  assert.equal(second.head, '2 messages for "A", 1 more there; #1, #2 done.');
});

test('point to point: the sender gets "received" when the result is written', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  const b = await host();
  const port = await freePort();
  const receiving = a.begin({ operation: 'receive', port });
  const peer = `127.0.0.1:${port}`;
  assert.match((await b.call({ operation: 'ping', host: peer })).text, / answered in /);
  const sent = await b.call({ operation: 'send', host: peer, message: 'hello', from: 'B' });
  assert.equal(sent.text, `Received by the session at ${peer}.`);
  assert.deepEqual((await receiving.answer).bodies, ['hello']);
});

test('point to point: a receive that was cancelled takes nothing', async (context) => {
  const { host } = await place(context);
  const a = await host({ name: 'claude-code' });
  const port = await freePort();
  const { id } = a.begin({ operation: 'receive', port });
  const peer = `127.0.0.1:${port}`;
  await a.call({ operation: 'ping', host: peer });
  a.cancel(id);
  const again = a.begin({ operation: 'receive', port });
  await a.call({ operation: 'send', host: peer, message: 'hello' });
  assert.deepEqual((await again.answer).bodies, ['hello']);
});

test('a worker loop ends with "shutdown", which is not redelivered to the next worker', async (context) => {
  const { host } = await place(context);
  for (const name of ['claude-code', 'codex-mcp-client']) {
    const worker = await host({ name });
    const boss = await host();
    for (const job of ['1', '2', 'shutdown']) await boss.call(post('work', job));
    const done: string[] = [];
    let after: string | undefined;
    for (;;) {
      const { bodies, ticket } = await worker.call(wait('work', { after }));
      after = ticket;
      if (bodies[0] === 'shutdown') break;
      await worker.call({ operation: 'post', to: 'test', message: `did ${bodies[0]}`, after });
      done.push(bodies[0] ?? '');
    }
    await worker.call({ operation: 'broker_status', after });
    await worker.end();
    assert.deepEqual(done, ['1', '2']);
    assert.deepEqual((await boss.call(fetch('work'))).bodies, []);
  }
});

test('the state folder is ~/.agent-ipc where the host passes on HOME alone', async (context) => {
  const { host, home, port } = await place(context);
  await mkdir(home);
  const a = await host({ env: { IPC_HOME: '' } });
  await a.call(post('A', 'hello'));
  assert.deepEqual((await readdir(join(home, '.agent-ipc'))).sort(), [`broker-${port}`, 'key']);
});

test('a line over 10 MiB, or not UTF-8, ends neither the server nor a parked wait', async (context) => {
  const { host } = await place(context);
  const one = await host();
  const observer = await host();
  const parked = one.begin({ operation: 'wait', mailbox: 'P', timeout: 60 });
  await untilWaiting(observer, 'P');
  await assert.rejects(one.call(post('B', 'x'.repeat(11_000_000))), /body_too_large/);
  one.child.stdin?.write(
    Buffer.concat([
      Buffer.from('{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"ipc",'),
      Buffer.from('"arguments":{"operation":"post","to":"B","message":"a\xff"}}}\n', 'latin1'),
    ]),
  );
  await observer.call(post('P', 'still there'));
  assert.deepEqual((await parked.answer).bodies, ['still there']);
  assert.match((await observer.call(fetch('B'))).head, /^No message/);
});

test('the error of a taken port says whether this session, another one or a broker has it', async (context) => {
  const { host, port } = await place(context);
  const one = await host();
  const other = await host();
  const free = await freePort();
  const receive = { operation: 'receive', port: free, timeout: 60 };
  void one.call(receive);
  for (;;) {
    const ping = await other.call({ operation: 'ping', host: `127.0.0.1:${free}`, timeout: 1 });
    if (!ping.isError) break;
  }
  const own = await one.call(receive, { threadId: 'another' });
  assert.equal(
    own.text,
    `port_taken: this session itself has port ${free}. To do: use another port.`,
  );
  const pid = one.child.pid;
  const others = await other.call(receive);
  assert.equal(
    others.text,
    `port_taken: another ipc session receives on port ${free} (pid ${pid}). To do: use another port.`,
  );
  await one.call(post('B', 'hi'));
  const broker = await other.call({ ...receive, port });
  assert.equal(
    broker.text,
    `port_taken: an ipc broker owns port ${port} (pid ${pid}). To do: use another port.`,
  );
});
