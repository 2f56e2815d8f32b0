// Sessions of one team on one engine: in this process, in processes of their own, or behind the program and the tool.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppContext } from '../../src/app/context.ts';
import type { AgentMail, OpenOptions } from '../../src/index.ts';
import type { MailService } from '../../src/model/mail-service.ts';
import { libraryPlace } from '../support/library.ts';
import { freePort } from '../support/places.ts';
import { Remote } from '../support/processes/remote.ts';
import { warnings as expectedWarnings } from './differences.ts';
import type { Engine, EngineName } from './engines.ts';

export interface Team {
  readonly port: number;
  /** What a session has in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Opens a session in this process. */
  session(more?: OpenOptions): Promise<AgentMail>;
  /** A session in this process, with the calls that the library does not offer. */
  service(): Promise<MailService>;
  /** Starts a session in its own process, which a test can kill. */
  child(): Remote;
}

export async function team(context: TestContext, engine: Engine): Promise<Team> {
  const ending: (() => Promise<void>)[] = [];
  // Hooks run in the order of their registration, so the folder is removed last.
  context.after(() => Promise.all(ending.map((end) => end())));
  const port = await freePort();
  const env: Record<string, string> = {
    IPC_PORT: `${port}`,
    ...(await engine.environment()),
  };
  const options = { port: undefined, env, program: 'test' };
  const { home, session } = await libraryPlace(context, options);
  const service = async () => {
    const app = new AppContext({ env, home, program: 'test' });
    ending.push(() => app.close());
    return (await app.broker({})).mail;
  };
  const child = () => {
    const remote = new Remote(home, port, [], '', env.IPC_BROKER);
    ending.push(() => remote.kill());
    return remote;
  };
  return { port, env, session, service, child };
}

/** Returns when `count` waits are parked at the mailbox. */
export async function untilWaiting(
  mail: Pick<AgentMail, 'status'>,
  mailbox: string,
  count = 1,
): Promise<void> {
  await untilStatus(mail, mailbox, ({ waiting }) => waiting === count);
}

/** Returns when `count` sessions watch the mailbox. */
export async function untilWatched(
  mail: Pick<AgentMail, 'status'>,
  mailbox: string,
  count = 1,
): Promise<void> {
  await untilStatus(mail, mailbox, ({ watching }) => watching === count);
}

async function untilStatus(
  mail: Pick<AgentMail, 'status'>,
  mailbox: string,
  check: (counts: { readonly waiting: number; readonly watching: number }) => boolean,
): Promise<void> {
  for (;;) {
    const { mailboxes } = await mail.status();
    const { waiting = 0, watching = 0 } = mailboxes.find((each) => each.mailbox === mailbox) ?? {};
    if (check({ waiting, watching })) return;
    await sleep(20);
  }
}

/** What is in a mailbox, as text and attempt; it goes back as if nobody had looked. */
export async function left(
  mail: AgentMail,
  mailbox: string,
): Promise<(readonly [string, number])[]> {
  const { messages } = await mail.fetch(mailbox);
  for (const message of messages) await message.release({ unread: true });
  return messages.map(({ text, attempt }) => [text, attempt] as const);
}

/** Asserts that a broker in order warns of what its engine cannot promise, and of nothing else. */
export function assertWarnings(warnings: readonly string[], engine: EngineName): void {
  const expected = expectedWarnings[engine];
  assert.equal(warnings.length, expected.length, warnings.join('\n'));
  for (const [index, pattern] of expected.entries()) assert.match(warnings[index] ?? '', pattern);
}
