// agent-ipc beside other queues, and beside the limits of the machine, in one run: see docs/internals/benchmarks.md.
// `--quick`: fewer and shorter rounds, in less than a minute. `--docs`: the table and the picture go into docs/, too.
// `--only TEXT`: the figures with that in their names. A system that is missing is reported and left out.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BareFile } from './support/bare-file.ts';
import { makeBenchFolder } from './support/bench-folder.ts';
import { bodyOf } from './support/mail.ts';
import { nowUs, print, rounded } from './support/measure.ts';
import { BareQueue } from './systems/bare-queue.ts';
import { Beanstalkd } from './systems/beanstalkd.ts';
import { Echo } from './systems/echo.ts';
import { compare, printRows, tableOf } from './systems/goals.ts';
import { bytesPerMessage, bytesPerWait, GrownRedis, GrownStore } from './systems/growth.ts';
import { Ipc } from './systems/ipc.ts';
import { JetStream } from './systems/jetstream.ts';
import { type Panel, pictureOf } from './systems/picture.ts';
import {
  BareMcpMail,
  bundleServer,
  idleMegabytes,
  McpMail,
  makePlace,
  runNode,
  runPost,
  startHost,
  startToTools,
} from './systems/programs.ts';
import { Redis } from './systems/redis.ts';
import {
  type Contender,
  type Figure,
  measureFigure,
  medianFor,
  rateFor,
  rateOf,
} from './systems/rounds.ts';
import { isQuick, isWanted, queuedMessages, takeoverMessages } from './systems/scale.ts';
import { searchPath } from './systems/server-process.ts';
import { Missing, type QueueSystem } from './systems/system.ts';

const [loadBefore = 0] = loadavg();
const rounds = isQuick ? 3 : 11;
/** Rounds that do not count. */
const warmups = 1;
/** Before all rounds, for each system: the code of all processes is compiled when the first one begins. */
const warmupMs = isQuick ? 700 : 3_000;
const warmupParts = 6;
const roundMs = isQuick ? 200 : 400;
/** The same for calls that alternate, of up to six contenders. */
const alternateMs = 4 * roundMs;
/** In their first 0.1 s after a pause, processes on two cores wait for each other more than later. */
const takesOfRound = isQuick ? 3_000 : 30_000;
/** Rounds that do not count: nothing else takes with many in flight, so this code is cold. */
const warmupsOfTakes = 30_000 / takesOfRound;
const manyInFlight = 256;
const crowdWaits = 10_000;
type NamedFigure = Figure & { readonly title: string };
const bytes = 256;
const body = bodyOf(bytes);
const largeBytes = 1_048_576;
const largeInFlight = 4;
const megabyte = 1_000_000;

const ipc = await Ipc.start();
const crowdedIpc = await Ipc.start(`ipc_${crowdWaits}waits`, crowdWaits);
const redisMemory = await startIfThere('redis_memory', () => Redis.start('memory'));
const redisAlways = await startIfThere('redis_aof_always', () => Redis.start('aof_always'));
const jetStream = await startIfThere('jetstream_lazy_sync', () => JetStream.start());
const beanstalkd = await startIfThere('beanstalkd_f0', () => Beanstalkd.start());
const bareQueue = await BareQueue.start();
const echo = await Echo.start();
const onPool = bareFile('pool', 16 * 1_024 ** 2);
const onLoop = bareFile('loop', 16 * 1_024 ** 2);
const largeOver = bareFile('large-over', 256 * 1_024 ** 2);
const largeBehind = bareFile('large-behind', 0);
const noopServer = await bundleServer('noop-server.ts');
const noopPlace = await makePlace();
const noop = await startHost(noopPlace, noopServer);
const mcpMail = await McpMail.start();
const bareMcpMail = await BareMcpMail.start(bareQueue.port);
const emptyPlace = await makePlace();
const emptyMemory = await ipc.memory();
const postFigure = `post_${bytes}B_1in_flight`;
const restartFigure = `restart_${bytes}B_${queuedMessages}queued`;
const queuedMemoryFigure = `memory_${queuedMessages}queued`;
const takeoverFigure = `takeover_${bytes}B_${takeoverMessages}queued`;
const grown = await startIfWanted([postFigure, restartFigure, queuedMemoryFigure], () =>
  GrownStore.fill(queuedMessages),
);
const forTakeover = await startIfWanted([takeoverFigure], () => GrownStore.fill(takeoverMessages));
const grownRedis = await startIfWanted([restartFigure], () =>
  startIfThere('redis_aof', () => GrownRedis.fill()),
);

