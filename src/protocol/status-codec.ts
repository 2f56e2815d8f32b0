// The headers of a status response.
import { statusMailboxesMax, timeMsMax } from '../base/limits.ts';
import { parseStoredName } from '../model/message.ts';
import type { DeadLetterCount, MailboxStatus, StatusResponse } from '../model/requests.ts';
import type { Frame } from './frame.ts';
import { type JsonFields, readJson, writeJson } from './json-header.ts';

export function statusHeader({
  kind: _kind,
  request: _request,
  ...fields
}: StatusResponse): Buffer {
  return writeJson(fields);
}

export function decodeStatus(frame: Frame): StatusResponse {
  const fields = readJson(frame.header);
  const addresses = fields.optionalAddresses('addresses');
  return {
    kind: 'status',
    request: frame.request,
    messages: fields.whole('messages'),
    bytes: fields.whole('bytes'),
    sessions: fields.whole('sessions'),
    mailboxCount: fields.whole('mailboxCount'),
    mailboxes: fields.objects('mailboxes', statusMailboxesMax).map(mailboxStatus),
    deadLetterCount: fields.whole('deadLetterCount'),
    deadLetters: fields.objects('deadLetters', statusMailboxesMax).map(deadLetterCount),
    damaged: fields.whole('damaged'),
    storageStalledMs: fields.whole('storageStalledMs'),
    warnings: fields.texts('warnings'),
    ...(addresses && { addresses }),
  };
}

function deadLetterCount(fields: JsonFields): DeadLetterCount {
  return { to: parseStoredName(fields.text('to')), messages: fields.whole('messages') };
}

function mailboxStatus(fields: JsonFields): MailboxStatus {
  return {
    mailbox: parseStoredName(fields.text('mailbox')),
    ready: fields.whole('ready'),
    held: fields.whole('held'),
    waiting: fields.whole('waiting'),
    oldestTime: fields.whole('oldestTime', timeMsMax),
  };
}
