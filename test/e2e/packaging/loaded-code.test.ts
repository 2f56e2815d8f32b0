// A process loads only the parts of the program that it needs: a short command spends most of its time on its start.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hostPlace, program } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';

const dist = dirname(program);

/** A text that is in the code of each part, and in no other. */
const marks = {
  commander: 'commander.missingMandatoryOptionValue',
  otherCommands: 'Set up `ipc mcp`',
  mcpPackages: 'Server does not support',
  session: ' Session=class',
  broker: 'Broker=class',
  natsSession: 'NatsSession=class',
};

function partsIn(files: readonly string[]): string[] {
  const text = files.map((name) => readFileSync(join(dist, name), 'utf8')).join('\n');
  return Object.entries(marks).flatMap(([part, mark]) => (text.includes(mark) ? [part] : []));
}

/** Runs the program to its end, and returns the parts that it had loaded then. */
async function partsLoaded(
  context: TestContext,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const folder = await makeHome(context);
  const [reporter, report] = [join(folder, 'reporter.cjs'), join(folder, 'loaded.json')];
  writeFileSync(
    reporter,
    `const fs = require('node:fs');
    const { readFileSync } = fs;
    const read = [];
    fs.readFileSync = function (path) {
      read.push(String(path));
      return readFileSync.apply(this, arguments);
    };
    process.on('exit', () => fs.writeFileSync(${JSON.stringify(report)}, JSON.stringify(read)));`,
  );
  const words = ['--require', reporter, program, ...args];
  const { stderr, status } = spawnSync(process.execPath, words, {
    env: { PATH: process.env.PATH, ...env },
    input: '',
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const loaded: string[] = JSON.parse(readFileSync(report, 'utf8'));
  const ours = loaded.filter((path) => dirname(path) === dist && path.endsWith('.cjs'));
  return partsIn(ours.map((path) => basename(path)));
}

const files = readdirSync(dist).filter((name) => name.endsWith('.cjs'));

test('each part is somewhere in the program', () => {
  assert.deepEqual(partsIn(files), Object.keys(marks));
});

test('each file of the program is strict', () => {
  for (const name of files) {
    assert(readFileSync(join(dist, name), 'utf8').startsWith('"use strict";'), name);
  }
});

test('the translations of the errors of zod are nowhere in the program', () => {
  const german = 'E-Mail-Adresse';
  const locale = join(dist, '../node_modules/zod/v4/locales/de.js');
  assert(readFileSync(locale, 'utf8').includes(german));
  for (const name of files) {
    assert(!readFileSync(join(dist, name), 'utf8').includes(german), name);
  }
});

test('`ipc post` loads no broker if one is there, and neither commander, the MCP packages nor other commands', async (context) => {
  const { home, port, host } = await hostPlace(context);
  const owner = await host();
  await owner.call({ operation: 'broker_start' });
  const env = { HOME: home, IPC_HOME: home, IPC_PORT: `${port}` };
  const parts = await partsLoaded(context, ['post', 'ann', 'hello'], env);
  assert.deepEqual(parts, ['session']);
  const ofOtherLine = await partsLoaded(context, ['post', 'ann', 'hello', '--from=ben'], env);
  assert.deepEqual(ofOtherLine, ['commander', 'session']);
});

test('it binds nothing if a broker is there', async (context) => {
  const { home, port, host } = await hostPlace(context);
  const owner = await host();
  await owner.call({ operation: 'broker_start' });
  const reporter = join(await makeHome(context), 'reporter.cjs');
  writeFileSync(
    reporter,
    `const { prototype } = require('node:net').Server;
    const { listen } = prototype;
    prototype.listen = function (...args) {
      process.stderr.write('it listens\\n');
      return listen.apply(this, args);
    };`,
  );
  const words = ['--require', reporter, program, 'post', 'ann', 'hello', '--from', 'ben'];
  const { stderr } = spawnSync(process.execPath, words, {
    env: { PATH: process.env.PATH, HOME: home, IPC_HOME: home, IPC_PORT: `${port}` },
    encoding: 'utf8',
  });
  assert.equal(stderr, 'Next: ipc wait ben\n');
});

test('without a broker it loads that, too', async (context) => {
  const home = await makeHome(context);
  const env = { HOME: home, IPC_HOME: home, IPC_PORT: `${await freePort()}` };
  const parts = await partsLoaded(context, ['post', 'ann', 'hello'], env);
  assert.deepEqual(parts, ['session', 'broker']);
});

test('`ipc mcp` loads neither commands nor a broker before they are needed', async (context) => {
  const home = await makeHome(context);
  const parts = await partsLoaded(context, ['mcp'], { HOME: home, IPC_HOME: home });
  assert.deepEqual(parts, ['mcpPackages', 'session']);
});
