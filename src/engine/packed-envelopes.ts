import type {
  Envelope,
  GeneratedId,
  MessageId,
  Name,
  Origin,
  PackedId,
  SessionId,
} from '../model/message.ts';
import { unpackedId } from '../model/message.ts';

/** A chunk whose last row has gone is given back, or begins again if it is the last chunk. */
const chunkRows = 256;
/** Mailbox, sender, question, text of the id. */
const textsPerRow = 4;
/** Number, time, length and checksum of the body, depth, count of the id. */
const numbersPerRow = 6;

interface Chunk {
  readonly texts: string[];
  readonly origins: Origin[];
  readonly numbers: Float64Array;
  live: number;
}

/**
 * Envelopes in rows of large arrays. They take a third of the memory of objects, and nearly no work
 * of the garbage collector, which would copy each object twice and then look at it again and again.
 */
export class PackedEnvelopes {
  readonly #chunks: (Chunk | undefined)[] = [];
  #rows = 0;

  /** `idText` and `count`: its id, as PackedId has it. Returns its row. */
  add(fields: Omit<Envelope, 'id'>, idText: PackedId['text'], count: number): number {
    const { number, to, from, answers, time, origin, bodyBytes, checksum, depth } = fields;
    const row = this.#rows++;
    if (row === this.#chunks.length * chunkRows) this.#chunks.push(emptyChunk());
    const { chunk, text, value } = this.#slotOf(row);
    const { texts, numbers } = chunk;
    chunk.live++;
    chunk.origins[row % chunkRows] = origin;
    texts[text] = to;
    texts[text + 1] = from;
    texts[text + 2] = answers;
    texts[text + 3] = idText;
    numbers[value] = number;
    numbers[value + 1] = time;
    numbers[value + 2] = bodyBytes;
    numbers[value + 3] = checksum;
    numbers[value + 4] = depth;
    numbers[value + 5] = count;
    return row;
  }

  /** A new object each time. */
  read(row: number): Envelope {
    const { chunk, text, value } = this.#slotOf(row);
    const { texts, numbers } = chunk;
    const idText = texts[text + 3] as PackedId['text'];
    return {
      id: unpackedId({ text: idText, count: numbers[value + 5] as number }),
      number: numbers[value] as number,
      to: texts[text] as Name,
      from: texts[text + 1] as Name | '',
      time: numbers[value + 1] as number,
      answers: texts[text + 2] as MessageId | '',
      origin: chunk.origins[row % chunkRows] as Origin,
      bodyBytes: numbers[value + 2] as number,
      checksum: numbers[value + 3] as number,
      depth: numbers[value + 4] as number,
    };
  }

  /** Session and count of a generated id. */
  idAt(row: number): GeneratedId {
    const { chunk, text, value } = this.#slotOf(row);
    const session = chunk.texts[text + 3] as SessionId;
    return { session, count: chunk.numbers[value + 5] as number };
  }

  /** Its row may be used again. */
  delete(row: number): void {
    const { chunk } = this.#slotOf(row);
    chunk.live--;
    if (chunk.live > 0) return;
    const index = Math.floor(row / chunkRows);
    if (chunk === this.#chunks.at(-1)) this.#rows = index * chunkRows;
    else this.#chunks[index] = undefined;
  }

  #slotOf(row: number): { chunk: Chunk; text: number; value: number } {
    const chunk = this.#chunks[Math.floor(row / chunkRows)] as Chunk;
    const index = row % chunkRows;
    return { chunk, text: index * textsPerRow, value: index * numbersPerRow };
  }
}

function emptyChunk(): Chunk {
  return {
    texts: new Array<string>(chunkRows * textsPerRow).fill(''),
    origins: [],
    numbers: new Float64Array(chunkRows * numbersPerRow),
    live: 0,
  };
}
