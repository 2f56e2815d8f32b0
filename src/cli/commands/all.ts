// All commands, in the order of the help.
import type { Command } from 'commander';
import { addOperations } from '../operation-command.ts';
import * as about from './about.ts';
import * as direct from './direct.ts';
import * as doctor from './doctor.ts';
import * as find from './find.ts';
import * as install from './install.ts';
import * as key from './key.ts';
import * as log from './log.ts';
import * as look from './look.ts';
import { mailCommands } from './mail.ts';
import * as mcpServer from './mcp-server.ts';
import * as owner from './owner.ts';
import * as pause from './pause.ts';
import * as store from './store.ts';
import * as top from './top.ts';
import * as ui from './ui.ts';
import * as wakeHook from './wake-hook.ts';
import * as watch from './watch.ts';
import * as work from './work.ts';

export function addAll(program: Command): void {
  const mail = { addCommands: () => addOperations(program, mailCommands) };
  const everyday = [mail, watch, look, find];
  const others = [log, pause, direct, owner, top, ui, store, key, work];
  const setUp = [wakeHook, install, doctor, about];
  for (const file of [mcpServer, ...everyday, ...others, ...setUp]) file.addCommands(program);
}
