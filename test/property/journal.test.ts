// Random histories of one store, with crashes, compared with a model: the store contains every synced
// record, and every record that it contains was appended, without a gap.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IpcError } from '../../src/base/errors.ts';
import { Journal, type JournalLimits } from '../../src/journal/journal.ts';
import { type Name, type SessionId, sessionMessageId } from '../../src/model/message.ts';
import type { PlainPost } from '../../src/model/plain-post.ts';
import type { JournalRecord } from '../../src/model/records.ts';
import { CrashDisk, type ProcessDisk } from '../support/disk/crash-disk.ts';
import { JournalModel, postedRecord } from '../support/disk/journal-model.ts';
import { fewSegments, removeCopied } from '../support/disk/journal-store.ts';
import { pick, Random, seedFromEnvironment } from '../support/random.ts';

const long = process.env.IPC_TEST_LONG === '1';
const histories = long ? 20_000 : 400;
const steps = 60;

const folder = '/home/broker-1';
const sessions = ['0000000000000000', '1111111111111111'] as SessionId[];

/** A journal together with the model of its owner. */
interface Owner {
  readonly disk: ProcessDisk;
  readonly model: JournalModel;
  readonly journal: Journal;
}

class History {
  readonly #random: Random;
  readonly #disk = new CrashDisk('/home');
  readonly #limits: JournalLimits;
  /** Every state that the store may legally have, from the last synced one to the latest. */
  #states = [''];
  #owner: Owner | undefined;
  #fenced: Owner[] = [];
  #numberSynced = 0;
  /** The bodies of all posts, by their checksums. */
  readonly #bodies = new Map<number, Buffer>();

