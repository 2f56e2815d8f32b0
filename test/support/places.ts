// State folders and ports for tests.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Creates a state folder that is removed after the test. */
export async function makeHome(context: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'ipc-'));
  // The first hook of a test runs first, and a session that a later one closes may write to the folder meanwhile.
  context.after(() => rm(home, { recursive: true, force: true, maxRetries: 10 }));
  return home;
}

/**
 * Has a file for each port that a process of these tests was given, with its pid. A port is free for a moment when the
 * owner of a broker was killed, and must not be given to another process then.
 */
const givenPorts = join(tmpdir(), 'ipc-test-ports');
const ownFiles: string[] = [];

/** A free port below 32768, where no outgoing connection of the machine takes it. No port comes twice. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (isGiven(port)) continue;
    if (await isFree(port)) return port;
  }
}

/** Whether a process has the port. Otherwise this one has it until it ends. */
function isGiven(port: number): boolean {
  mkdirSync(givenPorts, { recursive: true });
  const file = join(givenPorts, `${port}`);
  try {
    writeFileSync(file, `${process.pid}`, { flag: 'wx' });
  } catch {
    if (!isLeftBehind(file)) return true;
    writeFileSync(file, `${process.pid}`);
  }
  if (ownFiles.length === 0) process.once('exit', () => removeAll(ownFiles));
  ownFiles.push(file);
  return false;
}

function removeAll(files: readonly string[]): void {
  for (const file of files) rmSync(file, { force: true });
}

function isLeftBehind(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
