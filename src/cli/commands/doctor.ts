// `ipc doctor`: checks everything that a session needs, and says what to do where something is wrong. It creates,
// changes and binds nothing: no key, no store, no broker.
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { AppContext } from '../../app/context.ts';
import { environmentFaults, homeFolder } from '../../app/environment.ts';
import { parsePort } from '../../app/parameters.ts';
import { IpcError } from '../../base/errors.ts';
import { quotedForShell } from '../../base/shell.ts';
import { findHosts, hasPlugin, isInstalled } from '../../hosts/installer.ts';
import { configFolders, type HostTarget } from '../../hosts/targets.ts';
import { checkStore } from '../../journal/check.ts';
import { folderFault } from '../../journal/epoch.ts';
import { readOwner } from '../../journal/paths.ts';
import type { BrokerStatus } from '../../model/mail-service.ts';
import { currentKeys, keyPath } from '../../net/keys.ts';
import { ownerAddress } from '../../net/listen.ts';
import { socketPath } from '../../session/election.ts';
import { continueHint, findPortOwner, isStopped } from '../../session/port-owner.ts';
import { brokerPortWords, withExamples, withJson } from '../command-parts.ts';
import { writeJson, writeReport } from '../output.ts';
import { exitFailed, exitSuccess } from '../run.ts';
import { painted } from '../terminal.ts';

interface Finding {
  /** The subject of the check, in a word or two. */
  readonly about: string;
  readonly ok: boolean;
  readonly what: string;
  readonly hint: string | undefined;
}

const nodeMin = [20, 15] as const;

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description('Check everything that a session needs, and say what to do. Changes nothing.')
    .option('--port <port>', brokerPortWords)
    .action(async ({ port, json }) => process.exit(await doctor(port, json === true)));
  withJson(command, {
    about: 'the subject of the check',
    ok: 'false: something is wrong',
    what: 'what was found',
    hint: 'what to do, or null',
  });
  withExamples(command, 'ipc doctor');
}

async function doctor(port: string | undefined, json: boolean): Promise<number> {
  const findings = await examine(process.env, port === undefined ? undefined : parsePort(port));
  for (const { about, ok, what, hint } of findings) {
    const remedy = hint === undefined ? '' : ` To do: ${hint}.`;
    const [style, word] = ok ? (['green', 'ok '] as const) : (['red', 'BAD'] as const);
    const mark = painted(style, word, 'stdout');
    if (json) await writeJson({ about, ok, what, hint });
    else await writeReport(`${mark}  ${about}: ${what}.${remedy}`);
  }
  return findings.every(({ ok }) => ok) ? exitSuccess : exitFailed;
}

async function examine(env: NodeJS.ProcessEnv, givenPort?: number): Promise<Finding[]> {
  const findings = [
    await finding('Node', checkNode),
    ...environmentFaults(env).map((fault) => faulty('variables', fault)),
    await finding('folder', () => checkHome(homeFolder(env))),
    await finding('key', () => checkKey(homeFolder(env), env)),
    ...(await checkBroker(env, givenPort)),
  ];
  const hosts = await findHosts(configFolders(env), env.PATH ?? '');
  const ofHosts = hosts.map((target) => finding(target.title, () => checkHost(target, env)));
  return [...onceEach(findings), ...(await Promise.all(ofHosts))];
}

/** A wrong variable would be reported again by each check that reads it. */
function onceEach(findings: readonly Finding[]): Finding[] {
  return findings.filter(
    ({ ok, what }, index) => ok || findings.findIndex((each) => each.what === what) === index,
  );
}

/** If the context cannot be built, that is the only finding. */
async function checkBroker(env: NodeJS.ProcessEnv, givenPort?: number): Promise<Finding[]> {
  try {
    const context = new AppContext({ env, program: 'ipc' });
    return await checkFrom(context, env, givenPort).finally(() => context.close());
  } catch (error) {
    return [faulty('broker', error)];
  }
}

/** Checks a broker on this machine with its store; of a remote one, only whether it responds. */
async function checkFrom(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  port?: number,
): Promise<Finding[]> {
  const at = await context.brokerAddress(port === undefined ? {} : { port });
  const { host } = at;
  if (host !== undefined) {
    return [await finding('broker', () => checkOther(context, env, host, at.port))];
  }
  return [
    await finding('port', () => checkPort(context, env, at.port)),
    await finding('store', () => checkStoreIn(context.storeFolder(at.port), at.port)),
  ];
}

type Result = Omit<Finding, 'about'>;

