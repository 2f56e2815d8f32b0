import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TextTable, textSlots } from '../../../src/base/text-table.ts';

const decode = (bytes: Buffer, from: number, end: number) => bytes.toString('utf8', from, end);

function readIn(table: TextTable<string>, text: string): string {
  const bytes = Buffer.from(`<${text}>`);
  return table.read(bytes, 1, bytes.length - 1, decode);
}

test('a text is parsed once, and read as what it was, however many there are', () => {
  let parsed = 0;
  const table = new TextTable<string>((text) => {
    parsed++;
    return text;
  });
  const texts = Array.from({ length: 10_000 }, (_, index) => `reader-${index}`);
  for (const text of [...texts, ...texts]) assert.equal(readIn(table, text), text);
  assert.ok(parsed < 11_000, `${parsed} of 20,000 were parsed`);
});

test('texts that are long, empty, not of ASCII or changed by the parser are read as they are', () => {
  const table = new TextTable<string>((text) => text.toLowerCase());
  const texts = ['', 'a'.repeat(200), 'Gr\u00fc\u00dfe', 'ABC', 'abc', 'abd', 'bbc'];
  const expected = ['', 'a'.repeat(200), 'gr\u00fc\u00dfe', 'abc', 'abc', 'abd', 'bbc'];
  for (const _ of [1, 2]) {
    assert.deepEqual(
      texts.map((text) => readIn(table, text)),
      expected,
    );
  }
});

test('equal texts have equal slots, and few others have the same', () => {
  const table = new TextTable<string>((text) => text);
  const texts = Array.from({ length: 10_000 }, (_, index) => `reader-${index}`);
  const slotOf = (text: string) => {
    readIn(table, text);
    return table.slot;
  };
  const slotsOf = () => texts.map(slotOf);
  slotsOf();
  const slots = slotsOf();
  assert.deepEqual(slotsOf(), slots);
  assert.ok(new Set(slots).size > 7_500, `${new Set(slots).size} slots`);
  assert.ok(slots.every((slot) => slot < textSlots));
});
