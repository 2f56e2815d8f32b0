// State folders and ports for tests.
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

const givenPorts = new Set<number>();

/** A free port below 32768, where no outgoing connection of the machine takes it. No port comes twice. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (givenPorts.has(port)) continue;
    givenPorts.add(port);
    if (await isFree(port)) return port;
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
