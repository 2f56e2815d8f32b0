// Colours, for terminals only; and who may read a terminal.
import { readFileSync } from 'node:fs';
import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';

type Style = 'bold' | 'dim' | 'green' | 'red';

/** https://no-color.org: a NO_COLOR that is not empty turns colours off. So does TERM=dumb. */
export function isColoured({ isTTY }: Pick<WriteStream, 'isTTY'>): boolean {
  return isTTY && process.env.TERM !== 'dumb' && !process.env.NO_COLOR;
}

/** `on`: where the text is written. */
export function painted(style: Style, text: string, on: 'stdout' | 'stderr' = 'stderr'): string {
  return isColoured(process[on]) ? styled(style, text) : text;
}

/** Always coloured: newer Nodes would check whether stdout is a terminal. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false });
}

/** For a screen, which reads keys and draws lines itself. */
export function theTerminal(): Pick<typeof process, 'stdin' | 'stdout'> {
  return process;
}

/** Why a person cannot be asked; undefined if one can. A command that is stopped as an owner would stop all mail. */
export function askingFault(): string | undefined {
  if (!process.stdin.isTTY) return 'stdin is not a terminal, so nothing can be asked';
  if (!isInBackground()) return undefined;
  return 'the command is in the background of the terminal, so nothing can be asked';
}

/**
 * Whether another process group has the terminal: to read it would stop this process, or not return where it handles
 * SIGTTIN, since libuv repeats a read that a signal interrupts. Only Linux tells; elsewhere false.
 */
export function isInBackground(): boolean {
  try {
    // Behind the name of the program, which may have blanks in it.
    const [, stat = ''] = /.*\) (.*)/s.exec(readFileSync('/proc/self/stat', 'utf8')) ?? [];
    const [_state, _parent, group, _session, _terminal, groupInFront] = stat.split(' ');
    // Without a terminal of its own, or with one of another namespace, no group is in front.
    return Number(groupInFront) > 0 && group !== groupInFront;
  } catch {
    return false;
  }
}
