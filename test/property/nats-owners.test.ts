// Sessions whose mail is in a stream, while its owners die, are replaced without knowing it, and lose messages on their
// way to the server: what was acknowledged is there, nothing is twice, and a message has one holder.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../src/client/client.ts';
import type { Delivery } from '../../src/model/mail-service.ts';
import type { Name } from '../../src/model/message.ts';
import { mailWaits } from '../../src/session/nats-owner.ts';
import { FakeServer } from '../support/nats/fake-stream.ts';
import { FakeTeam } from '../support/nats/fake-team.ts';
import { makeHome } from '../support/places.ts';
import { pick, Random, seedFromEnvironment } from '../support/random.ts';

const histories = process.env.IPC_TEST_LONG === '1' ? 200 : 12;
const historiesAtOnce = 6;
const clients = 4;
const callsOfEach = 25;
const mailbox = 'box' as Name;

class History {
  readonly #random: Random;
  readonly #server = new FakeServer();
  readonly #team: FakeTeam;
  readonly #stored = new Set<string>();
  readonly #settled = new Set<string>();
  readonly #holders = new Map<string, Client>();
  #posts = 0;
  #isOver = false;
  owners = 0;

  constructor(seed: number, home: string) {
    this.#random = new Random(seed);
    this.#server.idsMax = pick(this.#random, [2, 1_000]);
    this.#team = new FakeTeam(this.#server, home, this.#random);
  }

  async run(): Promise<void> {
    try {
      await this.#own();
      const all = Array.from({ length: clients }, (_, index) => this.#team.client(`c${index}`));
      const replacing = this.#replaceOwners();
      await Promise.all(all.map((each) => this.#use(each)));
      this.#isOver = true;
      await replacing;
      await this.#drain();
    } finally {
      await this.#team.end();
    }
  }

  #own() {
    this.owners++;
    const random = this.#random;
    const faults = { lost: 30, silent: 30, late: 30, failed: 30, slowPurges: true };
    return this.#team.own(random.oneIn(3) ? {} : faults);
  }

  async #replaceOwners(): Promise<void> {
    while (!this.#isOver) {
      await sleep(this.#random.below(300));
      const before = this.#team.current;
      const isKilled = this.#random.oneIn(2);
      if (before && isKilled) this.#team.kill(before);
      const release = !isKilled && this.#random.oneIn(2) ? before?.stream.hold() : undefined;
      await this.#own().catch((error) => {
        // Something of the owner before came in between.
        assert.equal(error.code, 'owner_replaced');
        return this.#own();
      });
      release?.();
      // Its sessions hear of the claim at some time.
      await sleep(this.#random.below(100));
      before?.guests.interrupt();
    }
  }

  async #use(client: Client): Promise<void> {
    for (let count = 0; count < callsOfEach; count++) {
      if (this.#random.oneIn(2)) await this.#post(client);
      else await this.#read(client);
    }
  }

  async #post(client: Client): Promise<void> {
    const text = `post ${++this.#posts}`;
    await client.post(mailbox, Buffer.from(text));
    assert(!this.#settled.has(text) || !this.#stored.has(text));
    this.#stored.add(text);
  }

  async #read(client: Client): Promise<void> {
    const delivery = await client.wait(mailbox, { timeoutMs: this.#random.below(200) });
    if (!delivery) return;
    const text = this.#delivered(client, delivery);
    await sleep(this.#random.below(30));
    if (this.#random.oneIn(4)) {
      this.#holders.delete(text);
      return client.release([delivery]);
    }
    const notHeld = await client.settle([delivery]);
    assert.equal(this.#holders.get(text), client, `${text} was given to somebody else`);
    this.#holders.delete(text);
    assert.deepEqual(notHeld, [], `${text} was taken away`);
    assert(!this.#settled.has(text), `${text} was settled twice`);
    this.#settled.add(text);
  }

  #delivered(client: Client, { body }: Delivery): string {
    const text = String(body);
    assert(!this.#settled.has(text), `${text} was settled, and is delivered again`);
    assert(!this.#holders.has(text), `${text} has two holders`);
    this.#holders.set(text, client);
    return text;
  }

  async #drain(): Promise<void> {
    const last = this.#team.client('last');
    for (;;) {
      const { deliveries } = await last.fetch(mailbox, { messagesMax: 50 });
      if (deliveries.length === 0) break;
      for (const each of deliveries) this.#settled.add(this.#delivered(last, each));
      await last.settle(deliveries);
    }
    const { warnings } = await last.status();
    // A message that was lost on its way is appended again meanwhile.
    const others = warnings.filter((each) => !each.startsWith(mailWaits));
    assert.deepEqual(others, [], 'nothing is corrupt');
    const lost = [...this.#stored].filter((text) => !this.#settled.has(text));
    assert.deepEqual(lost, [], 'acknowledged, and lost');
    assert.equal(this.#settled.size, this.#posts);
  }
}

const first = seedFromEnvironment();

test(`owners come and go, and each message is stored once and read by one at a time (SEED=${first})`, async (context) => {
  const seeds = Array.from({ length: histories }, (_, index) => first + index);
  let owners = 0;
  const runAll = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const run = new History(seed, await makeHome(context));
      await run.run().catch((error: unknown) => {
        throw new Error(`SEED=${seed}`, { cause: error });
      });
      owners += run.owners;
    }
  };
  await Promise.all(Array.from({ length: historiesAtOnce }, runAll));
  context.diagnostic(`${histories} histories with ${owners} owners`);
});
