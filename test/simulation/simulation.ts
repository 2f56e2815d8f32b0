// One history by a seed: sessions that post and read, one of them the owner, on one disk, while what
// can go wrong goes wrong. Then the faults stop, and all mail is read to the end.
//
// 1. The seed draws how many sessions, on which machines, how fast disk and network are, how small the
//    limits, and which faults come when.  2. Each session does its part of the work; one that dies is
//    followed by another in its place.  3. Faults stop; all calls must come to their end.  4. Perhaps
//    the disk is damaged.  5. A last session reads and settles all there is.

import { IpcError } from '../../src/base/errors.ts';
import { heartbeatMs } from '../../src/base/limits.ts';
import type { BrokerLimits } from '../../src/broker/broker.ts';
import type { Delivery } from '../../src/model/mail-service.ts';
import type { MessageId } from '../../src/model/message.ts';
import { CrashDisk } from '../support/disk/crash-disk.ts';
import { pick, Random } from '../support/random.ts';
import { violations } from './checker.ts';
import { History } from './history.ts';
import { SimNetwork, type SimSocket } from './network.ts';
import { SimProcess, type Surroundings } from './process.ts';
import { Scheduler } from './scheduler.ts';
import { SimSession } from './session.ts';

export interface Outcome {
  readonly seed: number;
  /** Empty when all is well. */
  readonly violations: readonly string[];
  readonly history: History;
  /** Events that ran. */
  readonly steps: number;
  /** Simulated, in milliseconds. */
  readonly ms: number;
}

export async function simulate(seed: number): Promise<Outcome> {
  const simulation = new Simulation(seed);
  const found = await simulation.run();
  const { history, scheduler } = simulation;
  return { seed, violations: found, history, steps: scheduler.steps, ms: scheduler.now };
}

const home = '/home';
const folder = `${home}/broker-1`;
const here = 'here';
const mailboxes = ['A', 'B', 'C', 'dead-letters'];
/** What is asked must be answered so long after the last fault: a dead peer is silent for 45 s. */
const drainMsMax = 120_000;

const calls = ['post', 'post', 'post', 'postNamed', 'wait', 'fetch', 'settle', 'release'] as const;
type CallKind = (typeof calls)[number];

/** A place in the simulation that one process after the other takes. */
interface Place {
  readonly name: string;
  readonly namespace: string;
  readonly isRemote: boolean;
  readonly calls: readonly CallKind[];
  callsLeft: number;
  lives: number;
  process: SimProcess;
  session: SimSession;
  state: 'working' | 'idle' | 'gone';
}

const faults = [
  'kill',
  'kill',
  'killOwner',
  'killOwner',
  'killInCall',
  'killInCall',
  'stop',
  'power',
  'power',
  'cut',
  'cut',
  'swallow',
  'slow',
  'stall',
  'syncFails',
  'syncFails',
  'callFails',
  'callFails',
  'handOver',
  'close',
  'clock',
] as const;

