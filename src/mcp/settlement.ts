// Settles and releases what results handed over, as the tickets decide:
// 1. before() is called at the start of a call, and settles what its tickets name. A read is sent right behind its
//    settles, and does not wait for them.
// 2. hand() gives a ticket to what a result hands over; the transport then follows the result on its way.
// 3. A result that is cancelled or cannot be written releases its mail.  4. end() settles each `shutdown` that
// was read, and releases the rest.
import type { AppContext } from '../app/context.ts';
import { quoted } from '../base/quoted.ts';
import { randomId } from '../base/random-id.ts';
import type { Delivery, Held } from '../model/mail-service.ts';
import type { TaskWork } from './task-id.ts';
import type { TaskOffer } from './tasks.ts';
import {
  type Batch,
  type BrokerMailboxes,
  type Caller,
  type CallTarget,
  type HeldMessage,
  type Plan,
  type ReleaseBatch,
  Tickets,
} from './tickets.ts';
import type { ResultWatcher } from './transport.ts';

/** One call of the tool, or one run of its task, beside its parameters. */
export interface ToolRequest {
  readonly caller: Caller;
  /** The name that the host reports. */
  readonly host: string | undefined;
  readonly signal: AbortSignal;
  readonly context: AppContext;
  /** How many of the seconds that a call asks for its host allows. */
  readonly secondsAllowed: (asked: number) => number;
  /** Added to the head of the result. */
  readonly notes: string[];
  /** Follows the result on its way to the host. Only the last watcher does. */
  readonly watch: (watcher: ResultWatcher) => void;
  /** `timeout`: of the call, in seconds. undefined where the call is answered in itself, however long it takes. */
  readonly offerTask: (work: TaskWork, timeout: number) => TaskOffer | undefined;
}

/** Messages of a note that are listed one by one. */
const choicesShown = 3;

export class Settlement {
  readonly #tickets = new Tickets(randomId(4));

  /** Plans what a call with the tickets `after` settles. Nothing is settled yet. */
  plan({ caller, notes }: ToolRequest, after: readonly string[], target: CallTarget): Plan {
    const plan = this.#tickets.begin(caller, after, target);
    notes.push(...unknownNote(plan.unknown));
    if (plan.part) notes.push(`"${after[0]}" is the ticket of a part and settles nothing`);
    if (target.posts) notes.push(...choiceNote(plan.unnamed));
    return plan;
  }

  /** Beside a read without a ticket: what was read before is not settled by it. */
  noteHeld({ notes }: ToolRequest, { unnamed }: Plan): void {
    notes.push(...heldNote(unnamed));
  }

  /** Settles what the call's tickets name. */
  async before(
    request: ToolRequest,
    after: readonly string[],
    target: CallTarget = {},
  ): Promise<Plan> {
    const plan = this.plan(request, after, target);
    await this.settle(request, plan.settles);
    return plan;
  }

