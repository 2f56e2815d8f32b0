// The TCP addresses on which an owner listens. One of them is the lock of the store: 127.0.0.1, or 0.0.0.0,
// which includes it. `0.0.0.0` stands for all IPv4 addresses, `::` for all IPv6 addresses.
// A wildcard cannot be bound beside an address that it includes, so it replaces those. For that moment no
// process holds the lock. A session that takes the port then asks at `owner.sock`, and gives the port back.
import { isIPv4, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError } from '../base/errors.ts';
import { withPatience } from '../base/standstill.ts';
import { hangUp, listenAlso, ownerAddress } from '../net/listen.ts';

const anyIPv4 = '0.0.0.0';
const anyIPv6 = '::';
/** How long another session may hold the port until it has asked at `owner.sock`. */
const takenMsMax = 1_000;
const retryMs = 5;

/** Whether an owner that listens on `addresses` can be reached at `address`. */
export function areOpen(addresses: readonly string[], address: string): boolean {
  const wildcard = isIPv4(address) ? anyIPv4 : anyIPv6;
  return addresses.includes(address) || addresses.includes(wildcard);
}

export class Listeners {
  readonly #port: number;
  /** The store's Unix socket. Its file stays until the next owner replaces it with its own. */
  readonly #socket: Server;
  readonly #servers = new Map<string, Server>();
  readonly #addresses: string[] = [];
  #onSocket: (socket: Socket) => void = hangUp;
  /** Ends when the last requested address is open, or cannot be opened. */
  #opening: Promise<void> = Promise.resolve();

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
    for (const server of [this.#socket, ...this.#servers.values()]) this.#attach(server);
  }

  /**
   * Opens one more address of this machine; 127.0.0.1 replaces all others. Calls run one after the other,
   * because a replacement closes listeners before it opens its own.
   */
  open(address: string): Promise<void> {
    const opening = this.#opening.then(() => this.#open(address));
    this.#opening = opening.catch(() => {});
    return opening;
  }

  close(): void {
    this.#socket.close();
    this.#closeServers([...this.#addresses]);
  }

  async #open(address: string): Promise<void> {
    if (address === ownerAddress) return this.#closeOthers();
    if (areOpen(this.#addresses, address)) return;
    if (address !== anyIPv4 && address !== anyIPv6) {
      return this.#add(address, await listenAlso(address, this.#port));
    }
    await this.#replace(
      this.#addresses.filter((each) => isIPv4(each) === isIPv4(address)),
      address,
    );
  }

  async #closeOthers(): Promise<void> {
    const hasWildcard = this.#servers.has(anyIPv4);
    this.#closeServers(this.#addresses.filter((each) => each !== ownerAddress && each !== anyIPv4));
    if (hasWildcard) await this.#replace([anyIPv4], ownerAddress);
  }

  /** Opens the old addresses again if the new one fails. */
  async #replace(old: readonly string[], address: string): Promise<void> {
    this.#closeServers(old);
    try {
      this.#add(address, await this.#listenWithRetry(address));
    } catch (error) {
      for (const each of old) {
        const server = await this.#listenWithRetry(each).catch(() => undefined);
        if (server) this.#add(each, server);
      }
      throw error;
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
    this.#servers.set(address, server);
    this.#addresses.push(address);
    this.#attach(server);
  }

  #attach(server: Server): void {
    server.removeAllListeners('connection').on('connection', this.#onSocket);
  }

  #closeServers(addresses: readonly string[]): void {
    for (const address of addresses) {
      this.#servers.get(address)?.close();
      this.#servers.delete(address);
      this.#addresses.splice(this.#addresses.indexOf(address), 1);
    }
  }
}
