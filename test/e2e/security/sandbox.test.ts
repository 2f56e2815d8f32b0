// A command in a sandbox without network, while the broker runs outside. Its error says what forbids it and
// where to call instead, at once; nothing else is blamed.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { hostPlace, program } from '../../support/mcp-host.ts';
import { freePort } from '../../support/places.ts';
import { networkApart } from '../../support/processes/network-apart.ts';
import {
  type Forbidden,
  noReadOnly,
  noSandbox,
  readOnly,
  sandboxed,
} from '../../support/processes/sandbox.ts';
import { type Ended, ended, nextLine, type Shell, shell } from '../../support/processes/shell.ts';

const skippable = { skip: noSandbox };
const library = pathToFileURL(
  fileURLToPath(new URL('../../../src/index.js', import.meta.url)),
).href;
/** "At once": far below the 10 s for which a command tries again. */
const atOnceMs = 5_000;

function forbidden(code: string): RegExp {
  return new RegExp(
    `^ipc: network_forbidden: this process may not use the network \\(${code}\\): a sandbox forbids it\\. ` +
      'To do: run it outside the sandbox, or allow it the network there; an agent calls the tool `ipc`, ' +
      'whose server its host starts outside\\.\\n$',
  );
}

function inside(
  { other }: Shell,
  kind: Forbidden,
  args: readonly string[],
  code?: string,
): Promise<Ended> {
  const [command = '', ...words] = sandboxed(kind, code);
  return ended(other(command, [...words, process.execPath, program, ...args]));
}

async function withBroker(context: TestContext): Promise<Shell> {
  const place = await shell(context);
  const broker = place.begin(['broker']);
  await nextLine(broker);
  return place;
}

for (const code of ['EPERM', 'EACCES']) {
  test(
    `in a sandbox that answers ${code} every command says so at once`,
    skippable,
    async (context) => {
      const place = await withBroker(context);
      const other = await freePort();
      for (const args of [
        ['post', 'ann', 'hi'],
        ['fetch', 'ann'],
        ['wait', 'ann', '--timeout', '60'],
        ['ask', 'ann', 'hi', '--mailbox', 'ben'],
        ['status'],
        ['broker'],
        ['ping', `127.0.0.1:${place.port}`],
        ['ping', '192.0.2.1:19900'],
        ['send', `127.0.0.1:${other}`, 'hi'],
        ['receive', '--port', `${other}`],
        ['post', 'ann', 'hi', '--host', '192.0.2.1:19901'],
      ]) {
        const began = performance.now();
        const { code: exit, text, errors } = await inside(place, 'calls', args, code);
        assert.deepEqual([exit, text], [1, ''], args.join(' '));
        assert.match(errors, forbidden(code), args.join(' '));
        assert.ok(performance.now() - began < atOnceMs, args.join(' '));
      }
      assert.equal((await place.run(['fetch', 'ann'])).text, '', 'nothing was stored');
    },
  );
}

test(
  'where only sockets of TCP are forbidden, mail goes to the broker outside through its Unix socket',
  skippable,
  async (context) => {
    const place = await withBroker(context);
    assert.equal((await inside(place, 'inet', ['post', 'ann', 'hello'])).code, 0);
    assert.equal((await inside(place, 'inet', ['fetch', 'ann'])).text, 'hello\n');
    const ping = await inside(place, 'inet', ['ping', `127.0.0.1:${place.port}`]);
    assert.match(ping.errors, forbidden('EPERM'));
  },
);

for (const kind of ['calls', 'bind', 'inet'] as const) {
  test(
    `without a broker outside the error is the same when ${kind} is forbidden`,
    skippable,
    async (context) => {
      const place = await shell(context);
      for (const args of [['post', 'ann', 'hi'], ['status']]) {
        const began = performance.now();
        assert.match((await inside(place, kind, args)).errors, forbidden('EPERM'));
        assert.ok(performance.now() - began < atOnceMs);
      }
    },
  );
}

test(
  'the name of a host that cannot be looked up in a sandbox is not blamed',
  skippable,
  async (context) => {
    const place = await shell(context);
    const { errors } = await inside(place, 'calls', ['ping', 'nowhere.invalid:19900']);
    assert.match(
      errors,
      /^ipc: (network_forbidden: this process may not|host_unknown: host nowhere.invalid: no such host)/,
    );
  },
);

test(
  'in a sandbox the tool answers every call with that error, and stays connected',
  skippable,
  async (context) => {
    const place = await hostPlace(context);
    const host = await place.host({ prefix: sandboxed('calls') });
    for (const given of [
      { operation: 'post', to: 'ann', message: 'hi' },
      { operation: 'wait', mailbox: 'ann', timeout: 60 },
      { operation: 'ping', host: '127.0.0.1:1' },
      { operation: 'receive' },
      { operation: 'broker_status' },
    ]) {
      const { text, isError } = await host.call(given);
      assert.equal(isError, true);
      assert.match(text, /^network_forbidden: this process may not use the network \(EPERM\)/);
      assert.doesNotMatch(text, /may succeed later/);
    }
    await host.end();
  },
);

