// What the session of a host watches, for the hook of that host: the hook is a process of its own, which the host
// starts at the end of a turn, and it knows nothing but the host's process.
// 1. The session's MCP server writes the file when the agent asks to be woken, and again when something in it changes.
// 2. The hook looks for the file of its host, and looks again while it waits.
// 3. The server removes the file when it ends. Of a server that was killed it stays until the host has ended, too.
import { portMax } from '../base/limits.ts';
import type { MailboxList } from '../model/message.ts';
import type { NatsFiles } from '../nats/nats-address.ts';
import { HostFile, identityIn, isSame } from './host-file.ts';
import { parseReadMailboxes } from './parameters.ts';
import { findHost, identify, isRunning, type ProcessIdentity } from './process-identity.ts';

export interface WatchingSession {
  readonly mailboxes: MailboxList;
  /** Where the broker is; without a host, on this machine. The address of a NATS server has no password here. */
  readonly port: number;
  readonly brokerHost?: string | undefined;
  /** Paths of the files with which that server lets the session in. A hook may get another environment. */
  readonly natsFiles?: NatsFiles | undefined;
  /** The hook is to wake the agent: there is no better way, or the better ones have failed. */
  readonly byHook: boolean;
}

export class SessionFile {
  readonly #file: HostFile | undefined;
  readonly #server = identify(process.pid);
  #isSwept = false;

  /** `home`: the state folder. */
  constructor(home: string, host = findHost()) {
    this.#file = host && new HostFile(home, 'sessions', host);
  }

  /**
   * Where the host's process cannot be found out, there is no file.
   * @throws IpcError if the file cannot be written; then no hook knows of the session.
   */
  write(session: WatchingSession): void {
    if (!this.#isSwept) this.#file?.sweep();
    this.#isSwept = true;
    this.#file?.write({ server: this.#server, ...session });
  }

  /**
   * Unless another server of the same host has written it since.
   * @throws IpcError if the file cannot be removed.
   */
  remove(): void {
    const server = identityIn(this.#file?.read()?.server);
    if (server && this.#server && isSame(server, this.#server)) this.#file?.remove();
  }
}

/** What the host's session watches; 'served' if its server wakes the agent itself. */
export function sessionForHook(
  home: string,
  host: ProcessIdentity,
): WatchingSession | 'served' | undefined {
  const content = new HostFile(home, 'sessions', host).read();
  const session = content && sessionIn(content);
  if (!session || session.byHook) return session;
  const server = identityIn(content?.server);
  return server && isRunning(server) ? 'served' : session;
}

/** undefined for a file of another version. */
function sessionIn(content: Readonly<Record<string, unknown>>): WatchingSession | undefined {
  const { port, brokerHost, natsFiles, byHook } = content;
  try {
    const mailboxes = parseReadMailboxes(content.mailboxes, 'mailboxes');
    if (!isPort(port) || typeof byHook !== 'boolean') return undefined;
    return {
      ...{ mailboxes, port, byHook },
      brokerHost: textIn(brokerHost),
      ...filesIn(natsFiles),
    };
  } catch {
    return undefined;
  }
}

function filesIn(value: unknown): { readonly natsFiles?: NatsFiles } {
  if (typeof value !== 'object' || value === null) return {};
  const { credentials, authorities } = value as Readonly<Record<string, unknown>>;
  return { natsFiles: { credentials: textIn(credentials), authorities: textIn(authorities) } };
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= portMax;
}
