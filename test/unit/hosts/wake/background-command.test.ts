import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backgroundCommand } from '../../../../src/hosts/wake/background-command.ts';
import { type MailboxList, parseName } from '../../../../src/model/message.ts';

async function wordsFor(host: string, mailboxes: readonly string[]): Promise<string | undefined> {
  const waker = await backgroundCommand.find({ host, env: {}, thread: '' });
  if (waker?.kind !== 'command') return undefined;
  const names = mailboxes.map((name) => parseName(name, 'mailbox')) as unknown as MailboxList;
  return waker.words(names, 'node /opt/ipc.js');
}

test('Copilot CLI and Claude Code are told how a command is started in the background', async () => {
  assert.equal(
    await wordsFor('copilot-cli', ['ann']),
    'To be woken, start `node /opt/ipc.js watch ann` with the tool bash, with mode "async", then end your turn: it ends when there is mail.',
  );
  assert.equal(
    await wordsFor('claude-code', ['ann', 'jobs']),
    'To be woken, start `node /opt/ipc.js watch ann jobs` with the tool Bash, with run_in_background true, then end your turn: it ends when there is mail.',
  );
});

test('an unknown host is told so with a condition, since it may not wake agents', async () => {
  assert.equal(
    await wordsFor('some-host', ['ann']),
    'If the end of a command in the background starts a turn of yours, start `node /opt/ipc.js watch ann` so and end your turn; otherwise call wait.',
  );
});

test('hosts that do not wake an agent when a command ends have no such path', async () => {
  for (const host of ['claude-ai', 'codex-mcp-client', 'gemini-cli-mcp-client', 'opencode']) {
    assert.equal(await wordsFor(host, ['ann']), undefined, host);
  }
});

test('names of mailboxes are words of a shell, and no options', async () => {
  const words = await wordsFor('copilot-cli', ['-v', "ann's $(id)"]);
  assert.match(words ?? '', / watch -- -v 'ann'\\''s \$\(id\)'` with/);
});
