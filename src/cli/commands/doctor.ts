// `ipc doctor`: looks at everything that a session needs, and says what to do about what is amiss.
// Nothing is made, changed or bound; no key, no store, no broker.
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { environmentFaults, homeFolder, Place } from '../../app/context.ts';
import { IpcError } from '../../base/errors.ts';
import { findHosts, hasPlugin, isSetUp } from '../../hosts/installer.ts';
import { placesOf, type Setup } from '../../hosts/targets.ts';
import { checkStore } from '../../journal/check.ts';
import { folderFault } from '../../journal/epoch.ts';
import { readOwner } from '../../journal/paths.ts';
import type { BrokerStatus } from '../../model/mail-service.ts';
import { keyPath, presentKeys } from '../../net/keys.ts';
import { ownerAddress } from '../../net/listen.ts';
import { socketPath } from '../../session/election.ts';
import { continueHint, findHolder, isStopped } from '../../session/port-owner.ts';

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
  const hosts = await findHosts(placesOf(env), env.PATH ?? '');
  const ofHosts = hosts.map((setup) => finding(setup.title, () => lookAtHost(setup, env)));
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
    const place = new Place({ env, program: 'ipc' });
    return await lookFrom(place, env, givenPort).finally(() => place.close());
  } catch (error) {
    return [faulty('broker', error)];
  }
}

/** A broker of this machine with its store; of another one, only whether it answers. */
async function lookFrom(place: Place, env: NodeJS.ProcessEnv, port?: number): Promise<Finding[]> {
  const at = await place.find(port === undefined ? {} : { port });
  const { host } = at;
  if (host !== undefined) {
    return [await finding('broker', () => lookAtOther(place, env, host, at.port))];
  }
  return [
    await finding('port', () => lookAtPort(place, env, at.port)),
    await finding('store', () => lookAtStore(place.storeFolder(at.port), at.port)),
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
  const keys = presentKeys(home, env);
  if (env.IPC_KEY) return fine('of IPC_KEY');
  const path = keyPath(home, env);
  return fine(keys ? path : `${path}, made by the first call`);
}

async function lookAtPort(place: Place, env: NodeJS.ProcessEnv, port: number): Promise<Look> {
  const holder = await findHolder(port);
  if (!holder) return fine(`${port} is free: the first session that uses mail owns the broker`);
  const who = `pid ${holder.pid} (${holder.program})`;
  const isOurs = readOwner(place.storeFolder(port))?.pid === holder.pid;
  if (isOurs && isStopped(holder)) {
    const what = `${port}: ${who} owns the broker, but is stopped`;
    return { ok: false, what, hint: continueHint(holder) };
  }
  try {
    await askBroker(place, env, ownerAddress, port);
    return fine(`${port}: ${who} owns the broker${isOurs ? '' : ', of another folder'}`);
  } catch (error) {
    if (isOurs || !(error instanceof IpcError)) throw error;
    const what = `${port} is held by ${who}, which owns no broker of this folder`;
    return { ok: false, what, hint: 'name another port in IPC_PORT, or end that program' };
  }
}

async function lookAtOther(
  place: Place,
  env: NodeJS.ProcessEnv,
  host: string,
  port: number,
): Promise<Look> {
  const { pid, warnings } = await askBroker(place, env, host, port);
  const what = `${host}:${port}: its pid ${pid} owns the broker`;
  return { ok: warnings.length === 0, what, hint: warnings[0] };
}

/** As its guest, who makes nothing but a first key. */
async function askBroker(
  place: Place,
  env: NodeJS.ProcessEnv,
  host: string,
  port: number,
): Promise<BrokerStatus> {
  if (presentKeys(place.home, env)) return place.guest(host, port).status();
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

async function lookAtHost(setup: Setup, env: NodeJS.ProcessEnv): Promise<Look> {
  const places = placesOf(env);
  if (await isSetUp(setup, places)) return fine('has ipc');
  if (await hasPlugin(setup, places)) return fine('has ipc, by its plugin');
  return { ok: true, what: 'does not have ipc yet', hint: `ipc install ${setup.name}` };
}
