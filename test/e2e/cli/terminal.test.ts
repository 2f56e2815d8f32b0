// What a terminal gets that a pipe does not: a line that says what a command waits for, and colours.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { program } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { exitCodeOf } from '../../support/processes/lines.ts';
import { atTerminal, noTerminal, shows } from '../../support/processes/pseudo-terminal.ts';
import { ended, nextErrorLine, nextLine, shell } from '../../support/processes/shell.ts';

const skip = noTerminal;
const [red, green, bold, plain] = ['\u001b[31m', '\u001b[32m', '\u001b[1m', '\u001b[39m'];

test('a wait prints what it waits for and how long, then the message', {
  skip,
}, async (context) => {
  const place = await shell(context);
  const waiting = atTerminal(place, 'NO_COLOR=1 ipc wait B --timeout 200');
  const end = ended(waiting);
  await shows(waiting, /Ctrl-C ends it/);
  await place.run(['post', 'B', 'hello']);
  const { code, text } = await end;
  const line = 'Waiting for mail in "B", at most 200 s. Ctrl-C ends it.\r\n';
  assert.deepEqual([code, text], [0, `${line}hello\r\n`]);
});

test('a file gets the exact bytes, while the terminal gets the line', { skip }, async (context) => {
  const place = await shell(context);
  const out = join(place.home, 'out');
  await place.run(['post', 'B', 'hello']);
  const { text } = await ended(atTerminal(place, `NO_COLOR=1 ipc wait B > '${out}'`));
  assert.equal(text, 'Waiting for mail in "B", at most 60 s. Ctrl-C ends it.\r\n');
  assert.equal(await readFile(out, 'utf8'), 'hello');
});

test('receive, ask and work print what they wait for', { skip }, async (context) => {
  const place = await shell(context);
  const port = await freePort();
  for (const [line, shown] of [
    [`ipc receive --port ${port}`, `Waiting for a message on port ${port}, at most 60 s. Ctrl-C`],
    ['ipc ask bob hi --mailbox ann', 'Waiting for the answer of "bob", at most 60 s. Ctrl-C'],
    ['ipc work jobs cat', 'ipc: waiting for messages in "jobs"; Ctrl-C ends it.'],
  ] as const) {
    const waiting = atTerminal(place, line);
    await shows(waiting, new RegExp(shown));
    waiting.kill('SIGTERM');
    await ended(waiting);
  }
});

test('without a terminal at stderr, or with --json, there is no such line', {
  skip,
}, async (context) => {
  const place = await shell(context);
  const wait = 'ipc wait B --timeout 1';
  for (const [line, expected] of [
    [`${wait} 2>&1 | cat`, 'No message within 1 s.\r\n'],
    [`${wait} --json`, '{"timeout":{"seconds":1,"stored":null}}\r\n'],
  ] as const) {
    assert.equal((await ended(atTerminal(place, line))).text, expected, line);
  }
});

test('Ctrl-C at a question ends the program, Ctrl-D is a no, and a no exits with 1', {
  skip,
}, async (context) => {
  const place = await shell(context);
  for (const [key, code, last] of [
    ['\u0003', 130, ''],
    ['\u0004', 1, 'Nothing was done.\r\n'],
    ['n\r', 1, 'Nothing was done.\r\n'],
  ] as const) {
    const asking = atTerminal(place, 'ipc install cursor', null);
    const end = ended(asking);
    await shows(asking, /Do that\? \[y\/N\]/);
    asking.stdin?.write(key);
    const { code: exitCode, text } = await end;
    assert.equal(exitCode, code, text);
    assert.doesNotMatch(text, /Error/);
    assert.ok(text.endsWith(last), text);
  }
  assert.equal(existsSync(join(place.home, '.cursor')), false);
});

