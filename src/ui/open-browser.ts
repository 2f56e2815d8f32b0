// Starts the browser of the desktop. The URL is an argument or stdin of a program, never a part of a shell's line.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemErrorCode } from '../base/errors.ts';

export interface Opener {
  readonly command: string;
  readonly args: readonly string[];
  /** Its stdin. */
  readonly input: string;
}

/** `url`: of the characters of URLs alone, so it cannot end the quotes of AppleScript. */
export function openerOf(platform: NodeJS.Platform, url: string): Opener {
  switch (platform) {
    case 'darwin':
      // `open URL` would show the token to all users, in the list of processes.
      return { command: 'osascript', args: ['-'], input: `open location "${url}"\n` };
    case 'win32':
      return { command: 'rundll32', args: ['url.dll,FileProtocolHandler', url], input: '' };
    default:
      return { command: 'xdg-open', args: [url], input: '' };
  }
}

/**
 * Returns why no browser could be started; undefined once the opener has ended well. Some openers last as long as the
 * browser, which Ctrl-C in the terminal must not end: so it is in a process group of its own.
 */
export async function openBrowser({ command, args, input }: Opener): Promise<string | undefined> {
  try {
    const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    child.stdin.on('error', () => {}).end(input);
    const [code] = await once(child, 'exit');
    return code === 0 ? undefined : `${command} ended with ${code}`;
  } catch (error) {
    return `${command} cannot be started (${systemErrorCode(error)})`;
  }
}
