// The simulator finds what it is there to find: each of these brokers is broken in one place, in a copy
// of the compiled sources, and is found out within so many seeds, for the reason that is its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Breakage, breakTree, runSeeds } from './child.ts';

interface Broken extends Breakage {
  readonly name: string;
  /** That it breaks; it may break others as well. */
  readonly invariant: string;
  /** The first seed, where the fault that finds it is rare. */
  readonly first?: number;
  readonly seeds: number;
}

const brokers: readonly Broken[] = [
  {
    name: 'answers before the sync',
    file: 'broker/group-commit.js',
    snippet: `if (sendable.reply.after === 'write')`,
    instead: 'if (true)',
    invariant: 'I1',
    seeds: 500,
  },
  {
    name: 'forgets ids at a takeover',
    file: 'engine/state.js',
    snippet: 'this.#rememberId(envelope, record.ackedUpTo);',
    instead: 'if (!this.#settledInReplay) this.#rememberId(envelope, record.ackedUpTo);',
    invariant: 'I5',
    seeds: 500,
  },
  {
    name: 'gives one message to two',
    file: 'engine/engine.js',
    snippet: 'this.#offer(message, session);\n        return revoked;',
    instead: ';\n        return revoked;',
    invariant: 'one holder',
    seeds: 500,
  },
  {
    name: 'takes corruption for a torn tail',
    file: 'journal/recovery.js',
    snippet: 'reader.lost(found);',
    instead: 'return;',
    invariant: 'I1',
    seeds: 500,
  },
  {
    name: 'goes on answering when a newer epoch has begun',
    file: 'broker/group-commit.js',
    snippet: 'if (!journal.stillOwner())\n        throw',
    instead: 'if (false) throw',
    invariant: 'I6',
    seeds: 500,
  },
  {
    name: 'removes a segment whose settles are still needed',
    file: 'journal/journal.js',
    snippet: `compactable() {
        const [oldest] = this.#files;`,
    instead: `compactable() {
        const numbers = Array.from({ length: this.#nextNumber }, (_, number) => number);
        const livesIn = new Set(numbers.map((number) => this.#live.locate(number)?.file));
        const dead = this.#files.findIndex((file) => file !== this.#current && !livesIn.has(file));
        if (dead > 0) this.#files.unshift(...this.#files.splice(dead, 1));
        const [oldest] = this.#files;`,
    invariant: 'I3',
    seeds: 1_000,
  },
  {
    name: 'reads the old journal before it has made its epoch',
    file: 'journal/journal.js',
    snippet: `const own = await makeEpoch(disk, folder, options.owner, insist);
            const { journal, carried } = await Journal.#read(options, own, spares);`,
    instead: `for (const path of [folder, folder + '/epochs']) disk.makeFolder(path);
            const own = { epoch: (listEpochs(disk, folder).at(-1) ?? 0) + 1 };
            const { journal, carried } = await Journal.#read(options, own, spares);
            Object.assign(own, await makeEpoch(disk, folder, options.owner, insist));`,
    invariant: 'I1',
    seeds: 500,
  },
  {
    name: 'does not write again what may be in the page cache only',
    file: 'journal/journal.js',
    snippet: 'const keptBytes = index < begin ? durableBytes : 0;',
    instead: 'const keptBytes = index < begin ? extent.bytes : 0;',
    invariant: 'I1',
    seeds: 500,
  },
  {
    name: 'stores a post for all of its mailboxes but the last',
    file: 'engine/engine.js',
    snippet: `this.#write({ kind: 'posted', envelope, also, ackedUpTo, settles, body });`,
    instead: `this.#write({ kind: 'posted', envelope, also: also.slice(0, -1), ackedUpTo, settles, body });`,
    invariant: 'all or none',
    seeds: 500,
  },
  {
    name: 'says stored after a sync that failed',
    file: 'journal/log-writer.js',
    snippet: `if (end.status === 'rejected')`,
    instead: 'if (false)',
    invariant: 'I1',
    seeds: 500,
  },
  {
    name: 'forgets what is settled at an owner that does not have it',
    file: 'engine/holds.js',
    snippet: 'unstored: [...unstored.values()]',
    instead: 'unstored: []',
    invariant: 'I3',
    first: 77_040_001,
    seeds: 500,
  },
];

for (const { name, invariant, first = 1, seeds, ...breakage } of brokers) {
  test(`a broker that ${name} is found within ${seeds} seeds`, async (context) => {
    const tree = await breakTree(context, breakage);
    const { failed } = await runSeeds({ first, count: seeds, invariant }, tree);
    assert.ok(failed, 'it passed for a sound one');
    context.diagnostic(`seed ${failed.seed}: ${failed.violations[0]}`);
  });
}
