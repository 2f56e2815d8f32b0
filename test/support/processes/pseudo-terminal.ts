// A pseudo-terminal made by util-linux `script`, which is stdin, stdout and stderr of the program.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { program } from '../mcp-host.ts';
import type { Shell } from './shell.ts';

const maker = '/usr/bin/script';

/** The reason for the `skip` of a test, if there is no `script`. */
export const noTerminal = existsSync(maker) ? false : 'no `script` here to make a terminal';

/** Runs a line of the system's shell, in which `ipc` is the program. `null`: input is typed later. */
export function atTerminal({ other }: Shell, line: string, input?: null): ChildProcess {
  const ipc = `ipc() { '${process.execPath}' '${program}' "$@"; }`;
  return other(maker, ['-qec', `${ipc}; ${line}`, '/dev/null'], input);
}

/** Resolves with the match when the output matches. */
export function shows({ stdout }: ChildProcess, what: RegExp): Promise<RegExpExecArray> {
  assert(stdout);
  let text = '';
  return new Promise((resolve, reject) => {
    stdout.on('data', (chunk: Buffer) => {
      text += chunk;
      const match = what.exec(text);
      if (match) resolve(match);
    });
    stdout.once('end', () => reject(new Error(`ended with ${JSON.stringify(text)}`)));
  });
}

/** Resolves when the output has matched and the program has ended, which a kill of `script` does not wait for. */
export async function showsAndEnds(terminal: ChildProcess, what: RegExp): Promise<void> {
  const exit = once(terminal, 'exit');
  await shows(terminal, what);
  await exit;
}
