// Decides which requests the server of the page answers.
//
// 1. `ipc ui` prints a URL with a token. The first request that has it gets the cookie, and the token is worth nothing
//    from then on.
// 2. All other requests need the cookie. It is bound to the path of the page, which nobody can guess: cookies know no
//    ports, so with the path `/` a browser would send it to every server of this machine, also to another user's.
// 3. A page of a stranger has neither, but the browser may add the cookie to its requests. Host, Origin and
//    Sec-Fetch-Site, which no page can forge, show where they come from.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** `look`: its answer is read by the page; `stream`: of events; `change`: changes something. */
export type AccessKind = 'look' | 'stream' | 'change';

const secretBytes = 32;

export class PageAccess {
  /** Begins and ends with a slash. */
  readonly path = `/${randomText(16)}/`;
  readonly #hosts: readonly string[];
  readonly #origins: readonly string[];
  /** Two `ipc ui` of one user have two ports, and a cookie each. */
  readonly #cookieName: string;
  readonly #cookie = randomText(secretBytes);
  #token: string | undefined;

  constructor(port: number) {
    // A browser leaves the port of HTTP out.
    const suffix = port === 80 ? '' : `:${port}`;
    this.#hosts = ['127.0.0.1', 'localhost'].map((name) => `${name}${suffix}`);
    this.#origins = this.#hosts.map((host) => `http://${host}`);
    this.#cookieName = `ipc-ui-${port}`;
  }

  /** Makes a token for one use. An older one that nobody has used is worth nothing any more. */
  newToken(): string {
    this.#token = randomText(secretBytes);
    return this.#token;
  }

  /** Returns the `Set-Cookie` for the token, and takes the token back; undefined if it is not the one. */
  redeem(token: string): string | undefined {
    if (this.#token === undefined || !isSame(token, this.#token)) return undefined;
    this.#token = undefined;
    return `${this.#cookieName}=${this.#cookie}; Path=${this.path}; HttpOnly; SameSite=Strict`;
  }

  /**
   * A name that an attacker's DNS server leads to 127.0.0.1 makes the attacker's page one of the same origin (DNS
   * rebinding). It is still in Host.
   */
  hasOwnHost({ host }: IncomingHttpHeaders): boolean {
    return host !== undefined && this.#hosts.includes(host.toLowerCase());
  }

  /** The cookie is there, and no other page has caused the request. For a request with an own host. */
  isAllowed(headers: IncomingHttpHeaders, kind: AccessKind): boolean {
    return this.#hasCookie(headers) && this.#isFromPage(headers, kind);
  }

  #isFromPage({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders, kind: AccessKind) {
    // `none`: the person has typed the address. A change is never caused like that.
    const isKnownSite =
      site === undefined || site === 'same-origin' || (site === 'none' && kind === 'look');
    // The page of 127.0.0.1 and that of localhost are two origins.
    const isOwn = origin !== undefined && origin === `http://${host?.toLowerCase()}`;
    if (!isKnownSite || (origin !== undefined && !isOwn)) return false;
    return kind !== 'change' || (isOwn && this.#origins.includes(origin));
  }

  /** Servers at other ports can set cookies of the same name, so it is enough that one of them is right. */
  #hasCookie({ cookie = '' }: IncomingHttpHeaders): boolean {
    const start = `${this.#cookieName}=`;
    return cookie
      .split(';')
      .map((part) => part.trim())
      .filter((part) => part.startsWith(start))
      .some((part) => isSame(part.slice(start.length), this.#cookie));
  }
}

function randomText(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}

/** Takes the same time wherever they differ. */
function isSame(given: string, secret: string): boolean {
  return timingSafeEqual(digest(given), digest(secret));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
