// The address of a NATS server: `nats://HOST[:PORT]`, `tls://...`, several with commas between them, a user and password
// or a token before the first "@".
import { InvalidAddress } from './nats-faults.ts';

export interface NatsAddress {
  /** HOST:PORT of each. */
  readonly servers: readonly string[];
  /** The connection must be TLS; else it is if the server wants it. */
  readonly isTls: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

export interface NatsFiles {
  /** Path of a file with credentials, or with the seed of an nkey. */
  readonly credentials?: string | undefined;
  /** Path of a file with the certificates of authorities; the system's unless given. */
  readonly authorities?: string | undefined;
}

const portDefault = 4222;
const form = /^(nats|tls):\/\/(?:([^@/]*)@)?([^@/]+)\/?$/;
const server = /^(\[[0-9a-f:.]+\]|[^\s:/,[\]]+)(?::([0-9]{1,5}))?$/i;

export function isNatsAddress(text: string): boolean {
  return /^(nats|tls):\/\//.test(text);
}

/** Throws if it has another form, without the text, which may have a password. */
export function parseNatsAddress(text: string): NatsAddress {
  const [, scheme, login, list] = form.exec(text) ?? [];
  if (list === undefined) throw new InvalidAddress();
  // The scheme may stand before each.
  const servers = list.split(',').map((each) => parseServer(each.trim()));
  return { servers, isTls: scheme === 'tls', ...parseLogin(login) };
}

/** The stream that has the mail of a broker with this number. */
export function streamOf(port: number): string {
  return `ipc-${port}`;
}

/** Without user and password. */
export function natsUrl({ servers, isTls }: NatsAddress): string {
  return `${isTls ? 'tls' : 'nats'}://${servers.join(',')}`;
}

function parseServer(text: string): string {
  const [, host, port] = server.exec(text) ?? [];
  if (host === undefined || Number(port ?? 1) > 65_535 || Number(port ?? 1) < 1)
    throw new InvalidAddress();
  return `${host}:${port ?? portDefault}`;
}

function parseLogin(login: string | undefined): Partial<NatsAddress> {
  if (login === undefined || login === '') return {};
  try {
    const [user = '', ...password] = login.split(':').map(decodeURIComponent);
    return password.length === 0 ? { token: user } : { user, password: password.join(':') };
  } catch {
    throw new InvalidAddress();
  }
}
