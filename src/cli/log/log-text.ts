// Messages of `ipc log`, for people: lines of 80 columns where names allow it, with the text indented below its head, so
// that no text can pass for a head.
import { counted } from '../../app/counts.ts';
import { clockTime, utcTime } from '../../app/durations.ts';
import type { LifeEvent, MessageStory, Standing } from '../../app/message-stories.ts';
import { firstCharacters } from '../../app/peek.ts';
import { sanitizeLine, sentBy } from '../../app/sanitize.ts';
import { lifeWords, sessionWord, stateWord } from '../../app/story-words.ts';
import { byteCount } from '../../app/summaries.ts';
import { quoted } from '../../base/quoted.ts';
import { sanitize } from '../../base/visible-text.ts';
import { painted } from '../terminal.ts';
import type { LogEntry } from './log-entries.ts';
import type { PauseEvent } from './log-pauses.ts';

const columns = 80;
const indent = '  ';

export class LogText {
  readonly #isFull: boolean;
  /** The day of the last line. */
  #day = '';

  constructor(isFull: boolean) {
    this.#isFull = isFull;
  }

  entry({ envelope, text, standing }: LogEntry): string {
    const { number, from, to, time, answers } = envelope;
    const people = `${from === '' ? 'unknown' : quoted(from)} to ${quoted(to)}`;
    const title = `#${number} ${people}${answers === '' ? '' : ', an answer'}`;
    const words = standingWords(standing, time);
    const isLong = 'HH:MM:SS '.length + title.length + 2 + words.length > columns;
    const head = isLong ? [`${title}:`, `${' '.repeat(9)}${words}`] : [`${title}: ${words}`];
    const [first = '', ...more] = head;
    const lines = [this.#timed(time, first), ...more, ...this.#body(text)];
    return `${lines.join('\n')}\n`;
  }

  /** A line for what has become of a message that was printed. */
  change(event: LifeEvent): string {
    return `${this.#timed(event.time, `#${event.message.number} ${lifeWords(event, forms)}`)}\n`;
  }

  pause({ kind, mailbox, time }: PauseEvent): string {
    const from = mailbox === '' ? 'all mailboxes' : quoted(mailbox);
    return `${this.#timed(time, `deliveries from ${from} were ${kind}`)}\n`;
  }

  /** A message with all that happened to it. `answeredBy`: numbers of its answers. */
  life(story: MessageStory, text: string | undefined, answeredBy: readonly number[]): string {
    const { envelope } = story.stored;
    const { number, from, origin, to, time, answers, bodyBytes, id } = envelope;
    const answer = answers === '' ? '' : `, an answer to ${quoted(answers)}`;
    const facts = [utcTime(time), byteCount(bodyBytes), `id ${quoted(id)}`].join(', ');
    const all = [
      `#${number} ${sentBy(from, origin)} to ${quoted(to)}${answer}, ${facts}`,
      ...this.#body(text),
      this.#timed(time, 'stored'),
      ...story.life.map((event) => this.#timed(event.time, lifeWords(event, forms))),
    ];
    const numbers = answeredBy.map((each) => `#${each}`).join(', ');
    return `${[...all, ...(numbers === '' ? [] : [`answered by ${numbers}`])].join('\n')}\n`;
  }

  #timed(time: number, line: string): string {
    const [day = '', clock = ''] = new Date(time).toISOString().split(/[T.]/);
    const head = day === this.#day ? '' : `${painted('bold', `${day} UTC`, 'stdout')}\n`;
    this.#day = day;
    return `${head}${painted('dim', clock, 'stdout')} ${line}`;
  }

  #body(text: string | undefined): string[] {
    if (text === undefined) return [`${indent}(damaged: the disk lost its text)`];
    if (text === '') return [];
    if (!this.#isFull) return [`${indent}${clipped(sanitizeLine(text))}`];
    const all = sanitize(text).text.replace(/\r?\n$/, '');
    return all.split(/\r?\n/).map((line) => `${indent}${line}`);
  }
}

function clipped(line: string): string {
  const max = columns - indent.length;
  return firstCharacters(line, max) === line ? line : `${firstCharacters(line, max - 1)}…`;
}

function standingWords(standing: Standing, time: number): string {
  const { state, since, attempts, holder, mailbox } = standing;
  const word = stateWord(standing, quoted);
  const at = clockTime(since, time, 'HH:MM:SS');
  const attempt = attempts > 1 ? `, attempt ${attempts}` : '';
  switch (state) {
    case 'ready':
      return attempts === 0 ? word : `${word}, and back since ${at} after attempt ${attempts}`;
    case 'held': {
      const dead = mailbox === 'dead-letters' ? ', a dead letter' : '';
      return `${word} since ${at}${attempt}${dead}`;
    }
    case 'done':
      return `${word} by ${sessionWord(holder?.name, quoted)} ${at}${attempt}`;
    case 'dropped':
      return painted('dim', `${word} ${at}`, 'stdout');
    case 'dead':
      return painted('red', `${word} since ${at}${afterAttempts(attempts)}`, 'stdout');
  }
}

const forms = { name: quoted, message: (id: string) => `the post ${quoted(id)}` };

function afterAttempts(count: number): string {
  return count === 0 ? '' : `, after ${counted(count, 'attempt')}`;
}
