// Mail that never was: events as a store would tell them, for the page without a broker. Everything follows from the
// order of the calls, so two runs show the same.
import type { Envelope, MessageId, Name, SessionId } from '../../../src/model/message.ts';
import type { WireEvent, WireStored } from '../../../src/ui/wire.ts';

export class StagedMail {
  readonly events: WireEvent[] = [];
  /** Milliseconds since 1970; a caller moves it. */
  time: number;
  #numbers = 0;
  readonly #envelopes = new Map<number, Envelope>();
  readonly #attempts = new Map<number, number>();

  constructor(time: number) {
    this.time = time;
  }

  /** Position of the newest event. */
  get sequence(): number {
    return this.events.at(-1)?.sequence ?? 0;
  }

  post(from: string, to: string, text: string, answers = 0): number {
    this.#numbers += 1;
    const number = this.#numbers;
    const asked = this.#envelopes.get(answers);
    const envelope: Envelope = {
      id: `${'0123456789abcdef'}.${number}` as MessageId,
      number,
      to: to as Name,
      from: from as Name,
      time: this.time,
      answers: asked?.id ?? '',
      depth: asked ? asked.depth + 1 : 0,
      origin: {
        program: 'ipc',
        pid: 4_000 + from.length,
        machine: 'desk',
        folder: `/home/me/${from}`,
      },
      bodyBytes: Buffer.byteLength(text),
      checksum: 0,
    };
    this.#envelopes.set(number, envelope);
    this.#add<WireStored>({
      kind: 'stored',
      envelope,
      text: text.slice(0, 2_000),
      isCut: text.length > 2_000,
    });
    return number;
  }

  deliver(number: number, name = this.#of(number).to as string): void {
    const attempt = (this.#attempts.get(number) ?? 0) + 1;
    this.#attempts.set(number, attempt);
    const { mailbox, message } = this.#about(number);
    this.#add({
      kind: 'delivered',
      message,
      mailbox,
      attempt,
      session: sessionOf(name),
      name: name as Name,
    });
  }

  settle(number: number, name = this.#of(number).to as string, by = 0): void {
    const { mailbox, message } = this.#about(number);
    const answer = this.#envelopes.get(by)?.id;
    this.#add({
      kind: 'settled',
      message,
      mailbox,
      session: sessionOf(name),
      name: name as Name,
      by: answer,
    });
  }

  requeue(number: number, name: string, ended: 'released' | 'disconnected'): void {
    const { mailbox, message } = this.#about(number);
    const attempt = (this.#attempts.get(number) ?? 0) + 1;
    this.#add({ kind: 'requeued', message, mailbox, attempt, lastHold: this.#hold(name, ended) });
  }

  bury(number: number, name: string): void {
    this.#add({
      kind: 'deadLettered',
      message: this.#about(number).message,
      lastHold: this.#hold(name, 'rejected'),
    });
  }

  drop(number: number): void {
    const { mailbox, message } = this.#about(number);
    this.#add({ kind: 'dropped', message, mailbox });
  }

  pause(mailbox: string, isPaused: boolean): void {
    this.#add({ kind: isPaused ? 'paused' : 'resumed', mailbox: mailbox as Name });
  }

  #hold(name: string, ended: 'released' | 'disconnected' | 'rejected') {
    return { name: name as Name, from: this.time - 3_000, to: this.time, ended };
  }

  #of(number: number): Envelope {
    const envelope = this.#envelopes.get(number);
    if (!envelope) throw new Error(`no message ${number}`);
    return envelope;
  }

  #about(number: number) {
    const { id, to, from } = this.#of(number);
    return { mailbox: to, message: { id, number, to, from } };
  }

  #add<Event extends WireEvent>(event: Omit<Event, 'sequence' | 'time'>): void;
  #add(event: DistributiveOmit<WireEvent>): void;
  #add(event: DistributiveOmit<WireEvent>): void {
    this.events.push({ ...event, sequence: this.sequence + 1, time: this.time } as WireEvent);
  }
}

type DistributiveOmit<Each> = Each extends unknown ? Omit<Each, 'sequence' | 'time'> : never;

function sessionOf(name: string): SessionId {
  const letters = [...name].map((letter) => (letter.charCodeAt(0) % 10).toString());
  return letters.join('').padEnd(16, '0').slice(0, 16) as SessionId;
}
