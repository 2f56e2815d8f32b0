// Runs simulations in child processes, with the sources as they are or with a planted bug.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Report } from './run.ts';

/** The compiled tree that contains this file. */
const compiled = fileURLToPath(new URL('../../', import.meta.url));

export interface Seeds {
  readonly first: number;
  readonly count: number;
  /** The invariant to check; all are checked by default. */
  readonly invariant?: string;
  readonly isDamaged?: boolean | undefined;
}

/** Runs the seeds up to the first that fails. */
export async function runSeeds(
  { first, count, invariant = '', isDamaged = false }: Seeds,
  tree = compiled,
): Promise<Report> {
  const program = join(tree, 'test/simulation/run.js');
  const args = ['--enable-source-maps', program, String(first), String(count), invariant];
  if (isDamaged) args.push('damaged');
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout);
}

/** A planted bug: one snippet of a compiled source, and its replacement. */
export interface Breakage {
  readonly file: string;
  readonly snippet: string;
  readonly instead: string;
}

/** Returns a copy of the compiled tree with the bug planted. */
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
