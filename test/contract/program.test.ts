// The contract of the program `ipc`: each command a process of its own.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Lines } from '../support/processes/lines.ts';
import { type Ended, ended, type Shell, shell } from '../support/processes/shell.ts';
import { findingOfTheBroker, placeOfTheBroker, storeCheck } from './differences.ts';
import { type Engine, engines } from './engines.ts';

async function shellOf(context: TestContext, engine: Engine): Promise<Shell> {
  return shell(context, await engine.environment());
}

/** The objects that a command has printed with --json. */
function objectsIn({ text }: Ended) {
  const lines = text.trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line));
}

for (const engine of engines) {
  const { name } = engine;

  test(`${name}: post, wait and fetch pass the exact bytes, and exit with 124 without mail`, async (context) => {
    const { run } = await shellOf(context, engine);
    const body = '\ufefftwo\nlines \u0000 and \u2713, no newline at the end';
    const posted = await run(['post', 'ben', '-', '--from', 'ann'], body);
    const stored = 'Stored as #1 in "ben"; no reader is waiting there.\n';
    assert.deepEqual([posted.code, posted.text], [0, stored]);
    const waited = await run(['wait', 'ben']);
    assert.deepEqual([waited.code, waited.text], [0, body]);
    assert.equal((await run(['wait', 'ben', '--timeout', '1'])).code, 124);
    for (const text of ['one', 'two']) await run(['post', 'ben', text, '--to', 'cy']);
    assert.equal((await run(['fetch', 'ben'])).text, 'one\ntwo\n');
    assert.equal((await run(['fetch', 'cy'])).text, 'one\ntwo\n');
    assert.equal((await run(['fetch', 'ben'])).text, '');
  });

  test(`${name}: 1 MB passes through stdin and stdout, and one byte more is refused`, async (context) => {
    const { run } = await shellOf(context, engine);
    const body = Buffer.alloc(1_048_576, '\n');
    assert.equal((await run(['post', 'box'], body)).code, 0);
    assert.deepEqual((await run(['wait', 'box'])).out, body);
    const { code, errors } = await run(['post', 'box'], Buffer.alloc(1_048_577, 'a'));
    assert.equal(code, 2);
    assert.match(errors, /^ipc: body_too_large: /);
  });

  test(`${name}: a wait of a process that was there first gets what another one posts`, async (context) => {
    const { run, begin } = await shellOf(context, engine);
    const waiting = ended(begin(['wait', 'ann', 'jobs', '--json', '--timeout', '60']));
    const posted = objectsIn(await run(['post', 'jobs', 'hello', '--from', 'ben', '--json']))[0];
    const [message] = objectsIn(await waiting);
    assert.deepEqual(
      [message.id, message.mailbox, message.from, message.body, message.attempt],
      [posted.id, 'jobs', 'ben', 'hello', 1],
    );
    assert.equal(objectsIn(await run(['status', '--json']))[0].messages, 0);
  });

  test(`${name}: work answers an ask with the output of its command, and ends at shutdown`, async (context) => {
    const { run, begin } = await shellOf(context, engine);
    const worker = begin(['work', 'upper', '--', 'tr', 'a-z', 'A-Z']);
    const asked = await run(['ask', 'upper', 'hello', '--mailbox', 'me']);
    assert.deepEqual([asked.code, asked.text], [0, 'HELLO']);
    await run(['post', 'upper', 'shutdown']);
    assert.equal((await ended(worker)).code, 0);
    const late = await run(['ask', 'upper', 'hello', '--mailbox', 'me', '--timeout', '1']);
    assert.deepEqual([late.code, late.text], [124, '']);
    assert.match(late.errors, /^No answer to #\d+ within 1 s; it was stored\./);
  });

  test(`${name}: a job that fails for good is answered why, waits in dead-letters, and store retry has it done again`, async (context) => {
    const { run, begin } = await shellOf(context, engine);
    const worker = begin(['work', 'jobs', '--attempts', '2', '--', 'sh', '-c', 'exit 3']);
    const lines = new Lines(worker.stderr);
    await run(['post', 'jobs', 'the job', '--from', 'ann', '--id', 'job-7']);
    const [answer] = objectsIn(await run(['wait', 'ann', '--json']));
    assert.deepEqual([answer.answers, answer.failure], ['job-7', 'exit 3, attempt 2']);
    await lines.until(/Failed for good: it waits in dead-letters\.$/);
    worker.kill('SIGTERM');
    await ended(worker);
    const [{ deadLetters }] = objectsIn(await run(['status', '--json']));
    assert.deepEqual(deadLetters, [{ to: 'jobs', messages: 1 }]);
    assert.equal((await run(['store', 'retry', 'job-7'])).code, 0);
    assert.equal((await run(['fetch', 'jobs'])).text, 'the job\n');
  });

  test(`${name}: peek, find, drop, pause and resume say what is there, and change what they name`, async (context) => {
    const { run } = await shellOf(context, engine);
    await run(['post', 'box', 'first line\nsecond', '--from', 'ann', '--id', 'job-1']);
    await run(['post', 'box', 'other', '--id', 'job-2']);
    const peeked = objectsIn(await run(['peek', 'box', '--json']));
    assert.deepEqual(
      peeked.map(({ id, attempt, line }) => [id, attempt, line]),
      [
        ['job-1', 1, 'first line…'],
        ['job-2', 1, 'other'],
      ],
    );
    const found = objectsIn(await run(['find', 'job-1', 'nobody', '--json']));
    assert.deepEqual(
      found.map(({ state }) => state),
      ['ready', 'unknown'],
    );
    const [paused] = objectsIn(await run(['pause', 'box', '--json']));
    assert.deepEqual(paused, { all: false, mailboxes: ['box'] });
    assert.equal((await run(['fetch', 'box'])).text, '');
    assert.equal((await run(['resume', 'box'])).text, 'Nothing is paused.\n');
    const drop = ['drop', 'box', '--id', 'job-1', '--yes', '--json'];
    const [{ dropped }] = objectsIn(await run(drop));
    assert.deepEqual(
      dropped.map(({ id }: { id: string }) => id),
      ['job-1'],
    );
    assert.equal((await run(['fetch', 'box'])).text, 'other\n');
  });

  test(`${name}: watch ends with one line when mail comes, and log tells what became of it`, async (context) => {
    const { run, begin } = await shellOf(context, engine);
    const watching = ended(begin(['watch', 'ann']));
    await run(['post', 'ann', 'hello', '--from', 'ben']);
    const { code, text } = await watching;
    assert.match(text, /^1 message waits in "ann": #1, \d s old\.\n$/);
    assert.equal(code, 0);
    await run(['fetch', 'ann']);
    const [told] = objectsIn(await run(['log', '--json']));
    assert.deepEqual([told.number, told.state, told.line], [1, 'done', 'hello']);
  });

  test(`${name}: log --erase forgets what was settled, and broker --once and doctor say where the mail is`, async (context) => {
    const { run } = await shellOf(context, engine);
    await run(['post', 'ann', 'secret', '--to', 'ben']);
    await run(['fetch', 'ann']);
    const erased = await run(['log', '--erase', '--yes', '--json']);
    assert.equal(objectsIn(erased)[0].messages, 1);
    const told = objectsIn(await run(['log', '--json']));
    assert.deepEqual(
      told.map(({ mailbox, state }) => [mailbox, state]),
      [['ben', 'ready']],
    );
    const broker = await run(['broker', '--once']);
    assert.match(broker.text, placeOfTheBroker[name]);
    const findings = objectsIn(await run(['doctor', '--json']));
    const [about, what] = findingOfTheBroker[name];
    const found = findings.find((each) => each.about === about);
    assert.equal(found.ok, true);
    assert.match(found.what, what);
    const check = await run(['store', 'check']);
    assert.match(`${check.text}${check.errors}`, storeCheck[name]);
  });
}
