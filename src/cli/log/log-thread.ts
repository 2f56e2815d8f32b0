// The beginning of a thread: the message itself, the one that it answers, the one that this answers, and so on.
import type { MessageId } from '../../model/message.ts';
import type { LogSource, LogSourceOptions } from './log-source.ts';
import type { SearchFilter } from './message-query.ts';

/** The ids of the message and of all before it; undefined if the message is not kept. */
export async function threadBegin(
  source: LogSource,
  id: MessageId,
  options: Pick<LogSourceOptions, 'signal' | 'onProgress'>,
): Promise<Set<MessageId> | undefined> {
  const answered = new Map<MessageId, MessageId>();
  let isThere = false;
  const filter: SearchFilter = {
    needsBodies: false,
    wants: (envelope) => {
      if (envelope.id === id) isThere = true;
      if (envelope.answers !== '') answered.set(envelope.id, envelope.answers);
      return false;
    },
  };
  for await (const _ of source({ ...options, filter, partBytesMax: 0 }));
  if (!isThere) return undefined;
  const ids = new Set<MessageId>([id]);
  for (let next = answered.get(id); next && !ids.has(next); next = answered.get(next))
    ids.add(next);
  return ids;
}
