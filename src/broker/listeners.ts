// The TCP addresses on which an owner listens. One of them is the lock of the store: 127.0.0.1, or 0.0.0.0,
// which includes it. `0.0.0.0` stands for all IPv4 addresses, `::` for all IPv6 addresses.
// A wildcard cannot be bound beside an address that it includes, so it replaces those. For that moment no
// process holds the lock. A session that takes the port then asks at `owner.sock`, and gives the port back.
import { isIP, isIPv4, isIPv6, type Server, type Socket, SocketAddress } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError } from '../base/errors.ts';
import { withPatience } from '../base/standstill.ts';
import type { Connection } from '../net/connection.ts';
import { hangUp, listenAlso, ownerAddress } from '../net/listen.ts';

const anyIPv4 = '0.0.0.0';
const anyIPv6 = '::';
/** How long another session may hold the port until it has asked at `owner.sock`. */
const takenMsMax = 1_000;
const retryMs = 5;

/**
 * The addresses to bind for an owner that is to listen on `addresses`: the lock first, and none that a
 * wildcard includes.
 */
export function addressesToBind(addresses: readonly string[]): readonly string[] {
  const named = addresses.map(canonical);
  const lock = named.includes(anyIPv4) ? anyIPv4 : ownerAddress;
  const all = [...new Set([lock, ...named])];
  return all.filter((each) => each === wildcardOf(each) || !all.includes(wildcardOf(each)));
}

/** A peer names addresses; a name would be looked up here, and may mean something else. */
export function checkAddresses(addresses: readonly string[]): void {
  const wrong = addresses.find((address) => isIP(address) === 0);
  if (wrong === undefined) return;
  throw new IpcError('bad_parameter', `${JSON.stringify(wrong)} is not an IP address`);
}

/** `0:0::1` is `::1`. */
function canonical(address: string): string {
  if (!isIPv6(address) || address.includes('%')) return address;
  return new SocketAddress({ address, family: 'ipv6' }).address;
}

function wildcardOf(address: string): string {
  return isIPv4(address) ? anyIPv4 : anyIPv6;
}

/** Two addresses that cannot be bound at the same time. */
function areRivals(one: string, other: string): boolean {
  const wildcard = wildcardOf(one);
  return wildcard === wildcardOf(other) && (one === wildcard || other === wildcard);
}

export class Listeners {
  readonly #port: number;
  /** The store's Unix socket. Its file stays until the next owner replaces it with its own. */
  readonly #socket: Server;
  readonly #servers = new Map<string, Server>();
  readonly #addresses: string[] = [];
  /** Those that came in through the TCP addresses. */
  readonly #sockets = new Set<Socket>();
  #onSocket: (socket: Socket) => void = hangUp;
  #isClosed = false;
  /** Ends when the last requested change is made, or has failed. */
  #changing: Promise<void> = Promise.resolve();

  /** The Unix socket and the lock, as the election returns them. */
  constructor(port: number, [socket, lock]: readonly [Server, Server]) {
    this.#port = port;
    this.#socket = socket;
    this.#add(ownerAddress, lock);
  }

  /** Always the same array; it changes with the open addresses. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** While true, no other process can own the store. */
  get holdsLock(): boolean {
    return this.#servers.has(ownerAddress) || this.#servers.has(anyIPv4);
  }

  /** From now on `onSocket` gets all connections. Before, each was closed, so that the client tries again. */
  serve(onSocket: (socket: Socket) => void): void {
    this.#onSocket = onSocket;
    this.#socket.removeAllListeners('connection').on('connection', onSocket);
  }

  /**
   * Listens on these addresses of this machine and on 127.0.0.1, and closes all others, with the connections
   * that came through them. If one cannot be bound, nothing changes. Calls run one after the other, because a
   * wildcard closes listeners before it opens its own.
   */
  listenOn(addresses: readonly string[]): Promise<void> {
    const changing = this.#changing.then(() => this.#listenOn(addressesToBind(addresses)));
    this.#changing = changing.catch(() => {});
    return changing;
  }

  /** Also ends a change that is under way. */
  close(): void {
    this.#isClosed = true;
    this.#socket.close();
    this.#closeServers([...this.#addresses]);
  }

  async #listenOn(addresses: readonly string[]): Promise<void> {
    const before = [...this.#addresses];
    try {
      await this.#change(before, addresses);
    } catch (error) {
      await this.#restore(before);
      throw error;
    } finally {
      this.#endUnreachable();
    }
  }

  /** Opens before it closes, except where a wildcard replaces addresses, or they replace it. */
  async #change(before: readonly string[], addresses: readonly string[]): Promise<void> {
    const missing = addresses.filter((each) => !before.includes(each));
    const surplus = before.filter((each) => !addresses.includes(each));
    const rivals = surplus.filter((each) => missing.some((other) => areRivals(each, other)));
    this.#closeServers(rivals);
    for (const address of missing) {
      const replaces = rivals.some((rival) => areRivals(rival, address));
      const listening = replaces ? this.#listenWithRetry(address) : listenAlso(address, this.#port);
      this.#add(address, await listening);
    }
    this.#closeServers(surplus.filter((each) => !rivals.includes(each)));
  }

  /** What cannot be bound again stays closed. */
  async #restore(before: readonly string[]): Promise<void> {
    if (this.#isClosed) return;
    this.#closeServers(this.#addresses.filter((each) => !before.includes(each)));
    for (const address of before.filter((each) => !this.#servers.has(each))) {
      const server = await this.#listenWithRetry(address).catch(() => undefined);
      if (server) this.#add(address, server);
    }
  }

  /** Ends the connections, and the handshakes, at addresses that are not open any more. */
  #endUnreachable(): void {
    const open = [...this.#servers.values()].map(boundAddress);
    for (const socket of this.#sockets) {
      const address = socket.localAddress;
      if (address === undefined || open.includes(address)) continue;
      if (!open.includes(wildcardOf(address))) socket.destroy();
    }
  }

  #listenWithRetry(address: string): Promise<Server> {
    return withPatience(takenMsMax, async (patience) => {
      for (;;) {
        try {
          return await listenAlso(address, this.#port);
        } catch (error) {
          const isTaken = error instanceof IpcError && error.code === 'port_taken';
          if (!isTaken || patience.passedMs >= takenMsMax) throw error;
        }
        await sleep(retryMs);
      }
    });
  }

  #add(address: string, server: Server): void {
    if (this.#isClosed) return void server.close();
    this.#servers.set(address, server);
    this.#addresses.push(address);
    server.removeAllListeners('connection').on('connection', (socket) => {
      this.#sockets.add(socket.once('close', () => this.#sockets.delete(socket)));
      this.#onSocket(socket);
    });
  }

  #closeServers(addresses: readonly string[]): void {
    for (const address of addresses) {
      this.#servers.get(address)?.close();
      this.#servers.delete(address);
      this.#addresses.splice(this.#addresses.indexOf(address), 1);
    }
  }
}

/** As the kernel writes it: a user may have written the same address in another way. */
function boundAddress(server: Server): string {
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.address : '';
}

/** To open and close the network is a matter of the machine whose network it is. */
export function checkMayListen({ isLocal }: Connection): void {
  if (isLocal) return;
  const what = 'only sessions on the machine of the broker open and close its addresses';
  throw new IpcError('not_owner', what);
}