function fine(what: string): Result {
  return { ok: true, what, hint: undefined };
}

/** An error during the check is a finding, too. */
async function finding(about: string, check: () => Result | Promise<Result>): Promise<Finding> {
  try {
    return { about, ...(await check()) };
  } catch (error) {
    return faulty(about, error);
  }
}

function faulty(about: string, error: unknown): Finding {
  const fault = folderFault(error);
  if (!(fault instanceof IpcError)) throw error;
  return { about, ok: false, what: `${fault.code}: ${fault.message}`, hint: fault.hint };
}

function checkNode(): Result {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isEnough = major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
  const hint = isEnough ? undefined : `install Node ${nodeMin.join('.')} or newer`;
  return { ok: isEnough, what: process.version, hint };
}

function checkHome(home: string): Result {
  const found = checkFolder(home);
  if (!found) return fine(`${home}, created by the first call`);
  if ((found.mode & 0o077) === 0) return fine(home);
  return {
    ok: false,
    what: `${home} is open to other users`,
    hint: `chmod 700 ${quotedForShell(home)}`,
  };
}

/** Throws unless the folder is, or can be made, writable; undefined when it does not exist yet. */
function checkFolder(path: string): Stats | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) {
    if (dirname(path) !== path) checkFolder(dirname(path));
    return undefined;
  }
  if (!found.isDirectory()) throw new IpcError('home_unusable', `${path} is not a folder`);
  accessSync(path, constants.W_OK | constants.X_OK);
  return found;
}

function checkKey(home: string, env: NodeJS.ProcessEnv): Result {
  const keys = currentKeys(home, env);
  if (env.IPC_KEY) return fine('in IPC_KEY');
  const path = keyPath(home, env);
  return fine(keys ? path : `${path}, created by the first call`);
}

async function checkPort(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  port: number,
): Promise<Result> {
  const portOwner = await findPortOwner(port);
  if (!portOwner) return fine(`${port} is free: the first session that uses mail owns the broker`);
  const who = `pid ${portOwner.pid} (${portOwner.program})`;
  const isOurs = readOwner(context.storeFolder(port))?.pid === portOwner.pid;
  if (isOurs && isStopped(portOwner)) {
    const what = `${port}: ${who} owns the broker, but is stopped`;
    return { ok: false, what, hint: continueHint(portOwner) };
  }
  try {
    await askBroker(context, env, ownerAddress, port);
    return fine(`${port}: ${who} owns the broker${isOurs ? '' : ', of another folder'}`);
  } catch (error) {
    if (isOurs || !(error instanceof IpcError)) throw error;
    const what = `${port} is held by ${who}, which owns no broker of this folder`;
    return { ok: false, what, hint: 'set another port in IPC_PORT, or end that program' };
  }
}

async function checkOther(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  host: string,
  port: number,
): Promise<Result> {
  const { pid, warnings } = await askBroker(context, env, host, port);
  const what = `${host}:${port}: pid ${pid} there owns the broker`;
  return { ok: warnings.length === 0, what, hint: warnings[0] };
}

/** Asks as a guest, which creates nothing. */
async function askBroker(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  host: string,
  port: number,
): Promise<BrokerStatus> {
  if (currentKeys(context.home, env)) return context.clientOf(host, port).status();
  const what = `there is no key here yet, so it is not the key of the broker at ${host}:${port}`;
  throw new IpcError('key_mismatch', what, { hint: 'import its key: `ipc help key import`' });
}

async function checkStoreIn(folder: string, port: number): Promise<Result> {
  socketPath(folder);
  checkFolder(folder);
  const { store, sound, messages, warnings, kept } = await checkStore(folder);
  if (store === undefined && sound) return fine(`${folder}, created by the first post`);
  const what = `${folder}: ${unsettled(messages)}`;
  if (!sound)
    return { ok: false, what: `${what}, DAMAGED`, hint: `ipc store check --port ${port}` };
  const [warning] = [...warnings, ...kept];
  return { ok: warning === undefined, what, hint: warning };
}

async function checkHost(target: HostTarget, env: NodeJS.ProcessEnv): Promise<Result> {
  const places = configFolders(env);
  if (await isInstalled(target, places)) return fine('has ipc');
  if (await hasPlugin(target, places)) return fine('has ipc, by its plugin');
  return { ok: true, what: 'does not have ipc yet', hint: `ipc install ${target.name}` };
}

function unsettled(count: number): string {
  return count === 1 ? '1 unsettled message' : `${count} unsettled messages`;
}
