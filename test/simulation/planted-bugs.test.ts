// Tests the simulator itself: each of these brokers has one bug, planted in a copy of the compiled
// sources, and must violate the named invariant within the given number of seeds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Breakage, breakTree, runSeeds } from './child.ts';

interface Broken extends Breakage {
  readonly name: string;
  /** The invariant that the bug violates; it may violate others as well. */
  readonly invariant: string;
  /** The first seed; 1 unless given. */
  readonly first?: number;
  readonly seeds: number;
  /** Flips a bit in every history. */
  readonly isDamaged?: boolean;
}

const brokers: readonly Broken[] = [
  {
    name: 'acknowledges before the sync',
    file: 'broker/group-commit.js',
    snippet: 'this.#mayGoAtOnce(reply)',
    instead: 'true',
    invariant: 'I1',
    seeds: 500,
  },
  {
    name: 'forgets the deduplication ids at a takeover',
    file: 'engine/state.js',
    snippet: 'this.deduplication.remember(envelope, record);',
    instead: 'if (!this.#settledInReplay) this.deduplication.remember(envelope, record);',
    invariant: 'I5',
    seeds: 500,
  },
  {
    name: 'delivers one message to two sessions',
    file: 'engine/engine.js',
    snippet: 'this.#offer(message, session);\n        return revoked;',
    instead: ';\n        return revoked;',
    invariant: 'one holder',
    seeds: 500,
  },
  {
    name: 'treats corruption as a torn tail',
    file: 'journal/recovery.js',
    snippet: 'places.lost();\n            reader.lost({ offset: scan.offset, end: scan.end });',
    instead: 'return;',
    invariant: 'I1',
    seeds: 500,
    isDamaged: true,
  },
  {
    name: 'keeps acknowledging after it was fenced by a newer epoch',
    file: 'broker/group-commit.js',
    snippet: 'if (!journal.passesFencing())\n        throw',
    instead: 'if (false) throw',
    invariant: 'I6',
    seeds: 500,
  },
  {
    name: 'removes a segment that contains settles which are still needed',
    file: 'journal/journal.js',
    snippet: 'compactable(isWanted = false) {',
    instead: `compactable(isWanted = false) {
        const { files } = this.#segments;
        const numbers = Array.from({ length: this.nextNumber }, (_, number) => number);
        const livesIn = new Set(numbers.map((number) => this.#live.locate(number)?.file));
        const dead = files.findIndex((file) => file !== files.at(-1) && !livesIn.has(file));
        if (dead > 0) files.unshift(...files.splice(dead, 1));`,
    invariant: 'I3',
    seeds: 500,
  },
  {
    // As long before, because an owner that goes on writing meanwhile is rare: without a pause one seed in 3,000 has it.
    name: 'replays the journal 100 ms before it creates its epoch',
    file: 'journal/takeover.js',
    snippet: `const own = await makeEpoch(disk, folder, options.owner, ballast);
    try {
        const log = await survey(disk, folder, own.epoch);`,
    instead: `const log = await survey(disk, folder, Number.POSITIVE_INFINITY);
    await new Promise((resolve) => runtime.setTimer(resolve, 100));
    const own = await makeEpoch(disk, folder, options.owner, ballast);
    try {`,
    invariant: 'I1',
    seeds: 500,
  },
  {
    name: 'does not rewrite bytes that may only be in the page cache',
    file: 'journal/log-replay.js',
    snippet: 'const listedBytes = index < begin ? durableBytes : 0;',
    instead: 'const listedBytes = index < begin ? extent.bytes : 0;',
    invariant: 'I1',
    seeds: 500,
  },
  {
    name: 'stores a fan-out in all of its mailboxes except the last',
    file: 'engine/fan-out.js',
    snippet: 'messages.filter(({ settledAs }) => settledAs === undefined);',
    instead: 'messages.slice(0, -1);',
    invariant: 'all or none',
    seeds: 500,
  },
  {
    name: 'acknowledges a post after its sync failed',
    file: 'journal/log-writer.js',
    snippet: `if (end.status === 'rejected')`,
    instead: 'if (false)',
    invariant: 'I1',
    seeds: 500,
  },
  {
    name: 'forgets settled messages that it does not have',
    file: 'engine/holds.js',
    snippet: ': settles, unstored,',
    instead: ': settles, unstored: [],',
    invariant: 'I3',
    first: 501,
    seeds: 500,
  },
  {
    name: 'forgets at a takeover who had a message before',
    file: 'engine/state.js',
    snippet: 'lastHold: record.lastHold,',
    instead: 'lastHold: undefined,',
    invariant: 'past hold',
    seeds: 500,
  },
  {
    name: 'keeps the waits on several mailboxes that were parked on a lost connection',
    file: 'engine/engine.js',
    snippet: `waiter of connection.waiters.values())
            this.#waiters.unpark(waiter);`,
    instead: `waiter of connection.waiters.values())
            if (waiter.mailboxCount === 1) this.#waiters.unpark(waiter);`,
    invariant: 'I7',
    first: 1_001,
    seeds: 1_000,
  },
  {
    name: 'lets a session rest that was told of a message, though it was read and released',
    file: 'engine/watches.js',
    snippet: `of numbers)
            this.#wakeLater(number, now);`,
    instead: 'of numbers);',
    invariant: 'lost ring',
    seeds: 500,
  },
  {
    name: 'waits without end for the session that was told to read',
    file: 'engine/watches.js',
    snippet: 'now + this.#limits.watchTurnMs',
    instead: 'Number.POSITIVE_INFINITY',
    invariant: 'lost ring',
    seeds: 500,
  },
  {
    name: 'tells a session of a message that another one holds',
    file: 'engine/watches.js',
    snippet: 'this.#state.firstReady(mailbox)',
    instead:
      '(this.#state.message(this.#state.mailbox(mailbox)?.held.first ?? 0) ?? this.#state.firstReady(mailbox))',
    invariant: 'false ring',
    seeds: 500,
  },
  {
    name: 'forgets at a takeover what is paused',
    file: 'engine/state.js',
    snippet: 'this.pausedMailboxes.apply(record);',
    instead: 'if (!this.#settledInReplay) this.pausedMailboxes.apply(record);',
    invariant: 'pause',
    seeds: 500,
  },
  {
    name: 'forgets with its oldest segment what is paused',
    file: 'engine/engine.js',
    snippet: '...this.#state.pausedMailboxes.records(), ',
    instead: '',
    invariant: 'pause',
    seeds: 500,
  },
  {
    name: 'gives a fetch what is paused',
    file: 'engine/mailbox-reads.js',
    snippet: "state.nextFor(mailbox, '');\n            if (!message)",
    instead: 'state.firstReady(mailbox);\n            if (!message)',
    invariant: 'pause',
    seeds: 500,
  },
  {
    name: 'takes its own standstill for the silence of its peers',
    file: 'base/standstill.js',
    snippet: 'return gapMs > this.#gapMsMax ? gapMs : 0;',
    instead: 'return 0;',
    invariant: 'standstill',
    first: 201,
    seeds: 1_000,
  },
];

for (const { name, invariant, first = 1, seeds, isDamaged = false, ...breakage } of brokers) {
  test(`the simulator finds a broker that ${name} within ${seeds} seeds`, async (context) => {
    const tree = await breakTree(context, breakage);
    const { failed } = await runSeeds({ first, count: seeds, invariant, isDamaged }, tree);
    assert.ok(failed, 'no seed violated the invariant');
    context.diagnostic(`seed ${failed.seed}: ${failed.violations[0]}`);
  });
}
