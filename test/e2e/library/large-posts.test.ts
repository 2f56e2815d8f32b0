import assert from 'node:assert/strict';
import { test } from 'node:test';
import { libraryPlace } from '../../support/library.ts';

test('large bodies arrive as they were at the call of the post, one after the other and many at once', async (context) => {
  const { session } = await libraryPlace(context, { program: 'test' });
  const mail = await session();
  const letters = [...'abcdefghijkl'];
  const body = Buffer.alloc(1_048_576);
  const post = (letter: string) => {
    body.fill(letter);
    const posted = mail.post('large', body);
    body.fill('#');
    return posted;
  };
  for (const letter of letters) await post(letter);
  await Promise.all(letters.map(post));
  for (const letter of [...letters, ...letters]) {
    const message = await mail.wait('large');
    assert(message);
    assert.equal(message.text, letter.repeat(1_048_576));
    await message.settle();
  }
});
