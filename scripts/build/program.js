// The program in chunks: mcp.cjs, wake.cjs, program.cjs with owner.cjs and commands.cjs, and chunk-*.cjs, what these load.
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
  plainClock,
  readable,
  screenApart,
  shared,
  target,
} from './esbuild-options.js';

const program = join(root, 'src/cli/main.ts');
const mcp = join(root, 'src/cli/mcp-main.ts');
const hook = join(root, 'src/cli/hook-main.ts');
const mail = 'src/cli/mail-line.ts';
/** What program.cjs loads later, each in a file of its own: to own a broker, and to split a line that is not plain. */
const later = { owner: 'src/session/own-store.ts', commands: 'src/cli/command-line.ts' };

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
    plugins: [
      ...[screenApart, natsApart, noValidator, noSubprograms],
      ...[plainAssert, plainClock, lateBuiltins],
    ],
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
  const together = neededBy(['program', chunkOf(mail, metafile)], chunks);
  const files = new Map(chunks);
  /** @type {Record<string, string>} by the chunk that is loaded first of those in it */
  const fileOf = {};
  for (const [name, entryPoint] of Object.entries(later)) {
    const first = chunkOf(entryPoint, metafile);
    const others = [...neededBy([first], chunks)].filter((each) => !together.has(each));
    files.set(name, laterFile(others, chunks));
    fileOf[`./${first}.cjs`] = `./${name}.cjs`;
  }
  files.set('program', programFile(together, chunks, fileOf));
  for (const [name, text] of files) writeFileSync(join(folder, `${name}.cjs`), text);
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
    // Of a default export, esbuild would copy all that the module exports.
    .replaceAll(/\bimport ([\w$]+) from"(node:[\w/]+)";/g, 'const $1=require("$2");')
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
  return withPlainNamespaces(code)
    .replaceAll(/\bimport\("\.\/(chunk-\w+)\.js"\)/g, requireLater('./$1.cjs'))
    .replaceAll(/\bimport\("(node:[\w/]+)"\)/g, requireLater('$1'));
}

/**
 * `import * as limits` in another chunk has an object with an accessor and a function for each export. No chunk changes
 * what it has exported, so the object gets plain values, once all are made.
 * @param {string} code @returns {string}
 */
export function withPlainNamespaces(code) {
  const exported = /\bmodule\.exports=\{[^}]*\};?\s*$/.exec(code)?.[0] ?? '';
  let values = '';
  const rest = code
    .slice(0, code.length - exported.length)
    .replaceAll(
      /\b__export\(([\w$]+),\{((?:[\w$]+:\(\)=>[\w$]+,?)+)\}\);/g,
      (made, /** @type {string} */ name, /** @type {string} */ list) => {
        const isOfOthers = exported.split(/[^\w$]+/).includes(name);
        const isUsedHere = code.split(/[^\w$]+/).filter((word) => word === name).length > 3;
        if (!isOfOthers || isUsedHere) return made;
        values += `Object.assign(${name},{${list.replaceAll('()=>', '')}});`;
        return '';
      },
    );
  return `${rest}${values}${exported}`;
}

/** A script that V8 takes from a cache cannot import. */
const requireLater = (/** @type {string} */ name) =>
  `Promise.resolve().then(()=>require("${name}"))`;

/**
 * Throws if a chunk may change what it exports: other chunks have the values.
 * @param {string} name @param {string} code
 */
export function requireConstants(name, code) {
  // What the objects of whole modules have is exported, too: see withPlainNamespaces.
  const [lists = ''] =
    /(?:\bObject\.assign\([\w$]+,\{[^}]*\}\);)*\bmodule\.exports=\{[^}]*\};?\s*$/.exec(code) ?? [];
  const exported = Array.from(lists.matchAll(/([\w$]+)[,}]/g), ([, each]) => each ?? '');
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
 * file from the cache of `require`, by the name that `require` gives them. That name is asked for when the first of them
 * is loaded, since a post loads none.
 * @param {Set<string>} names @param {Map<string, string>} chunks
 * @param {Record<string, string>} fileOf the file of the chunks that are loaded with this one @returns {string}
 */
function programFile(names, chunks, fileOf) {
  const parts = [...names].filter((name) => name !== 'program');
  return withoutImport(`${strict}
const chunks=${functionsOf(parts, chunks)};
const fileOf=${JSON.stringify(fileOf)};
const{existsSync}=require("node:fs");
const{dirname,join}=require("node:path");
let folder,made={};
const share=()=>{
  folder=dirname(require.resolve("./program.cjs"));
  for(const[name,each]of Object.entries(made))require.cache[join(folder,name)]=each;
  made=require.cache;
};
const load=(name)=>{
  if(name in fileOf&&!(name in chunks)&&existsSync(join(__dirname,fileOf[name])))
    Object.assign(chunks,require(fileOf[name]));
  if(!(name in chunks)){
    if(name.startsWith("./")&&folder===undefined)share();
    return require(name);
  }
  const id=folder===undefined?name:join(folder,name);
  if(!(id in made)){
    made[id]={id,exports:{},loaded:true,children:[]};
    chunks[name](made[id],load);
  }
  return made[id].exports;
};
((require)=>{${chunks.get('program')}})(load);
`);
}

/**
 * What program.cjs loads later, as functions that it calls: where both files are compiled, so is all that a command
 * takes. A package has no compiled files and not this one, which saves nothing without them.
 * @param {string[]} names @param {Map<string, string>} chunks @returns {string}
 */
function laterFile(names, chunks) {
  return withoutImport(`${strict}\nmodule.exports=${functionsOf(names, chunks)};\n`);
}

/** An object of functions that make the chunks. @param {string[]} names @param {Map<string, string>} chunks */
function functionsOf(names, chunks) {
  const functions = names.map((name) => `"./${name}.cjs"(module,require){${chunks.get(name)}}`);
  return `{${functions.join(',\n')}}`;
}

/** @param {string} text @returns {string} */
function withoutImport(text) {
  const imported = /(?<![.#]|async )\bimport\(.{0,60}/.exec(text)?.[0];
  if (imported !== undefined) throw new Error(`the program cannot import: ${imported}`);
  return text;
}
