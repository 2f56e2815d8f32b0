// The TCP addresses on which an owner listens. One of them is the lock of the store: 127.0.0.1, or
// 0.0.0.0, which holds it as well. `0.0.0.0` stands for all IPv4 addresses, `::` for all of IPv6.
// A wildcard cannot be bound beside an address that it covers, so it takes the place of those. For
// that moment nobody holds the lock; who comes by then asks at `owner.sock`, and gives the port back.
import { isIPv4, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { IpcError } from '../base/errors.ts';
import { hangUp, listenAlso, ownerAddress } from '../net/listen.ts';

const anyIPv4 = '0.0.0.0';
const anyIPv6 = '::';
/** How long a bidder may hold the port until he has asked at the socket. */
const bidderMsMax = 1_000;
const retryMs = 5;

/** Whoever comes to `address` is heard by an owner that listens on `addresses`. */
export function areOpen(addresses: readonly string[], address: string): boolean {
  const wildcard = isIPv4(address) ? anyIPv4 : anyIPv6;
  return addresses.includes(address) || addresses.includes(wildcard);
}

export class Listeners {
  readonly #port: number;
  /** The store's Unix socket. Its file stays; whoever owns next puts his own in its place. */
  readonly #socket: Server;
  readonly #servers = new Map<string, Server>();
  readonly #addresses: string[] = [];
  #admit: (socket: Socket) => void = hangUp;
  /** Ends when the last address that was asked for is open, or cannot be opened. */
  #opening: Promise<void> = Promise.resolve();

  /** `listeners`: as they were won, the Unix socket and the lock. */
  constructor(port: number, [socket, lock]: readonly [Server, Server]) {
    this.#port = port;
    this.#socket = socket;
    this.#add(ownerAddress, lock);
  }

  /** The same array for good; it follows what is open. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** No other process can own the store. */
  get holdsLock(): boolean {
    return this.#servers.has(ownerAddress) || this.#servers.has(anyIPv4);
  }

  /** From now on; before, everybody was told to try again. */
  serve(admit: (socket: Socket) => void): void {
    this.#admit = admit;
    for (const server of [this.#socket, ...this.#servers.values()]) this.#attend(server);
  }

  /**
   * One more address of this machine. 127.0.0.1 takes the place of all others. One at a time: an
   * exchange closes listeners before it opens its own.
   */
  open(address: string): Promise<void> {
    const opening = this.#opening.then(() => this.#open(address));
    this.#opening = opening.catch(() => {});
    return opening;
  }

  close(): void {
    this.#socket.close();
    this.#shut([...this.#addresses]);
  }

  async #open(address: string): Promise<void> {
    if (address === ownerAddress) return this.#narrow();
    if (areOpen(this.#addresses, address)) return;
    if (address !== anyIPv4 && address !== anyIPv6) {
      return this.#add(address, await listenAlso(address, this.#port));
    }
    await this.#exchange(
      this.#addresses.filter((each) => isIPv4(each) === isIPv4(address)),
      address,
    );
  }

  async #narrow(): Promise<void> {
    const isWide = this.#servers.has(anyIPv4);
    this.#shut(this.#addresses.filter((each) => each !== ownerAddress && each !== anyIPv4));
    if (isWide) await this.#exchange([anyIPv4], ownerAddress);
  }

  /** When the new one cannot be had, the old ones are opened again. */
  async #exchange(old: readonly string[], address: string): Promise<void> {
    this.#shut(old);
    try {
      this.#add(address, await this.#listenPatiently(address));
    } catch (error) {
      for (const each of old) {
        const server = await this.#listenPatiently(each).catch(() => undefined);
        if (server) this.#add(each, server);
      }
      throw error;
    }
  }

  async #listenPatiently(address: string): Promise<Server> {
    const began = performance.now();
    for (;;) {
      try {
        return await listenAlso(address, this.#port);
      } catch (error) {
        const isTaken = error instanceof IpcError && error.code === 'port_taken';
        if (!isTaken || performance.now() - began > bidderMsMax) throw error;
      }
      await sleep(retryMs);
    }
  }

  #add(address: string, server: Server): void {
    this.#servers.set(address, server);
    this.#addresses.push(address);
    this.#attend(server);
  }

  #attend(server: Server): void {
    server.removeAllListeners('connection').on('connection', this.#admit);
  }

  #shut(addresses: readonly string[]): void {
    for (const address of addresses) {
      this.#servers.get(address)?.close();
      this.#servers.delete(address);
      this.#addresses.splice(this.#addresses.indexOf(address), 1);
    }
  }
}
