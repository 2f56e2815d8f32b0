// `ipc doctor`: looks at everything that a session needs, and says what to do about what is amiss.
// Nothing is made, changed or bound; no key, no store, no broker.
import { accessSync, constants, statSync } from 'node:fs';
import { continueHint, findHolder, isStopped } from './broker/holder.ts';
import { IpcError } from './core/errors.ts';
import { findHosts, isSetUp } from './install.ts';
import { checkStore } from './journal/check.ts';
import { folderFault } from './journal/epoch.ts';
import { readOwner } from './journal/folder.ts';
import { Place } from './place.ts';
import { placesOf, type Setup } from './setups.ts';
import { keyPath, readKey } from './wire/key.ts';

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
  const place = new Place({ env, program: 'ipc' });
  const port = place.localPort(givenPort);
  const folder = place.storeFolder(port);
  const checks: readonly (readonly [about: string, look: () => Look | Promise<Look>])[] = [
    ['Node', lookAtNode],
    ['folder', () => lookAtFolder(place.home)],
    ['key', () => lookAtKey(place.home, env)],
    ['port', () => lookAtPort(port, folder)],
    ['store', () => lookAtStore(folder, port)],
  ];
  const findings = await Promise.all(checks.map(([about, look]) => finding(about, look)));
  const hosts = await findHosts(placesOf(env), env.PATH ?? '');
  return [...findings, ...(await Promise.all(hosts.map(lookAtHost)))];
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
    const fault = folderFault(error);
    if (!(fault instanceof IpcError)) throw error;
    return { about, ok: false, what: `${fault.code}: ${fault.message}`, hint: fault.hint };
  }
}

function lookAtNode(): Look {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isEnough = major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
  const hint = isEnough ? undefined : `install Node ${nodeMin.join('.')} or newer`;
  return { ok: isEnough, what: process.version, hint };
}

function lookAtFolder(home: string): Look {
  const found = statSync(home, { throwIfNoEntry: false });
  if (!found) return fine(`${home}, made by the first call`);
  accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK);
  if ((found.mode & 0o077) === 0) return fine(home);
  return { ok: false, what: `${home} is open to other users`, hint: `chmod 700 '${home}'` };
}

function lookAtKey(home: string, env: NodeJS.ProcessEnv): Look {
  if (env.IPC_KEY) return fine('of IPC_KEY');
  const path = keyPath(home, env);
  return fine(readKey(path) ? path : `${path}, made by the first call`);
}

async function lookAtPort(port: number, folder: string): Promise<Look> {
  const holder = await findHolder(port);
  if (!holder) return fine(`${port} is free: the first session that uses mail owns the broker`);
  const who = `pid ${holder.pid} (${holder.program})`;
  if (readOwner(folder)?.pid !== holder.pid) {
    const hint = 'name another port in IPC_PORT, or end that program';
    return {
      ok: false,
      what: `${port} is held by ${who}, which owns no broker of this folder`,
      hint,
    };
  }
  if (!isStopped(holder)) return fine(`${port}: ${who} owns the broker`);
  const what = `${port}: ${who} owns the broker, but is stopped`;
  return { ok: false, what, hint: continueHint(holder) };
}

async function lookAtStore(folder: string, port: number): Promise<Look> {
  const { store, sound, messages, warnings, kept } = await checkStore(folder);
  if (store === undefined && sound) return fine(`${folder}, made by the first post`);
  const what = `${folder}: ${messages} unsettled messages`;
  if (!sound)
    return { ok: false, what: `${what}, DAMAGED`, hint: `ipc store check --port ${port}` };
  const [warning] = [...warnings, ...kept];
  return { ok: warning === undefined, what, hint: warning };
}

async function lookAtHost(setup: Setup): Promise<Finding> {
  const about = setup.title;
  if (await isSetUp(setup, placesOf(process.env))) return { about, ...fine('has ipc') };
  return { about, ok: true, what: 'does not have ipc yet', hint: `ipc install ${setup.name}` };
}