const common = { rounds, warmups };
/** Of processes that are started for it, in which nothing is to be warmed up. */
const ofStarts = { rounds: isQuick ? 1 : 3, warmups: 0 };
/** Measured before the broker with the queued messages stays up. */
const growthFigures: readonly NamedFigure[] = [
  {
    ...ofStarts,
    name: restartFigure,
    title: 'From the start of the process to its service',
    unit: 'Us',
    contenders: [
      ...(grown ? [{ name: 'ipc', measure: () => grown.start(), after: () => grown.stop() }] : []),
      ...(grownRedis ? [{ name: 'redis_aof', measure: () => grownRedis.restart() }] : []),
    ],
  },
  {
    ...ofStarts,
    name: queuedMemoryFigure,
    title: 'Memory for each queued message, beside its body',
    unit: 'Bytes',
    rounds: 1,
    contenders: grown ? [{ name: 'ipc', measure: () => bytesPerMessage(grown, emptyMemory) }] : [],
  },
  {
    ...ofStarts,
    name: `memory_${crowdWaits}waits`,
    title: 'Memory for each parked wait',
    unit: 'Bytes',
    rounds: 1,
    contenders: [
      // Those that are parked before are on mailboxes of their own, too.
      { name: 'ipc', measure: () => bytesPerWait(crowdWaits, 2 * crowdWaits) },
      ...[1, 100].map((mailboxes) => ({
        name: `ipc_${mailboxes}mailbox${mailboxes > 1 ? 'es' : ''}`,
        measure: () => bytesPerWait(crowdWaits, mailboxes),
      })),
    ],
  },
  {
    ...ofStarts,
    name: takeoverFigure,
    title: 'From the kill of the owner to the first hand-over',
    unit: 'Ms',
    contenders: forTakeover
      ? [{ name: 'ipc', measure: async () => (await forTakeover.takeOver()) / 1_000 }]
      : [],
  },
];
const measured = new Map<string, Panel>();
await measureAll(growthFigures);
const grownIpc = await startIfWanted([postFigure], async () =>
  grown ? Ipc.beside(`ipc_${queuedMessages}queued`, grown) : undefined,
);
const systems = present(
  ...[ipc, crowdedIpc, grownIpc, redisMemory, redisAlways, jetStream, beanstalkd, bareQueue],
);
const figures: readonly NamedFigure[] = [
  {
    ...common,
    name: `handover_${bytes}B_1in_flight`,
    alternateMs,
    title: 'Hand-over: from the post to the end of a parked wait',
    unit: 'Us',
    contenders: [
      ...present(ipc, crowdedIpc, redisMemory, redisAlways, beanstalkd, bareQueue).map(handover),
      latency('tcp_echo', () => echo.goAround(body)),
    ],
  },
  {
    ...common,
    name: postFigure,
    alternateMs,
    title: 'One stored post at a time',
    unit: 'Us',
    contenders: [
      ...present(ipc, grownIpc, redisAlways, jetStream, beanstalkd, bareQueue).map(post),
      bareSync('bare_sync_pool', onPool, () => onPool.store(body)),
      bareSync('bare_sync_loop', onLoop, async () => onLoop.storeOnLoop(body)),
    ],
  },
  {
    ...common,
    name: `post_${bytes}B_${manyInFlight}in_flight`,
    title: `Stored posts, ${manyInFlight} in flight`,
    unit: 'PerSecond',
    contenders: present(ipc, redisAlways, jetStream, beanstalkd, bareQueue).map(posts),
  },
  {
    ...common,
    warmups: warmupsOfTakes,
    name: `take_settle_${bytes}B_${manyInFlight}in_flight`,
    title: `Messages taken and settled, ${manyInFlight} in flight`,
    unit: 'PerSecond',
    contenders: present(ipc, redisAlways, bareQueue).map(takes),
  },
  {
    ...common,
    name: 'process_start_to_exit',
    title: 'A whole process',
    unit: 'Us',
    contenders: [
      { name: 'node_e_0', measure: () => runNode(['-e', '0']) },
      { name: 'ipc_post_broker_alive', measure: () => runPost(ipc, body) },
      { name: 'ipc_post_no_broker', measure: () => runPost(emptyPlace, body) },
    ],
  },
  {
    ...common,
    name: 'mcp_start_to_tools_list',
    title: 'An MCP server, to the answer of tools/list',
    unit: 'Us',
    contenders: [
      { name: 'noop_server', measure: () => startToTools(noopPlace, noopServer) },
      { name: 'ipc_mcp', measure: () => startToTools(emptyPlace) },
    ],
  },
  {
    name: 'mcp_idle_memory',
    title: 'Its memory when idle',
    unit: 'Megabytes',
    rounds: isQuick ? 2 : 5,
    warmups: 0,
    contenders: [
      { name: 'noop_server', measure: () => idleMegabytes(noopPlace, noopServer) },
      { name: 'ipc_mcp', measure: () => idleMegabytes(emptyPlace) },
    ],
  },
  {
    ...common,
    name: `mcp_call_${bytes}B_1in_flight`,
    alternateMs,
    title: 'Through MCP: a message, and a call of a tool that does nothing',
    unit: 'Us',
    contenders: [
      latency('noop_tool', callNoop),
      latency('ipc_post_to_wait', async () => (await mcpMail.handOver(body)).arrivedUs),
      latency('ipc_post_to_stored', async () => (await mcpMail.handOver(body)).storedUs),
      latency('bare_post_to_wait', async () => (await bareMcpMail.handOver(body)).arrivedUs),
      latency('bare_post_to_stored', async () => (await bareMcpMail.handOver(body)).storedUs),
    ],
  },
  {
    ...common,
    name: `post_1MB_${largeInFlight}in_flight`,
    title: `Posts of 1 MB, stored, ${largeInFlight} in flight, and bare writes one at a time`,
    unit: 'MegabytesPerSecond',
    contenders: [
      largePosts(ipc),
      largePosts(bareQueue),
      largeWrites('bare_append_sync_pool', largeBehind),
      largeWrites('bare_sync_pool', largeOver),
    ],
  },
];

