import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameMap } from '../../../src/engine/name-map.ts';
import { NameUnion } from '../../../src/engine/name-union.ts';
import type { Name } from '../../../src/model/message.ts';
import { Random } from '../../support/random.ts';

const nameOf = (index: number) => `name ${index}` as Name;

test('a map by name has the entries of a Map, in their order, however many come and go', () => {
  const random = new Random(1);
  const map = new Map<Name, number>();
  const named = new NameMap<number>();
  for (let step = 0; step < 20_000; step++) {
    const name = nameOf(random.below(step < 10_000 ? 500 : 20));
    if (random.below(step < 10_000 ? 3 : 2) === 0) {
      map.delete(name);
      named.delete(name);
    } else {
      map.set(name, step);
      named.set(name, step);
    }
    assert.deepEqual([named.size, named.get(name)], [map.size, map.get(name)]);
    assert.equal(named.has(name), map.has(name));
  }
  assert.ok(map.size > 300);
  assert.deepEqual([...named.entries()], [...map]);
  assert.deepEqual([...named.keys()], [...map.keys()]);
});

test('a name that several maps of a union have is counted once, until the last of them has it no more', () => {
  const names = new NameUnion();
  const maps = [new NameMap<true>(names), new NameMap<true>(names)];
  const sizes: number[] = [];
  for (const map of maps) {
    for (let time = 0; time < 2; time++) map.set(nameOf(1), true);
    sizes.push(names.size);
  }
  for (const map of maps) {
    for (let time = 0; time < 2; time++) map.delete(nameOf(1));
    sizes.push(names.size);
  }
  assert.deepEqual(sizes, [1, 1, 1, 0]);
});
