// The bytes of hello and welcome: JSON, with the holds in the body, which has room for 4096 of them.
import type { ByteWriter } from '../base/binary.ts';
import { IpcError } from '../base/errors.ts';
import { readMailboxesMax } from '../base/limits.ts';
import { version } from '../base/version.ts';
import { parseOrigin } from '../model/envelope.ts';
import { parseName, parseSessionId, type SessionId } from '../model/message.ts';
import type { Hello, Welcome } from '../model/requests.ts';
import type { Frame } from './frame.ts';
import { holdsOf } from './header-fields.ts';
import { type JsonFields, readJson, writeJson } from './json-header.ts';
import { sessionIdOf, sessionSecretBytes } from './session-secret.ts';

/**
 * The version of the frames after the handshake. With 1 a hello had no secret, and an offer no depth. Over the Unix
 * socket the handshake of both versions is the same, so only this number keeps them apart.
 */
const protocolNumber = 2;
/** A process id travels as a u32. */
const pidMax = 2 ** 32 - 1;
/** The form of a version; it is shown, so nothing else is accepted. */
const versionForm = /^[\w.+-]{1,64}$/;

/** The secret ends at the decoder, so nothing behind it can show or store it. */
export interface HelloToSend extends Hello {
  readonly secret: Buffer;
}

export function writeHelloHeader(writer: ByteWriter, hello: HelloToSend): void {
  const { session, origin, standby, sentUpTo, name, reads } = hello;
  const secret = hello.secret.toString('hex');
  writeJson(writer, {
    protocol: protocolNumber,
    version,
    session,
    secret,
    ...origin,
    standby,
    sentUpTo,
    name,
    reads,
  });
}

export function decodeHello(frame: Frame): Hello {
  const fields = readJson(frame);
  checkProtocol(fields);
  try {
    const session = parseSessionId(fields.text('session'));
    checkSecret(fields, session);
    return {
      kind: 'hello',
      request: frame.request,
      session,
      origin: parseOrigin(
        fields.text('program'),
        fields.whole('pid', pidMax),
        fields.text('machine'),
        fields.optionalText('folder'),
      ),
      standby: fields.flag('standby'),
      sentUpTo: fields.whole('sentUpTo'),
      ...namesOf(fields),
      held: holdsOf(frame.body),
    };
  } catch (error) {
    // A connection is useless without its hello, so every error in a hello is fatal.
    if (!(error instanceof IpcError)) throw error;
    throw new IpcError('bad_frame', `hello: ${error.message}`);
  }
}

function namesOf(fields: JsonFields): Pick<Hello, 'name' | 'reads'> {
  const [name, reads] = [fields.optionalText('name'), fields.optionalTexts('reads')];
  return {
    ...(name !== undefined && { name: parseName(name) }),
    ...(reads && { reads: reads.slice(-readMailboxesMax).map((each) => parseName(each)) }),
  };
}

/** The id alone could be that of any session whose message the peer has seen. */
function checkSecret(fields: JsonFields, session: SessionId): void {
  const secret = fields.text('secret');
  const bytes = Buffer.from(secret, 'hex');
  const isSecret = secret.length === 2 * sessionSecretBytes && bytes.length === sessionSecretBytes;
  if (isSecret && sessionIdOf(bytes) === session) return;
  throw new IpcError('bad_frame', 'the secret is not that of the session');
}

export function writeWelcomeHeader(writer: ByteWriter, welcome: Welcome): void {
  const { store, epoch, format, pid, addresses, messages, requests } = welcome;
  writeJson(writer, {
    protocol: protocolNumber,
    version,
    store,
    epoch,
    format,
    pid,
    addresses,
    messages,
    requests,
  });
}

export function decodeWelcome(frame: Frame): Welcome {
  const fields = readJson(frame);
  checkProtocol(fields);
  const requests = fields.optionalTexts('requests');
  return {
    kind: 'welcome',
    request: frame.request,
    store: fields.text('store'),
    epoch: fields.whole('epoch'),
    format: fields.whole('format'),
    pid: fields.whole('pid', pidMax),
    addresses: fields.addresses('addresses'),
    revoked: holdsOf(frame.body),
    messages: fields.whole('messages'),
    ...(requests && { requests }),
  };
}

function checkProtocol(fields: JsonFields): void {
  const protocol = fields.whole('protocol');
  if (protocol === protocolNumber) return;
  const theirs = `agent-ipc ${theirVersion(fields)} with protocol ${protocol}`;
  const ours = `this is ${version} with protocol ${protocolNumber}`;
  throw new IpcError('version_mismatch', `the other side is ${theirs}; ${ours}`);
}

function theirVersion(fields: JsonFields): string {
  const given = fields.text('version');
  if (versionForm.test(given)) return given;
  throw new IpcError('bad_frame', 'the field version of a header is not a version');
}
