// What the bundles have in common: options of esbuild, and plugins that leave out what nobody needs.
import { root } from '../project.js';

export const target = 'node20.15';

/** @type {import('esbuild').BuildOptions} */
export const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target,
  format: 'esm',
  // The UMD form of jsonc-parser cannot be bundled.
  mainFields: ['module', 'main'],
  logLevel: 'silent', // its errors are thrown as well
};

/** Node scans all of a file when it loads it. Names stay, so that a stack trace can be read. */
export const readable = { minifyWhitespace: true, minifySyntax: true };

/**
 * What is loaded only when it is wanted, and is too large for the rest, is in a file of its own. It is no chunk, because
 * it stays a module: the layout of Ink awaits at its top level, and the library, which is one, loads nats.mjs too.
 * @param {string} name @param {RegExp} filter @param {string} path
 * @returns {import('esbuild').Plugin}
 */
const apart = (name, filter, path) => ({
  name,
  setup(plugin) {
    plugin.onResolve({ filter }, () => ({ path, external: true }));
  },
});
export const screenApart = apart('screen apart', /\/top\/screen\.ts$/, './top.mjs');
export const natsApart = apart('nats apart', /\/nats-library\.ts$/, './nats.mjs');

/**
 * Bundles `contents` in the place of a module, for those that import it.
 * @param {string} name @param {RegExp} filter @param {string} contents @param {RegExp} by
 * @returns {import('esbuild').Plugin}
 */
const instead = (name, filter, contents, by = /.*/) => ({
  name,
  setup(plugin) {
    const namespace = name.replaceAll(' ', '-');
    plugin.onResolve({ filter }, ({ path, importer }) =>
      by.test(importer) ? { path, namespace } : undefined,
    );
    plugin.onLoad({ filter: /.*/, namespace }, () => ({ contents }));
  },
});
/** Ink would connect to a debugger on a port of this machine, if DEV is set to true. */
export const noDevtools = instead('no devtools', /\/devtools\.js$/, '');
/** A third of the MCP packages validates a user's answers to a server's questions; ours asks none. */
export const noValidator = instead(
  'no validator',
  /^@modelcontextprotocol\/server\/_shims$/,
  `export { default as process } from 'node:process';
  export class DefaultJsonSchemaValidator {}`,
);

/** commander can run a subcommand as a program of its own; ours has none. */
export const noSubprograms = instead('no subprograms', /^node:child_process$/, '', /\/commander\//);
/** node:assert costs the start of a process 1 ms. */
export const plainAssert = instead(
  'plain assert',
  /^node:assert\/strict$/,
  `export default function assert(value, message = 'this must not happen') {
    if (!value) throw Object.assign(new Error(message), { name: 'AssertionError', code: 'ERR_ASSERTION' });
  }`,
);
/** node:perf_hooks costs the start of a process 1 ms. The clocks of a process are in `process` as well. */
export const plainClock = instead(
  'plain clock',
  /^node:perf_hooks$/,
  `const sinceBoot = () => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e3 + nanoseconds / 1e6;
  };
  const began = sinceBoot() - process.uptime() * 1e3;
  export const performance = {
    timeOrigin: Date.now() - process.uptime() * 1e3,
    now: () => sinceBoot() - began,
  };`,
);
/**
 * Builtins that few runs need, or not at their start, are loaded by the first call of a function of theirs. Each would
 * cost the start of a process 1 ms.
 * @type {import('esbuild').Plugin}
 */
export const lateBuiltins = {
  name: 'late builtins',
  setup(plugin) {
    const filter = /^node:(tls|fs\/promises|dns\/promises|readline|timers\/promises)$/;
    plugin.onResolve({ filter }, ({ path, namespace }) =>
      namespace === 'late' ? { path, external: true } : { path, namespace: 'late' },
    );
    plugin.onLoad({ filter, namespace: 'late' }, async ({ path }) => {
      const functions = Object.entries(await import(path)).filter(
        ([name, value]) => name !== 'default' && typeof value === 'function',
      );
      const late = functions.map(
        ([name]) => `export function ${name}(...args) {
          const { ${name} } = require('${path}');
          return new.target ? new ${name}(...args) : ${name}(...args);
        }`,
      );
      return { contents: late.join('\n') };
    });
  },
};

/** @param {import('esbuild').Metafile} metafile @returns {string[]} */
export function packagesIn(metafile) {
  const folders = Object.keys(metafile.inputs).map(
    (input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0],
  );
  return folders.filter((folder) => folder !== undefined);
}
