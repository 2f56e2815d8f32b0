// What `ipc work` answers in its own words: that a job failed for good, or that it ends. The first line is for
// people and programs alike; `ask` and `--json` find the reason of a failure in it.
import { sanitize } from '../../base/visible-text.ts';
import type { Envelope } from '../../model/message.ts';

const reportHead = 'ipc work: ';
const failureHead = `${reportHead}failed: `;
export const shutdownAnswer = Buffer.from(`${reportHead}this worker ends.\n`);
const stderrLinesMax = 20;

/** `place`: where the job is now. */
export function failureAnswer(reason: string, place: string, stderr: Buffer): Buffer {
  const tail = lastLines(stderr);
  const last = tail === '' ? '' : `The end of its stderr:\n${tail}\n`;
  return Buffer.from(`${failureHead}${reason}\n${place}\n${last}`);
}

/** The reason why the job failed that `envelope` answers for; undefined for any other message. */
export function failureIn(
  { answers }: Pick<Envelope, 'answers'>,
  body: Buffer | undefined,
): string | undefined {
  const text = answers === '' ? '' : (body?.toString('utf8') ?? '');
  if (!text.startsWith(failureHead)) return undefined;
  return text.slice(failureHead.length).split('\n', 1)[0];
}

/** Of what a command wrote to stderr; nothing in it is hidden or moves the cursor. */
export function lastLines(stderr: Buffer): string {
  const { text } = sanitize(stderr.toString('utf8').trimEnd());
  return text.split('\n').slice(-stderrLinesMax).join('\n');
}
