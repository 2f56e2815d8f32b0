// The broker that calls without `host` would use: what holds its port, its store, the addresses on which it
// is open, its dead letters, and the sessions that watch mailboxes.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppContext } from '../../app/context.ts';
import { counted } from '../../app/counts.ts';
import { pausedWords } from '../../app/pause-words.ts';
import { quotedWarning } from '../../app/summaries.ts';
import { type ErrorCode, IpcError, systemErrorCode } from '../../base/errors.ts';
import { quoted } from '../../base/quoted.ts';
import { requireTrustedStore } from '../../files/trusted-path.ts';
import { checkStore, type StoreReport } from '../../journal/check.ts';
import { readOwner } from '../../journal/paths.ts';
import type { DeadLetterCount } from '../../model/look-results.ts';
import { deadLetterMailbox } from '../../model/message.ts';
import type { PausedNames } from '../../model/pause-requests.ts';
import type { DialTarget } from '../../net/connect.ts';
import { currentKeys } from '../../net/keys.ts';
import { listen, listenError, ownerAddress } from '../../net/listen.ts';
import { isLoopback } from '../../net/tls.ts';
import { type Keys, keyBytes } from '../../protocol/handshake.ts';
import { askOwner, type OwnerReport } from '../../session/guest.ts';
import { socketPath } from '../../session/port-lock.ts';
import {
  continueHint,
  describeHolder,
  findPortOwner,
  isStopped,
  type PortOwner,
} from '../../session/port-owner.ts';
import { fileLimitFindings } from './disk-checks.ts';
import { bad, type Finding, faulty, fine, type Result } from './finding.ts';
import { checkFolder } from './machine-checks.ts';
import { watchFindings } from './watch-checks.ts';

/** How long a broker that is starting or ending is asked again, as a call would. */
const retryMsMax = 1_500;
const retryPauseMs = 50;
/** Mailboxes that are named with their dead letters. */
const mailboxesShown = 20;

interface Place {
  readonly context: AppContext;
  readonly port: number;
  /** The folder of the store. */
  readonly folder: string;
  /** undefined when there is no key yet. */
  readonly keys: Keys | undefined;
}

/** The finding about the port, and the report of the broker there. */
interface Look {
  readonly result: Result;
  /** Of the broker, if it answered. */
  readonly report?: OwnerReport;
  /** The broker's process is one that this process can see under the same id. */
  readonly isVisible?: boolean;
}

/** With these errors no broker is at the port, as far as one can tell. */
const noBroker: readonly ErrorCode[] = [
  ...(['unreachable', 'port_taken', 'wrong_service'] as const),
  ...(['bad_frame', 'frame_too_large'] as const),
];

export async function localFindings(
  context: AppContext,
  env: NodeJS.ProcessEnv,
  port: number,
): Promise<Finding[]> {
  const folder = context.storeFolder(port);
  const look = await lookAt({ context, port, folder, keys: keysIn(context, env) }).catch(
    (error: unknown): Look => ({ result: faulty('port', error) }),
  );
  const { report } = look;
  const store = await checkStoreIn(folder).catch((error: unknown) => faulty('store', error));
  const stored = 'about' in store ? undefined : store;
  const found: Finding[] = [{ about: 'port', ...look.result }];
  found.push('about' in store ? store : { about: 'store', ...presentStore(store, folder, port) });
  const known = stored ? [...stored.warnings, ...stored.kept] : [];
  for (const warning of report?.warnings.filter((each) => !known.includes(each)) ?? []) {
    found.push({ about: 'broker', ...bad(`it warns: ${quotedWarning(warning)}`, undefined) });
  }
  if (report && look.isVisible) found.push(...(await fileLimitFindings(report.pid)));
  found.push(...openAddresses(report, folder, port));
  found.push(...deadLetters(report?.deadLetters ?? stored?.deadLetters ?? [], port));
  found.push(...pauses(report?.paused ?? stored?.paused ?? [], port));
  found.push(...watchFindings(report?.sessionList ?? [], Date.now()));
  return found;
}

