// A machine on which `ipc install` is run: a home directory, and hosts that are scripts.
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { program } from '../mcp-host.ts';
import { type Shell, shell } from './shell.ts';

export interface Machine {
  readonly home: string;
  /** What a host of the desktop starts. */
  readonly desktop: { readonly command: string; readonly args: readonly string[] };
  /** Makes links to the Node of this process. */
  nodes(...paths: readonly string[]): Promise<void>;
  /** `path`: the PATH instead of ~/bin. */
  run(args: readonly string[], path?: string): ReturnType<Awaited<ReturnType<typeof shell>>['run']>;
  /** Reads a file of the home directory. */
  file(path: string, encoding?: BufferEncoding): Promise<string>;
  put(path: string, content: string | Buffer): Promise<void>;
  line: Shell['line'];
  /** A program that writes its words to HOME/NAME.words. */
  stub(name: string, line?: string): Promise<void>;
}

/** A home directory, and a PATH with nothing but node and what the test puts there. */
export async function machine(context: TestContext): Promise<Machine> {
  const { home, line } = await shell(context);
  await mkdir(home);
  const path = (name: string) => join(home, name);
  const put = async (name: string, content: string | Buffer) => {
    await mkdir(dirname(path(name)), { recursive: true });
    await writeFile(path(name), content);
  };
  const nodes = async (...names: readonly string[]) => {
    for (const name of names) {
      await mkdir(dirname(path(name)), { recursive: true });
      await symlink(process.execPath, path(name));
    }
  };
  await nodes('bin/node');
  return {
    home,
    desktop: { command: path('bin/node'), args: [program, 'mcp'] },
    nodes,
    put,
    line,
    run: (args, onPath = '$HOME/bin') => {
      const words = args.map((word) => `'${word}'`).join(' ');
      return line(`cd "$HOME" && PATH="${onPath}" exec "$@" ${words}`, { XDG_CONFIG_HOME: '' });
    },
    file: (name, encoding = 'utf8') => readFile(path(name), encoding),
    stub: async (name, last = '') => {
      await put(`bin/${name}`, `#!/bin/sh\necho "$@" > "$HOME/${name}.words"\n${last}\n`);
      await chmod(path(`bin/${name}`), 0o755);
    },
  };
}
