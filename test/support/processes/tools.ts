// Programs that we did not write: clients of MCP, and what hosts check and install a plugin with. Some
// are large, so CI fetches them, and nobody else has to.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

export const toolsFolder = join(root, '.ci/tools/node_modules');

/** Why a test that needs them is left out. */
export const toolsMissing = existsSync(toolsFolder)
  ? false
  : '`npm install --prefix .ci/tools` fetches the programs that it needs';

/** Time for a program that starts slowly, on a machine that is busy. */
const toolMsMax = 60_000;

export interface Tool {
  /** What it prints; throws when it fails. */
  run(args: readonly string[], input?: string): Promise<{ stdout: string; stderr: string }>;
}

/** `env` beside PATH is all that it gets. */
export function tool(name: string, cwd: string, env: Readonly<Record<string, string>>): Tool {
  return {
    async run(args, input = '') {
      const running = promisify(execFile)(join(toolsFolder, '.bin', name), args, {
        cwd,
        env: { PATH: process.env.PATH, ...env },
        timeout: toolMsMax,
        killSignal: 'SIGKILL',
      });
      running.child.stdin?.end(input);
      return running;
    },
  };
}
