// Codex: `codex queue` puts a message into the queue of a thread, which runs it when it is idle. The queue is durable
// and merges nothing: each ring is a turn. The same program must be run that runs the thread, with the same
// CODEX_HOME; that is a process above this one, or else the program on the PATH.
import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import type { Environment } from '../../app/environment.ts';
import { sanitizeLine } from '../../app/sanitize.ts';
import { systemErrorCode } from '../../base/errors.ts';
import { findProgram } from '../programs.ts';
import { findHostProcess, variableOf } from './host-process.ts';
import { notWoken, type WakePath } from './wake-path.ts';

interface Codex {
  readonly file: string;
  readonly env: Environment;
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** As it is installed, and as its releases name it. */
const programName = /^codex(?:-(?:x86_64|aarch64)-[\w-]+)?(?:\.exe)?$/;
const retryMsMin = 600_000;
/** On a quiet machine it takes 0.2 s. */
const runMsMax = 20_000;
const errorCharactersMax = 300;
const outputBytesMax = 65_536;

export const codexQueue: WakePath = {
  name: 'codex queue',
  find({ host = '', env, thread }) {
    if (!host.startsWith('codex-mcp-client') || !uuid.test(thread)) return undefined;
    return {
      kind: 'rings',
      retryMsMin,
      async ring(text) {
        const codex = await findCodex(env);
        if (!codex) throw notWoken('`codex` is neither a process above this one nor on the PATH');
        await run(codex, ['queue', '--thread', thread, '--resume', `--message=${text}`]);
      },
    };
  },
};

async function findCodex(env: Environment): Promise<Codex | undefined> {
  const above = findHostProcess(({ file }) => programName.test(basename(file)));
  const home = above && variableOf(above, 'CODEX_HOME');
  const withHome = home === undefined ? env : { ...env, CODEX_HOME: home };
  // An update removes the file of a program that runs.
  const running = above && (await findProgram(above.file, ''));
  const file = running ?? (await findProgram('codex', env.PATH ?? ''));
  return file === undefined ? undefined : { file, env: withHome };
}

function run({ file, env }: Codex, args: readonly string[]): Promise<void> {
  const options = {
    env,
    timeout: runMsMax,
    killSignal: 'SIGKILL',
    maxBuffer: outputBytesMax,
  } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, options, (error, _, stderr) => {
      if (!error) resolve();
      else reject(notWoken(`${file} queue ${ending(error)}${said(stderr)}`, error));
    });
    child.stdin?.on('error', () => {}).end();
  });
}

/** How the program ended, or why it was not started. */
function ending(error: Error & { killed?: boolean; code?: unknown }): string {
  if (error.killed) return `had not ended after ${runMsMax / 1_000} s`;
  return typeof error.code === 'number'
    ? `ended with exit code ${error.code}`
    : `failed (${systemErrorCode(error)})`;
}

function said(stderr: string): string {
  const text = sanitizeLine(stderr.trim());
  return text === '' ? '' : `: ${text.slice(0, errorCharactersMax).toWellFormed()}`;
}
