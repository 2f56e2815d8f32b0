// `ipc doctor`: looks at everything that a session needs, and says what to do about what is amiss.
// Nothing is made, changed or bound; no key, no store, no broker.
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppContext } from '../../app/context.ts';
import { environmentFaults, homeFolder } from '../../app/environment.ts';
import { IpcError } from '../../base/errors.ts';
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

export interface Finding {
  /** What was looked at, in a word or two. */
  readonly about: string;
  readonly ok: boolean;
  /** What was found. */
  readonly what: string;
  /** What to do; undefined when there is nothing to do. */
  readonly hint: string | undefined;
}

const nodeMin = [20, 15] as const;

export async function examine(env: NodeJS.ProcessEnv, givenPort?: number): Promise<Finding[]> {
  const findings = [
    await finding('Node', lookAtNode),
    ...environmentFaults(env).map((fault) => faulty('variables', fault)),
    await finding('folder', () => lookAtFolder(homeFolder(env))),
    await finding('key', () => lookAtKey(homeFolder(env), env)),
    ...(await lookAtBroker(env, givenPort)),
  ];
  const hosts = await findHosts(configFolders(env), env.PATH ?? '');
  const ofHosts = hosts.map((target) => finding(target.title, () => lookAtHost(target, env)));
  return [...onceEach(findings), ...(await Promise.all(ofHosts))];
}

/** What is amiss with a variable would be said again by all that use it. */
function onceEach(findings: readonly Finding[]): Finding[] {
  return findings.filter(
    ({ ok, what }, index) => ok || findings.findIndex((each) => each.what === what) === index,
  );
}

/** What keeps every call from it is the one finding. */
async function lookAtBroker(env: NodeJS.ProcessEnv, givenPort?: number): Promise<Finding[]> {
  try {
    const context = new AppContext({ env, program: 'ipc' });
    return await lookFrom(context, env, givenPort).finally(() => context.close());
  } catch (error) {
    return [faulty('broker', error)];
  }
}

/** A broker of this machine with its store; of another one, only whether it answers. */
async function lookFrom(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  port?: number,
): Promise<Finding[]> {
  const at = await context.find(port === undefined ? {} : { port });
  const { host } = at;
  if (host !== undefined) {
    return [await finding('broker', () => lookAtOther(context, env, host, at.port))];
  }
  return [
    await finding('port', () => lookAtPort(context, env, at.port)),
    await finding('store', () => lookAtStore(context.storeFolder(at.port), at.port)),
  ];
}

type Look = Omit<Finding, 'about'>;

function fine(what: string): Look {
  return { ok: true, what, hint: undefined };
}

/** What goes wrong while it is looked at is a finding, too. */
async function finding(about: string, look: () => Look | Promise<Look>): Promise<Finding> {
  try {
    return { about, ...(await look()) };
  } catch (error) {
    return faulty(about, error);
  }
}

function faulty(about: string, error: unknown): Finding {
  const fault = folderFault(error);
  if (!(fault instanceof IpcError)) throw error;
  return { about, ok: false, what: `${fault.code}: ${fault.message}`, hint: fault.hint };
}

function lookAtNode(): Look {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isEnough = major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
  const hint = isEnough ? undefined : `install Node ${nodeMin.join('.')} or newer`;
  return { ok: isEnough, what: process.version, hint };
}

function lookAtFolder(home: string): Look {
  const found = checkFolder(home);
  if (!found) return fine(`${home}, made by the first call`);
  if ((found.mode & 0o077) === 0) return fine(home);
  return { ok: false, what: `${home} is open to other users`, hint: `chmod 700 '${home}'` };
}

/** It can be written to, or be made; undefined when it is not there yet. */
function checkFolder(path: string): Stats | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) {
    if (dirname(path) !== path) checkFolder(dirname(path));
    return undefined;
  }
  if (!found.isDirectory()) throw new IpcError('home_unusable', `${path} is no folder`);
  accessSync(path, constants.W_OK | constants.X_OK);
  return found;
}

function lookAtKey(home: string, env: NodeJS.ProcessEnv): Look {
  const keys = currentKeys(home, env);
  if (env.IPC_KEY) return fine('of IPC_KEY');
  const path = keyPath(home, env);
  return fine(keys ? path : `${path}, made by the first call`);
}

async function lookAtPort(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  port: number,
): Promise<Look> {
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
    return { ok: false, what, hint: 'name another port in IPC_PORT, or end that program' };
  }
}

async function lookAtOther(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  host: string,
  port: number,
): Promise<Look> {
  const { pid, warnings } = await askBroker(context, env, host, port);
  const what = `${host}:${port}: its pid ${pid} owns the broker`;
  return { ok: warnings.length === 0, what, hint: warnings[0] };
}

/** As its guest, who makes nothing but a first key. */
async function askBroker(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  host: string,
  port: number,
): Promise<BrokerStatus> {
  if (currentKeys(context.home, env)) return context.guest(host, port).status();
  const what = `there is no key yet, and so not the one of the broker at ${host}:${port}`;
  throw new IpcError('key_mismatch', what, { hint: 'take its key: `ipc help key import`' });
}

async function lookAtStore(folder: string, port: number): Promise<Look> {
  socketPath(folder);
  checkFolder(folder);
  const { store, sound, messages, warnings, kept } = await checkStore(folder);
  if (store === undefined && sound) return fine(`${folder}, made by the first post`);
  const what = `${folder}: ${messages} unsettled messages`;
  if (!sound)
    return { ok: false, what: `${what}, DAMAGED`, hint: `ipc store check --port ${port}` };
  const [warning] = [...warnings, ...kept];
  return { ok: warning === undefined, what, hint: warning };
}

async function lookAtHost(target: HostTarget, env: NodeJS.ProcessEnv): Promise<Look> {
  const places = configFolders(env);
  if (await isInstalled(target, places)) return fine('has ipc');
  if (await hasPlugin(target, places)) return fine('has ipc, by its plugin');
  return { ok: true, what: 'does not have ipc yet', hint: `ipc install ${target.name}` };
}
