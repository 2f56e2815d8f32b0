// `ipc mcp`. A line of these two words alone takes a shorter way: see mcp-main.ts.
import type { Command } from 'commander';
import { lateCode } from '../../base/late-code.ts';
import { withExamples } from '../command-parts.ts';

export function addCommands(program: Command): void {
  const command = program
    .command('mcp')
    .description('Serve MCP on stdio: the one tool `ipc`.')
    .action(async () => (await lateCode(import('../../mcp/server.ts'))).serveMcp(process.env));
  withExamples(command, 'ipc mcp    # hosts of agents start it: see `ipc install`');
}
