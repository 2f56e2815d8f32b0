// All commands, in the order of the help.
import type { Command } from 'commander';
import * as about from './about.ts';
import * as direct from './direct.ts';
import * as doctor from './doctor.ts';
import { addEveryday } from './everyday.ts';
import * as install from './install.ts';
import * as key from './key.ts';
import * as log from './log.ts';
import * as mcpServer from './mcp-server.ts';
import * as owner from './owner.ts';
import * as pause from './pause.ts';
import * as store from './store.ts';
import * as top from './top.ts';
import * as ui from './ui.ts';
import * as wakeHook from './wake-hook.ts';
import * as work from './work.ts';

export function addAll(program: Command): void {
  mcpServer.addCommands(program);
  addEveryday(program);
  const mail = [log, pause, direct, owner, top, ui, store, key, work];
  for (const file of [...mail, wakeHook, install, doctor, about]) file.addCommands(program);
}