/** A wrong key file has a finding of its own; a dial with another key still shows what holds the port. */
function keysIn(context: AppContext, env: NodeJS.ProcessEnv): Keys | undefined {
  try {
    return currentKeys(context.home, env);
  } catch {
    return undefined;
  }
}

async function lookAt(place: Place): Promise<Look> {
  const { port, folder } = place;
  const portOwner = await findPortOwner(port);
  const isOurs = portOwner !== undefined && readOwner(folder)?.pid === portOwner.pid;
  if (isOurs && isStopped(portOwner)) {
    const what = `${port}: pid ${portOwner.pid} (${portOwner.program}) owns the broker, but is stopped`;
    return { result: bad(what, continueHint(portOwner)) };
  }
  const held = (error: IpcError) => presentHolder(place, error, isOurs);
  for (const began = performance.now(); ; await sleep(retryPauseMs)) {
    try {
      const report = await ask(place, { host: ownerAddress, port });
      const isVisible = portOwner?.pid === report.pid;
      return { result: fine(presentOwner(place, report, portOwner)), report, isVisible };
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      if (error.code === 'network_forbidden') {
        return (
          (await askThroughSocket(place, 'beyond the network of this process')) ?? {
            result: (await canListen(port)) ? aloneAt(place, error) : await held(error),
          }
        );
      }
      if (isRefused(error) && (await canListen(port))) {
        return (
          (await askThroughSocket(place, 'in another network namespace')) ?? {
            result: fine(freePort(port)),
          }
        );
      }
      const isPassing = error.code === 'unreachable' && (isRefused(error) || !error.cause);
      if (!isPassing || performance.now() - began > retryMsMax)
        return { result: await held(error) };
    }
  }
}

/** Without a key of ours any key will do: the answer says whether a broker with another one is there. */
function ask({ context, keys }: Place, target: DialTarget): Promise<OwnerReport> {
  return askOwner(target, keys ?? [randomBytes(keyBytes)], context.origin);
}

function isRefused(error: IpcError): boolean {
  const { code, cause } = error;
  return code === 'unreachable' && systemErrorCode(cause) === 'ECONNREFUSED';
}

/**
 * Whether the next session could bind the port. For the moment of the test the port is taken; a session that
 * tries it just then tries again.
 */
async function canListen(port: number): Promise<boolean> {
  try {
    const server = await listen({ host: ownerAddress, port });
    await new Promise((resolve) => server.close(resolve));
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EADDRINUSE') return false;
    throw listenError(error, ownerAddress, port);
  }
}

function freePort(port: number): string {
  return `${port} is free: the first session that uses mail owns the broker`;
}

/** A session owns the broker if it can bind the port; without connections others come in through the store's socket. */
function aloneAt({ port, folder }: Place, { cause }: IpcError): Result {
  const what = `${port} is free, but this process may not connect to it (${systemErrorCode(cause)}): calls go through the socket in ${folder}, to sessions with the same folder`;
  return fine(what, 'for send, ping and other machines run it outside the sandbox');
}

/**
 * An owner that cannot be reached through the network of this process may be through the store's socket.
 * undefined: there is none. `where`: the owner, as seen from this process.
 */
async function askThroughSocket(place: Place, where: string): Promise<Look | undefined> {
  const { port, folder } = place;
  try {
    const report = await ask(place, { path: socketPath(folder) });
    const what = `${port}: pid ${report.pid} owns the broker, ${where}; calls reach it through the socket in ${folder}`;
    return { result: fine(what), report };
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    const { code, cause } = error;
    const reason = systemErrorCode(cause);
    // A path that is too long for a socket is reported with the store.
    const isAbsent =
      code === 'home_unusable' || ['ENOENT', 'ENOTDIR', 'ECONNREFUSED'].includes(reason);
    if (isAbsent) return undefined;
    if (code !== 'unreachable' || !cause) throw error;
    throw new IpcError('home_unusable', `${socketPath(folder)}: ${reason}`, { cause });
  }
}

