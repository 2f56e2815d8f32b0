// Certificates for the tests of TLS: an authority, and a server with a certificate of it.
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The reason for skipping a test; false if there is none. */
export const opensslMissing = spawnSync('openssl', ['version']).error
  ? 'no openssl is installed'
  : false;

export interface Certificates {
  /** Paths. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** `names`: of the server, as openssl writes them. */
export function makeCertificates(folder: string, names = 'IP:127.0.0.1'): Certificates {
  const path = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  const key = (name: string) => [
    ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', path(`${name}.key`)],
  ];
  const subject = ['-days', '2', '-subj', '/CN=agent-ipc test'];
  openssl('req', '-x509', ...key('ca'), ...subject, '-out', path('ca.pem'));
  openssl('req', ...key('server'), '-subj', '/CN=server', '-out', path('server.csr'));
  writeFileSync(path('names'), `subjectAltName=${names}\n`);
  openssl(
    ...['x509', '-req', '-in', path('server.csr'), '-CA', path('ca.pem'), '-CAkey', path('ca.key')],
    ...['-CAcreateserial', '-days', '2', '-extfile', path('names'), '-out', path('server.pem')],
  );
  return { authority: path('ca.pem'), certificate: path('server.pem'), key: path('server.key') };
}
