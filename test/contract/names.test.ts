// The contract of names: any characters, each name a mailbox of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engines } from './engines.ts';
import { left, team } from './team.ts';

/** What means something to a broker of subjects, to a file system or to a shell; and ten scripts. */
const names = [
  ...[
    'a.b',
    'a.*',
    '*',
    '>',
    'a.>',
    '.',
    '..',
    'a..b',
    '.a',
    'a.',
    '$JS.API.>',
    '$SYS',
    '_INBOX.x',
  ],
  ...[
    'a b',
    'a  b',
    'a/b',
    '/',
    '\\',
    'a:b',
    'a?b=c&d',
    '%2e',
    '"a"',
    "'a'",
    '`a`',
    '$a',
    '-',
    '--',
  ],
  ...['~', '#', '{}', '[]', '<<<', '|', ';', 'a,b', '@all', 'A', 'a', 'a'.repeat(200)],
  ...['\u{1f600}', '\u{1f468}\u{1f3fd}', '\u{1f1e9}\u{1f1ea} ok', '\u00fcber caf\u00e9'],
  ...[
    '\u0391\u03b8\u03ae\u03bd\u03b1',
    '\u041c\u043e\u0441\u043a\u0432\u0430',
    '\u05e9\u05dc\u05d5\u05dd',
  ],
  ...[
    '\u0633\u0644\u0627\u0645',
    '\u0928\u092e\u0938\u094d\u0924\u0947',
    '\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35',
  ],
  ...[
    '\u4f60\u597d',
    '\u3053\u3093\u306b\u3061\u306f',
    '\uc548\ub155',
    '\u10d2\u10d0\u10db\u10d0\u10e0',
  ],
];

for (const engine of engines) {
  const { name } = engine;

  test(`${name}: a name of any characters is a mailbox of its own`, async (context) => {
    const { session } = await team(context, engine);
    const [mail, reader] = [await session(), await session()];
    for (const box of names) await mail.post(box, `for ${box}`, { from: box });
    const { mailboxes } = await mail.status();
    assert.deepEqual(mailboxes.map(({ mailbox }) => mailbox).toSorted(), names.toSorted());
    for (const box of names) {
      const { messages } = await reader.fetch(box);
      assert.deepEqual(
        messages.map(({ to, from, text }) => [to, from, text]),
        [[box, box, `for ${box}`]],
      );
      await messages[0]?.settle();
    }
    assert.equal((await mail.status()).messages, 0);
  });

  test(`${name}: a wait on a name with the characters of a pattern gets the mail of that name alone`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    await mail.post(['a.b', 'a', 'a.b.c'], 'no');
    for (const box of ['a.*', '>', '*', 'a.>']) {
      assert.equal(await mail.wait(box, { timeoutMs: 0 }), undefined);
      const waiting = mail.wait(box);
      await mail.post(box, 'yes');
      assert.equal((await waiting)?.text, 'yes');
    }
    assert.deepEqual(await left(mail, 'a.b'), [['no', 1]]);
  });

  test(`${name}: a name in NFD is the mailbox of its NFC, and an invisible character is refused`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    await mail.post('cafe\u0301', 'one', { from: 'cafe\u0301' });
    const [message] = (await mail.fetch('caf\u00e9')).messages;
    assert.deepEqual([message?.to, message?.from], ['caf\u00e9', 'caf\u00e9']);
    await assert.rejects(mail.post('ann\u200b', 'hi'), { code: 'bad_name' });
    await assert.rejects(mail.post('ann ', 'hi'), { code: 'bad_name' });
    await assert.rejects(mail.post('a'.repeat(201), 'hi'), { code: 'bad_name' });
  });

  test(`${name}: an id and a text of any characters come back as they were given`, async (context) => {
    const { session } = await team(context, engine);
    const mail = await session();
    for (const id of names) await mail.post('box', id, { id });
    const { messages } = await mail.fetch('box');
    assert.deepEqual(
      messages.map((message) => [message.id, message.text]),
      names.map((id) => [id, id]),
    );
  });
}
