// Two brokers of this machine and one on a NATS server, as a command line names them, with mail to move.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { AppContext } from '../../../src/app/context.ts';
import { bodyBytesMax } from '../../../src/base/limits.ts';
import type { MailService } from '../../../src/model/mail-service.ts';
import type { MessageId, Name } from '../../../src/model/message.ts';
import { natsServer } from '../nats/nats-server.ts';
import { freePort } from '../places.ts';
import { type Shell, shell } from '../processes/shell.ts';
import { type KeptMessage, keptMail } from './mail-copy.ts';

/** How a command line names a broker, and how a test opens it. */
export interface Side {
  readonly words: (does: 'from' | 'to') => readonly string[];
  /** In this process, which owns the broker until the end of `use`. */
  use<Result>(act: (mail: MailService) => Promise<Result>): Promise<Result>;
}

export interface Places extends Pick<Shell, 'begin' | 'line' | 'run'> {
  readonly local: Side;
  readonly other: Side;
  readonly nats: Side;
}

export async function places(
  context: TestContext,
  needsNats: boolean,
): Promise<Places | undefined> {
  const node = needsNats ? await natsServer(context) : undefined;
  if (needsNats && !node) return undefined;
  return placesWith(context, node?.url ?? 'nats://127.0.0.1:1');
}

export async function placesWith(context: TestContext, natsUrl: string): Promise<Places> {
  const found = await shell(context);
  const side = (port: number, url?: string): Side => ({
    words: (does) => [
      ...(url === undefined ? [] : [`--${does}`, url]),
      `--${does}-port`,
      `${port}`,
    ],
    use: async (act) => {
      const app = new AppContext({ env: {}, program: 'test', home: found.home });
      try {
        const host = url === undefined ? {} : { host: { host: url } };
        return await act((await app.broker({ ...host, port })).mail);
      } finally {
        await app.close();
      }
    },
  });
  const local = side(found.port);
  const other = side(await freePort());
  return { ...found, local, other, nats: side(found.port, natsUrl) };
}

export const boxes = ['ann', 'ben', 'jobs'].map((name) => name as Name);

/** Mail with large, small and empty bodies, chosen ids, answers, and a dead letter. */
export async function fill(mail: MailService, count: number): Promise<void> {
  const posts = Array.from({ length: count }, async (_, index) => {
    const box = boxes[index % boxes.length] as Name;
    const large = index % 97 === 5 ? bodyBytesMax : index % 31;
    const body = Buffer.from(`${index} `.padEnd(large, 'x').slice(0, bodyBytesMax));
    const id = index % 5 === 0 ? { id: `job-${index}` as MessageId } : {};
    return mail.post(box, body, { from: 'ann' as Name, ...id });
  });
  const [first] = await Promise.all(posts);
  await mail.post('ann' as Name, Buffer.from('!'), { answers: first?.id });
  await mail.post('bad' as Name, Buffer.from('a dead letter'));
  const bad = await mail.wait('bad' as Name, { timeoutMs: 5_000 });
  assert(bad);
  await mail.release([bad], { rejected: true });
}

export type Mail = readonly (readonly KeptMessage[])[];

export function allMail(mail: MailService): Promise<Mail> {
  return Promise.all([...boxes, 'dead-letters'].map((box) => keptMail(mail, box)));
}
