// The calls that read: wait, fetch and receive. One that blocks is open until it is answered; a newer call
// may end it, because its host has dropped it. A body that does not fit into a result goes to a file, and
// comes in parts.
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { BrokerSession } from '../app/context.ts';
import { type OperationParameters, operations } from '../app/operations.ts';
import { pausedFacts } from '../app/pause-words.ts';
import { deliveryFacts, elsewhereFacts, unreadFacts, withFacts } from '../app/receipt-words.ts';
import { deliveryTitle, moreThere, type Notes, type QuestionNames } from '../app/summaries.ts';
import { IpcError } from '../base/errors.ts';
import { resultCharactersMax, taskInlineMs } from '../base/limits.ts';
import type { ReceivedMessage } from '../direct/receive.ts';
import type { Delivery, LeftUnread } from '../model/mail-service.ts';
import type { MailboxList, MessageId } from '../model/message.ts';
import { ownerAddress } from '../net/listen.ts';
import { OverflowFiles, type OverflowSource } from './overflow-files.ts';
import type { OwnPosts } from './own-posts.ts';
import {
  directTitle,
  fits,
  fittingBlocks,
  presentDeliveries,
  presentDelivery,
  presentDirect,
  presentNoDirect,
  presentNoMail,
  presentOpenReceive,
  presentOpenWait,
  presentPart,
} from './result-text.ts';
import { againNote, type Settlement, type ToolRequest } from './settlement.ts';
import type { TaskCall } from './task-id.ts';
import { secondsLeft, secondsTaken, type TaskAnswer } from './tasks.ts';
import type { Part, Plan } from './tickets.ts';

/** A call that blocks and is not answered yet. */
interface OpenRead {
  readonly caller: string;
  /** The mailboxes or the port that it reads. */
  readonly where: string;
  end(): void;
}

/** The end of a wait: its message, or the unread mail that is left. */
interface Waited {
  readonly delivery: Delivery | undefined;
  readonly left: LeftUnread;
}

/** A character has at least one byte, so little of what is fetched is released unread. */
const fetchLimits = { bytesMax: resultCharactersMax, messagesMax: 200 };

export class Reads {
  readonly #settlement: Settlement;
  readonly #questionOf: QuestionNames;
  readonly #open = new Set<OpenRead>();
  /** Refuse the messages from point to point whose results are not written yet. */
  readonly #refusals = new Set<() => void>();
  readonly #confirming = new Set<Promise<void>>();
  #overflow: OverflowFiles | undefined;

  constructor(settlement: Settlement, own: OwnPosts) {
    this.#questionOf = (id) => own.answered(id);
    this.#settlement = settlement;
  }

  async wait(
    given: OperationParameters<'wait'>,
    request: ToolRequest,
  ): Promise<string | TaskAnswer> {
    const { mailbox: mailboxes, timeout } = given;
    const { notes } = request;
    const broker = await request.context.broker(given);
    const { plan, settling } = await this.#before(given, request, broker);
    if (plan.part) return this.#part(plan.part);
    const { host, port } = broker;
    const task = request.offerTask({ operation: 'wait', host, port, names: mailboxes }, timeout);
    if (task?.isOpen()) {
      await settling;
      return presentOpenWait(mailboxes, notes);
    }
    const seconds = task ? taskInlineMs / 1_000 : timeout;
    const waiting = this.waitFor(mailboxes, seconds, request, broker, { settling });
    const waited = await behind(settling, waiting);
    if (waited.delivery) await this.#settledFirst(settling, request, broker, [waited.delivery]);
    const isLate = !waited.delivery && (await isPending(settling));
    if (!waited.delivery && task) {
      return task.isOpen() ? presentOpenWait(mailboxes, notes) : task.begin(notes);
    }
    this.#settlement.noteHeld(request, plan);
    // The result of a task tells by itself what is still held.
    if (isLate) notes.push(...lateNote(given.after, plan));
    if (!waited.delivery) {
      return this.presentWait(mailboxes, waited, noteCut(request, timeout), request, broker);
    }
    noteRedelivery(request, [waited.delivery], plan);
    const delivery = withoutOwnHold(waited.delivery, plan);
    return this.presentWait(mailboxes, { ...waited, delivery }, seconds, request, broker);
  }

