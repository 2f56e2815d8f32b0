// A pipe that its reader has closed, and a terminal whose window was closed.
import { closeSync, fstatSync } from 'node:fs';
import { isatty } from 'node:tty';

/** Called once, when the program begins. */
export function bearClosedOutput(): void {
  // A closed pipe is noticed where something is written to it.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.on('exit', leaveClosedTerminal);
}

/**
 * At its end Node resets the terminal, and aborts if that fails, as it does for one that is gone: the exit code would be
 * lost. Node leaves out what is closed already. /dev/null is closed here as well, which harms nothing at the end.
 */
function leaveClosedTerminal(): void {
  for (const fd of [0, 1, 2]) {
    try {
      if (fstatSync(fd).isCharacterDevice() && !isatty(fd)) closeSync(fd);
    } catch {
      // It was closed before.
    }
  }
}
