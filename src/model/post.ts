// A post stores one message for each mailbox that it names.
import type { Envelope, MessageId, Name } from './message.ts';
import type { PostedRecord } from './records.ts';
import type { PostRequest } from './requests.ts';

export function mailboxesOf({ to, alsoTo }: Pick<PostRequest, 'to' | 'alsoTo'>): readonly Name[] {
  return alsoTo.length === 0 ? [to] : [to, ...alsoTo];
}

/** The message ids of a post whose id the caller chose: the id itself, then `ID/2`, `ID/3`, ... */
export function namedMessageId(id: MessageId, index: number): MessageId {
  return index === 0 ? id : (`${id}/${index + 1}` as MessageId);
}

export function envelopesOf({ envelope, also }: PostedRecord): readonly Envelope[] {
  return also.length === 0 ? [envelope] : [envelope, ...also];
}
