// `ipc top` in a real terminal: tmux, a real broker, real sessions and their mail. The lines of the screen are tested
// without a terminal in test/unit/cli/top.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { program } from '../../support/mcp-host.ts';
import { TopPlace } from '../../support/top/top-terminal.ts';
import { tmuxMissing } from '../../support/waking/tmux.ts';

const skip = tmuxMissing;

/** Without the parts that are others in each run. */
function steady(screen: string): string[] {
  return screen.split('\n').map((line) =>
    line
      .replace(/\d\d:\d\d:\d\d/, 'HH:MM:SS')
      .replace(/\d\d:\d\d UTC/, 'HH:MM UTC')
      .replace(/\b\d+ (s|min)\b/g, 'N s')
      .replace(/ +N s/g, ' N s')
      .replace(/port \d+ {2}owner \d+/, 'port PORT  owner PID')
      .replace(/(\S+ +ipc {9}).{17}/, '$1PLACE            '),
  );
}

/** The lines of the flow. */
function flowOf(screen: string): string[] {
  return steady(screen)
    .filter((line) => / -> /.test(line))
    .map((line) => line.slice(2).replace(/ +/g, ' '));
}

test('80 columns and 24 rows show sessions, mailboxes and the flow, whose states change in place', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  await place.post('bob', 'to be read');
  await place.post('bob', 'stays');
  await place.shell.run(['fetch', 'bob', '--max', '1']);
  place.shell.begin(['wait', 'nora', '--timeout', '250']);
  const screen = await place.top();
  await screen.until((text) => assert.match(text, /waits on nora/));
  // It holds the message until it is killed.
  const worker = place.shell.begin(['work', 'jobs', 'sleep', '250']);
  await place.post('jobs', 'a long job');
  const shown = await screen.until((text) => assert.match(text, /holds #3[\s\S]*with jobs/));
  assert.deepEqual(
    steady(shown).map((line) => line.replace(/ +HH/, ' HH')),
    [
      ' ipc top  port PORT  owner PID  epoch 1  2 messages  4 sessions HH:MM UTC',
      '  SESSIONS 2     PROGRAM     WHERE             WAITS ON, WATCHES, HOLDS',
      '  nora           ipc         PLACE             waits on nora',
      '  jobs           ipc         PLACE             holds #3 (N s)',
      '  MAILBOXES 3              READY  HELD   OLDEST  READERS  WATCHERS  DEAD',
      ...[
        '  bob                          1     0      N s        0         0',
        '  jobs                         0     1      N s        0         0',
        '  nora                         0     0                 1         0',
      ].map((line) => steady(line)[0] ?? ''),
      '> UTC      FLOW live              STATE          MESSAGE',
      ' HH:MM:SS ann -> bob             done           to be read',
      ' HH:MM:SS ann -> bob             stored         stays',
      '> HH:MM:SS ann -> jobs            with jobs      a long job',
      ...Array.from({ length: 11 }, () => ''),
      ' Tab pane  Enter open  / filter  p pause  ? help  q quit',
    ],
  );
  worker.kill('SIGKILL');
  await screen.until((text) => {
    assert.deepEqual(flowOf(text).at(-1), 'HH:MM:SS ann -> jobs stored, again a long job');
  });
});

test('200 columns and 50 rows have sessions and mailboxes side by side', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  await place.posts('bob', 40, (count) => `message ${count}`);
  const screen = await place.top({ size: [200, 50] });
  const shown = await screen.until((text) => assert.match(text, /FLOW live[\s\S]*message 40$/m));
  const lines = shown.split('\n');
  assert.equal(lines.length, 50);
  assert.match(lines[1] ?? '', /^ {2}SESSIONS 0 .* MAILBOXES 1 .* DEAD$/);
  assert.match(lines[2] ?? '', /^ {2}no session with a name {3,}bob +40 +0 /);
  assert.equal(flowOf(shown).length, 40);
});

