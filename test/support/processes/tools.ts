// Third-party programs: MCP clients, and the programs with which hosts check and install a plugin. Some
// are large, so only CI downloads them.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

export const toolsFolder = join(root, '.ci/tools/node_modules');

/** The reason for skipping a test that needs them. */
export const toolsMissing = existsSync(toolsFolder)
  ? false
  : '`npm install --prefix .ci/tools` fetches the programs that it needs';

/** Enough time for a slow program on a busy machine. */
const toolMsMax = 60_000;

export interface Tool {
  /** Returns the output; throws if the program fails. */
  run(args: readonly string[], input?: string): Promise<{ stdout: string; stderr: string }>;
}

/** The environment is PATH and `env` only. */
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
