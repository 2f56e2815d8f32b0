// Simulations in processes of their own: with the sources as they are, or with one of them broken.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Report } from './run.ts';

/** The compiled tree that this file is in. */
const compiled = fileURLToPath(new URL('../../', import.meta.url));

export interface Seeds {
  readonly first: number;
  readonly count: number;
  /** Others may fail; all must hold unless it is given. */
  readonly invariant?: string;
}

/** Ends at the first seed that fails. */
export async function runSeeds(
  { first, count, invariant = '' }: Seeds,
  tree = compiled,
): Promise<Report> {
  const program = join(tree, 'test/simulation/run.js');
  const args = ['--enable-source-maps', program, String(first), String(count), invariant];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout);
}

/** One place of a compiled source, and what stands there instead. */
export interface Breakage {
  readonly file: string;
  readonly snippet: string;
  readonly instead: string;
}

/** Returns a copy of the compiled tree in which that is so. */
export async function breakTree(
  context: TestContext,
  { file, snippet, instead }: Breakage,
): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), 'ipc-broken-'));
  context.after(() => rm(tree, { recursive: true, force: true }));
  for (const folder of ['src', 'test/simulation', 'test/support']) {
    await cp(join(compiled, folder), join(tree, folder), { recursive: true });
  }
  await writeFile(join(tree, 'package.json'), '{ "type": "module" }');
  const path = join(tree, 'src', file);
  const source = await readFile(path, 'utf8');
  assert.equal(source.split(snippet).length, 2, `${snippet} is in ${file} once`);
  await writeFile(
    path,
    source.replace(snippet, () => instead),
  );
  return tree;
}
