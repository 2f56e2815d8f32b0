// A peer with the key that sends any request at any rate: no client keeps it within limits.
import type { Hold } from '../../src/model/message.ts';
import type { Hello, Request, Response } from '../../src/model/requests.ts';
import { type DialTarget, dial } from '../../src/net/connect.ts';
import type { Connection } from '../../src/net/connection.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/codec.ts';
import type { Keys } from '../../src/protocol/handshake.ts';
import { hello } from '../../test/support/proven-socket.ts';

interface Answer {
  /** undefined when the connection was closed before it came. */
  readonly last: Response | undefined;
  /** Messages that came before it. */
  readonly holds: readonly Hold[];
}

interface Open {
  readonly holds: Hold[];
  resolve(answer: Answer): void;
}

/** The hello is sent when it is opened. */
type FloodRequest = Exclude<Request, Hello>;
type Unnumbered<R> = R extends FloodRequest ? Omit<R, 'request'> : never;

export class FloodPeer {
  /** Resolves when the broker has closed the connection. */
  readonly closed: Promise<void>;
  readonly #connection: Connection;
  readonly #open = new Map<number, Open>();
  #number = 1;

  static async open(target: DialTarget, keys: Keys, session: string): Promise<FloodPeer> {
    return new FloodPeer(await dial(target, keys), session);
  }

  private constructor(connection: Connection, session: string) {
    this.#connection = connection;
    this.closed = new Promise((resolve) => {
      connection.onClose = () => {
        resolve();
        for (const { resolve: end, holds } of this.#open.values()) end({ last: undefined, holds });
      };
    });
    connection.onFrame = (frame) => this.#received(decodeResponse(frame).response);
    connection.send(hello(session));
  }

  /** Resolves when the response is complete. */
  ask(request: Unnumbered<FloodRequest>): Promise<Answer> {
    this.#number += 1;
    const number = this.#number;
    this.#connection.send(encodeRequest({ ...request, request: number } as FloodRequest));
    return new Promise((resolve) => this.#open.set(number, { resolve, holds: [] }));
  }

  /** From now on the responses stay in the buffers of kernel and broker. */
  readNothing(): void {
    this.#connection.pause();
  }

  #received(response: Response): void {
    const open = this.#open.get(response.request);
    if (response.kind === 'offer') open?.holds.push(response.envelope);
    else if (response.kind !== 'peeked' && open) {
      this.#open.delete(response.request);
      open.resolve({ last: response, holds: open.holds });
    }
  }
}
