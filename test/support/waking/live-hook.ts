// Our hook in a home that a real program uses, as `ipc install HOST --wake` adds it.
import assert from 'node:assert/strict';
import { findTarget, perform } from '../../../src/hosts/installer.ts';
import { configFolders } from '../../../src/hosts/targets.ts';
import { type HookName, planWake } from '../../../src/hosts/wake/hooks.ts';
import { program } from '../mcp-host.ts';

export async function installHook(name: HookName, home: string): Promise<void> {
  const server = { command: process.execPath, args: [program, 'mcp'] };
  const folders = { ...configFolders({}), home, claude: home };
  const step = await planWake('install', findTarget(name), server, folders);
  assert(step);
  await perform(step);
}
