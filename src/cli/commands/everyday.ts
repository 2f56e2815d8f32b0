// The commands that are loaded without the others.
import type { Command } from 'commander';
import * as find from './find.ts';
import * as look from './look.ts';
import * as mail from './mail.ts';
import * as watch from './watch.ts';

export function addEveryday(program: Command): void {
  for (const file of [mail, watch, look, find]) file.addCommands(program);
}