  /** All requests leave at once, before this returns. If one fails, another call can settle what is left. */
  async settle(request: ToolRequest, batches: readonly Batch[]): Promise<void> {
    if (batches.length === 0) return;
    const outcomes = await Promise.allSettled(
      batches.map(({ broker, deliveries }) => request.context.mailOf(broker).settle(deliveries)),
    );
    let failed: PromiseRejectedResult | undefined;
    for (const [index, batch] of batches.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status === 'fulfilled') this.settled(request, [batch], outcome.value);
      else failed ??= outcome;
    }
    if (!failed) return;
    await this.unsettled(request, batches);
    throw failed.reason;
  }

  /** Notes what is done, and what is not, because another session holds it by now. */
  settled({ notes }: ToolRequest, batches: readonly Batch[], notHeld: readonly Held[]): void {
    if (batches.length === 0) return;
    this.#tickets.settled(batches);
    const lost = new Set(notHeld.map(({ envelope }) => envelope.id));
    const all = batches.flatMap(({ deliveries }) => deliveries);
    notes.push(...doneNote(all.filter(({ envelope }) => !lost.has(envelope.id))));
    notes.push(...notHeldNote(notHeld));
  }

  /** Batches that could not be settled: another call can settle them. */
  async unsettled({ context }: ToolRequest, batches: readonly Batch[]): Promise<void> {
    for (const one of this.#tickets.unsettled(batches)) await this.release(context, one);
  }

  /** The ticket of a message from point to point, for the parts of its body: naming it settles nothing. */
  partsTicket({ caller }: ToolRequest): string {
    return this.#tickets.give(caller.id, undefined, []);
  }

  /** Gives what was read a ticket, and follows its result. */
  hand(
    { caller, context, watch }: ToolRequest,
    read: BrokerMailboxes,
    deliveries: readonly Delivery[],
  ): string {
    const ticket = this.#tickets.give(caller.id, read, deliveries);
    watch({
      writing: () => this.#tickets.writing(ticket),
      written: () => this.#tickets.written(ticket),
      gone: () => {
        const release = this.#tickets.gone(ticket);
        if (release) void this.release(context, release);
      },
    });
    return ticket;
  }

  /** The client repeats a release until the broker has answered; the end of the session releases as well. */
  async release(
    context: AppContext,
    { broker, deliveries, unread }: ReleaseBatch,
    { sessionEnds = false } = {},
  ): Promise<void> {
    const mail = context.mailOf(broker);
    await mail.release(deliveries, { unread, sessionEnds }).catch(() => {});
  }

  /** Settles each message `shutdown`, and releases the rest. */
  async end(context: AppContext): Promise<void> {
    const { settles, releases } = this.#tickets.end();
    const settled = settles.map(({ broker, deliveries }) =>
      context.mailOf(broker).settle(deliveries),
    );
    const released = releases.map((one) => this.release(context, one, { sessionEnds: true }));
    await Promise.allSettled([...settled, ...released]);
  }
}

/** `what`: why naming the tickets of the call once more makes sense. */
export function againNote(after: readonly string[], what: string): string {
  const named = after.length === 1 ? 'this ticket' : 'these tickets';
  return `the messages of "${after.join('", "')}" ${what}: name ${named} again`;
}

function unknownNote([first, ...others]: readonly string[]): string[] {
  if (first === undefined) return [];
  if (others.length === 0) {
    const what = `ticket "${first}" is not from this session and was ignored`;
    return [first.includes(',') ? `${what}; a list of tickets is JSON: ["a","b"]` : what];
  }
  return [`${others.length + 1} tickets are not from this session and were ignored`];
}

function heldNote([first, ...others]: readonly HeldMessage[]): string[] {
  if (!first) return [];
  const more = others.length === 0 ? '' : `, and ${others.length} more`;
  const from = first.from === '' ? '' : ` from ${quoted(first.from)}`;
  // Agents that share one server are one session: the message may be in another one's hands.
  const whose = `ticket ${first.ticket}, if you took it`;
  return [`this session still holds #${first.number}${from}: ${whose}${more}`];
}

/** Beside a post without a ticket that may answer several messages. */
function choiceNote(held: readonly HeldMessage[]): string[] {
  if (held.length === 0) return [];
  const named = held.slice(0, choicesShown).map(({ number, ticket }) => `${ticket} (#${number})`);
  const more = held.length - named.length;
  const all = [...named, ...(more > 0 ? [`${more} more`] : [])].join(' or ');
  return [`nothing was settled: name the ticket of the message that this answers, ${all}`];
}

function doneNote(done: readonly Held[]): string[] {
  if (done.length === 0) return [];
  if (done.length > choicesShown) return [`${done.length} messages done`];
  return [`${done.map(({ envelope }) => `#${envelope.number}`).join(', ')} done`];
}

/** One note for all of them: a ticket may name more than a result has room for. */
function notHeldNote([first, ...others]: readonly Held[]): string[] {
  if (!first) return [];
  if (others.length > 0) {
    return [`${others.length + 1} messages were not settled: other sessions hold them now`];
  }
  return [`#${first.envelope.number} was not settled: another session holds it now`];
}
