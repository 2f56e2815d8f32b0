// A broker, `ipc ui` and a browser, each in a process of its own, and a session in this one.
import type { ChildProcess } from 'node:child_process';
import type { TestContext } from 'node:test';
import { type AgentMail, open } from '../../../src/index.ts';
import { program } from '../mcp-host.ts';
import { freePort } from '../places.ts';
import { Lines } from '../processes/lines.ts';
import { nextLine, type Shell, shell } from '../processes/shell.ts';
import { type OpenPage, type PageOptions, startBrowser } from './page-browser.ts';

export interface PagePlace extends Shell {
  readonly broker: ChildProcess;
  readonly mail: AgentMail;
  /** Opens the page as "boss", in a window of its own. */
  open(options?: PageOptions): Promise<OpenPage>;
}

/** undefined, and the test is skipped, where no browser is installed. */
export async function pagePlace(context: TestContext): Promise<PagePlace | undefined> {
  const browser = await startBrowser(context);
  if (!browser) return undefined;
  let mail: AgentMail | undefined;
  // Hooks run in the order of their registration, so the folder is removed last.
  context.after(() => mail?.close());
  const found = await shell(context);
  const { begin, other, home, port } = found;
  const broker = begin(['broker']);
  await nextLine(broker);
  mail = await open({ home, port, env: {}, name: 'planner' });
  const line = [process.execPath, program, 'ui', '--port', `${await freePort()}`, '--json'];
  const ui = other('env', ['IPC_NAME=boss', ...line], null);
  const lines = new Lines(ui.stdout);
  let isFirst = true;
  const openPage = async (options?: PageOptions) => {
    // Each URL opens one window; Enter asks for the next.
    if (!isFirst) ui.stdin?.write('\n');
    isFirst = false;
    const { url } = JSON.parse(await lines.next());
    return browser.open(url, options);
  };
  return { ...found, broker, mail, open: openPage };
}