test(
  'in a sandbox a call of the library is rejected with network_forbidden, which is not to be tried again',
  skippable,
  async (context) => {
    const { other } = await shell(context);
    const code = `import { open } from '${library}';
    const mail = await open();
    for (const call of [() => mail.post('ann', 'hi'), () => mail.wait('ann'), () => mail.send('127.0.0.1:1', 'hi')]) {
      await call().catch((error) => console.log(error.code, error.kind.retry ?? false, error.maybeStored));
    }
    await mail.close();`;
    const [command = '', ...words] = sandboxed('calls');
    const { text, errors } = await ended(
      other(command, [...words, process.execPath, '--input-type=module', '-e', code]),
    );
    assert.equal(text, 'network_forbidden false false\n'.repeat(3), errors);
  },
);

test('in a sandbox that may write no file the error names the sandbox, not the mode', {
  skip: noReadOnly,
}, async (context) => {
  const place = await shell(context);
  const inReadOnly = (...args: readonly string[]) => {
    const [command = '', ...words] = [...readOnly, process.execPath, program, ...args];
    return ended(place.other(command, words));
  };
  const outside =
    / \(EACCES\), as in a sandbox\. To do: run it outside the sandbox, or allow it to write there; /;
  for (const args of [['post', 'ann', 'hi'], ['key', 'new'], ['status']]) {
    const { code, errors } = await inReadOnly(...args);
    assert.equal(code, 1);
    assert.match(errors, /^ipc: home_unusable: \S+ may not be written/);
    assert.match(errors, outside);
  }
  await place.run(['post', 'ann', 'hi']);
  const later = await inReadOnly('post', 'ann', 'hi');
  assert.match(later.errors, outside);
  const broker = place.begin(['broker']);
  await nextLine(broker);
  assert.equal((await inReadOnly('post', 'ann', 'two')).code, 0, 'the owner outside writes');
  assert.equal((await place.run(['fetch', 'ann'])).text, 'hi\ntwo\n');
});

test('a port below 1024 that needs special rights is not a sandbox', async (context) => {
  if (process.getuid?.() !== 0) return context.skip('only root can give the right away');
  const { other } = await shell(context);
  const child = other('setpriv', [
    '--bounding-set=-net_bind_service',
    '--inh-caps=-net_bind_service',
    process.execPath,
    program,
    'receive',
    '--port',
    '81',
  ]);
  const { code, errors } = await ended(child);
  assert.equal(code, 1);
  assert.equal(
    errors,
    'ipc: address_unusable: cannot listen on 127.0.0.1:81 (EACCES): the port needs special rights. To do: use a port from 1024 to 65535.\n',
  );
});

test('in a network of its own without loopback the error names the sandbox, and mail reaches the owner outside', async (context) => {
  const place = await withBroker(context);
  const inNetwork = (args: readonly string[]) =>
    ended(
      place.other('unshare', [
        '--user',
        '--map-current-user',
        '--net',
        process.execPath,
        program,
        ...args,
      ]),
    );
  const version = await inNetwork(['--version']);
  if (version.code !== 0) return context.skip(`no network of its own: ${version.errors}`);
  assert.equal((await inNetwork(['post', 'ann', 'hello'])).code, 0);
  const began = performance.now();
  const near = await inNetwork(['ping', `127.0.0.1:${place.port}`]);
  assert.match(near.errors, forbidden('ENETUNREACH'));
  assert.ok(performance.now() - began < atOnceMs);
  const far = await inNetwork(['ping', '192.0.2.1:19900', '--timeout', '1']);
  assert.match(
    far.errors,
    /^ipc: unreachable: 192\.0\.2\.1:19900: no route leads there \(ENETUNREACH\)\. To do: check the network of this machine; a sandbox without network has no route either\./,
  );
});

test('without a usable loopback a call waits for a port that is about to be free, and a watch owns the broker', async (context) => {
  const { prefix, why } = networkApart();
  if (!prefix) return context.skip(why);
  const { line, port } = await shell(context);
  const hold = `require("net").createServer().listen(${port}, "127.0.0.1", () => { console.log("held"); setTimeout(process.exit, 500); })`;
  const post = `node -e '\\''${hold}'\\'' | { read held; "$@" post ann hi; }`;
  const posted = await line(`unshare -n sh -c '${post}' sh "$@"`);
  assert.match(posted.text, /^Stored as #1 in "ann"/, posted.errors);
  const watched = await line('unshare -n "$@" watch ann');
  assert.match(watched.text, /^1 message waits in "ann": #1, /, watched.errors);
});