  async waitAsTask(call: TaskCall, request: ToolRequest): Promise<string> {
    const mailboxes = call.names as MailboxList;
    const broker = await brokerOf(call, request);
    const waited = await this.waitFor(mailboxes, secondsLeft(call), request, broker);
    const reads = { broker: broker.name, mailboxes };
    this.#settlement.noteHeld(request, this.#settlement.plan(request, [], { reads }));
    return this.presentWait(mailboxes, waited, secondsTaken(call), request, broker);
  }

  async fetch(given: OperationParameters<'fetch'>, request: ToolRequest): Promise<string> {
    const { context, signal, notes } = request;
    const broker = await context.broker(given);
    const { plan, settling } = await this.#before(given, request, broker);
    if (plan.part) return this.#part(plan.part);
    const { name, mail } = broker;
    const { mailbox: mailboxes } = given;
    const fetching = operations.fetch.run(given, context, { mail, signal, ...fetchLimits });
    const read = await behind(settling, fetching);
    await this.#settledFirst(settling, request, broker, read.deliveries);
    this.#settlement.noteHeld(request, plan);
    const found = {
      ...read,
      deliveries: read.deliveries.map((each) => withoutOwnHold(each, plan)),
    };
    // As many whole messages as fit, or the first one alone, if need be in parts.
    const isOne = found.deliveries.length === 1;
    const presented = { questionOf: this.#questionOf, mailboxes };
    const blocks = isOne ? [] : fittingBlocks(found.deliveries, presented);
    const count = Math.max(blocks.length, 1);
    const deliveries = found.deliveries.slice(0, count);
    const rest = found.deliveries.slice(count);
    await this.#giveBack(request, broker, rest);
    noteRedelivery(request, deliveries, plan);
    const [first, second] = deliveries;
    const { paused, elsewhere } = found;
    const all = withFacts(notes, [...pausedFacts(paused), ...elsewhereFacts(elsewhere)]);
    if (!first) return presentNoMail(mailboxes, undefined, all, paused);
    const ticket = this.#settlement.hand(request, { broker: name, mailboxes }, deliveries);
    const remaining = found.remaining + rest.length;
    if (second) return presentDeliveries(mailboxes, deliveries, blocks, remaining, ticket, all);
    notes.push(moreThere(remaining));
    return this.#presentOne({ ...first, remaining: 0 }, mailboxes, ticket, request);
  }

  /** `answers`: the question whose answer is waited for. `settling`: the wait ends when that fails. */
  async waitFor(
    mailbox: MailboxList,
    seconds: number,
    request: ToolRequest,
    { name, mail }: BrokerSession,
    { answers, settling }: { readonly answers?: MessageId; readonly settling?: Promise<void> } = {},
  ): Promise<Waited> {
    const { context } = request;
    const given = { mailbox, timeout: request.secondsAllowed(seconds) };
    let left: LeftUnread = { remaining: 0, elsewhere: [] };
    const onTimeout = (leaves: LeftUnread) => {
      left = leaves;
    };
    const where = `wait ${name} ${JSON.stringify(mailbox)}`;
    const delivery = await this.#openRead(where, request, (signal, end) => {
      settling?.catch(end);
      return operations.wait.run(given, context, { mail, signal, answers, onTimeout });
    });
    return { delivery, left };
  }

  /** `seconds`: how long the wait lasted. */
  async presentWait(
    mailboxes: MailboxList,
    { delivery, left }: Waited,
    seconds: number,
    request: ToolRequest,
    { name }: BrokerSession,
  ): Promise<string> {
    if (!delivery) {
      const notes = withFacts(request.notes, unreadFacts(mailboxes, left));
      return presentNoMail(mailboxes, seconds, notes, left.paused);
    }
    const ticket = this.#settlement.hand(request, { broker: name, mailboxes }, [delivery]);
    return this.#presentOne(delivery, mailboxes, ticket, request);
  }

  async receive(
    { port, bind, after, timeout }: OperationParameters<'receive'>,
    request: ToolRequest,
  ): Promise<string | TaskAnswer> {
    const { notes } = request;
    const plan = await this.#settlement.before(request, after ?? []);
    if (plan.part) return this.#part(plan.part);
    const work = { operation: 'receive', host: bind, port, names: [] } as const;
    const task = request.offerTask(work, timeout);
    if (task?.isOpen()) return presentOpenReceive(port, notes);
    const seconds = task ? taskInlineMs / 1_000 : timeout;
    const message = await this.#receiveFor(port, bind, seconds, request);
    if (message) return this.#presentDirect(port, message, request);
    return task ? task.begin(notes) : presentNoDirect(port, noteCut(request, timeout), notes);
  }

  async receiveAsTask(call: TaskCall, request: ToolRequest): Promise<string> {
    const { port, host } = call;
    const message = await this.#receiveFor(port, host, secondsLeft(call), request);
    if (message) return this.#presentDirect(port, message, request);
    return presentNoDirect(port, secondsTaken(call), request.notes);
  }

  async #receiveFor(
    port: number,
    bind: string | undefined,
    seconds: number,
    request: ToolRequest,
  ): Promise<ReceivedMessage | undefined> {
    // The port is free once the last sender has its confirmation.
    await Promise.all(this.#confirming);
    const given = { port, timeout: request.secondsAllowed(seconds), ...(bind && { bind }) };
    return this.#openRead(`receive ${port}`, request, (signal) =>
      operations.receive.run(given, request.context, { signal }),
    );
  }

  async #presentDirect(
    port: number,
    message: ReceivedMessage,
    request: ToolRequest,
  ): Promise<string> {
    this.#follow(request, message);
    const { notes } = request;
    const { from, origin, body } = message;
    const title = directTitle(from, origin, port);
    const text = presentDirect(title, body, notes);
    if (fits(text)) return text;
    const ticket = this.#settlement.partsTicket(request);
    return this.#firstPart({ ticket, mailboxes: undefined, from }, body, title, request);
  }

  /** Ends the open calls of one caller, or of all. */
  endOpen(caller?: string, where?: string): void {
    for (const read of this.#open) {
      if (caller !== undefined && read.caller !== caller) continue;
      if (where === undefined || read.where === where) read.end();
    }
  }

  /** Lets the senders of messages whose results are not written try again. */
  refuseReceived(): void {
    for (const refuse of this.#refusals) refuse();
  }

  /**
   * Sends the settles, then releases what is to be redelivered. Without a redelivery the read follows in the same turn,
   * and does not wait for their sync.
   */
  async #before(
    { mailbox: mailboxes, after }: OperationParameters<'fetch'>,
    request: ToolRequest,
    { name, mail }: BrokerSession,
  ): Promise<{ readonly plan: Plan; readonly settling: Promise<void> }> {
    const reads = { broker: name, mailboxes };
    const plan = this.#settlement.plan(request, after ?? [], { reads });
    const settling = this.#settlement.settle(request, plan.settles);
    if (plan.redelivers) {
      await settling;
      await mail.release(plan.redelivers.deliveries);
    }
    return { plan, settling };
  }

  /** If a settle of the call fails, the call does, and what it has read is given back. */
  async #settledFirst(
    settling: Promise<void>,
    request: ToolRequest,
    broker: BrokerSession,
    deliveries: readonly Delivery[],
  ): Promise<void> {
    try {
      await settling;
    } catch (error) {
      await this.#giveBack(request, broker, deliveries);
      throw error;
    }
  }

  async #giveBack(
    { context }: ToolRequest,
    { name }: BrokerSession,
    deliveries: readonly Delivery[],
  ): Promise<void> {
    if (deliveries.length === 0) return;
    await this.#settlement.release(context, { broker: name, deliveries, unread: true });
  }

  /** `mailboxes`: those that the call read. */
  async #presentOne(
    delivery: Delivery,
    mailboxes: MailboxList,
    ticket: string,
    request: ToolRequest,
  ): Promise<string> {
    const notes = withFacts(request.notes, deliveryFacts(delivery));
    const { body, envelope } = delivery;
    const text = presentDelivery(delivery, ticket, notes, {
      questionOf: this.#questionOf,
      mailboxes,
    });
    if (!body || fits(text)) return text;
    const source = { ticket, mailboxes, from: envelope.from };
    const title = deliveryTitle(delivery, this.#questionOf);
    return this.#firstPart(source, body, title, { context: request.context, notes });
  }

  async #firstPart(
    source: OverflowSource,
    body: Buffer,
    title: string,
    { context, notes }: { readonly context: ToolRequest['context']; readonly notes: Notes },
  ): Promise<string> {
    this.#overflow ??= new OverflowFiles(context.home);
    const text = presentPart(await this.#overflow.keep(source, body), 1, title, notes);
    assert(text !== undefined && fits(text));
    return text;
  }

  async #part({ ticket, number }: Part): Promise<string> {
    const kept = await this.#overflow?.find(ticket);
    const text = kept && presentPart(kept, number, `Message of ticket "${ticket}"`, []);
    if (text !== undefined) return text;
    const what = `after names part ${number} of "${ticket}", which is not kept`;
    throw new IpcError('bad_parameter', what);
  }

  /**
   * Its sender gets the confirmation when the result is written, else a refusal, and may try again. The watcher of a
   * written result is kept for a while, so it does not keep the message.
   */
  #follow({ watch }: ToolRequest, { confirm, refuse }: ReceivedMessage): void {
    this.#refusals.add(refuse);
    watch({
      writing: () => {},
      written: () => {
        this.#refusals.delete(refuse);
        const confirmed = confirm().catch(() => {});
        const done = confirmed.finally(() => this.#confirming.delete(done));
        this.#confirming.add(done);
      },
      gone: () => {
        this.#refusals.delete(refuse);
        refuse();
      },
    });
  }

  /** Runs a call that may block for long. At a host that drops calls, a newer one of its kind ends it. */
  async #openRead<T>(
    where: string,
    { caller, signal }: ToolRequest,
    read: (signal: AbortSignal, end: () => void) => Promise<T>,
  ): Promise<T> {
    if (caller.dropsCalls) this.endOpen(caller.id, where);
    const ended = new AbortController();
    const end = () => ended.abort();
    const open = { caller: caller.id, where, end };
    this.#open.add(open);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    try {
      return await read(ended.signal, end);
    } finally {
      signal.removeEventListener('abort', end);
      this.#open.delete(open);
    }
  }
}