for (const system of systems) {
  // One at a time where there is room for few.
  await warmUp(system, system === grownIpc ? 1 : manyInFlight);
}
await medianFor(warmupMs, callNoop);
await medianFor(warmupMs, async () => (await mcpMail.handOver(body)).arrivedUs);
await medianFor(warmupMs, async () => (await bareMcpMail.handOver(body)).arrivedUs);

await measureAll(figures);
const rows = compare(new Map([...measured].map(([name, { values }]) => [name, values])));
printRows(rows);
report();

for (const file of [onPool, onLoop, largeOver, largeBehind]) file.close();
await mcpMail.close();
await bareMcpMail.close();
await noop.end();
await echo.close();
for (const system of systems) await system.close();
await grown?.stop();

async function measureAll(figures: readonly NamedFigure[]): Promise<void> {
  for (const figure of figures.filter(({ name }) => isWanted(name))) {
    measured.set(figure.name, { ...figure, values: await measureFigure(figure) });
  }
}

/** Fills or starts what one of these figures needs. */
async function startIfWanted<System>(names: readonly string[], start: () => Promise<System>) {
  return names.some(isWanted) ? start() : undefined;
}

async function startIfThere<System>(name: string, start: () => Promise<System>) {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    print(name, { missing: error.message });
    return undefined;
  }
}

function present(...systems: readonly (QueueSystem | undefined)[]): QueueSystem[] {
  return systems.filter((system) => system !== undefined);
}

function bareFile(name: string, allocatedBytes: number): BareFile {
  return new BareFile(join(makeBenchFolder(), name), allocatedBytes);
}

