// Opens the library with a state folder and a port for the test.
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type AgentMail, type OpenOptions, open } from '../../src/index.ts';
import { freePort, makeHome } from './places.ts';

export interface LibraryPlace {
  readonly home: string;
  readonly port: number;
  /** Opens a session in this process, which is closed after the test. */
  session(more?: OpenOptions): Promise<AgentMail>;
}

export async function libraryPlace(
  context: TestContext,
  options: OpenOptions = {},
): Promise<LibraryPlace> {
  const mails: AgentMail[] = [];
  // Hooks run in the order of their registration, so the folder is removed last.
  context.after(() => Promise.all(mails.map((mail) => mail.close())));
  const home = join(await makeHome(context), 'home');
  const port = await freePort();
  const session = async (more: OpenOptions = {}): Promise<AgentMail> => {
    const mail = await open({ port, home, env: {}, ...options, ...more });
    mails.push(mail);
    return mail;
  };
  return { home, port, session };
}
