// The sockets of a connection to a NATS server. When the client of NATS gives up an attempt to connect, or is closed
// meanwhile, it leaves the socket open, and the timer of the attempt: a silent server would keep the process alive.
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import {
  type NatsConnection,
  NatsConnectionImpl,
  type NodeConnectionOptions,
  setTransportFactory,
} from '@nats-io/transport-node';
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js';

type Target = Parameters<NodeTransport['connect']>[0];

/** The attempts to connect of one connection, of which one is under way at a time. */
export class Dialing {
  #last: EndableTransport | undefined;
  #hasEnded = false;

  /** Throws after the end. */
  begin(transport: EndableTransport): void {
    if (this.#hasEnded) throw ended();
    this.#last = transport;
  }

  /** Ends the attempt that is under way, or the socket that was connected, at once. None begins any more. */
  end(): void {
    this.#hasEnded = true;
    this.#last?.end();
  }
}

class EndableTransport extends NodeTransport {
  #fail: (error: Error) => void = () => {};

  override async connect(target: Target, options: NodeConnectionOptions): Promise<void> {
    const failed = new Promise<never>((_resolve, reject) => {
      this.#fail = reject;
    });
    // Another user of the client of NATS in this process has none.
    (options as { readonly dialing?: Dialing }).dialing?.begin(this);
    await Promise.race([super.connect(target, options), failed]);
  }

  /** As that of the class, but the socket is known while it connects. */
  override async dial({ port, hostname }: Target): Promise<Socket> {
    this.socket = createConnection(port, hostname).setNoDelay(true);
    await once(this.socket, 'connect');
    return this.socket;
  }

  end(): void {
    this.discard();
    this.#fail(ended());
  }
}

function ended(): Error {
  return new Error('the session has ended');
}

/** Calls the options of `connect` of the client of NATS by the same names. */
export function connect(options: NodeConnectionOptions, dialing: Dialing): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new EndableTransport(), dnsResolveFn: nodeResolveHost });
  // The client of NATS passes all of them to the transport.
  const passed: NodeConnectionOptions & { readonly dialing: Dialing } = { ...options, dialing };
  return NatsConnectionImpl.connect(passed);
}
