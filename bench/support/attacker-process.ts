// Floods a broker until its channel closes; arguments: HOME PORT FLOOD, one of `floods` below. Reports 'ready' when
// what the flood needs is in the store. Each flood is made by peers that have the key.
import type { MessageId, Name } from '../../src/model/message.ts';
import { bodyChecksum } from '../../src/model/message.ts';
import type { PostRequest } from '../../src/model/requests.ts';
import { dial } from '../../src/net/connect.ts';
import { loadKeys } from '../../src/net/keys.ts';
import { hello } from '../../test/support/proven-socket.ts';
import { FloodPeer } from './flood-peer.ts';
import { bodyOf } from './mail.ts';

const [home = '', port = '', name = ''] = process.argv.slice(2);
const target = { host: '127.0.0.1', port: Number(port) };
const keys = await loadKeys(home, {});
const box = 'flooded' as Name;
let posts = 0;
process.once('disconnect', () => process.exit());

/** A flood fills the store, and returns what each of its loops repeats. */
const floods: Record<string, () => Promise<readonly (() => Promise<unknown>)[]>> = {
  status: async () => {
    const peer = await open('status');
    for (let post = 0; post < 500; post++) await peer.ask(postTo(boxes(`box${post}`, 100)));
    return times(64, () => peer.ask({ kind: 'status' }));
  },
  waits_by_question: async () => {
    const peers = await Promise.all(times(5, () => 0).map((_, index) => open(`park${index}`)));
    let count = 0;
    const park = (peer: FloodPeer) => {
      const answers = `question${count++}` as MessageId;
      return peer.ask({ kind: 'wait', mailboxes: [box], answers, waitMs: 60_000 });
    };
    for (const peer of peers) for (let left = 9_999; left > 0; left--) void park(peer);
    for (const peer of peers) await peer.ask({ kind: 'status' });
    return peers.flatMap((peer) => [
      () => peer.ask(postTo([box])),
      () => peer.ask({ kind: 'fetch', mailboxes: [box], bytesMax: 1_000_000, messagesMax: 1_000 }),
    ]);
  },
  posts_256B: async () => {
    const peer = await open('posts');
    return times(10, () => postAndDrop(peer, 100, bodyOf(256)));
  },
  posts_1MB: async () => {
    const peer = await open('posts');
    return times(2, () => postAndDrop(peer, 8, bodyOf(1_048_576)));
  },
  fan_out_100_settled_at_once: async () => {
    const peer = await open('fan');
    return times(16, async () => {
      const { last } = await peer.ask(postTo(boxes('box', 100)));
      if (last?.kind !== 'stored') return;
      await peer.ask({ kind: 'settle', holds: [last, ...last.also] });
    });
  },
  hello_takeovers: async () =>
    times(32, async () => {
      const connection = await dial(target, keys).catch(() => undefined);
      if (!connection) return;
      const answered = new Promise<void>((resolve) => {
        connection.onFrame = () => resolve();
        connection.onClose = () => resolve();
      });
      connection.send(hello('taken'));
      await answered;
      connection.destroy();
    }),
  peeks_of_20000: async () => {
    const peer = await open('peek');
    await fill(peer, 20_000);
    const shape = { mailbox: box, after: 0, messagesMax: 1_000, partBytesMax: 480 };
    return times(16, () => peer.ask({ kind: 'peek', ...shape }));
  },
  drops_and_retries: async () => {
    const [peer, other] = [await open('drop'), await open('other')];
    await fill(other, 20_000);
    const dead = 'dead' as Name;
    const dry = { dryRun: true, ageMsMin: 0, after: 0, upTo: 0, ids: [] };
    const retry = { to: '', ids: [], after: 0 } as const;
    const refuse = async () => {
      await peer.ask({ kind: 'retry', ...retry });
      const sizes = { bytesMax: 1_000_000, messagesMax: 1_000 };
      const { holds } = await peer.ask({ kind: 'fetch', mailboxes: [dead], ...sizes });
      await peer.ask({ kind: 'release', holds, unread: false, rejected: true });
    };
    await Promise.all(times(1_000, () => peer.ask(postTo([dead]))).map((post) => post()));
    return [refuse, ...times(8, () => other.ask({ kind: 'drop', mailbox: box, ...dry }))];
  },
  slow_readers: async () => {
    const peer = await open('fill');
    for (let left = 60; left > 0; left--) await peer.ask(postTo([box], bodyOf(1_048_576)));
    const shape = { mailbox: box, after: 0, messagesMax: 60, partBytesMax: 1_048_576 };
    return Array.from({ length: 16 }, (_, index) => async () => {
      const slow = await open(`lag${index}`).catch(() => undefined);
      if (!slow) return;
      slow.readNothing();
      for (let left = 100; left > 0; left--) void slow.ask({ kind: 'peek', ...shape });
      await slow.closed;
    });
  },
};

const flood = floods[name];
if (!flood) throw new Error(`no flood ${name}`);
const loops = await flood();
process.send?.('ready');
await Promise.all(loops.map(repeat));

async function repeat(action: () => Promise<unknown>): Promise<never> {
  for (;;) await action();
}

function open(session: string): Promise<FloodPeer> {
  return FloodPeer.open(target, keys, session);
}

function times<T>(count: number, item: T): T[] {
  return Array.from({ length: count }, () => item);
}

function boxes(prefix: string, count: number): Name[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}` as Name);
}

/** Each post has an id of its own, which is remembered for long; counted ids would need an acknowledgement. */
function postTo(mailboxes: readonly Name[], body = bodyOf(256)): Omit<PostRequest, 'request'> {
  const [to = box, ...alsoTo] = mailboxes;
  const id = `post${posts++}` as MessageId;
  const rest = { from: '', answers: '', settles: [], checksum: bodyChecksum(body), body } as const;
  return { kind: 'post', count: 0, id, ackedUpTo: 0, to, alsoTo, ...rest };
}

async function postAndDrop(peer: FloodPeer, count: number, body: Buffer): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => peer.ask(postTo([box], body))));
  const all = { dryRun: false, ageMsMin: 0, after: 0, upTo: 0, ids: [] };
  await peer.ask({ kind: 'drop', mailbox: box, ...all });
}

async function fill(peer: FloodPeer, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, () => peer.ask(postTo([box]))));
  }
}
