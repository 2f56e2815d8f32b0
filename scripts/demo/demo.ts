// `npm start`: four scenes with real processes, each result checked, and then the lines that install the
// program. Mail, key and ports are used by this run alone.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { portBrokerDefault, portDirectDefault } from '../../src/base/limits.ts';
import { version } from '../../src/base/version.ts';
import { installLines } from '../generate/install-lines.ts';
import { Agent, type Stage } from './agent.ts';
import { quoted, Story } from './story.ts';

/** From dist-test/scripts/. */
const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Guarantee 7 promises one second; the demo also allows for a slow disk. */
const takeoverMsMax = 5_000;

const story = new Story();
const home = mkdtempSync(join(tmpdir(), 'agent-ipc-'));
process.stdout.on('error', () => process.exit(1));
process.on('exit', leaveNothing);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
process.on('unhandledRejection', fail);

await show().catch(fail);

async function show(): Promise<void> {
  const brokerPort = await freePort();
  const stage = { story, program: join(root, 'dist/ipc.js'), home, brokerPort };
  story.text(story.style('bold', `agent-ipc ${version}, at work`));
  story.text(
    'Each agent is an `ipc mcp` process of its own, called over MCP as a host would do it.',
  );
  story.text(`Broker port ${brokerPort}, mail in ${home}: for this run alone.`);

  const [ann, ben] = await question(stage);
  await workerLoop(stage, ben);
  const cleo = await death(stage, ann, ben);
  await pointToPoint(ben, cleo);
  await end([ben, cleo]);
  showInstall();
}

/** Ann waits, Ben posts and waits, Ann answers with her ticket. */
async function question(stage: Stage): Promise<[Agent, Agent]> {
  story.chapter('A question and its answer, through the broker');
  const [ann, ben] = await Promise.all([Agent.start('ann', stage), Agent.start('ben', stage)]);
  const owner = await ann.start();
  story.promise(
    owner === ann.pid,
    'the first call of all made ann the owner of the broker',
    `the owner is pid ${owner}`,
  );
  const waiting = ann.wait('ann');
  await ben.untilParked('ann');
  const head = await ben.post('ann', 'What is 6 times 7?');
  story.promise(
    head.includes('a reader was waiting'),
    "ben's post reports that a reader has it",
    head,
  );
  const asked = await waiting;
  const answering = ben.wait('ben');
  await ann.post(asked.from, '42', asked.ticket);
  const answer = await answering;
  story.promise(answer.body === '42', 'ben has the answer', answer.head);
  story.promise(
    answer.head.includes('an answer to your #'),
    "it names the question, which ann's ticket settled in the same step",
    answer.head,
  );
  const { messages, text } = await ben.status(answer.ticket);
  story.promise(messages === 0, "ben's ticket settles the answer: all mail is done", text);
  return [ann, ben];
}

/** A worker takes jobs until a message stops it. */
async function workerLoop(stage: Stage, boss: Agent): Promise<void> {
  story.chapter('A worker loop, ended by "shutdown"');
  const files = ['LICENSE', 'package.json', 'tsconfig.json'];
  const worker = await Agent.start('wes', stage);
  const working = work(worker);
  for (const file of files) await boss.post('wes', file);
  await boss.post('wes', 'shutdown');
  await working;
  await worker.end();
  story.line('wes', ' ', 'has ended');
  const { bodies, ticket } = await boss.fetch('ben');
  const expected = files.map(countLines);
  story.promise(
    isDeepStrictEqual(bodies, expected),
    `${files.length} jobs, ${files.length} answers, in order`,
    bodies.join(', '),
  );
  const { messages, text } = await boss.status(ticket);
  story.promise(messages === 0, '"shutdown" is settled: it will not stop the next worker', text);
}

async function work(worker: Agent): Promise<void> {
  for (;;) {
    const job = await worker.wait(worker.name);
    if (job.body === 'shutdown') {
      await worker.status(job.ticket);
      return;
    }
    await worker.post(job.from, countLines(job.body), job.ticket);
  }
}

function countLines(file: string): string {
  const lines = readFileSync(join(root, file), 'utf8').split('\n').length - 1;
  return `${file}: ${lines} lines`;
}