/** Waits for a read that was sent after the settles of its call. Where one of those has failed, the call fails with that. */
async function behind<Read>(settling: Promise<void>, reading: Promise<Read>): Promise<Read> {
  settling.catch(() => {});
  try {
    return await reading;
  } catch (error) {
    await isPending(settling);
    throw error;
  }
}

/** Throws the error of settles that have failed. */
async function isPending(settling: Promise<void>): Promise<boolean> {
  return (await Promise.race([settling, setImmediate('pending')])) === 'pending';
}

/** The broker of a task's id, whatever the environment of this process names. */
export function brokerOf(
  { host, port }: TaskCall,
  { context }: ToolRequest,
): Promise<BrokerSession> {
  return context.broker({ host: { host: host ?? ownerAddress, port } });
}

function noteRedelivery(
  { notes }: ToolRequest,
  given: readonly Delivery[],
  { redelivers }: Plan,
): void {
  const ids = new Set(redelivers?.deliveries.map(({ envelope }) => envelope.id));
  if (!given.some(({ envelope }) => ids.has(envelope.id))) return;
  notes.push('redelivered, because no call named its ticket');
}

/** A read that named no ticket settles again by itself, at a host that drops calls. */
function lateNote(after: readonly string[] = [], { unknown }: Plan): string[] {
  const named = after.filter((ticket) => !unknown.includes(ticket));
  return named.length === 0 ? [] : [againNote(named, 'are not settled yet')];
}

/** That this session had the message itself is what the note of a redelivery says. */
function withoutOwnHold(delivery: Delivery, { redelivers }: Plan): Delivery {
  const isOwn = redelivers?.deliveries.some(({ envelope }) => envelope.id === delivery.envelope.id);
  return isOwn ? { ...delivery, lastHold: undefined } : delivery;
}

/** Returns the seconds that a call without mail has waited, and notes it when its host allowed no more. */
export function noteCut({ notes, secondsAllowed }: ToolRequest, asked: number): number {
  const allowed = secondsAllowed(asked);
  if (allowed !== asked) notes.push(`asked for ${asked} s, but this host allows ${allowed} s`);
  return allowed;
}
