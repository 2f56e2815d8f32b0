// Colours, for terminals only.
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
