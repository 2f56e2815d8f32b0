// Hands lines to a Unix socket of the host. Its path comes from the environment of this process, or is made from
// it; so it is used only if it leads to a socket of this user.
import { type Stats, statSync } from 'node:fs';
import { connect } from 'node:net';
import { systemErrorCode } from '../../base/errors.ts';
import { notWoken } from './wake-path.ts';

/** Time for the other side to answer and close the connection. A busy host takes longer. */
const closeMsMax = 2_000;
const answerCharactersMax = 1_000;

/**
 * Returns the other side's answer, '' if it closed without one. undefined: it has not closed in time. Then the system
 * keeps the lines for it, so that it may read them later.
 */
export async function deliver(path: string, lines: readonly object[]): Promise<string | undefined> {
  requireOwnSocket(path);
  const late = AbortSignal.timeout(closeMsMax);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ path, signal: late });
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer = (answer + text).slice(0, answerCharactersMax);
    });
    socket.on('error', (error) => {
      if (!late.aborted) reject(notWoken(`${path}: ${systemErrorCode(error)}`, error));
      else if (socket.writableFinished) resolve(undefined);
      else reject(notWoken(`${path} was not read within ${closeMsMax / 1_000} s`, error));
    });
    socket.on('close', () => resolve(answer));
    socket.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  });
}

/** Lines can be handed over there, as far as the file shows. */
export function isOwnSocket(path: string): boolean {
  try {
    requireOwnSocket(path);
    return true;
  } catch {
    return false;
  }
}

/** Windows has no such users, and its pipes are no files. */
function requireOwnSocket(path: string): void {
  const uid = process.geteuid?.();
  if (uid === undefined) return;
  let stat: Stats;
  try {
    stat = statSync(path);
  } catch (error) {
    throw notWoken(`${path}: ${systemErrorCode(error)}`, error);
  }
  if (!stat.isSocket()) throw notWoken(`${path} is not a socket`);
  if (stat.uid !== uid) throw notWoken(`${path} belongs to another user`);
}
