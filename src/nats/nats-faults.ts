// Errors of a NATS server, as errors that say what to do.
import { IpcError } from '../base/errors.ts';

/** For a server that is there, and does not store. */
export const checkServerHint =
  'check the NATS server: its disk may hang, or its cluster may have no leader';

export class InvalidAddress extends IpcError {
  constructor() {
    super('bad_host', 'the address of the NATS server cannot be read', {
      hint: 'write nats://HOST, nats://HOST:4222, nats://A,B,C or tls://HOST; a password may stand before @',
    });
  }
}

/** The stream was there, and is not any more: whoever operates the server has deleted it. */
export class StreamGone extends IpcError {
  constructor(stream: string, url: string) {
    super('storage_failed', `stream ${stream} was deleted from ${url}, and all mail in it`, {
      hint: 'restore it from a backup, or start the broker (broker_start, `ipc broker`) to begin an empty one',
    });
  }
}

/** Another stream has its name now, which another session has begun. */
export class StreamReplaced extends IpcError {
  constructor(stream: string, url: string) {
    super(
      'storage_failed',
      `stream ${stream} was deleted from ${url}, and all mail in it; there is a new one`,
      {
        hint: 'restore it from a backup, or go on with the new one: the next call does',
      },
    );
  }
}

/** The connection was closed for good: by this session, or after the server has refused its credentials. */
export class ConnectionEnded extends IpcError {
  constructor(url: string, cause: Error) {
    super('unreachable', `the connection to ${url} has ended`, { cause });
  }
}

/** A request was not answered, as by a cluster that is electing a leader. */
export class NoAnswer extends IpcError {
  constructor(url: string, cause: Error) {
    super('unreachable', `${url} has not answered: ${cause.message}`, {
      cause,
      hint: 'check that a NATS server with JetStream runs there, that its disk has room, and that its cluster has a leader',
    });
  }
}

/** A connection, or a request to the server, failed. `url` has no password. */
export function natsFault(error: unknown, url: string): unknown {
  if (!(error instanceof Error) || error instanceof IpcError) return error;
  if (error.name === 'ClosedConnectionError') return new ConnectionEnded(url, error);
  const text = error.message;
  if (error.name === 'TimeoutError' || /temporarily unavailable/i.test(text)) {
    return new NoAnswer(url, error);
  }
  if (/authoriz|authentication|expired/i.test(text)) {
    return new IpcError('not_authorized', `${url} refuses the credentials: ${text}`, {
      cause: error,
    });
  }
  if (/permissions violation/i.test(text)) {
    const hint = 'give this user the permissions of examples/cluster/nats-server.conf';
    return new IpcError('not_authorized', `${url}: ${text}`, { cause: error, hint });
  }
  if (/no suitable peers|insufficient|resource limits/i.test(text)) {
    const hint =
      'start three nodes of its cluster, or make the stream with fewer replicas: docs/jetstream.md says how';
    return new IpcError('unreachable', `${url} has no place for the mail: ${text}`, {
      cause: error,
      hint,
    });
  }
  if (/certificate|altnames/i.test(text)) {
    const hint = /altnames/i.test(text)
      ? 'name the server in IPC_BROKER as its certificate does'
      : 'name a file with the certificate of its authority in IPC_NATS_CA';
    const what = `${url}: its certificate is not trusted: ${text}`;
    return new IpcError('not_authorized', what, { cause: error, hint });
  }
  if (/does not support 'tls'/i.test(text)) {
    const hint =
      'give the server a certificate; without one, leave IPC_NATS_CA out and write nats://';
    return new IpcError('unreachable', `${url}: ${text}`, { cause: error, hint });
  }
  if (/jetstream.*not.*enabled|503|no responders/i.test(text)) {
    const hint =
      'start it with JetStream (`nats-server -js`), or wait until its cluster has a leader';
    return new IpcError('unreachable', `${url} has no JetStream now`, { cause: error, hint });
  }
  return new IpcError('unreachable', `${url}: ${text}`, {
    cause: error,
    hint: 'check that a NATS server with JetStream runs there',
  });
}

/** The connection was lost, and is not made again yet. */
export function serverAway(url: string): IpcError {
  return new IpcError('unreachable', `${url}: the connection to the server is lost`, {
    hint: 'check that a NATS server with JetStream runs there',
  });
}
