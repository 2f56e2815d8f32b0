// docs/guide/recipes.md, each block of it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { McpHost, program } from '../../support/mcp-host.ts';
import { freePort, makeHome } from '../../support/places.ts';
import { type Host, start, twoHosts } from '../../support/processes/network-namespaces.ts';
import type { Ended } from '../../support/processes/shell.ts';
import { Terminal } from '../../support/processes/terminal.ts';
import { Recipe, type Stage } from '../../support/recipe.ts';

const loopback: Host = { address: '127.0.0.1', prefix: [] };
/** The agents that use another host than Claude Code, and those on the other machine. */
const codexUsers = ['ben'];
const there = ['two', 'far'];

for (const title of [
  'An agent that mail wakes',
  'Two agents that review each other',
  'An orchestrator and its workers',
  'A shell script in the loop',
]) {
  test(`recipe: ${title}`, async (context) => {
    await played(context, title, [loopback, loopback]);
  });
}

test('recipe: An agent on another machine', async (context) => {
  const hosts = await twoHosts(context);
  if (typeof hosts === 'string') return context.skip(`no two hosts here: ${hosts}`);
  await played(context, 'An agent on another machine', hosts);
});

/** To its end; nothing is left in the mailboxes then. */
async function played(
  context: TestContext,
  title: string,
  hosts: readonly [Host, Host],
): Promise<void> {
  const stage = await makeStage(context, hosts);
  await new Recipe(stage).play(title);
  assert.match((await stage.run(['status'])).text, /; 0 messages, 0 bytes; /);
}

/** Two machines, each with a folder and a key of its own. */
async function makeStage(context: TestContext, [one, two]: readonly [Host, Host]): Promise<Stage> {
  const agents: McpHost[] = [];
  const terminals = new Map<string, Terminal>();
  context.after(async () => {
    for (const terminal of terminals.values()) terminal.kill();
    for (const agent of agents) await agent.destroy();
  });
  const folder = await makeHome(context);
  const [here, far] = [join(folder, 'one'), join(folder, 'two')];
  const port = await freePort();
  const names = {
    19901: `${port}`,
    'one.lan': one.address,
    '/home/ann/.agent-ipc': here,
    '/home/far/.agent-ipc': far,
  };
  const bin = await programs(folder, far);
  const placeOf = (name: string) => {
    const isThere = there.includes(name);
    const env = { PATH: `${bin}:${process.env.PATH}`, HOME: folder, IPC_PORT: `${port}` };
    return { ...(isThere ? two : one), env: { ...env, IPC_HOME: isThere ? far : here } };
  };
  const agent = async (name: string) => {
    const { prefix, env } = placeOf(name);
    const host = codexUsers.includes(name) ? 'codex-mcp-client' : 'claude-code';
    const made = await McpHost.start({ home: env.IPC_HOME, port, name: host, prefix });
    agents.push(made);
    return made;
  };
  const terminal = (name: string) => {
    const { prefix, env } = placeOf(name);
    const made = terminals.get(name) ?? new Terminal(env, prefix);
    terminals.set(name, made);
    return made;
  };
  const run = (args: readonly string[]) => ran(context, one, args, placeOf('one').env);
  return { agent, terminal, names, run };
}

async function ran(
  context: TestContext,
  host: Host,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Ended> {
  const child = start(context, host, [program, ...args], env);
  assert(child.stdout && child.stderr);
  const streams = [buffer(child.stdout), buffer(child.stderr)] as const;
  const [out, errors] = await Promise.all([...streams, once(child, 'exit')]);
  return { code: child.exitCode, out, text: out.toString(), errors: errors.toString() };
}

/** A folder for PATH: `ipc`, and an `ssh` that leads to the other machine. */
async function programs(folder: string, far: string): Promise<string> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const ipc = `exec '${process.execPath}' '${program}' "$@"`;
  const ssh = `shift; IPC_HOME='${far}' exec "$@"`;
  for (const [name, line] of Object.entries({ ipc, ssh })) {
    await writeFile(join(bin, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  }
  return bin;
}
