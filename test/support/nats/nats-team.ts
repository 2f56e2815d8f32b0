// Sessions in processes of their own whose mail is on a real nats-server.
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppContext } from '../../../src/app/context.ts';
import type { MailService } from '../../../src/model/mail-service.ts';
import { freePort, makeHome } from '../places.ts';
import { Remote } from '../processes/remote.ts';

export interface NatsTeam {
  readonly home: string;
  readonly port: number;
  /** The stream of the team. */
  readonly stream: string;
  /** A session in a process of its own; at another address than the server's if it is given. */
  remote(url?: string): Remote;
  /** A session in this process. */
  service(url?: string): Promise<MailService>;
}

export async function natsTeam(context: TestContext, url: string): Promise<NatsTeam> {
  const ending: (() => Promise<unknown>)[] = [];
  // Hooks run in the order of their registration, so the folder is removed last.
  context.after(() => Promise.all(ending.map((end) => end())));
  const home = await makeHome(context);
  const port = await freePort();
  const remote = (at = url) => {
    const made = new Remote(home, port, [], '', at);
    ending.push(() => made.kill());
    return made;
  };
  const service = async (at = url) => {
    const env = { IPC_PORT: `${port}`, IPC_BROKER: at };
    const app = new AppContext({ env, home, program: 'test' });
    ending.push(() => app.close());
    return (await app.broker({})).mail;
  };
  return { home, port, stream: `ipc-${port}`, remote, service };
}

/** Returns when `count` waits are parked at the mailbox. */
export async function untilParked(
  mail: Pick<Remote, 'status'>,
  mailbox: string,
  count = 1,
): Promise<void> {
  for (;;) {
    const { mailboxes } = await mail.status();
    if ((mailboxes.find((each) => each.mailbox === mailbox)?.waiting ?? 0) >= count) return;
    await sleep(20);
  }
}
