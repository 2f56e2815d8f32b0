// Runs the built program, each command in its own process, with a state folder and a port for the test.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { program } from '../mcp-host.ts';
import { freePort, makeHome } from '../places.ts';

export interface Ended {
  readonly code: number | null;
  readonly out: Buffer;
  readonly text: string;
  readonly errors: string;
}

export type Run = (args: readonly string[], input?: string | Buffer) => Promise<Ended>;

export interface Shell {
  readonly home: string;
  readonly port: number;
  readonly run: Run;
  begin(args: readonly string[], input?: string | Buffer): ChildProcess;
  /** Runs another program with the same environment. `null`: its stdin stays open. */
  other(command: string, args: readonly string[], input?: string | Buffer | null): ChildProcess;
  /** Runs a line of the system's shell, in which `"$@"` is the program. */
  line(text: string, env?: Readonly<Record<string, string>>): Promise<Ended>;
}

/** `more`: further variables of its environment. */
export async function shell(
  context: TestContext,
  more: Readonly<Record<string, string>> = {},
): Promise<Shell> {
  const children: ChildProcess[] = [];
  context.after(async () => {
    const living = children.filter(
      ({ pid, exitCode, signalCode }) => pid !== undefined && exitCode === null && !signalCode,
    );
    const ends = living.map((child) => once(child, 'exit'));
    for (const child of living) child.kill('SIGKILL');
    await Promise.all(ends);
  });
  const home = join(await makeHome(context), 'home');
  const port = await freePort();
  const env = { PATH: process.env.PATH, HOME: home, IPC_HOME: home, IPC_PORT: `${port}`, ...more };
  const other = (command: string, args: readonly string[], input?: string | Buffer | null) => {
    const child = spawn(command, args, { env });
    children.push(child);
    child.stdin.on('error', () => {});
    if (input !== null) child.stdin.end(input);
    return child;
  };
  const begin = (args: readonly string[], input?: string | Buffer) =>
    other(process.execPath, [program, ...args], input);
  const line = (text: string, own = {}) => {
    const args = ['-c', text, 'sh', process.execPath, program];
    return ended(spawn('sh', args, { env: { ...env, ...own }, stdio: ['ignore', 'pipe', 'pipe'] }));
  };
  return { home, port, begin, other, line, run: (args, input) => ended(begin(args, input)) };
}

export async function ended(child: ChildProcess): Promise<Ended> {
  assert(child.stdout && child.stderr);
  const [out, errors] = await Promise.all([buffer(child.stdout), buffer(child.stderr)]);
  if (child.exitCode === null) await once(child, 'exit');
  return { code: child.exitCode, out, text: out.toString(), errors: errors.toString() };
}

/** The next line that a running command writes to stdout: of `ipc broker`, that it owns the broker. */
export async function nextLine(child: ChildProcess): Promise<string> {
  assert(child.stdout);
  const [chunk] = await once(child.stdout, 'data');
  return String(chunk);
}

/** The next line that a running command writes to stderr. */
export async function nextErrorLine(child: ChildProcess): Promise<string> {
  assert(child.stderr);
  const [chunk] = await once(child.stderr, 'data');
  return String(chunk);
}
