// A session in its own process, driven by remote.ts over the IPC channel of Node.

import { IpcError } from '../../../src/base/errors.ts';
import type { Delivery, MailService } from '../../../src/model/mail-service.ts';
import type { MailboxList, MessageId, Name } from '../../../src/model/message.ts';
import { Session } from '../../../src/session/session.ts';
import type { RemoteAnswer, RemoteCall, RemoteDelivery } from './remote.ts';

const [home = '', port = '', host = '', broker = ''] = process.argv.slice(2);
const session = await openSession();
const held = new Map<number, Delivery>();
const running = new Map<number, AbortController>();

process.on('message', (call: RemoteCall) => void answer(call));
process.on('disconnect', () => process.exit());

async function openSession(): Promise<MailService> {
  if (broker === '') {
    return new Session({
      home,
      port: Number(port),
      host: host === '' ? undefined : host,
      origin: { program: 'test', pid: process.pid, machine: 'here' },
      env: {},
    });
  }
  // Loaded only here: a process with few file descriptors cannot load so many files.
  const { AppContext } = await import('../../../src/app/context.ts');
  const env = { IPC_PORT: port, IPC_BROKER: broker };
  return (await new AppContext({ env, home, program: 'test' }).broker({})).mail;
}

async function answer(call: RemoteCall): Promise<void> {
  const controller = new AbortController();
  running.set(call.number, controller);
  try {
    const result = await run(call, controller.signal);
    send({ number: call.number, result });
  } catch (error) {
    if (!(error instanceof IpcError)) throw error;
    send({ number: call.number, error: { code: error.code, message: error.message } });
  } finally {
    running.delete(call.number);
  }
}

async function run({ request }: RemoteCall, signal: AbortSignal): Promise<unknown> {
  switch (request.kind) {
    case 'post':
      return session.post(request.to as Name, Buffer.from(request.body), {
        signal,
        alsoTo: request.alsoTo as Name[] | undefined,
        from: request.from as Name | undefined,
        id: request.id as MessageId | undefined,
        settles: taken(request.settles ?? []),
      });
    case 'wait': {
      const delivery = await session.wait(request.from as Name | MailboxList, {
        signal,
        timeoutMs: request.timeoutMs,
      });
      return delivery && keep(delivery);
    }
    case 'watch': {
      const { mailboxes, told } = request;
      return session.watch(mailboxes, { signal, timeoutMs: 60_000, told });
    }
    case 'fetch': {
      const { deliveries, remaining } = await session.fetch(request.from as Name | MailboxList, {
        signal,
        messagesMax: request.messagesMax,
      });
      return { deliveries: deliveries.map(keep), remaining };
    }
    case 'settle':
      return (await session.settle(taken(request.numbers), { signal })).length;
    case 'release':
      return session.release(taken(request.numbers), { unread: request.unread });
    case 'retry':
      return session.retry({ signal });
    case 'shift': {
      const { now } = Date;
      Date.now = () => now() + request.ms;
      return;
    }
    case 'block':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, request.ms);
      return;
    case 'status':
      return session.status({ signal });
    case 'start':
      return session.start({ signal, bind: request.bind });
    case 'stop':
      return session.stop({ signal });
    case 'close':
      return session.close();
    case 'cancel':
      return running.get(request.number)?.abort();
  }
}

function keep(delivery: Delivery): RemoteDelivery {
  const { envelope, attempt, mailbox } = delivery;
  held.set(envelope.number, delivery);
  const { number, id, from } = envelope;
  return { number, id, from, attempt, mailbox, body: String(delivery.body) };
}

function taken(numbers: readonly number[]): Delivery[] {
  return numbers.map((number) => held.get(number)).filter((delivery) => delivery !== undefined);
}

function send(answer: RemoteAnswer): void {
  process.send?.(answer);
}
