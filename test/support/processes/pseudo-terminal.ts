// A terminal, as util-linux `script` makes one: the program's stdin, stdout and stderr are all of it.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { program } from '../mcp-host.ts';
import type { Shell } from './shell.ts';

const maker = '/usr/bin/script';

/** For a test's `skip`. */
export const noTerminal = existsSync(maker) ? false : 'no `script` here to make a terminal';

/** Runs a line of the system's shell, in which `ipc` is the program. `null`: somebody types. */
export function atTerminal({ other }: Shell, line: string, input?: null): ChildProcess {
  const ipc = `ipc() { '${process.execPath}' '${program}' "$@"; }`;
  return other(maker, ['-qec', `${ipc}; ${line}`, '/dev/null'], input);
}

/** Resolves when it has shown what is looked for. */
export function shows({ stdout }: ChildProcess, what: RegExp): Promise<void> {
  assert(stdout);
  let text = '';
  return new Promise((resolve, reject) => {
    stdout.on('data', (chunk: Buffer) => {
      text += chunk;
      if (what.test(text)) resolve();
    });
    stdout.once('end', () => reject(new Error(`ended with ${JSON.stringify(text)}`)));
  });
}