async function warmUp(system: QueueSystem, inFlight: number): Promise<void> {
  const { handOver } = system;
  if (handOver) await medianFor(warmupMs, () => handOver.call(system, body));
  // In parts, since a mailbox of ours takes 250,000 messages.
  for (let part = 0; part < warmupParts; part++) {
    await rateFor(warmupMs / warmupParts, inFlight, () => system.post(body));
    await system.clear?.();
  }
}

function latency(name: string, action: () => Promise<number>): Contender {
  return { name, measure: action };
}

function handover(system: QueueSystem): Contender {
  return latency(system.name, async () => (await system.handOver?.(body)) ?? Number.NaN);
}

function post(system: QueueSystem): Contender {
  return {
    ...latency(system.name, () => timed(() => system.post(body))),
    after: async () => system.clear?.(),
  };
}

function bareSync(name: string, file: BareFile, store: () => Promise<void>): Contender {
  return { ...latency(name, () => timed(store)), after: async () => file.rewind() };
}

function posts(system: QueueSystem): Contender {
  return {
    name: system.name,
    measure: () => rateFor(roundMs, manyInFlight, () => system.post(body)),
    after: async () => system.clear?.(),
  };
}

function takes(system: QueueSystem): Contender {
  return {
    name: system.name,
    measure: async () => {
      await rateOf(takesOfRound, manyInFlight, () => system.post(body));
      return rateOf(takesOfRound, manyInFlight, async () => system.take?.());
    },
  };
}

function largePosts(system: QueueSystem): Contender {
  const large = bodyOf(largeBytes);
  return {
    name: system.name,
    measure: async () => {
      const perSecond = await rateFor(roundMs, largeInFlight, () => system.post(large));
      return (perSecond * largeBytes) / megabyte;
    },
    after: async () => system.clear?.(),
  };
}

function largeWrites(name: string, file: BareFile): Contender {
  const large = bodyOf(largeBytes);
  return {
    name,
    measure: async () =>
      ((await rateFor(roundMs, 1, () => file.store(large))) * largeBytes) / megabyte,
    after: async () => file.rewind(),
  };
}

async function callNoop(): Promise<number> {
  const startUs = nowUs();
  await noop.call({ operation: 'nothing' });
  return nowUs() - startUs;
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const startUs = nowUs();
  await action();
  return nowUs() - startUs;
}

/** The table goes to stderr, and with the picture to artefacts/. */
function report(): void {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const { model = 'unknown processor' } = cpus()[0] ?? {};
  const machine = [
    `${cpus().length} cores (${model}), load ${rounded(loadBefore)} before the run`,
    `Linux ${release()}, Node ${process.version}`,
    versions().join(', '),
  ].join('; ');
  const text = `${machine}. \`npm run bench -- systems${isQuick ? ' --quick' : ''}\`:\n\n${tableOf(rows)}`;
  const picture = pictureOf([...measured.values()]);
  mkdirSync(join(root, 'artefacts'), { recursive: true });
  writeFileSync(join(root, 'artefacts/systems.md'), text);
  writeFileSync(join(root, 'artefacts/systems.svg'), picture);
  process.stderr.write(`\n${text}\nThe picture is artefacts/systems.svg.\n`);
  if (!process.argv.includes('--docs')) return;
  const page = join(root, 'docs/internals/benchmarks.md');
  const marked = /(?<=<!-- systems -->\n)[\s\S]*?(?=<!-- \/systems -->)/;
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(marked, () => text),
  );
  writeFileSync(join(root, 'docs/images/systems.svg'), picture);
}

/** The versions of the programs that are there, as they print them. */
function versions(): string[] {
  const asked = ['redis-server --version', 'beanstalkd -v', 'nats-server --version'];
  return asked.flatMap((command) => {
    const [program = '', option = ''] = command.split(' ');
    const { stdout, error } = spawnSync(program, [option], { env: { PATH: searchPath } });
    const version = error ? undefined : /\d+\.\d+(\.\d+)?/.exec(`${stdout}`)?.[0];
    return version === undefined ? [] : [`${program} ${version}`];
  });
}
