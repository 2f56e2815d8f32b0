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
const everyday = 'src/cli/commands/everyday.ts';

/** Modules are strict without it; the CommonJS that is made of them needs it. */
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
  for (const { path, text } of outputFiles) {
    const name = basename(path, '.js');
    chunks.set(name, await toCommonJs(text));
    requireConstants(name, chunks.get(name));
  }
  neededBy([...chunks.keys()], chunks); // throws if there is a cycle
  const together = neededBy(['program', chunkOf(everyday, metafile)], chunks);
  for (const [name, code] of chunks) {
    const text = name === 'program' ? inOneFile(together, chunks) : code;
    writeFileSync(join(folder, `${name}.cjs`), text);
  }
  return packagesIn(metafile);
}

/** @param {string} entryPoint @param {import('esbuild').Metafile} metafile @returns {string} */
function chunkOf(entryPoint, { outputs }) {
  const found = Object.entries(outputs).find(([, output]) => output.entryPoint === entryPoint);
  if (found === undefined) throw new Error(`no chunk begins with ${entryPoint}`);
  return basename(found[0], '.js');
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
  return code
    .replaceAll(/\bimport\("\.\/(chunk-\w+)\.js"\)/g, later('./$1.cjs'))
    .replaceAll(/\bimport\("(node:[\w/]+)"\)/g, later('$1'));
}

/** A script that V8 takes from a cache cannot import. */
const later = (/** @type {string} */ name) => `Promise.resolve().then(()=>require("${name}"))`;

/**
 * Throws if a chunk may change what it exports: other chunks have the values.
 * @param {string} name @param {string} code
 */
export function requireConstants(name, code) {
  const [, list = ''] = /\bmodule\.exports=\{([^}]*)\};?\s*$/.exec(code) ?? [];
  const exported = list.split(',').flatMap((pair) => pair.match(/[\w$]+$/) ?? []);
  const changed = exported.filter((each) => {
    const variable = each.replaceAll('$', '\\$');
    const assigned = String.raw`(?<![\w$.#])${variable}(?:(?:[-+*/%&|^?]{0,2}|<<|>>>?)=(?![=>])|\+\+|--)`;
    const stepped = String.raw`(?:\+\+|--)${variable}(?![\w$])`;
    const found = [...code.matchAll(new RegExp(`${assigned}|${stepped}`, 'g'))];
    const isDeclared = /^(?:[\s,]|$)/.test(code.charAt((found[0]?.index ?? 0) - 1));
    return found.length > (isDeclared ? 1 : 0);
  });
  if (changed.length > 0) throw new Error(`${name} changes what it exports: ${changed.join(', ')}`);
}

/**
 * The chunks that these load at once, each behind those that it needs itself.
 * @param {string[]} names @param {Map<string, string>} chunks @param {Set<string>} found @param {string[]} path
 * @returns {Set<string>}
 */
export function neededBy(names, chunks, found = new Set(), path = []) {
  for (const name of names) {
    if (path.includes(name)) throw new Error(`a cycle of chunks: ${[...path, name].join(', ')}`);
    if (found.has(name)) continue;
    const needs = (chunks.get(name) ?? '').matchAll(/(?<!>)\brequire\("\.\/(chunk-\w+)\.cjs"\)/g);
    neededBy(
      Array.from(needs, ([, each]) => each ?? ''),
      chunks,
      found,
      [...path, name],
    );
    found.add(name);
  }
  return found;
}

/**
 * Finding, reading and compiling a file takes Node longer than the code of most chunks. Other chunks get what is in this
 * file from the cache of `require`, by the name that `require` gives them.
 * @param {Set<string>} names @param {Map<string, string>} chunks @returns {string}
 */
function inOneFile(names, chunks) {
  const parts = [...names].filter((name) => name !== 'program');
  const functions = parts.map((name) => `"./${name}.cjs"(module,require){${chunks.get(name)}}`);
  const text = `${strict}
const chunks={${functions.join(',\n')}};
const files={};
const load=(name)=>{
  if(!(name in chunks))return require(name);
  const file=files[name]??=require.resolve(name);
  if(!(file in require.cache)){
    const made=require.cache[file]={id:file,filename:file,exports:{},loaded:true,children:[]};
    chunks[name](made,load);
  }
  return require.cache[file].exports;
};
((require)=>{${chunks.get('program')}})(load);
`;
  const imported = /(?<![.#]|async )\bimport\(.{0,60}/.exec(text)?.[0];
  if (imported !== undefined) throw new Error(`program.cjs cannot import: ${imported}`);
  return text;
}
