// What a process reads from its environment: the variables IPC_*, but for those of the key, which net/keys.ts
// reads. Each value is checked where it is used; an error names the variable alone, since the value may be
// a secret.
import { isAbsolute, join } from 'node:path';
import { IpcError } from '../base/errors.ts';
import type { HistoryBound } from '../journal/history-limits.ts';
import { type MailboxList, type Name, parseName } from '../model/message.ts';
import type { NatsFiles } from '../nats/nats-address.ts';
import { parseKey } from '../net/keys.ts';
import {
  type BrokerHost,
  listIn,
  parseBrokerHost,
  parseHistory,
  parsePort,
  parseReadMailboxes,
  parseSendsPerHour,
  parseTimeout,
  parseVariable,
  shown,
} from './parameters.ts';
import { ownUser, userHome } from './process-facts.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export function homeFolder({ IPC_HOME }: Environment): string {
  if (IPC_HOME) return absolutePath(IPC_HOME, 'IPC_HOME');
  const home = userHome();
  if (home !== undefined) return join(absolutePath(home, 'HOME'), '.agent-ipc');
  const what = `there is no home folder: HOME is not set, and ${ownUser()} has none in the password file`;
  throw new IpcError('home_unusable', what, { hint: 'set HOME or IPC_HOME' });
}

/** A relative path would be another folder in each session. */
export function absolutePath(path: string, variable: string): string {
  if (isAbsolute(path)) return path;
  const what = `${variable} is ${shown(path)}; it must be an absolute path`;
  throw new IpcError('bad_parameter', what, { hint: `give ${variable} a path that begins with /` });
}

/** The sender's name for calls that give none. */
export function nameIn({ IPC_NAME }: Environment): Name | undefined {
  return IPC_NAME ? parseName(IPC_NAME, 'IPC_NAME') : undefined;
}

export function portIn({ IPC_PORT }: Environment): number | undefined {
  return IPC_PORT ? parseVariable(IPC_PORT, 'IPC_PORT', parsePort) : undefined;
}

export function brokerIn({ IPC_BROKER }: Environment): BrokerHost | undefined {
  return IPC_BROKER ? parseVariable(IPC_BROKER, 'IPC_BROKER', parseBrokerHost) : undefined;
}

/** Paths of the files with which a NATS server lets this user in, and is checked. */
export function natsFilesIn({ IPC_NATS_CREDS, IPC_NATS_CA }: Environment): NatsFiles {
  return {
    ...(IPC_NATS_CREDS && { credentials: absolutePath(IPC_NATS_CREDS, 'IPC_NATS_CREDS') }),
    ...(IPC_NATS_CA && { authorities: absolutePath(IPC_NATS_CA, 'IPC_NATS_CA') }),
  };
}

/** From one sender to one mailbox; 0 is no limit. */
export function sendsPerHourIn({ IPC_SENDS_PER_HOUR: text }: Environment): number | undefined {
  return text ? parseVariable(text, 'IPC_SENDS_PER_HOUR', parseSendsPerHour) : undefined;
}

/** The longest time that a call over MCP may block, in seconds. */
export function maxWaitIn({ IPC_MAX_WAIT }: Environment): number | undefined {
  return IPC_MAX_WAIT ? parseVariable(IPC_MAX_WAIT, 'IPC_MAX_WAIT', parseTimeout) : undefined;
}

/**
 * The mailboxes for whose mail the agent is to be woken, also if it has not asked for that. A JSON list, which the
 * tool takes, would else be names that begin with a bracket.
 */
export function wakeIn({ IPC_WAKE }: Environment): MailboxList | undefined {
  const parse = (text: string) => {
    const list = listIn(text, 'IPC_WAKE');
    const names = Array.isArray(list) ? list : text.split(',').map((name) => name.trim());
    return parseReadMailboxes(names, 'IPC_WAKE');
  };
  return IPC_WAKE ? parseVariable(IPC_WAKE, 'IPC_WAKE', parse) : undefined;
}

/** How much history the broker keeps if this process owns it. */
export function historyIn({ IPC_HISTORY }: Environment): HistoryBound | undefined {
  return IPC_HISTORY ? parseVariable(IPC_HISTORY, 'IPC_HISTORY', parseHistory) : undefined;
}

function keyIn({ IPC_KEY }: Environment): Buffer | undefined {
  return IPC_KEY ? parseKey(IPC_KEY, 'IPC_KEY') : undefined;
}

/** What is wrong with the variables, as far as it shows before anything is opened. */
export function environmentFaults(env: Environment): IpcError[] {
  const readers = [
    homeFolder,
    nameIn,
    portIn,
    brokerIn,
    natsFilesIn,
    sendsPerHourIn,
    maxWaitIn,
    wakeIn,
    historyIn,
    keyIn,
  ];
  return readers.flatMap((read) => {
    try {
      read(env);
      return [];
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      return [error];
    }
  });
}
