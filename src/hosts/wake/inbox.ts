// The inbox of a session of Claude Code or Qwen Code: a Unix socket that the host names to its own child processes.
// Claude Code prints its two lines in its debug log; Qwen Code documents its own in cross-session-protocol.md.
// Both accept a line and then decide: a user who has set `crossSessionInbound` to hold or refuse, a rate limit and,
// at Claude Code, the same text within 30 s end a notice without an answer.
import { randomUUID } from 'node:crypto';
import { deliver } from './host-socket.ts';
import { endsWithTurn } from './host-process.ts';
import type { WakePath } from './wake-path.ts';

interface Dialect {
  /** The beginning of the name that the host reports. */
  readonly host: string;
  /** The beginning of its variables. A host inside another one inherits those of the outer one, too. */
  readonly variables: string;
  lines(text: string, token: string): readonly object[];
}

const dialects: readonly Dialect[] = [
  {
    host: 'claude-code',
    variables: 'CLAUDE_CODE_MESSAGING',
    lines: (content, token) => [
      { type: 'auth', token },
      { type: 'user', message: { role: 'user', content } },
    ],
  },
  {
    host: 'qwen-',
    variables: 'QWEN_CODE_MESSAGING',
    lines: (content, token) => [
      { msgV: 1, type: 'auth', token },
      {
        msgV: 1,
        msgId: randomUUID(),
        type: 'user',
        priority: 'next',
        message: { role: 'user', content },
      },
    ],
  },
];

export const inbox: WakePath = {
  name: 'inbox',
  find({ host = '', env }) {
    const dialect = dialects.find((each) => host.startsWith(each.host));
    const path = dialect && env[`${dialect.variables}_SOCKET`];
    if (!path || endsWithTurn(host)) return undefined;
    const token = env[`${dialect.variables}_TOKEN`] ?? '';
    return {
      kind: 'rings',
      async ring(text, signal) {
        await deliver(path, dialect.lines(text, token), signal);
      },
    };
  },
};
