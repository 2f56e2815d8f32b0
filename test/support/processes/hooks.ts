// `ipc wake` as hosts start it, with a process that plays the host.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { identify } from '../../../src/app/process-identity.ts';
import { SessionFile, type WatchingSession } from '../../../src/app/session-file.ts';
import type { MailService } from '../../../src/model/mail-service.ts';
import { parseName } from '../../../src/model/message.ts';
import { Session } from '../../../src/session/session.ts';
import { McpHost, program } from '../mcp-host.ts';
import { type Ended, ended, type Shell, shell } from './shell.ts';

type Variables = Readonly<Record<string, string>>;

export interface HookPlace extends Shell {
  /** A client that never owns the broker. */
  readonly guest: MailService;
  /** The MCP server of a session in Claude Code, whose host is this process. */
  startServer(env?: Variables): Promise<McpHost>;
  /** A process that does nothing but run. */
  startHost(): PlayedHost;
  /** Resolves when so many sessions watch the mailbox. */
  watching(mailbox: string, count?: number): Promise<void>;
  /** `session`: what differs from a session that watches "ann", to be woken by the hook. */
  opensSession(host: PlayedHost, session?: Partial<WatchingSession>): SessionFile;
  /** Starts the hook of Claude Code. */
  claude(host: Pick<PlayedHost, 'pid'>, env?: Variables): StartedHook;
  /** A shell that plays a host which starts such hooks and waits for them. */
  startHolder(name: 'gemini' | 'cursor', options?: string, env?: Variables): PlayedHost;
}

export interface StartedHook {
  readonly child: ChildProcess;
  /** All that it prints, and its exit code. */
  readonly ended: Promise<Ended>;
}

export interface PlayedHost {
  readonly child: ChildProcess;
  readonly pid: number;
}

export async function hookPlace(context: TestContext): Promise<HookPlace> {
  const servers: McpHost[] = [];
  const started: ChildProcess[] = [];
  // Hooks run in the order of their registration, so the folder is removed after these have ended.
  context.after(async () => {
    for (const server of servers) await server.destroy();
    for (const child of started) killGroup(child);
  });
  const place = await shell(context);
  const { home, port } = place;
  const guest = new Session({
    ...{ home, port, env: {}, ownership: 'never' },
    origin: { program: 'test', pid: process.pid, machine: 'here' },
  });
  context.after(() => guest.close());
  const start = (command: string, args: readonly string[], env: Variables): ChildProcess => {
    const own = { PATH: process.env.PATH, HOME: home, IPC_HOME: home, IPC_PORT: `${port}` };
    const child = spawn(command, args, { env: { ...own, ...env }, detached: true });
    started.push(child);
    return child;
  };
  const played = (child: ChildProcess) => ({ child, pid: child.pid as number });
  return {
    ...place,
    guest,
    startServer: async (env = {}) => {
      const server = await McpHost.start({ home, port, name: 'claude-code', env });
      servers.push(server);
      return server;
    },
    startHost: () => played(start('sleep', ['600'], {})),
    watching: async (mailbox, count = 1) => {
      for (;;) {
        const status = await guest.status().catch(() => undefined);
        const found = status?.mailboxes.find((each) => each.mailbox === mailbox);
        if ((found?.watching ?? 0) === count) return;
        await pause(10);
      }
    },
    opensSession: ({ pid }, session) => {
      const file = new SessionFile(home, identify(pid));
      const watching = { mailboxes: [parseName('ann')], port, byHook: true } as const;
      file.write({ ...watching, ...session });
      return file;
    },
    claude: ({ pid }, env = {}) => {
      const child = start(process.execPath, [program, 'wake', '--for', 'claude'], {
        CLAUDE_PID: `${pid}`,
        CLAUDE_CODE_SESSION_ATTENDED: '1',
        ...env,
      });
      return { child, ended: ended(child) };
    },
    startHolder: (name, options = '', env = {}) =>
      played(start(process.execPath, ['-e', holder(name, options)], env)),
  };
}

/** A host that starts its hook through a shell, once more for each line of stdin, and passes on what it prints. */
function holder(name: string, options: string): string {
  const line = `"${process.execPath}" "${program}" wake --for ${name} ${options}; echo "exit $?"`;
  return `
    const { spawn } = require('node:child_process');
    const start = () => spawn('sh', ['-c', ${JSON.stringify(line)}], { stdio: ['ignore', 'inherit', 'inherit'] });
    process.stdin.on('data', start);
  `;
}

/** Ends a process and all that it has started. */
function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid as number), 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/** Asserts that the process still runs. */
export function assertRuns({ child }: StartedHook): void {
  assert.deepEqual([child.exitCode, child.signalCode], [null, null]);
}
