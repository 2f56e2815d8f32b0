// A process that stands in for a host: a copy of Node under the name of a host's program, with its arguments. It
// starts a child process, as a host starts its MCP server, and that looks for ways to wake the agent.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const looker = fileURLToPath(new URL('wake-looker.js', import.meta.url));

export interface StandingHost {
  /** Where it is, and its working folder. */
  readonly folder: string;
  /** The name of its program. */
  readonly program: string;
  /** The name by which it is started, if that is another one. */
  readonly alias?: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Look {
  /** The name that the host reports. */
  readonly host: string;
  readonly thread?: string;
  /** The environment of the MCP server. */
  readonly env: Readonly<Record<string, string>>;
  /** The text to ring with. */
  readonly text?: string;
}

/** What wake-looker.ts prints. */
export interface Seen {
  readonly paths: readonly string[];
  /** Of the ring. */
  readonly error?: string;
}

export async function lookFrom(standing: StandingHost, look: Look): Promise<Seen> {
  const { folder, program, alias, args, env = {} } = standing;
  const file = join(folder, program);
  await copyFile(process.execPath, file);
  const script = join(folder, 'host.cjs');
  const child = JSON.stringify([process.execPath, [looker, JSON.stringify(look)]]);
  await writeFile(
    script,
    `const [node, words] = ${child};
const options = { stdio: 'inherit', env: ${JSON.stringify(look.env)} };
process.exitCode = require('node:child_process').spawnSync(node, words, options).status;`,
  );
  const options = { cwd: folder, env, argv0: alias ?? file };
  const host = spawn(file, [script, ...args], { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(host, 'spawn');
  return JSON.parse(await textOf(host.stdout)) as Seen;
}
