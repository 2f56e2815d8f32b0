import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedTextsMax } from '../../../src/base/limits.ts';
import { SharedValues } from '../../../src/base/shared-values.ts';

test('a value is the same object until there are more texts than its table has room for', () => {
  const values = new SharedValues<object>();
  const first = values.set('first', {});
  for (let index = 1; index < sharedTextsMax; index++) values.set(`text ${index}`, {});
  assert.equal(values.get('first'), first);
  values.set('one more', {});
  assert.equal(values.get('first'), undefined);
  assert.notEqual(values.get('one more'), undefined);
});