/** A process that cannot be seen has its id in another container. */
function presentOwner(
  { port, folder }: Place,
  { pid }: OwnerReport,
  portOwner: PortOwner | undefined,
): string {
  const isOurs = readOwner(folder)?.pid === pid;
  const who = portOwner
    ? `pid ${pid} (${portOwner.program})`
    : `pid ${pid}, which cannot be seen from here,`;
  return `${port}: ${who} owns the broker${isOurs ? '' : ', of another folder'}`;
}

async function presentHolder(
  { port, keys }: Place,
  error: IpcError,
  isOurs: boolean,
): Promise<Result> {
  const holder = await describeHolder(port);
  const by = `by ${holder ?? 'a program that cannot be found'}`;
  if (error.code === 'key_mismatch') {
    const own = keys ? 'another key than the one here' : 'a key that is not here';
    const hint =
      'use its key (IPC_HOME, IPC_KEY_FILE, `ipc help key import`), or set another port in IPC_PORT';
    return bad(`key_mismatch: ${port} is held ${by}, a broker with ${own}`, hint);
  }
  const isOfSystem = error.code === 'unreachable' && error.cause && !isRefused(error);
  if (isOurs || isOfSystem || !noBroker.includes(error.code)) return faulty('port', error);
  const what = `${port} is held ${by}, which does not answer as a broker`;
  return bad(what, 'set another port in IPC_PORT, or end that program');
}

async function checkStoreIn(folder: string): Promise<StoreReport> {
  socketPath(folder);
  requireTrustedStore(folder);
  checkFolder(folder);
  return checkStore(folder);
}

function presentStore(report: StoreReport, folder: string, port: number): Result {
  const { store, sound, messages, warnings, kept } = report;
  if (store === undefined && sound) return fine(`${folder}, created by the first post`);
  const what = `${folder}: ${counted(messages, 'unsettled message')}`;
  if (!sound) return bad(`${what}, DAMAGED`, `ipc store check --port ${port}`);
  const [warning] = [...warnings, ...kept];
  return warning === undefined ? fine(what) : bad(`${what}; ${warning}`, undefined);
}

/** Addresses that other machines can reach. While no broker runs, the next owner listens where the last one did. */
function openAddresses(report: OwnerReport | undefined, folder: string, port: number): Finding[] {
  const addresses = report?.addresses ?? readOwner(folder)?.addresses ?? [];
  const open = addresses.filter((each) => !isLoopback(each));
  if (open.length === 0) return [];
  const listens = report ? 'the broker listens' : 'the next owner of the broker listens';
  const what = `${listens} on ${open.join(', ')} port ${port}, which other machines can reach`;
  return [
    {
      about: 'network',
      ...fine(
        what,
        `if that is not wanted: ipc broker --port ${port} --bind ${ownerAddress} --once`,
      ),
    },
  ];
}

export function deadLetters(counts: readonly DeadLetterCount[], port: number): Finding[] {
  if (counts.length === 0) return [];
  const all = counts.reduce((sum, { messages }) => sum + messages, 0);
  const boxes = counts
    .slice(0, mailboxesShown)
    .map(({ to, messages }) => `${messages} for ${quoted(to)}`);
  if (counts.length > boxes.length) boxes.push(`others for ${counts.length - boxes.length} more`);
  const what = `${counted(all, 'message')} given up: ${boxes.join(', ')}`;
  const hint = `find out why their readers failed, then \`ipc store retry --port ${port}\` moves them back, or \`ipc fetch ${deadLetterMailbox} --port ${port}\` reads and settles them`;
  return [{ about: 'dead letters', ...bad(what, hint) }];
}

/** Somebody wanted it, so it is no fault. */
export function pauses(paused: PausedNames, port: number): Finding[] {
  const words = pausedWords(paused);
  if (words === undefined) return [];
  const hint = `if that is not wanted any more: ipc resume --all --port ${port}`;
  return [{ about: 'pause', ...fine(`deliveries from ${words} are paused`, hint) }];
}
