// Errors of the system that say: this process may not use the network. A sandbox answers so at once and for
// ever, so such an error is not "no program answers", and trying again is in vain.
import { connect, isIPv4 } from 'node:net';
import { IpcError, systemErrorCode } from '../base/errors.ts';

/** A filter of system calls, a security module, or a firewall of this machine says no. */
const forbidding = ['EPERM', 'EACCES'];
/** On 127.0.0.1, which every machine has: the process is in a network of its own that has nothing. */
const absent = ['ENETUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT'];

/** undefined for any other error. `address`: of the socket, not the name of a host. */
export function networkForbidden(error: unknown, address: string): IpcError | undefined {
  const code = systemErrorCode(error);
  const isLoopback = isIPv4(address) && address.startsWith('127.');
  if (forbidding.includes(code)) return forbidden(code, error);
  return isLoopback && absent.includes(code) ? forbidden(code, error) : undefined;
}

/** The same for a Unix socket. EACCES is not in it: that is what the file's mode says. */
export function socketForbidden(error: unknown): IpcError | undefined {
  const code = systemErrorCode(error);
  return code === 'EPERM' || code === 'EAFNOSUPPORT' ? forbidden(code, error) : undefined;
}

/** Asks the system, for an error that does not say it: a resolver hides why it could not ask its server. */
export function networkForbiddenHere(): Promise<IpcError | undefined> {
  const host = '127.0.0.1';
  return new Promise((resolve) => {
    // The port is of no interest: that nothing listens there is an answer.
    const socket = connect({ host, port: 1 });
    socket.once('error', (error) => resolve(networkForbidden(error, host)));
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
  });
}

function forbidden(code: string, cause: unknown): IpcError {
  const what = `this process may not use the network (${code}): a sandbox forbids it`;
  return new IpcError('network_forbidden', what, { cause });
}