/** The owner is killed while it holds a message and another session waits. */
async function death(stage: Stage, ann: Agent, ben: Agent): Promise<Agent> {
  story.chapter('The owner of the broker is killed');
  const cleo = await Agent.start('cleo', stage);
  await ben.post('ann', 'half done');
  const held = await ann.wait('ann');
  const queued = ['first', 'second', 'third'];
  for (const body of queued) await ben.post('later', body);
  const waiting = cleo.wait('cleo');
  await ben.untilParked('cleo');
  story.promise(
    held.body === 'half done' && held.attempt === 1,
    "ann owns the broker and holds a message, 3 more are queued, cleo's wait is parked",
    held.head,
  );

  ann.kill();
  const killedMs = performance.now();
  story.line('ann', ' ', `kill -9 ${ann.pid}`);
  const { pid, epoch, messages, text } = await ben.untilOwnerIsNot(ann.pid);
  const ms = performance.now() - killedMs;
  const next = [ben, cleo].find((agent) => agent.pid === pid);
  story.line(next?.name ?? '?', ' ', `owns the broker, pid ${pid}`, `epoch ${epoch}`);
  story.promise(
    next !== undefined && ms < takeoverMsMax,
    `the next owner answered ${ms.toFixed(0)} ms after the kill, and no agent had to do anything`,
    text,
  );
  story.promise(messages === 4, 'it has read all 4 messages from the journal', text);

  await ben.post('cleo', 'Are you still waiting?');
  const { body, head, ticket } = await waiting;
  story.promise(body === 'Are you still waiting?', 'the wait from before the kill went on', head);
  await cleo.status(ticket);
  const fetched = await ben.fetch('later');
  story.promise(
    isDeepStrictEqual(fetched.bodies, queued) && fetched.attempt === 1,
    'the queued mail is there, in order',
    fetched.bodies.map(quoted).join(', '),
  );
  const again = await ben.wait('ann', fetched.ticket);
  story.promise(
    again.body === 'half done' && again.attempt === 2,
    'what ann held was kept for 2 s, then redelivered as attempt 2',
    again.head,
  );
  const left = await ben.status(again.ticket);
  story.promise(left.messages === 0, 'nothing was lost, nothing is left over', left.text);
  await ann.end();
  return cleo;
}

async function pointToPoint(ben: Agent, cleo: Agent): Promise<void> {
  story.chapter('Point to point, without the broker');
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const receiving = cleo.receive(port);
  const ms = await ben.ping(host);
  story.promise(Number.isFinite(ms), 'a ping does not disturb the receive', String(ms));
  const [mail] = await Promise.all([receiving, ben.send(host, 'Straight to you.')]);
  story.promise(
    mail.body === 'Straight to you.' && mail.from === 'ben',
    'the send returned only after cleo had the message',
    mail.head,
  );
}

async function end(agents: readonly Agent[]): Promise<void> {
  await Promise.all(agents.map((agent) => agent.end()));
  leaveNothing();
  const seconds = Number(story.seconds).toFixed(1);
  story.text();
  story.text(
    story.style('bold', `All as promised, in ${seconds} s. Its processes and mail are gone.`),
  );
}

function showInstall(): void {
  story.text();
  story.text(story.style('bold', 'To use it, paste the line of your host:'));
  for (const { host, into, line } of installLines(root)) {
    story.text();
    story.text(`${story.style('cyan', host)}, into ${into}`);
    story.text(line);
  }
  story.text();
  story.text('If the file exists, add the "ipc" entry to it. Then tell one agent: watch mailbox');
  story.text('"ann" with the ipc tool, and end your turn; and another one: post "hello" to "ann".');
  story.text('See README.md.');
}

function fail(error: unknown): never {
  story.broken(error);
  process.exit(1);
}

function leaveNothing(): void {
  for (const agent of Agent.running) agent.kill();
  rmSync(home, { recursive: true, force: true });
}

/** Below 32768, so that no outgoing connection of the machine happens to take it. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (port !== portBrokerDefault && port !== portDirectDefault && (await isFree(port)))
      return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