test('Ctrl-C, SIGTERM and SIGHUP at the question of a drop or an erase end it, and nothing is lost', {
  skip,
}, async (context) => {
  const place = await shell(context);
  await place.run(['post', 'ann', 'hi', '--from', 'ben']);
  for (const command of ['drop ann', 'log --erase']) {
    for (const [signal, code] of [
      ['INT', 130],
      ['TERM', 143],
      ['HUP', 129],
    ] as const) {
      const line = `echo "pid $$."; exec '${process.execPath}' '${program}' ${command}`;
      const asking = atTerminal(place, line, null);
      const end = ended(asking);
      const [, pid] = await shows(asking, /pid (\d+)\..*\[y\/N\]/s);
      if (signal === 'INT') asking.stdin?.write('\u0003');
      else process.kill(Number(pid), `SIG${signal}`);
      const { code: exitCode, text } = await end;
      assert.equal(exitCode, code, text);
      assert.match(
        text,
        new RegExp(`\\[y/N\\] .*\r*\nipc: interrupted \\(SIG${signal}\\)\\.\r\n$`),
      );
    }
  }
  assert.equal((await place.run(['fetch', 'ann'])).text, 'hi\n');
});

test('in the background of a terminal a command that would ask ends at once, and mail flows on', {
  skip,
}, async (context) => {
  const place = await shell(context);
  await place.run(['post', 'ann', 'hi', '--from', 'ben']);
  for (const command of ['ipc drop ann', 'ipc log --erase', 'ipc install cursor']) {
    const { text } = await ended(
      atTerminal(place, `export NO_COLOR=1; set -m; ${command} & wait $!; echo "exit $?"`),
    );
    assert.match(
      text,
      /missing_parameter: the command is in the background of the terminal, so nothing can be asked\. To do: .*\r\nexit 2\r\n$/s,
    );
  }
  assert.match((await place.run(['post', 'ann', 'again'])).text, /^Stored as #2 /);
});

test('a terminal that is closed ends the program as SIGHUP does', { skip }, async (context) => {
  const place = await shell(context);
  const pipe = join(await makeHome(context), 'code');
  assert.equal(await exitCodeOf(place.other('mkfifo', [pipe])), 0);
  for (const [command, shown, code] of [
    ['broker', /owns the broker/, 0],
    ['wait B', /Ctrl-C ends it/, 129],
  ] as const) {
    // As an interactive shell does, this one passes the signal on.
    const line = `'${process.execPath}' '${program}' ${command} & trap "kill -HUP $!" HUP`;
    const terminal = atTerminal(place, `${line}; wait $!; wait $!; echo $? > '${pipe}'`);
    await shows(terminal, shown);
    const reader = ended(place.other('cat', [pipe]));
    terminal.kill('SIGKILL');
    assert.equal((await reader).text, `${code}\n`, command);
  }
});

test("error codes, the doctor's marks and headings of help are coloured", {
  skip,
}, async (context) => {
  const shown = await showing(context);
  assert.ok((await shown('ipc wait')).startsWith(`${red}ipc: missing_parameter${plain}: `));
  assert.ok((await shown('ipc doctor')).startsWith(`${green}ok ${plain}  Node: `));
  assert.ok((await shown('ipc help wait')).includes(`${bold}Options:\u001b[22m\r\n`));
  assert.ok((await shown('NO_COLOR= ipc wait')).startsWith(red), 'an empty NO_COLOR is none');
});

test('a report in a file has no colours, though stderr is a terminal', {
  skip,
}, async (context) => {
  const place = await shell(context);
  const report = join(place.home, 'report.txt');
  await ended(atTerminal(place, `mkdir -p ${place.home}; ipc doctor > ${report}`));
  assert.match(await readFile(report, 'utf8'), /^ok {3}Node: /);
});

test('Ctrl-Z says why it does nothing, and how the command ends', async (context) => {
  const { begin } = await shell(context);
  const owner = begin(['broker']);
  await nextLine(owner);
  owner.kill('SIGTSTP');
  assert.match(
    await nextErrorLine(owner),
    /^ipc: Ctrl-Z does not stop it, because .* Ctrl-C ends it; /,
  );
});

test('NO_COLOR, a dumb terminal and a pipe get no colour', { skip }, async (context) => {
  const shown = await showing(context);
  const commands = ['ipc wait', 'ipc doctor', 'ipc help wait'];
  for (const command of commands) {
    for (const line of [
      `NO_COLOR=1 ${command}`,
      `TERM=dumb ${command}`,
      `FORCE_COLOR=1 ${command} 2>&1 | cat`,
    ]) {
      const text = await shown(line);
      assert.ok(text.length > 0 && !text.includes('\u001b'), `${line}: ${JSON.stringify(text)}`);
    }
  }
});

async function showing(context: TestContext): Promise<(line: string) => Promise<string>> {
  const place = await shell(context);
  return async (line) => (await ended(atTerminal(place, line))).text;
}