  constructor(seed: number) {
    this.#random = new Random(seed);
    const random = this.#random;
    this.#limits = {
      segmentBytesMax: pick(random, [200, 1_000, 4_000]),
      segmentReserveBytes: pick(random, [1, 300, 5_000]),
      segmentGrowthBytes: pick(random, [1, 100, 512]),
      ...fewSegments(pick(random, [1, 3, 10])),
      logBytesCompact: pick(random, [1, 2_000, 8_000]),
      bodyCacheBytesMax: pick(random, [0, 100, 10_000]),
      ballastFilesMin: 0,
    };
  }

  async run(): Promise<void> {
    for (let step = 0; step < steps; step++) await this.#step();
    this.#crash();
    await this.#open();
  }

  async #step(): Promise<void> {
    if (!this.#owner) return this.#random.oneIn(2) ? this.#open() : this.#failOpening();
    switch (this.#random.below(18)) {
      case 0:
        return this.#crash();
      case 1:
        return this.#close();
      case 2:
        return this.#takeOver();
      case 3:
        return this.#writeFenced();
      case 4:
        return this.#failOpening();
      case 5:
        return this.#readBody(this.#owner);
      case 6:
      case 16:
      case 17:
        return this.#compact(this.#owner);
      case 7:
      case 8:
      case 9:
        return this.#sync(this.#owner);
      default:
        return this.#append(this.#owner);
    }
  }

  /**
   * Opens the store, asserts that its state is legal, and regards that state as durable from then on.
   */
  async #open(): Promise<void> {
    const disk = this.#disk.process();
    const model = new JournalModel();
    const journal = await this.#openOn(disk, model);
    const state = model.state();
    assert(this.#states.includes(state), `an illegal state:\n${state}\n\n${this.#states[0]}`);
    assert(journal.nextNumber > this.#numberSynced, 'a number was used again');
    for (const [number, { posted }] of model.messages) {
      assert.deepEqual(journal.body(number), posted.body);
    }
    assert.deepEqual(journal.warnings(), [], 'a torn tail is not corruption');
    this.#states = [state];
    this.#owner = { disk, model, journal };
    assert(journal.passesFencing());
  }

  #openOn(disk: ProcessDisk, model: JournalModel): Promise<Journal> {
    return Journal.open({
      folder,
      owner: { pid: 1, started: 1, addresses: [] },
      restore: (record) => model.apply(record),
      // Or else it decodes the record of each.
      ...(this.#random.oneIn(2) && {
        restorePlain: (post: PlainPost) => model.apply(this.#recordOf(post)),
      }),
      snapshot: () => model.head(),
      disk,
      limits: this.#limits,
    });
  }

  #recordOf(post: PlainPost): JournalRecord {
    const body = this.#bodies.get(post.checksum);
    assert(body);
    const envelope = post.envelope();
    return { kind: 'posted', envelope, also: [], ackedUpTo: post.ackedUpTo, settles: [], body };
  }

  #append({ journal, model }: Owner): void {
    let number = journal.nextNumber;
    const records = Array.from({ length: 1 + this.#random.below(3) }, () => {
      const record = this.#applied(this.#record(model, number), model);
      number += record.kind === 'posted' ? 1 + record.also.length : 1;
      return record;
    });
    journal.append(records);
  }

  #applied(record: JournalRecord, model: JournalModel): JournalRecord {
    model.apply(record);
    this.#states.push(model.state());
    return record;
  }

  #readBody({ journal, model }: Owner): void {
    const numbers = [...model.messages.keys()];
    if (numbers.length === 0) return;
    const number = pick(this.#random, numbers);
    assert.deepEqual(journal.body(number), model.messages.get(number)?.posted.body);
  }

  #record(model: JournalModel, number: number): JournalRecord {
    const random = this.#random;
    const numbers = [...model.messages.keys()];
    const kind = numbers.length === 0 ? 0 : random.below(10);
    const session = pick(random, sessions);
    if (kind < 4) {
      const settles = numbers.length > 0 && random.oneIn(3) ? [pick(random, numbers)] : [];
      const text = `${number}:`.repeat(random.below(60));
      const alsoTo = ['D', 'E', 'F'].slice(0, random.oneIn(3) ? random.below(4) : 0);
      const folder = pick(random, ['', '~/work']);
      const to = pick(random, ['A', 'B']);
      const record = postedRecord(number, text, { session, settles, to, alsoTo, folder });
      if (record.body) this.#bodies.set(record.envelope.checksum, record.body);
      return record;
    }
    const old = pick(random, numbers);
    const [name, from, ended] = ['ben' as Name, 1_000 + number, 'disconnected'] as const;
    const holding = random.oneIn(2) ? { name, since: from } : undefined;
    const lastHold = random.oneIn(2) ? { name, from, to: from + 1, ended } : undefined;
    const change = { number: old, attempt: number };
    if (kind === 4) return { kind: 'offered', ...change, holder: session, holding };
    if (kind === 5) return { kind: 'released', ...change, lastHold };
    if (kind === 6) return { kind: 'moved', ...change, mailbox: 'C' as Name, lastHold };
    if (kind === 7 && random.oneIn(3)) return { kind: 'forgotten', session };
    if (kind === 7) {
      const id = sessionMessageId(session, 1_000 + random.below(5));
      return { kind: 'settledById', holds: [{ id, number }] };
    }
    return { kind: 'settled', numbers: [old, pick(random, numbers)] };
  }

  /** Syncs, with appends while the sync runs, which the sync does not cover. */
  async #sync(owner: Owner): Promise<void> {
    const covered = this.#states.length - 1;
    const number = owner.journal.nextNumber - 1;
    const done = owner.journal.sync();
    // It fails, too, if the disk ends at the append.
    done.catch(() => {});
    if (this.#random.oneIn(2)) this.#append(owner);
    await done;
    this.#states.splice(0, covered);
    this.#numberSynced = Math.max(this.#numberSynced, number);
  }

  async #compact(owner: Owner): Promise<void> {
    const numbers = owner.journal.compactable();
    if (!numbers) return;
    owner.journal.append(
      numbers.map((number) => this.#applied(owner.model.copyOf(number), owner.model)),
    );
    if (this.#random.oneIn(3)) owner.disk.dieAt = owner.disk.calls.length + this.#random.below(16);
    try {
      await this.#syncBetween(owner);
      owner.journal.dropOldest();
      await this.#syncBetween(owner);
      await owner.journal.removeDropped();
    } catch (error) {
      if (!owner.disk.dead) throw error;
    }
    if (owner.disk.dead) return this.#crash();
    owner.disk.dieAt = Number.POSITIVE_INFINITY;
  }

  /** A sync between two steps of a removal, with records that are written beside it. */
  async #syncBetween(owner: Owner): Promise<void> {
    if (this.#random.oneIn(4)) this.#append(owner);
    await this.#sync(owner);
    if (this.#random.oneIn(4)) this.#append(owner);
  }

  async #close(): Promise<void> {
    await this.#owner?.journal.close();
    this.#states.splice(0, this.#states.length - 1);
    this.#owner = undefined;
  }

  /** Kills the owner, sometimes with a power loss. */
  #crash(): void {
    this.#owner?.disk.kill();
    this.#owner = undefined;
    if (this.#random.oneIn(3)) return;
    this.#fenced = [];
    this.#disk.losePower(this.#random);
  }

  /** Opens the store while its owner still runs; the owner is fenced, but does not notice at once. */
  async #takeOver(): Promise<void> {
    assert(this.#owner);
    this.#fenced.push(this.#owner);
    await this.#open();
  }

  /** A fenced owner keeps writing; its writes are no part of the store. */
  async #writeFenced(): Promise<void> {
    const owner = this.#fenced.at(-1);
    if (!owner) return;
    const before = this.#states;
    this.#states = [];
    try {
      this.#append(owner);
      await owner.journal.sync();
      const numbers = this.#random.oneIn(2) ? owner.journal.compactable() : undefined;
      if (numbers) {
        owner.journal.append(numbers.map((number) => owner.model.copyOf(number)));
        await removeCopied(owner.journal);
      }
    } catch (error) {
      // The folder of its epoch may have been removed.
      assert.match((error as IpcError).code, /^(storage_failed|owner_replaced)$/);
      this.#fenced.pop();
    } finally {
      this.#states = before;
    }
    assert(!owner.journal.passesFencing(), 'a fenced owner may not acknowledge');
  }

  /** A successor dies at any step of opening the store, with or without power loss. */
  async #failOpening(): Promise<void> {
    this.#owner?.disk.kill();
    this.#owner = undefined;
    if (this.#random.oneIn(2)) this.#disk.losePower(this.#random);
    const disk = this.#disk.process();
    disk.dieAt = 1 + this.#random.below(40);
    const opened = await this.#openOn(disk, new JournalModel()).catch((error) => {
      if (!disk.dead) throw error;
    });
    disk.kill();
    if (!opened && this.#random.oneIn(2)) this.#disk.losePower(this.#random);
    this.#fenced = [];
  }
}

test('random histories of appends, syncs, segments, removals, crashes and openings leave a legal store', async (context) => {
  const seed = seedFromEnvironment();
  context.diagnostic(`SEED=${seed}`);
  for (let index = 0; index < (process.env.SEED ? 1 : histories); index++) {
    const own = seed + index;
    await new History(own).run().catch((error) => {
      throw new Error(`repeat with SEED=${own}`, { cause: error });
    });
  }
});
