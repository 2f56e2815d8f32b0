// Contracts, pinned: a failure asks whether the change is meant. The tool is pinned in
// e2e/mcp/definition.test.ts, the bytes of the wire in exchange.test.ts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../../../', import.meta.url);

test('the library exports these values', async () => {
  const library = await import(new URL('dist/index.mjs', root).href);
  const names = ['AgentMail', 'IpcError', 'Message', 'errorTable', 'open'];
  assert.deepEqual(Object.keys(library).sort(), names);
});

test('the library exports these types', () => {
  const declared = readFileSync(new URL('dist/types/index.d.ts', root), 'utf8');
  const exports = declared.matchAll(/^export (?:type )?\{([^}]+)\} from/gm);
  const names = [...exports].flatMap(([, list = '']) => list.match(/\w+(?=\s*(?:,|$))/g) ?? []);
  // A class is a type as well as a value; no type begins with a small letter, and no value else with a large one.
  assert.deepEqual(names.filter((name) => /^[A-Z]/.test(name)).sort(), [
    'AgentMail',
    'AskOptions',
    'BrokerStatus',
    'CallOptions',
    'DeadLetter',
    'DeadLetterCount',
    'DirectMessage',
    'DropOptions',
    'Dropped',
    'DroppedMessage',
    'ErrorCode',
    'ErrorKind',
    'EventCursor',
    'FetchOptions',
    'Fetched',
    'FindOptions',
    'Found',
    'FoundState',
    'Glimpse',
    'HeldAhead',
    'HoldEnd',
    'Holder',
    'IpcError',
    'LastHold',
    'LastNotice',
    'MailElsewhere',
    'MailboxStatus',
    'Message',
    'Notice',
    'OpenOptions',
    'Origin',
    'PeekOptions',
    'Peeked',
    'PingOptions',
    'PostOptions',
    'ReceiveOptions',
    'ReleaseOptions',
    'RetryOptions',
    'RetryResult',
    'SameText',
    'SendOptions',
    'SessionHold',
    'SessionStatus',
    'StartOptions',
    'StartResult',
    'StopResult',
    'Stored',
    'WaitOptions',
    'WatchEvent',
    'WatchEventsOptions',
    'WatchOptions',
  ]);
});

test('the package has these entries, and needs no other package', () => {
  const { type, engines, bin, exports, files, dependencies } = JSON.parse(
    readFileSync(new URL('package.json', root), 'utf8'),
  );
  assert.deepEqual(
    { type, engines, bin, exports, files, dependencies },
    {
      type: 'module',
      engines: { node: '>=20.15' },
      bin: { ipc: 'dist/ipc.js' },
      exports: {
        '.': { types: './dist/types/index.d.ts', default: './dist/index.mjs' },
        './package.json': './package.json',
      },
      files: ['dist', '!dist/*.cache', '!dist/owner.cjs', '!dist/commands.cjs'],
      dependencies: undefined,
    },
  );
});
