// docs/guide/service.md: its unit and its property list start a command that there is.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeProgram } from '../../src/cli/program.ts';
import { program } from '../support/mcp-host.ts';
import { makeHome } from '../support/places.ts';

const document = await readFile(
  fileURLToPath(new URL('../../../docs/guide/service.md', import.meta.url)),
  'utf8',
);

function block(language: string): string {
  const [, text] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(document) ?? [];
  assert(text, `the page has a block of ${language}`);
  return text;
}

const ini = block('ini');
const xml = block('xml');
const started = ['/path/to/agent-ipc/dist/ipc.js', 'broker'];

test('the unit and the property list start the same command, which the program has', async () => {
  const [, line = ''] = /^ExecStart=(.*)$/m.exec(ini) ?? [];
  const [, array = ''] = /<array>(.*?)<\/array>/s.exec(xml) ?? [];
  const words = [...array.matchAll(/<string>(.*?)<\/string>/g)].map(([, word]) => word);
  assert.deepEqual([line.split(' ').slice(1), words.slice(1)], [started, started]);
  const { commands } = await makeProgram({ out: '', errors: '' }, false);
  const names = commands.map((each) => each.name());
  assert.ok(names.includes('broker'));
});

test('each tag of the property list is closed, in order', () => {
  const open: string[] = [];
  for (const [, slash, name, empty] of xml.matchAll(/<(\/?)(\w+)[^<>]*?(\/?)>/g)) {
    if (slash === '/') assert.equal(open.pop(), name);
    else if (empty === '') open.push(String(name));
  }
  assert.deepEqual(open, []);
});

test('systemd accepts the unit', async (context) => {
  const verifier = ['/usr/bin', '/bin'].map((bin) => join(bin, 'systemd-analyze')).find(existsSync);
  if (verifier === undefined) return context.skip('no systemd-analyze here');
  const home = await makeHome(context);
  const file = join(home, 'agent-ipc.service');
  const text = ini.replace('/usr/bin/node', process.execPath).replace(started[0] ?? '', program);
  await writeFile(file, text);
  const env = { PATH: process.env.PATH, HOME: home, XDG_RUNTIME_DIR: home };
  const verifying = promisify(execFile)(verifier, ['--user', 'verify', file], { env });
  const { stdout, stderr } = await verifying;
  assert.equal(stdout + stderr, '');
});