test('the screen follows every change of its size, and a small one gets a sentence', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  await place.posts('bob', 30, (count) => `日本 👩‍👩‍👧 ${count}`);
  const screen = await place.top();
  const narrow = await screen.until((text) => assert.match(text, /👧 30$/m));
  await screen.resize(200, 50);
  await screen.until((text) => assert.match(text, /SESSIONS.*MAILBOXES[\s\S]*👧 1$[\s\S]*👧 30$/m));
  await screen.resize(60, 10);
  await screen.until((text) => {
    assert.equal(text, 'ipc top needs 80 columns and 24 rows; here are 60 and 10. q\nquits.');
  });
  await screen.resize(80, 24);
  await screen.until((text) => {
    assert.deepEqual(steady(text), steady(narrow));
  });
});

test('a message is shown in full with its life, and reading it changes nothing', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  const text = Array.from({ length: 3_000 }, (_, index) => `line ${index + 1} of a long text`);
  await place.post('bob', text.join('\n'));
  const before = (await place.shell.run(['peek', 'bob', '--json'])).text;
  const screen = await place.top();
  await screen.until((shown) => assert.match(shown, /ann -> bob .* stored .* line 1 of/));
  await screen.press('Enter');
  const first = await screen.until((shown) => assert.match(shown, /^ line 1 of a long text$/m));
  assert.match(first, /^ MESSAGE 1 {2}lines 1-21 of 3011$/m);
  assert.match(first, /^ From {6}ann$/m);
  assert.match(first, /^ State {5}stored$/m);
  assert.match(first, /^ \d\d:\d\d:\d\d {2}stored$/m);
  await screen.write('G');
  await screen.until((shown) => assert.match(shown, /^ line 3000 of a long text$/m));
  await place.shell.run(['fetch', 'bob', '--max', '0']);
  assert.equal((await place.shell.run(['peek', 'bob', '--json'])).text, before);
  await screen.press('Escape');
  await screen.until((shown) => assert.match(shown, /^> UTC .* FLOW/m));
});

test('a filter is typed, and the keys of the lists move between panes', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  await place.post('bob', 'apples');
  await place.post('jobs', 'pears', 'carl');
  const screen = await place.top();
  await screen.until((text) => assert.equal(flowOf(text).length, 2));
  await screen.write('/CARL pe');
  await screen.until((text) => {
    assert.deepEqual(flowOf(text), ['HH:MM:SS carl -> jobs stored pears']);
    assert.match(text, / Filter: CARL pe_/);
  });
  await screen.press('Escape');
  await screen.until((text) => assert.equal(flowOf(text).length, 2));
  await screen.press('Tab');
  await screen.press('Tab');
  await screen.press('Down');
  await screen.until((text) => assert.match(text, /^> jobs /m));
  await screen.press('Enter');
  await screen.until((text) => {
    assert.deepEqual(flowOf(text), ['HH:MM:SS carl -> jobs stored pears']);
  });
  await screen.write('?');
  await screen.until((text) => assert.match(text, /^ HELP$/m));
});

test('no sequence in a name or a text reaches the terminal', { skip }, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  const evil = 'evil \u001b[2J\u001b[31m\u001b]0;stolen\u0007\u009b5A\u202e end';
  await place.post('bob', evil);
  const screen = await place.top({ size: [200, 50], args: ['--no-color'] });
  const title = await screen.fact('#{pane_title}');
  const shown = 'evil \\u{1b}[2J\\u{1b}[31m\\u{1b}]0;stolen\\u{7}\\u{9b}5A\\u{202e} end';
  await screen.until((text) => assert.ok(text.includes(`stored                  ${shown}`)));
  await screen.press('Enter');
  const opened = await screen.until((text) => assert.ok(text.includes(`\n ${shown}`)));
  assert.match(opened, /^ ipc top {2}port/);
  assert.equal((await screen.colouredScreen()).includes('\u001b'), false);
  assert.equal(await screen.fact('#{pane_title}'), title);
});

