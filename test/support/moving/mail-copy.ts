// All mail of a broker as a test compares it: what a reader would get, in its order, without taking it.
import { bodyBytesMax } from '../../../src/base/limits.ts';
import type { PeekArguments, PeekResult } from '../../../src/model/mail-service.ts';
import type { Name } from '../../../src/model/message.ts';

/** What of a message a move keeps. */
export interface KeptMessage {
  readonly id: string;
  readonly to: string;
  readonly from: string;
  readonly answers: string;
  readonly program: string;
  readonly time: number;
  readonly body: string | undefined;
}

interface Looked {
  peek(mailbox: Name, options: PeekArguments): Promise<PeekResult>;
}

export async function keptMail(mail: Looked, mailbox: string): Promise<KeptMessage[]> {
  const kept: KeptMessage[] = [];
  for (let after = 0; ; ) {
    const look = { after, messagesMax: 250, partBytesMax: bodyBytesMax };
    const { messages } = await mail.peek(mailbox as Name, look);
    for (const { envelope, part } of messages) {
      const { id, to, from, answers, origin, time } = envelope;
      const { program } = origin;
      kept.push({ id, to, from, answers, program, time, body: part?.toString('utf8') });
      after = envelope.number;
    }
    if (messages.length === 0) return kept;
  }
}
