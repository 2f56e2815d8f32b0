// OpenCode: our plugin, plugins/opencode/agent-ipc.js, runs inside OpenCode and listens on a socket in the state
// folder that is named by OpenCode's process. OpenCode tells its MCP servers that process in OPENCODE_PID.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { homeFolder } from '../../app/environment.ts';
import { sanitizeLine } from '../../app/sanitize.ts';
import { requireTrustedFolder } from '../../files/trusted-path.ts';
import { deliver } from './host-socket.ts';
import { notWoken, type WakePath } from './wake-path.ts';

/** Below the state folder. */
const socketFolder = 'wake';

export const openCodePlugin: WakePath = {
  name: 'opencode plugin',
  find({ host = '', env }) {
    if (!host.startsWith('opencode')) return undefined;
    const pid = env.OPENCODE_PID ?? `${process.ppid}`;
    if (!/^\d+$/.test(pid)) return undefined;
    const folder = join(homeFolder(env), socketFolder);
    const path = join(folder, `opencode-${pid}.sock`);
    // Without the plugin there is none.
    if (!existsSync(path)) return undefined;
    return {
      kind: 'rings',
      async ring(text) {
        requireTrustedFolder(folder);
        const answer = await deliver(path, [{ text }]);
        if (answer === undefined || answer === 'ok\n') return;
        throw notWoken(`the plugin of OpenCode: ${sanitizeLine(answer.trim()) || 'no answer'}`);
      },
    };
  },
};
