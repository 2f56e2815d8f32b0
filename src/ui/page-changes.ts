// What the page can change, by POST. Each change is answered once the broker has applied it: its own response comes
// after the sync.
import { IpcError } from '../base/errors.ts';
import type { MailService } from '../model/mail-service.ts';
import { type Name, parseBody, parseMessageId, parseName } from '../model/message.ts';
import type { OwnMailbox } from './own-mailbox.ts';
import { type BodyFields, idField, listField, nameField, textField } from './request-body.ts';
import type { WireDropped, WirePaused, WirePosted, WireReadDone, WireRetried } from './wire.ts';

export interface ChangeContext {
  readonly mail: Pick<MailService, 'post' | 'pause' | 'resume' | 'drop' | 'retry'>;
  readonly own: OwnMailbox;
  /** The person's name. */
  readonly me: Name;
  readonly signal: AbortSignal;
}

type Change = (fields: BodyFields, context: ChangeContext) => Promise<object>;

/** By the last part of the address. */
export const changes: ReadonlyMap<string, Change> = new Map<string, Change>([
  ['post', post],
  ['read', read],
  ['pause', pause],
  ['resume', resume],
  ['drop', drop],
  ['retry', retry],
  ['stop-worker', stopWorker],
]);

function post(fields: BodyFields, context: ChangeContext): Promise<WirePosted> {
  const body = parseBody(textField(fields, 'text'), 'text');
  const given = { answers: idField(fields, 'answers'), id: idField(fields, 'id') };
  return postBody(nameField(fields, 'to'), body, given, context);
}

function stopWorker(fields: BodyFields, context: ChangeContext): Promise<WirePosted> {
  return postBody(nameField(fields, 'mailbox'), Buffer.from('shutdown'), {}, context);
}

async function postBody(
  to: Name,
  body: Buffer,
  given: Pick<NonNullable<Parameters<MailService['post']>[2]>, 'answers' | 'id'>,
  { mail, me, signal }: ChangeContext,
): Promise<WirePosted> {
  const { id, number, duplicate } = await mail.post(to, body, { ...given, from: me, signal });
  return { id, number, duplicate };
}

function read(fields: BodyFields, { own, signal }: ChangeContext): Promise<WireReadDone> {
  return own.settle(listField(fields, 'ids', parseMessageId) ?? missing('ids'), signal);
}

async function pause(fields: BodyFields, { mail, signal }: ChangeContext): Promise<WirePaused> {
  return { paused: await mail.pause(mailboxesOf(fields), { signal }) };
}

async function resume(fields: BodyFields, { mail, signal }: ChangeContext): Promise<WirePaused> {
  return { paused: await mail.resume(mailboxesOf(fields), { signal }) };
}

/** All mailboxes only if the request says so: no list by mistake means all. */
function mailboxesOf(fields: BodyFields): readonly Name[] {
  if (fields.all === true && fields.mailboxes === undefined) return [];
  const parse = (text: string) => parseName(text, 'mailboxes');
  return listField(fields, 'mailboxes', parse) ?? missing('mailboxes, or all: true');
}

async function drop(fields: BodyFields, { mail, signal }: ChangeContext): Promise<WireDropped> {
  const ids = listField(fields, 'ids', parseMessageId);
  const { dropped, held } = await mail.drop(nameField(fields, 'mailbox'), { ids, signal });
  return { dropped: dropped.map(({ id }) => id), held };
}

async function retry(fields: BodyFields, { mail, signal }: ChangeContext): Promise<WireRetried> {
  const ids = listField(fields, 'ids', parseMessageId);
  const to = fields.to === undefined ? undefined : nameField(fields, 'to');
  const { moved, stayed } = await mail.retry({ ids, to, signal });
  return { moved: moved.map(({ id }) => id), stayed: stayed.map(({ id }) => id) };
}

function missing(what: string): never {
  throw new IpcError('missing_parameter', `the request names no ${what}`);
}
