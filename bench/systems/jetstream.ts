// A stream in files at nats-server, as shipped: it acknowledges a message before its files are synced, which it does
// every two minutes.
import { type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { freePort } from '../../test/support/places.ts';
import { makeBenchFolder } from '../support/bench-folder.ts';
import { ServerProcess } from './server-process.ts';
import type { QueueSystem } from './system.ts';

const stream = 'bench';

export class JetStream implements QueueSystem {
  readonly name = 'jetstream_lazy_sync';
  readonly #server: ServerProcess;
  readonly #nats: NatsConnection;
  readonly #client: JetStreamClient;

  private constructor(server: ServerProcess, nats: NatsConnection) {
    this.#server = server;
    this.#nats = nats;
    this.#client = jetstream(nats);
  }

  static async start(): Promise<JetStream> {
    const port = await freePort();
    const args = ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', makeBenchFolder()];
    const server = await ServerProcess.start('nats-server', args, port);
    const nats = await connect({ servers: `127.0.0.1:${port}` });
    const manager = await jetstreamManager(nats);
    await manager.streams.add({ name: stream, subjects: [stream] });
    return new JetStream(server, nats);
  }

  post(body: Buffer): Promise<unknown> {
    return this.#client.publish(stream, body);
  }

  async clear(): Promise<void> {
    const manager = await this.#client.jetstreamManager();
    await manager.streams.purge(stream);
  }

  async close(): Promise<void> {
    await this.#nats.close();
    await this.#server.end();
  }
}
