// Messages of `ipc log` as they are to be printed, in little memory, since a store may have a million that are not over:
// their envelopes are packed, and their lives are not kept.
import {
  changeStanding,
  type LifeEvent,
  type Standing,
  standingAsStored,
} from '../../app/message-stories.ts';
import { NumberMap } from '../../base/number-map.ts';
import { PackedEnvelopes } from '../../engine/packed-envelopes.ts';
import { type Envelope, packedId } from '../../model/message.ts';

/** A message to be printed. */
export interface LogEntry {
  readonly envelope: Envelope;
  /** Its first line, or with `--full` all of it; undefined if it is damaged. */
  readonly text: string | undefined;
  readonly standing: Standing;
}

export class LogEntries {
  readonly #charactersMax: number;
  readonly #envelopes = new PackedEnvelopes();
  /** The rows of the envelopes. */
  readonly #rows = new NumberMap<number>();
  /** Of messages to which something happened after they were stored. */
  readonly #standings = new NumberMap<Standing>();
  /** null for a damaged one. */
  readonly #texts = new NumberMap<string | null>();
  #characters = 0;

  /** `charactersMax`: of all texts together; the text that has no room is ''. */
  constructor(charactersMax: number) {
    this.#charactersMax = charactersMax;
  }

  get(number: number): LogEntry | undefined {
    const row = this.#rows.get(number);
    if (row === undefined) return undefined;
    const envelope = this.#envelopes.read(row);
    const text = this.#texts.get(number);
    const standing = this.#standings.get(number) ?? standingAsStored(envelope);
    return { envelope, text: text === null ? undefined : (text ?? ''), standing };
  }

  /** Without a text, which setText() may add. */
  add(envelope: Envelope): void {
    const { id, number } = envelope;
    // After a crash a number may belong to another message.
    this.delete(number);
    const { text, count } = packedId(id);
    this.#rows.set(number, this.#envelopes.add(envelope, text, count));
  }

  /** `text`: undefined if it is damaged. */
  setText(number: number, text: string | undefined): void {
    if (text === '' || !this.#rows.has(number)) return;
    // The second reading has texts that the first one had, too.
    const more = (text?.length ?? 0) - (this.#texts.get(number)?.length ?? 0);
    if (this.#characters + more > this.#charactersMax) return;
    this.#characters += more;
    this.#texts.set(number, text ?? null);
  }

  setStanding(number: number, standing: Standing): void {
    this.#standings.set(number, smallStanding(standing));
  }

  /** The message as the event leaves it; undefined if it is not here. */
  change(event: LifeEvent): LogEntry | undefined {
    const { number, id } = event.message;
    const entry = this.get(number);
    if (entry?.envelope.id !== id) return undefined;
    const standing = { ...entry.standing };
    changeStanding(standing, event);
    this.setStanding(number, standing);
    return { ...entry, standing };
  }

  delete(number: number): void {
    const row = this.#rows.get(number);
    if (row === undefined) return;
    this.#envelopes.delete(row);
    this.#rows.delete(number);
    this.#standings.delete(number);
    this.#characters -= this.#texts.get(number)?.length ?? 0;
    this.#texts.delete(number);
  }
}

/** A copy that has nothing else of the event by which the holder got the message, or of a story. */
export function smallStanding({ state, mailbox, since, attempts, holder }: Standing): Standing {
  const by = holder && { session: holder.session, name: holder.name };
  return { state, mailbox, since, attempts, holder: by };
}
