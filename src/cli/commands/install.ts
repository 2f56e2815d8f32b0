// `ipc install` and `ipc uninstall`: show what will be done, ask on a terminal, then do it.
import { realpathSync } from 'node:fs';
import { Argument, type Command, Option } from 'commander';
import { IpcError } from '../../base/errors.ts';
import {
  type Direction,
  describe,
  findHosts,
  findTarget,
  parseScope,
  perform,
  plan,
  type Step,
} from '../../hosts/installer.ts';
import { nodeCommand } from '../../hosts/node-command.ts';
import { configFolders, type HostTarget, hostTargets, type Scope } from '../../hosts/targets.ts';
import { costOfWaking, planWake } from '../../hosts/wake/hooks.ts';
import { withChoices, withExamples } from '../command-parts.ts';
import { confirmed, sayError, writeReport } from '../output.ts';
import { exitFailed } from '../run.ts';
import { askingFault } from '../terminal.ts';

interface Options {
  readonly scope?: string;
  readonly wake?: true;
  readonly print?: true;
  readonly yes?: true;
}

const descriptions: Readonly<Record<Direction, string>> = {
  install: 'Set up `ipc mcp` in one host of agents, or in all here.',
  uninstall: 'Remove `ipc mcp` from one host of agents, or from all.',
};

const examples: Readonly<Record<Direction, readonly string[]>> = {
  install: [
    'ipc install claude',
    'ipc install --print    # what would be done',
    'ipc install gemini --wake',
  ],
  uninstall: ['ipc uninstall claude'],
};

const scopeWords = 'project: for the current folder; user by default';

const wakeWords: Readonly<Record<Direction, string>> = {
  install: 'also the hook or plugin with which mail wakes its agents',
  uninstall: 'only the hook or plugin with which mail wakes its agents',
};

export function addCommands(program: Command): void {
  const names = hostTargets.map(({ name }) => name);
  for (const direction of ['install', 'uninstall'] as const) {
    const command = program
      .command(direction)
      .description(descriptions[direction])
      .addArgument(withChoices(new Argument('[host]', 'all that are found by default'), names))
      .addOption(withChoices(new Option('--scope <scope>', scopeWords), ['user', 'project']))
      .option('--wake', wakeWords[direction])
      .option('--print', 'show what would be done, and do nothing')
      .option('--yes', 'do not ask')
      .action((host, options) => act(direction, host, options));
    withExamples(command, ...examples[direction]);
  }
}

/** Exits with 1 if the user refused all that there was to do. */
async function act(direction: Direction, host: string | undefined, options: Options) {
  const outcomes =
    host === undefined
      ? await actOnAll(direction, options)
      : [await actOn(direction, findTarget(host), options)];
  if (outcomes.includes('refused') && !outcomes.includes('done')) process.exit(exitFailed);
}

async function actOnAll(direction: Direction, options: Options): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const failed: string[] = [];
  const { wake, ...others } = options;
  for (const target of await found()) {
    const canWake = costOfWaking(target) !== undefined;
    if (wake && !canWake && direction === 'uninstall') continue;
    try {
      outcomes.push(await actOn(direction, target, canWake ? options : others));
    } catch (error) {
      if (!isOfHost(error)) throw error;
      await sayError(error);
      failed.push(target.title);
    }
  }
  if (failed.length === 0) return outcomes;
  throw new IpcError('host_unusable', `not done for ${failed.join(', ')}`, {
    hint: 'see above what each needs',
  });
}

/** The error concerns one host, so the others are still tried. */
function isOfHost(error: unknown): error is IpcError {
  return error instanceof IpcError && ['host_unusable', 'bad_parameter'].includes(error.code);
}

/** `none`: there was nothing to do, or it was only to be shown. */
type Outcome = 'done' | 'refused' | 'none';

async function actOn(direction: Direction, target: HostTarget, options: Options): Promise<Outcome> {
  const works = worksFor(direction, target, options);
  const steps = [];
  for (const work of works) {
    const step = await work.plan();
    if (step) steps.push({ ...work, step });
  }
  if (steps.length === 0) {
    await writeReport(`${target.title}: nothing to do.`);
    return 'none';
  }
  const lines = steps.flatMap(({ step, notes }) => [...describe(step), ...notes]);
  await writeReport([`${target.title}:`, ...lines.map((line) => `  ${line}`)].join('\n'));
  if (options.print) return 'none';
  if (!options.yes && !(await isWanted())) {
    await writeReport('Nothing was done.');
    return 'refused';
  }
  for (const [index, { step, plan }] of steps.entries()) {
    // The step before may have changed the same file.
    const now = index === 0 ? step : await plan();
    if (now) await perform(now);
  }
  await writeReport(doneWords(direction, target, options));
  return 'done';
}

/** What may have to be done, and what is said of it. */
interface Work {
  plan(): Promise<Step | undefined>;
  readonly notes: readonly string[];
}

function worksFor(direction: Direction, target: HostTarget, options: Options): Work[] {
  const scope = parseScope(options.scope, target);
  const cost = costOfWaking(target);
  if (options.wake) checkWake(target, scope, cost);
  const { command, note } = nodeCommand(target, process.env.PATH ?? '');
  const server = { command, args: [realpathSync(process.argv[1] ?? ''), 'mcp'] };
  const folders = configFolders(process.env);
  const isInstall = direction === 'install';
  const serverWork = {
    plan: () => plan(direction, target, scope, server, folders),
    notes: isInstall && note !== undefined ? [note] : [],
  };
  const wakeWork = {
    plan: () => planWake(direction, target, server, folders),
    notes: isInstall ? [`its cost: ${cost}`] : [],
  };
  if (options.wake) return isInstall ? [serverWork, wakeWork] : [wakeWork];
  // A hook of a program that is gone would fail at the end of each turn.
  return isInstall || scope !== 'user' ? [serverWork] : [wakeWork, serverWork];
}

function checkWake({ name, title }: HostTarget, scope: Scope, cost: string | undefined): void {
  if (cost === undefined) {
    const what =
      name === 'codex'
        ? 'Codex needs no hook: the MCP server wakes its agents'
        : `no hook of ${title} can wake its agents`;
    throw new IpcError('bad_parameter', `wake: ${what}`, { hint: 'leave --wake out' });
  }
  if (scope === 'user') return;
  const what = 'wake: a hook is set up for the user, not for a project';
  throw new IpcError('bad_parameter', what, { hint: 'leave --scope out' });
}

async function found(): Promise<readonly HostTarget[]> {
  const hosts = await findHosts(configFolders(process.env), process.env.PATH ?? '');
  if (hosts.length > 0) return hosts;
  throw new IpcError('host_unusable', 'no host was found on this machine', {
    hint: `name one of ${hostTargets.map(({ name }) => name).join(', ')}`,
  });
}

function isWanted(): Promise<boolean> {
  const fault = askingFault();
  if (fault === undefined) return confirmed('Do that?');
  throw new IpcError('missing_parameter', fault, {
    hint: 'give --yes to do it, or --print only to see it',
  });
}

function doneWords(direction: Direction, { title, also }: HostTarget, { wake }: Options): string {
  if (direction === 'uninstall') {
    return `${title} drops ${wake ? 'what --wake added' : 'ipc'} when it is restarted.`;
  }
  return [`${title} has ipc when it is restarted.`, also].filter(Boolean).join(' ');
}
