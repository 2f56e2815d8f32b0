// Names that nobody can tell apart are one name or are refused, on every face and in old stores.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { postedRecord } from '../../support/disk/journal-model.ts';
import { append, openStore } from '../../support/disk/journal-store.ts';
import { libraryPlace } from '../../support/library.ts';
import { hostPlace } from '../../support/mcp-host.ts';
import { shell } from '../../support/processes/shell.ts';

const [composed, decomposed] = ['caf\u00e9', 'cafe\u0301'];

test('a name in NFD is the same mailbox as in NFC, for the program, the tool and the library', async (context) => {
  const { run } = await shell(context);
  assert.equal((await run(['post', decomposed, 'one', '--from', decomposed])).code, 0);
  assert.equal((await run(['post', composed, 'two', '--to', decomposed])).code, 0);
  assert.match((await run(['status'])).text, /\n"caf\u00e9": 2 ready/);
  const lines = (await run(['fetch', decomposed, '--json'])).text.trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ to, from, body }) => [to, from, body]),
    [
      [composed, composed, 'one'],
      [composed, '', 'two'],
    ],
  );
  const host = await (await hostPlace(context)).host();
  await host.call({ operation: 'post', to: decomposed, message: 'three' });
  const read = await host.call({ operation: 'fetch', mailbox: composed });
  assert.deepEqual(read.bodies, ['three']);
  const mail = await (await libraryPlace(context)).session({ name: decomposed });
  await mail.post(composed, 'four');
  const [message] = (await mail.fetch(decomposed)).messages;
  assert.deepEqual([message?.text, message?.from, message?.to], ['four', composed, composed]);
});

test('a name with a space at its end or an invisible character is refused on every face', async (context) => {
  const { run, line } = await shell(context);
  for (const [words, named] of [
    [['post', 'ann ', 'hi'], 'to begins or ends with a space'],
    [
      ['post', 'ann', 'hi', '--to', 'be\u200bn'],
      'name 2 of to has the character U\\+200B, which is',
    ],
    [['post', 'ann', 'hi', '--from', '\u00a0me'], 'from has the character U\\+00A0, which is'],
    [['wait', ' ann'], 'mailbox begins or ends with a space'],
    [['work', 'ann', '--from', 'ann ', 'cat'], 'from begins or ends with a space'],
  ] as const) {
    const { code, errors } = await run(words);
    assert.equal(code, 2);
    assert.match(errors, new RegExp(`^ipc: bad_name: ${named}.* To do: use a name of 1 to 200 `));
  }
  const variable = await line('"$@" post ann hi', { IPC_NAME: 'me ' });
  assert.match(variable.errors, /^ipc: bad_name: IPC_NAME begins or ends with a space/);
  const host = await (await hostPlace(context)).host();
  const { head } = await host.call({ operation: 'post', to: 'ann ', message: 'hi' });
  assert.match(head, /^bad_name: to begins or ends with a space/);
  const mail = await (await libraryPlace(context)).session();
  await assert.rejects(mail.post('ann\u200b', 'hi'), { code: 'bad_name' });
});

test('an old store keeps its mail: each of its names is read as the one that looks the same', async (context) => {
  const { home, port, run } = await shell(context);
  await mkdir(home, { mode: 0o700 });
  const store = await openStore({ folder: join(home, `broker-${port}`) });
  const names = ['ann ', 'ann', ' an\u200bn', decomposed, composed, '\u200b'];
  append(store, ...names.map((to, index) => postedRecord(index + 1, `#${index + 1}`, { to })));
  append(store, postedRecord(7, '#7', { to: 'ben ', alsoTo: ['ben', '\u3000cy'] }));
  await store.journal.close();
  const check = await run(['store', 'check']);
  assert.match(
    check.text,
    /: sound; [\s\S]*\n"ann": 3 messages, 6 bytes\n"ben": 2 messages, 4 bytes\n/,
  );
  assert.equal((await run(['fetch', 'ann'])).text, '#1\n#2\n#3\n');
  assert.equal((await run(['fetch', composed])).text, '#4\n#5\n');
  assert.equal((await run(['fetch', 'U+200B'])).text, '#6\n');
  assert.equal((await run(['fetch', 'ben'])).text, '#7\n#7\n');
  assert.equal((await run(['wait', 'cy', '--json', '--timeout', '5'])).code, 0);
  assert.match((await run(['status'])).text, /; 0 messages, 0 bytes; /);
});
