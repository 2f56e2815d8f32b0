// What a user of a NATS server may do there, tried without an effect: nothing is made, and nothing is stored.
import { randomId } from '../base/random-id.ts';
import { streamOf } from './nats-address.ts';
import { natsFault } from './nats-faults.ts';
import type { Nats } from './nats-server.ts';

const answerMs = 3_000;

/** Throws the first that is refused: `not_authorized`, or `unreachable` without JetStream. */
export async function checkServer(nats: Nats, port: number): Promise<void> {
  try {
    await mayMakeStream(nats, port);
    await mayAppend(nats, port);
    await mayConnect(nats, port);
  } catch (error) {
    throw natsFault(error, nats.url);
  }
}

/** The server refuses a request without a configuration. */
async function mayMakeStream({ connection }: Nats, port: number): Promise<void> {
  await connection.request(`$JS.API.STREAM.CREATE.${streamOf(port)}`, '', { timeout: answerMs });
}

/** No stream takes a message that is meant for another one. */
async function mayAppend({ connection, library }: Nats, port: number): Promise<void> {
  const headers = library.headers();
  headers.set('Nats-Expected-Stream', 'none');
  await unlessAbsent(connection.request(`ipc.${port}.f.check`, '', { timeout: answerMs, headers }));
}

/** Sends itself a message, as sessions send them to the owner. */
async function mayConnect({ connection }: Nats, port: number): Promise<void> {
  const subject = `ipcwire.${port}.c.${randomId(22)}.check`;
  let refused: unknown;
  const subscription = connection.subscribe(subject, {
    callback: (error, message) => {
      if (error) refused = error;
      else message.respond();
    },
  });
  try {
    await connection.flush();
    await connection.request(subject, '', { timeout: answerMs });
  } catch (error) {
    throw refused ?? error;
  } finally {
    subscription.unsubscribe();
  }
}

/** Without a stream nobody answers, which says nothing about permissions. */
async function unlessAbsent(answer: Promise<unknown>): Promise<void> {
  await answer.catch((error: unknown) => {
    if (!(error instanceof Error) || !/no responders/i.test(error.message)) throw error;
  });
}
