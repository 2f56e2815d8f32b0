// The program in chunks: mcp.cjs, wake.cjs, program.cjs, and chunk-*.cjs, what these load.
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build as bundle, transform } from 'esbuild';
import { root } from '../project.js';
import {
  lateBuiltins,
  natsApart,
  noSubprograms,
  noValidator,
  packagesIn,
  plainAssert,
  readable,
  screenApart,
  shared,
  target,
} from './esbuild-options.js';

const program = join(root, 'src/cli/main.ts');
const mcp = join(root, 'src/cli/mcp-main.ts');
const hook = join(root, 'src/cli/hook-main.ts');

/** Modules are strict by themselves, what is made of them is not. */
const strict = '"use strict";';

/**
 * The program in chunks: a process loads those that its command needs. They are CommonJS, which takes Node a third less
 * time to load than modules; but only modules can be split, so they are written first.
 * @param {string} folder @returns {Promise<string[]>} the folders of the packages in it
 */
export async function bundleProgram(folder) {
  const { outputFiles, metafile } = await bundle({
    ...shared,
    ...readable,
    entryPoints: { program, mcp, wake: hook },
    outdir: folder,
    splitting: true,
    chunkNames: 'chunk-[hash]',
    define: { 'import.meta.dirname': '__dirname' },
    plugins: [screenApart, natsApart, noValidator, noSubprograms, plainAssert, lateBuiltins],
    metafile: true,
    write: false,
  });
  const chunks = new Map();
  for (const { path, text } of outputFiles)
    chunks.set(basename(path, '.js'), await toCommonJs(text));
  const everyday = Object.entries(metafile.outputs).find(
    ([, { entryPoint }]) => entryPoint === 'src/cli/commands/everyday.ts',
  );
  const together = neededBy(['program', basename(everyday?.[0] ?? '', '.js')], chunks);
  for (const [name, code] of chunks) {
    const text = name === 'program' ? inOneFile(together, chunks) : code;
    writeFileSync(join(folder, `${name}.cjs`), text);
  }
  return packagesIn(metafile);
}

/**
 * What esbuild would make of the imports and exports of a chunk are accessors, which call each other. No chunk changes
 * what it has exported, so values do.
 * @param {string} text @returns {Promise<string>}
 */
async function toCommonJs(text) {
  const pairs = (
    /** @type {string} */ list,
    /** @type {RegExp} */ as,
    /** @type {string} */ pair,
  ) =>
    list
      .split(',')
      .map((each) => each.replace(as, pair))
      .join(',');
  const plain = text
    .replaceAll(
      /\bimport\{([^}]*)\}from"\.\/(chunk-\w+)\.js";/g,
      (_line, list, name) =>
        `const{${pairs(list, /^(\S+) as (\S+)$/, '$1:$2')}}=require("./${name}.cjs");`,
    )
    .replaceAll(/\bimport"\.\/(chunk-\w+)\.js";/g, 'require("./$1.cjs");')
    .replace(
      /\bexport\{([^}]*)\};\s*$/,
      (_line, list) => `module.exports={${pairs(list, /^(\S+) as (\S+)$/, '$2:$1')}};`,
    );
  const { code } = await transform(plain, {
    ...readable,
    target,
    format: 'cjs',
    platform: 'node',
    banner: strict,
  });
  return code.replaceAll(
    /\bimport\("\.\/(chunk-\w+)\.js"\)/g,
    'Promise.resolve().then(()=>require("./$1.cjs"))',
  );
}

/**
 * The chunks that these load at once, each behind those that it needs itself.
 * @param {string[]} names @param {Map<string, string>} chunks @param {Set<string>} found @returns {Set<string>}
 */
function neededBy(names, chunks, found = new Set()) {
  for (const name of names.filter((each) => !found.has(each))) {
    const needs = (chunks.get(name) ?? '').matchAll(/=require\("\.\/(chunk-\w+)\.cjs"\)/g);
    neededBy(
      Array.from(needs, ([, each]) => each ?? ''),
      chunks,
      found,
    );
    found.add(name);
  }
  return found;
}

/**
 * Finding, reading and compiling a file takes Node longer than the code of most chunks. Other chunks get what is in this
 * file from the cache of `require`.
 * @param {Set<string>} names @param {Map<string, string>} chunks @returns {string}
 */
function inOneFile(names, chunks) {
  const parts = [...names].filter((name) => name !== 'program');
  const functions = parts.map((name) => `"./${name}.cjs"(module,require){${chunks.get(name)}}`);
  return `${strict}
const chunks={${functions.join(',\n')}};
const load=(name)=>{
  const file=__dirname+name.slice(1);
  if(!(file in require.cache)&&name in chunks){
    const made=require.cache[file]={id:file,filename:file,exports:{},loaded:true,children:[]};
    chunks[name](made,load);
  }
  return (require.cache[file]??{exports:require(name)}).exports;
};
((require)=>{${chunks.get('program')}})(load);
`;
}
