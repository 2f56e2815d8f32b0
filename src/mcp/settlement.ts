// Settles and releases what results handed over, as the tickets decide:
// 1. before() is called at the start of a call: what its ticket names, or the call itself ends, is settled.
// 2. hand() gives a ticket to what a result hands over; the transport then follows the result on its way.
// 3. A result that is cancelled or cannot be written releases its mail.  4. end() does the same for all.
import type { RequestId } from '@modelcontextprotocol/server';
import type { AppContext } from '../app/context.ts';
import { settleMsSeen } from '../base/limits.ts';
import { randomId } from '../base/random-id.ts';
import { RunningClock } from '../base/standstill.ts';
import type { Delivery, Held } from '../model/mail-service.ts';
import {
  type Batch,
  type BrokerMailbox,
  type Caller,
  type Plan,
  type ReleaseBatch,
  Tickets,
} from './tickets.ts';
import type { HostTransport } from './transport.ts';

/** One call of the tool, beside its parameters. */
export interface ToolRequest {
  readonly id: RequestId;
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly context: AppContext;
  /** How many of the seconds that a call asks for its host allows. */
  readonly secondsAllowed: (asked: number) => number;
  /** Added to the head of the result. */
  readonly notes: string[];
}

export class Settlement {
  readonly #transport: HostTransport;
  readonly #tickets = new Tickets(randomId(4));
  /** While this process stands still, its host may not have seen a result either. */
  readonly #clock = new RunningClock(settleMsSeen);

  constructor(transport: HostTransport) {
    this.#transport = transport;
  }

  /** What a call with the ticket `after` settles before its own work; it is not settled yet. */
  plan({ caller, notes }: ToolRequest, after: string | undefined, reads?: BrokerMailbox): Plan {
    const plan = this.#tickets.begin(caller, after, reads);
    if (plan.isUnknown) notes.push(`ticket "${after}" is not from this session and was ignored`);
    if (plan.part) notes.push(`"${after}" is the ticket of a part and settles nothing`);
    return plan;
  }

  /** Settles what the call's ticket names, and what the call itself ends. */
  async before(
    request: ToolRequest,
    after: string | undefined,
    reads?: BrokerMailbox,
  ): Promise<Plan> {
    const plan = this.plan(request, after, reads);
    await this.settle(request, plan.settles);
    return plan;
  }

  /** When it fails, what is not settled yet can be settled by another call. */
  async settle(request: ToolRequest, batches: readonly Batch[]): Promise<void> {
    try {
      for (const batch of batches) {
        const mail = request.context.mailOf(batch.broker);
        this.settled(request, [batch], await mail.settle(batch.deliveries));
      }
    } catch (error) {
      await this.unsettled(request, batches);
      throw error;
    }
  }

  /** Notes those that another session holds by now. */
  settled({ notes }: ToolRequest, batches: readonly Batch[], notHeld: readonly Held[]): void {
    this.#tickets.settled(batches);
    notes.push(...notHeldNote(notHeld));
  }

  /** Batches that could not be settled: another call can settle them. */
  async unsettled({ context }: ToolRequest, batches: readonly Batch[]): Promise<void> {
    for (const one of this.#tickets.unsettled(batches)) await this.release(context, one);
  }

  /** The ticket of a result without mail: naming it settles nothing. */
  emptyTicket({ caller }: ToolRequest): string {
    return this.#tickets.give(caller.id, undefined, []);
  }

  /** Gives what was read a ticket, and follows its result. */
  hand(
    { id, caller, context }: ToolRequest,
    box: BrokerMailbox,
    deliveries: readonly Delivery[],
  ): string {
    const ticket = this.#tickets.give(caller.id, box, deliveries);
    if (deliveries.length === 0) return ticket;
    this.#transport.watch(id, {
      writing: () => this.#tickets.writing(ticket),
      written: () => this.#tickets.written(ticket, this.#clock.now()),
      gone: () => {
        const release = this.#tickets.gone(ticket);
        if (release) void this.release(context, release);
      },
    });
    return ticket;
  }

  /** The client repeats a release until the broker has answered; the end of the session releases as well. */
  async release(context: AppContext, { broker, deliveries, unread }: ReleaseBatch): Promise<void> {
    const mail = context.mailOf(broker);
    await mail.release(deliveries, { unread }).catch(() => {});
  }

  /** Settles what was seen, and releases the rest. `dropsCalls`: its host does so silently. */
  async end(context: AppContext, dropsCalls: boolean): Promise<void> {
    const { settles, releases } = this.#tickets.end(this.#clock.now(), dropsCalls);
    const settled = settles.map(({ broker, deliveries }) =>
      context.mailOf(broker).settle(deliveries),
    );
    await Promise.allSettled([...settled, ...releases.map((one) => this.release(context, one))]);
  }
}

/** One note for all of them: a ticket may name more than a result has room for. */
function notHeldNote([first, ...others]: readonly Held[]): string[] {
  if (!first) return [];
  if (others.length > 0) {
    return [`${others.length + 1} messages were not settled: other sessions hold them now`];
  }
  return [`#${first.envelope.number} was not settled: another session holds it now`];
}