test('colours are off with NO_COLOR and with --no-color', { skip }, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  for (const [options, isColoured] of [
    [{}, true],
    [{ env: { NO_COLOR: '1' } }, false],
    [{ args: ['--no-color'] }, false],
  ] as const) {
    const screen = await place.top(options);
    await screen.until((text) => assert.match(text, /FLOW live/));
    assert.equal((await screen.colouredScreen()).includes('\u001b['), isColoured);
    await screen.end();
  }
});

test('when the broker is killed, its standby takes over, and the screen goes on', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  const first = await place.broker();
  await place.standby();
  await place.post('bob', 'before');
  const screen = await place.top();
  await screen.until((text) => assert.match(text, /epoch 1 [\s\S]*live[\s\S]*before$/m));
  first.kill('SIGKILL');
  await once(first, 'exit');
  await screen.until((text) => assert.match(text, / epoch 2 /));
  await place.post('bob', 'after');
  await screen.until((text) => {
    assert.deepEqual(flowOf(text), [
      'HH:MM:SS ann -> bob stored before',
      'HH:MM:SS ann -> bob stored after',
    ]);
  });
});

test('without a broker the screen shows what the store has, owns nothing, and goes on with the next broker', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  const first = await place.broker();
  await place.post('bob', 'before');
  const screen = await place.top();
  await screen.until((text) => assert.match(text, /FLOW live[\s\S]*before$/m));
  first.kill('SIGKILL');
  await once(first, 'exit');
  const sentence = ' No broker runs. This is what the store has.';
  await screen.until((text) => assert.equal(text.split('\n')[1], sentence));
  const later = await place.top();
  const past = await later.until((text) => assert.match(text, /FLOW 1 [\s\S]*before$/m));
  assert.match(past, /^ ipc top {2}port \d+ {2}not connected/);
  assert.equal(past.split('\n')[1], sentence);
  await place.shell.run(['post', 'bob', 'meanwhile', '--from', 'ann']);
  for (const each of [screen, later]) {
    await each.until((text) => assert.match(text, /ann -> bob .* stored .* meanwhile$/m));
  }
  const next = await place.broker();
  await place.post('bob', 'after');
  for (const each of [screen, later]) {
    await each.until((text) => {
      assert.ok(text.includes(`owner ${next.pid} `));
      assert.deepEqual(flowOf(text), [
        'HH:MM:SS ann -> bob stored before',
        'HH:MM:SS ann -> bob stored meanwhile',
        'HH:MM:SS ann -> bob stored after',
      ]);
    });
  }
});

test('a broker that stands still is reported, and the screen goes on with it', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  const broker = await place.broker();
  const screen = await place.top();
  await screen.until((text) => assert.match(text, /FLOW live/));
  broker.kill('SIGSTOP');
  await screen.until((text) => {
    assert.match(
      text,
      /^ owner_silent: the broker of port \d+ \(pid \d+, node, state T \(stopped\)\)/m,
    );
  });
  broker.kill('SIGCONT');
  await place.post('bob', 'after');
  await screen.until((text) => assert.match(text, / epoch \d [\s\S]*FLOW live[\s\S]*after$/m));
});

test('p pauses a mailbox, and goes on with it, after a question', { skip }, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  await place.post('bob', 'waits');
  const paused = async () => JSON.parse((await place.shell.run(['status', '--json'])).text).paused;
  const screen = await place.top();
  await screen.until((text) => assert.match(text, /^ {2}bob +1 +0/m));
  await screen.press('Tab');
  await screen.press('Tab');
  await screen.write('p');
  const question = ' Deliver nothing from mailbox "bob" until it is resumed? [y/N]';
  await screen.until((text) => assert.equal(text.split('\n').at(-1), question));
  await screen.press('Enter');
  await screen.until((text) => assert.equal(text.split('\n').at(-1), ' Nothing was changed.'));
  assert.deepEqual(await paused(), []);
  await screen.write('py');
  const shown = await screen.until((text) => {
    assert.equal(text.split('\n').at(-1), ' Mailbox "bob" is paused.');
    assert.match(text, /^> bob .* paused$/m);
    assert.match(text, / -- mailbox "bob": paused$/m);
  });
  assert.match(shown, /stored {9}waits$/m);
  assert.deepEqual(await paused(), ['bob']);
  await screen.write('py');
  await screen.until((text) => assert.match(text, / -- mailbox "bob": deliveries go on$/m));
  assert.deepEqual(await paused(), []);
});

