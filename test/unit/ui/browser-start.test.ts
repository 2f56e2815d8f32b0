// How the browser is started, and whose connection uses the token.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBrowser, openerOf } from '../../../src/ui/open-browser.ts';
import { userOf } from '../../../src/ui/peer-user.ts';

const url = 'http://127.0.0.1:19902/?token=a-b_c';

test('the URL is one argument of a program, or its stdin, and never a part of a line for a shell', () => {
  assert.deepEqual(openerOf('linux', url), { command: 'xdg-open', args: [url], input: '' });
  assert.deepEqual(openerOf('freebsd', url), { command: 'xdg-open', args: [url], input: '' });
  assert.deepEqual(openerOf('win32', url), {
    ...{ command: 'rundll32', args: ['url.dll,FileProtocolHandler', url], input: '' },
  });
  assert.deepEqual(openerOf('darwin', url), {
    ...{ command: 'osascript', args: ['-'], input: `open location "${url}"\n` },
  });
});

test('an opener that is missing or fails is reported, and is no error', async () => {
  const args: string[] = [];
  assert.equal(
    await openBrowser({ command: 'no-such-opener', args, input: '' }),
    'no-such-opener cannot be started (ENOENT)',
  );
  const failing = { command: process.execPath, args: ['-e', 'process.exit(3)'], input: '' };
  assert.equal(await openBrowser(failing), `${process.execPath} ended with 3`);
  const reading = ['-e', 'require("fs").readFileSync(0, "utf8") === "text" || process.exit(4)'];
  assert.equal(
    await openBrowser({ command: process.execPath, args: reading, input: 'text' }),
    undefined,
  );
});

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4DBE 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0
   1: 0100007F:4DBE 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:4DBE 01 00000000:00000000 00:00000000 00000000  1001        0 13 1 0 20 4 30 10 -1
   3: 0100007F:C351 0100007F:4DBF 01 00000000:00000000 00:00000000 00000000  1002        0 14 1 0 20 4 30 10 -1
   4: 0000000000000000FFFF00000100007F:C352 0000000000000000FFFF00000100007F:4DBE 01 00000000:00000000 00:00000000 00000000  1003        0 15 1 0 20 4 30 10 -1
`;

test('the user at the other end is that of the socket with the two ports exchanged, also of IPv6', () => {
  const user = (remotePort: number, localPort = 19_902) => userOf(table, { localPort, remotePort });
  assert.deepEqual(
    [user(50_000), user(50_001), user(50_002), user(50_003)],
    [1001, undefined, 1003, undefined],
  );
  assert.equal(user(50_001, 19_903), 1002);
  assert.equal(userOf('', { localPort: 1, remotePort: 2 }), undefined);
});
