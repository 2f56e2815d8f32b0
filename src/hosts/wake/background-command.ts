// Hosts that wake an agent when a command that it started in the background ends: the agent is told to start
// `ipc watch` so. It is the only path of Copilot CLI, and the last one of Claude Code.
import { shellWord } from '../../base/shell.ts';
import type { MailboxList } from '../../model/message.ts';
import { findProfile } from '../profiles.ts';
import type { WakePath } from './wake-path.ts';

/** How an agent starts a command in the background, by the beginning of its host's name. */
const background: readonly (readonly [host: string, how: string])[] = [
  ['copilot-cli', 'with the tool bash, with mode "async"'],
  ['claude-code', 'with the tool Bash, with run_in_background true'],
];

export const backgroundCommand: WakePath = {
  name: 'background command',
  find({ host = '' }) {
    const how = background.find(([start]) => host.startsWith(start))?.[1];
    if (how !== undefined) {
      return {
        kind: 'command',
        words: (mailboxes, program) =>
          `To be woken, start \`${watch(mailboxes, program)}\` ${how}, then end your turn: it ends when there is mail.`,
      };
    }
    // Of a host with a profile it is known that it does not wake an agent so.
    if (findProfile(host)) return undefined;
    return {
      kind: 'command',
      words: (mailboxes, program) =>
        `If the end of a command in the background starts a turn of yours, start \`${watch(mailboxes, program)}\` so and end your turn; otherwise call wait.`,
    };
  },
};

function watch(mailboxes: MailboxList, program: string): string {
  const options = mailboxes.some((name) => name.startsWith('-')) ? ['--'] : [];
  return [program, 'watch', ...options, ...mailboxes.map(shellWord)].join(' ');
}