test('6,000 messages flow by while the screen obeys its keys, and the newest 5,000 are kept', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  const screen = await place.top();
  await screen.until((text) => assert.match(text, /FLOW live/));
  await place.posts('bob', 6_000, (count) => `message ${count}`);
  await screen.until((text) => assert.match(text, /^> .* message 6000$/m));
  await screen.write('g');
  await screen.until((text) => assert.match(text, /^> .* message 1001$/m));
  await screen.write('/message 4999');
  await screen.until((text) => {
    assert.deepEqual(flowOf(text), ['HH:MM:SS ann -> bob stored message 4999']);
  });
});

test('where no session was ever, the screen makes no folder and no key', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  const screen = await place.top();
  await screen.until((text) => assert.match(text, /No broker runs[\s\S]*no mail yet/));
  assert.equal(existsSync(place.shell.home), false);
});

test('q and Ctrl-C quit with 0, a signal with its number, and the terminal is as before', {
  skip,
}, async (context) => {
  const place = await TopPlace.make(context);
  await place.broker();
  for (const [key, code] of [
    ['q', 'after: 0'],
    ['C-c', 'after: 0'],
  ] as const) {
    const screen = await place.top();
    await screen.until((text) => assert.match(text, /FLOW live/));
    assert.equal(await screen.fact('#{alternate_on} #{cursor_flag}'), '1 0');
    await screen.press(key);
    await screen.until((text) => assert.equal(text, `before\n${code}`));
    assert.equal(await screen.fact('#{alternate_on} #{cursor_flag}'), '0 1');
    await screen.end();
  }
  const screen = await place.top({ env: { IPC_NAME: 'me' } });
  await screen.until((text) => assert.match(text, /^ {2}me \(this\) /m));
  const { sessionList } = JSON.parse((await place.shell.run(['status', '--json'])).text);
  process.kill(sessionList.find(({ name }: { name: string }) => name === 'me').origin.pid);
  const end = 'before\nipc: interrupted (SIGTERM).\nafter: 143';
  await screen.until((text) => assert.equal(text, end));
  assert.equal(await screen.fact('#{alternate_on} #{cursor_flag}'), '0 1');
});

test('the packages that draw the screen are in a file that only `ipc top` loads', () => {
  const dist = dirname(program);
  const files = readdirSync(dist).filter((name) => name.endsWith('.cjs'));
  const text = files.map((name) => readFileSync(join(dist, name), 'utf8')).join('\n');
  assert.deepEqual(text.match(/import\("\.\/top\.mjs"\)/g), ['import("./top.mjs")']);
  assert.doesNotMatch(text, /node_modules\/(ink|react|react-reconciler|yoga-layout)\//);
});

test('a pipe is refused, with the commands that print text', async (context) => {
  const place = await TopPlace.make(context);
  const { code, text, errors } = await place.shell.run(['top']);
  assert.deepEqual([code, text], [2, '']);
  assert.equal(
    errors,
    'ipc: bad_parameter: stdout is not a terminal. To do: `ipc status` and `ipc log` print the same as text.\n',
  );
});

test('TERM=dumb is refused likewise', { skip }, async (context) => {
  const place = await TopPlace.make(context);
  const screen = await place.top({ env: { TERM: 'dumb' } });
  await screen.until((text) => {
    assert.equal(
      text.replace(/\n do/, ' do'),
      `before
ipc: bad_parameter: the terminal (TERM=dumb) has no cursor that can be moved. To do: \`ipc status\` and \`ipc log\` print the same as text.
after: 2`,
    );
  });
});