class Simulation {
  readonly scheduler = new Scheduler();
  readonly history = new History(() => this.scheduler.now);
  readonly #seed: number;
  readonly #random: Random;
  readonly #disk = new CrashDisk(home);
  readonly #network: SimNetwork;
  readonly #around: Surroundings;
  readonly #limits: Partial<BrokerLimits>;
  readonly #places: Place[] = [];
  /** All that ever were on the machine with the disk. */
  readonly #processes: SimProcess[] = [];
  readonly #diskMsMax: number;
  readonly #thinkMsMax: number;
  #stalledUntil = 0;
  #bodies = 0;
  #pids = 100;
  #isOver = false;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#seed = seed;
    this.#random = random;
    this.#network = new SimNetwork(this.scheduler, random, (server) => this.history.listen(server));
    this.#network.wayMsMax = pick(random, [0.1, 1, 5, 30]);
    this.#diskMsMax = pick(random, [0.2, 1, 5, 20]);
    this.#thinkMsMax = pick(random, [2, 20, 200, 1_000]);
    this.#limits = {
      segmentBytesMax: pick(random, [600, 2_000, 8_000]),
      segmentReserveBytes: pick(random, [100, 1_000]),
      segmentGrowthBytes: pick(random, [50, 500]),
      segmentsCompact: pick(random, [1, 3, 8]),
      logBytesCompact: pick(random, [1, 2_000, 8_000]),
      bodyCacheBytesMax: pick(random, [0, 100, 10_000]),
      attemptsMax: pick(random, [2, 20]),
      unreadBytesMax: pick(random, [300, 4_000_000]),
      turnRequestsMax: pick(random, [2, 256]),
    };
    this.#around = {
      scheduler: this.scheduler,
      random,
      clockShiftMs: 0,
      diskMs: () => this.#diskMs(),
    };
  }

  async run(): Promise<string[]> {
    const random = this.#random;
    const isDamaged = random.oneIn(8);
    const hasBorder = !isDamaged && random.oneIn(6);
    for (let local = 0; local < 2 + random.below(2); local++) this.#addPlace(`local${local}`, here);
    if (random.oneIn(2)) this.#addPlace('remote', here, true);
    if (hasBorder) this.#addPlace('abroad', 'abroad');
    // While there is work.
    const faultMsMax = 200 + 6 * this.#thinkMsMax;
    for (let fault = random.below(7); fault > 0; fault--) {
      this.scheduler.after(random.below(faultMsMax), () => this.#fault(pick(random, faults)));
    }
    // Others keep the histories that their seeds have had.
    if (this.#seed % 4 === 3) this.#addGuests(faultMsMax);
    await this.#until(() => false, faultMsMax);
    this.#endFaults();
    await this.#until(() => this.#places.every(({ state }) => state !== 'working'), drainMsMax);
    // An owner that was left behind finds out by then.
    if (hasBorder) await this.#until(() => false, 2 * heartbeatMs);
    if (isDamaged) await this.#damage();
    await this.#drain();
    this.#isOver = true;
    for (const process of this.#processes) process.kill(() => {});
    return violations(this.history.entries, { isDamaged });
  }

  #until(isOver: () => boolean, ms: number): Promise<void> {
    return this.scheduler.run(isOver, this.scheduler.now + ms);
  }

  #diskMs(): number {
    const ms = ((1 + this.#random.below(100)) / 100) * this.#diskMsMax;
    return Math.max(ms, this.#stalledUntil - this.scheduler.now);
  }

  // Sessions and what they do

  #addPlace(
    name: string,
    namespace: string,
    isRemote = false,
    does: readonly CallKind[] = calls,
  ): void {
    const callsLeft = 3 + this.#random.below(10);
    const { process, session } = this.#newSession(`${name}.1`, namespace, isRemote);
    const place: Place = {
      name,
      namespace,
      isRemote,
      calls: does,
      callsLeft,
      lives: 1,
      process,
      session,
      state: 'working',
    };
    this.#places.push(place);
    this.#begin(place);
  }

  /** Sessions that outlive the machine's power, and losses of it while the disk syncs a post. */
  #addGuests(faultMsMax: number): void {
    this.#addPlace('poster', here, true, ['post']);
    this.#addPlace('reader', here, true, ['wait', 'wait', 'settle']);
    for (let fault = 0; fault < 3; fault++) {
      this.scheduler.after(this.#random.below(faultMsMax), () => this.#fault('powerInSync'));
    }
  }

  #newSession(
    name: string,
    namespace: string,
    isRemote: boolean,
  ): { process: SimProcess; session: SimSession } {
    const disk = isRemote ? new CrashDisk(home) : this.#disk;
    const process = new SimProcess(name, ++this.#pids, disk, this.#around);
    process.disk.onDied = () => this.#kill(process);
    if (!isRemote) this.#processes.push(process);
    const { history } = this;
    const network = this.#network;
    const limits = this.#limits;
    const options = { process, network, history, namespace, folder, limits, isRemote };
    return { process, session: new SimSession(options) };
  }

  /** After a while, so that not all begin at once. */
  #begin(place: Place): void {
    const { process } = place;
    process.after(this.#random.below(50), () => this.#inside(process, () => this.#work(place)));
  }

  #beginAgain(place: Place): void {
    this.scheduler.after(this.#random.below(1_000), () => {
      if (!place.process.isDead || place.state === 'gone' || this.#isOver) return;
      place.lives += 1;
      const name = `${place.name}.${place.lives}`;
      Object.assign(place, this.#newSession(name, place.namespace, place.isRemote));
      this.#begin(place);
    });
  }

  async #work(place: Place): Promise<void> {
    const { process, session } = place;
    const begun: Promise<void>[] = [];
    const held: Delivery[] = [];
    while (place.callsLeft > 0) {
      place.callsLeft -= 1;
      const kind = pick(this.#random, place.calls);
      const call = this.#call(kind, { process, session }, held).catch(expectIpcError);
      if (this.#random.oneIn(3)) begun.push(call);
      else await call;
      await process.sleep(this.#random.below(this.#thinkMsMax));
    }
    await Promise.all(begun);
    if (this.#random.oneIn(3)) {
      place.state = 'gone';
      return this.#end(place);
    }
    await session.client.release(held).catch(expectIpcError);
    place.state = 'idle';
  }

  async #end({ session, process }: Place): Promise<void> {
    await session.close().catch(expectIpcError);
    this.#kill(process);
  }

  /** What goes wrong in a process that is dead by then is nobody's. */
  #inside(process: SimProcess, work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      if (!process.isDead) throw error;
    });
  }

  #call(
    kind: CallKind,
    { process, session }: Pick<Place, 'process' | 'session'>,
    held: Delivery[],
  ): Promise<void> {
    switch (kind) {
      case 'post':
        return this.#post(process, session, held);
      case 'postNamed':
        return this.#postNamed(session);
      case 'wait':
        return this.#wait(process, session, held);
      case 'fetch':
        return this.#fetch(session, held);
      case 'settle':
        return session.settle(this.#some(held));
      case 'release':
        return session.client.release(this.#some(held), { unread: this.#random.oneIn(2) });
    }
  }

  /** Posts the same words again when it hears nothing, as an agent does. */
  async #post(process: SimProcess, session: SimSession, held: Delivery[]): Promise<void> {
    const random = this.#random;
    const to = random.oneIn(4) ? this.#someMailboxes() : [this.#mailbox()];
    const body = `${process.name} ${++this.#bodies} ${'.'.repeat(pick(random, [0, 100, 1_500]))}`;
    const settles = random.oneIn(4) ? this.#some(held) : [];
    for (let tries = random.below(4); ; tries--) {
      const signal = tries > 0 && random.oneIn(2) ? this.#signal(process, 500) : undefined;
      try {
        return await session.post(to, process.name, body, { settles, signal });
      } catch (error) {
        expectIpcError(error);
        if (tries === 0) return void held.push(...settles);
      }
      await process.sleep(random.below(200));
    }
  }

  /** An id given by hand, which others give as well. */
  #postNamed(session: SimSession): Promise<void> {
    const order = this.#random.below(4);
    const id = `order-${order}` as MessageId;
    return session.post(order === 3 ? ['B', 'A', 'C'] : ['A'], 'orders', id, { id });
  }

  async #wait(process: SimProcess, session: SimSession, held: Delivery[]): Promise<void> {
    const ms = 1 + this.#random.below(2_000);
    const signal = this.#signal(process, this.#random.oneIn(3) ? ms : 10_000);
    held.push(...(await session.wait(this.#mailbox(), ms, signal)));
  }

  async #fetch(session: SimSession, held: Delivery[]): Promise<void> {
    const messagesMax = 1 + this.#random.below(4);
    held.push(...(await session.fetch(this.#mailbox(), { messagesMax })));
  }

  /** Takes them out of the list. */
  #some(held: Delivery[]): Delivery[] {
    return held.splice(0, this.#random.below(held.length + 1));
  }

  #mailbox(): string {
    return pick(this.#random, mailboxes.slice(0, 3));
  }

  /** Two or three of them, in any order. */
  #someMailboxes(): string[] {
    const turned = [...mailboxes.slice(0, 3), ...mailboxes.slice(0, 2)];
    const first = this.#random.below(3);
    const to = turned.slice(first, first + 2 + this.#random.below(2));
    return this.#random.oneIn(2) ? to : to.reverse();
  }

  #signal(process: SimProcess, msMax: number): AbortSignal {
    const controller = new AbortController();
    process.setTimer(() => controller.abort(), this.#random.below(msMax));
    return controller.signal;
  }

  // What goes wrong

  #fault(kind: (typeof faults)[number] | 'powerInSync'): void {
    const random = this.#random;
    const place = pick(random, this.#places);
    const owner = this.#network.owner(place.namespace);
    const sockets = this.#network.connections;
    const socket = sockets.length > 0 ? pick(random, sockets) : undefined;
    this.history.add({ kind: 'fault', what: `${kind} ${place.name}` });
    switch (kind) {
      case 'kill':
        return this.#kill(place.process);
      case 'killOwner':
        return owner && this.#kill(owner);
      case 'killInCall':
        if (owner) owner.disk.dieAt = owner.disk.calls.length + 1 + random.below(30);
        return;
      case 'stop':
        return this.#stop(owner && random.oneIn(2) ? owner : place.process);
      case 'power':
        return this.#losePower();
      case 'powerInSync':
        if (owner) owner.disk.onSync = () => this.#losePowerSoon();
        return;
      case 'cut':
        return socket?.cut();
      case 'swallow':
        return socket && this.#swallow(socket);
      case 'slow':
        if (socket) pick(random, [socket, socket.peer]).slowMs = random.below(3_000);
        return;
      case 'stall':
        this.#stalledUntil = this.scheduler.now + random.below(3_000);
        return;
      case 'syncFails':
        if (owner) owner.disk.syncFails = random;
        return;
      case 'callFails':
        if (owner) owner.disk.failAt = owner.disk.calls.length + 1 + random.below(30);
        return;
      case 'handOver':
        return this.#inside(place.process, () => place.session.handOver().catch(expectIpcError));
      case 'close':
        return this.#inside(place.process, () => this.#end(place));
      case 'clock':
        this.#around.clockShiftMs += pick(random, [-10, 10]) * 86_400_000;
        return;
    }
  }

  #kill(process: SimProcess): void {
    process.kill(() => this.#network.bury(process, false));
    const place = this.#places.find((each) => each.process === process);
    if (place && place.state !== 'gone') this.#beginAgain(place);
  }

  #stop(process: SimProcess): void {
    process.stop();
    this.scheduler.after(this.#random.below(4_000), () => process.goOn());
  }

  #swallow(socket: SimSocket): void {
    const sides = pick(this.#random, [[socket], [socket.peer], [socket, socket.peer]]);
    for (const side of sides) side.swallowed = true;
  }

  /** Before a sync that begins now has ended, mostly. */
  #losePowerSoon(): void {
    const ms = (this.#random.below(100) / 100) * this.#diskMsMax;
    this.scheduler.after(ms, () => this.#losePower());
  }

  /** On the machine that has the disk. */
  #losePower(): void {
    this.#disk.losePower(this.#random);
    for (const process of this.#processes.splice(0)) {
      process.kill(() => {});
      this.#network.bury(process, true);
      const place = this.#places.find((each) => each.process === process);
      if (place && place.state !== 'gone') this.#beginAgain(place);
    }
  }

  #endFaults(): void {
    this.history.add({ kind: 'fault', what: 'no more faults' });
    this.#stalledUntil = 0;
    for (const process of this.#processes) {
      process.goOn();
      process.disk.dieAt = Number.POSITIVE_INFINITY;
      process.disk.failAt = Number.POSITIVE_INFINITY;
      process.disk.syncFails = undefined;
      process.disk.onSync = undefined;
    }
    for (const place of this.#places) {
      place.process.goOn();
      if (place.namespace === here) continue;
      place.state = 'gone';
      this.#kill(place.process);
    }
  }

  /** After an orderly end, when all is durable and a mark says so: one bit of what was written. */
  async #damage(): Promise<void> {
    const { process, session } = this.#newSession('keeper', here, false);
    let isClosed = false;
    process.after(0, async () => {
      for (const place of this.#places) {
        place.state = 'gone';
        if (!place.process.isDead) await this.#end(place);
      }
      // The last owner that there is.
      await patiently(process, () => session.messages());
      await session.close();
      isClosed = true;
    });
    await this.#until(() => isClosed, drainMsMax);
    if (!isClosed) return;
    this.#kill(process);
    const segments = [...this.#disk.files()].filter(([path]) => path.endsWith('.log'));
    const [path, bytes] = pick(this.#random, segments);
    const at = this.#random.below(bytes.length);
    const bit = 1 << this.#random.below(8);
    bytes.writeUInt8(bytes.readUInt8(at) ^ bit, at);
    this.#disk.tamper(path, bytes);
    this.history.add({ kind: 'fault', what: `bit ${bit} of byte ${at} of ${path}` });
  }

  // The end

  async #drain(): Promise<void> {
    const { process, session } = this.#newSession('last', here, false);
    let isDrained = false;
    process.after(0, async () => {
      this.history.add({ kind: 'draining' });
      await this.#readAll(process, session);
      isDrained = true;
    });
    await this.#until(() => isDrained, drainMsMax);
    const isLeft = this.#places.some(({ state }) => state === 'working');
    if (isDrained && !isLeft) this.history.add({ kind: 'drained' });
  }

  async #readAll(process: SimProcess, session: SimSession): Promise<void> {
    for (;;) {
      const left = await patiently(process, async () => {
        for (const mailbox of mailboxes) await session.settle(await session.fetch(mailbox, {}));
        return session.messages();
      });
      if (left === 0) return;
      await process.sleep(500);
    }
  }
}

/** What fails is tried again after a while. */
async function patiently<T>(process: SimProcess, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      expectIpcError(error);
    }
    await process.sleep(500);
  }
}

function expectIpcError(error: unknown): void {
  if (!(error instanceof IpcError)) throw error;
}
