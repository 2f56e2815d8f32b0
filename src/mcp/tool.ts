// The one tool. A call of it goes:
// 1. The parameters are checked.  2. What the call's ticket, or its coming at all, ends is settled.
// 3. The operation runs.  4. What it hands over gets a ticket, and the result leaves.  5. The transport
// tells when it is written, or that the host does not want it: the tickets say what that means.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import type { CallToolResult, RequestId, ServerContext } from '@modelcontextprotocol/server';
import { AppContext } from '../app/context.ts';
import { sendsPerHourIn } from '../app/environment.ts';
import {
  answerTo,
  askInParts,
  type BrokerSession,
  type CallOf,
  type OperationCall,
  parseCall,
  run,
} from '../app/operations.ts';
import * as present from '../app/summaries.ts';
import { IpcError } from '../base/errors.ts';
import { endMsMax, resultCharactersMax, sendsPerHourMcp } from '../base/limits.ts';
import { randomId } from '../base/random-id.ts';
import type { ReceivedMessage } from '../direct/receive.ts';
import { effectiveSeconds, findProfile, type HostProfile } from '../hosts/profiles.ts';
import type { Delivery, Held, PostResult } from '../model/mail-service.ts';
import type { MessageId } from '../model/message.ts';
import { OverflowFiles } from './overflow-files.ts';
import {
  type Batch,
  type BrokerMailbox,
  type Caller,
  type Part,
  type Plan,
  type ReleaseBatch,
  Tickets,
} from './tickets.ts';
import type { HostTransport } from './transport.ts';

const progressEveryMs = 12_000;

/** One reading call that is not answered yet. */
interface OpenRead {
  readonly caller: string;
  readonly place: string;
  end(): void;
}

interface ToolRequest {
  readonly id: RequestId;
  readonly caller: Caller;
  readonly host: HostProfile | undefined;
  readonly signal: AbortSignal;
  readonly notes: string[];
}

export class Tool {
  readonly #env: NodeJS.ProcessEnv;
  readonly #transport: HostTransport;
  readonly #tickets = new Tickets(randomId(4));
  readonly #reads = new Set<OpenRead>();
  /** Received, and their results not written yet. */
  readonly #received = new Set<ReceivedMessage>();
  readonly #unconfirmed = new Set<Promise<void>>();
  /** Both made by the first call that is right. */
  #context: AppContext | undefined;
  #overflow: OverflowFiles<present.About> | undefined;
  #host: HostProfile | undefined;
  #isEnding = false;

  constructor(env: NodeJS.ProcessEnv, transport: HostTransport) {
    this.#env = env;
    this.#transport = transport;
  }

  async call(
    given: Record<string, unknown>,
    context: ServerContext,
    name: string | undefined,
  ): Promise<CallToolResult> {
    const { id, _meta: meta, signal } = context.mcpReq;
    const host = findProfile(name);
    const stopProgress = this.#startProgress(context, host);
    try {
      if (this.#isEnding) throw new IpcError('closed', 'this session has ended');
      this.#host = host;
      const thread = meta?.threadId;
      const caller = { id: typeof thread === 'string' ? thread : '', drops: host?.drops ?? false };
      if (host?.isSerial) this.#endReads((read) => read.caller === caller.id);
      const call = parseCall(given);
      this.#context ??= this.#makePlace(name ?? 'mcp');
      return textResult(
        await this.#run(call, this.#context, { id, caller, host, signal, notes: [] }),
      );
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      return { ...textResult(present.presentError(error)), isError: true };
    } finally {
      stopProgress();
      this.#transport.finished(id);
    }
  }

  /** Settles what was seen, releases the rest, and gives the broker up; 2 s at most. */
  async end(): Promise<void> {
    if (this.#isEnding) return new Promise(() => {});
    this.#isEnding = true;
    const context = this.#context;
    if (!context) return;
    const late = new Promise<void>((resolve) => setTimeout(resolve, endMsMax));
    await Promise.race([this.#endAll(context), late]);
  }

  async #endAll(context: AppContext): Promise<void> {
    this.#endReads(() => true);
    for (const message of this.#received) message.refuse();
    const { settles, releases } = this.#tickets.end(performance.now(), this.#host?.drops ?? false);
    const settled = settles.map(async ({ broker, deliveries }) => {
      await context.mailOf(broker).settle(deliveries);
    });
    await Promise.allSettled([...settled, ...releases.map((one) => this.#release(context, one))]);
    await context.close();
  }

  #makePlace(program: string): AppContext {
    const sendsPerHour = sendsPerHourIn(this.#env) ?? sendsPerHourMcp;
    return new AppContext({ env: this.#env, program, sendsPerHour });
  }

  async #run(call: OperationCall, context: AppContext, request: ToolRequest): Promise<string> {
    switch (call.operation) {
      case 'wait':
      case 'fetch':
        return this.#read(call, context, request);
      case 'receive':
        return this.#receive(call, context, request);
      case 'post':
        return this.#post(call, context, request);
      case 'ask':
        return this.#ask(call, context, request);
      default:
        await this.#before(context, request, call.given.after);
        return this.#plain(call, context, request);
    }
  }

  async #read(call: CallOf<'wait'> | CallOf<'fetch'>, context: AppContext, request: ToolRequest) {
    const { mailbox, after } = call.given;
    const broker = await context.broker(call.given);
    const { name, mail } = broker;
    const box = { broker: name, mailbox };
    const plan = await this.#before(context, request, after, box);
    if (plan.part) return this.#part(plan.part);
    if (plan.again) await mail.release(plan.again.deliveries);
    const found =
      call.operation === 'wait'
        ? await this.#wait(call, context, request, broker)
        : await run(call, context, { mail, signal: request.signal, ...fetchLimits });
    const fitting = present.countFitting(found.deliveries) || 1;
    const given = found.deliveries.slice(0, fitting);
    const rest = found.deliveries.slice(fitting);
    await this.#release(context, { broker: name, deliveries: rest, unread: true });
    if (given.some((delivery) => isAmong(delivery, plan.again))) {
      request.notes.push('given once more, since no call named its ticket');
    }
    const ticket = this.#hand(context, request, box, given);
    const remaining = found.remaining + rest.length;
    return this.#presentRead(call, given, remaining, ticket, request);
  }

  async #wait(
    call: CallOf<'wait'>,
    context: AppContext,
    request: ToolRequest,
    { name, mail }: BrokerSession,
    answers?: MessageId,
  ) {
    const { timeout, mailbox } = call.given;
    const effective = this.#effective(timeout, request);
    const shorter = { ...call, given: { ...call.given, timeout: effective } };
    const where = `wait ${name} ${mailbox}`;
    const delivery = await this.#openRead(where, request, (signal) =>
      run(shorter, context, { mail, signal, answers }),
    );
    return { deliveries: delivery ? [delivery] : [], remaining: 0 };
  }

  async #presentRead(
    { operation, given }: CallOf<'wait'> | CallOf<'fetch'>,
    deliveries: readonly Delivery[],
    remaining: number,
    ticket: string,
    request: ToolRequest,
  ): Promise<string> {
    const { mailbox } = given;
    const { notes } = request;
    const [first] = deliveries;
    if (!first) {
      const effective = 'timeout' in given ? this.#effective(given.timeout, request) : undefined;
      if ('timeout' in given) noteCut(request, given.timeout, effective);
      return present.presentNoMail(mailbox, effective, ticket, notes);
    }
    if (operation === 'fetch' && deliveries.length > 1) {
      return present.presentDeliveries(mailbox, deliveries, remaining, ticket, notes);
    }
    if (operation === 'fetch') notes.push(present.moreThere(remaining));
    const text = present.presentDelivery(first, ticket, notes);
    if (!first.body || present.fits(text)) return text;
    const about = { ticket, mailbox, from: first.envelope.from };
    return this.#firstPart(first.body, about, present.deliveryTitle(first), notes);
  }

  async #receive(
    call: CallOf<'receive'>,
    context: AppContext,
    request: ToolRequest,
  ): Promise<string> {
    const { port, after, timeout } = call.given;
    const plan = await this.#before(context, request, after);
    if (plan.part) return this.#part(plan.part);
    // The port is free when the last sender has heard its answer.
    await Promise.all(this.#unconfirmed);
    const effective = this.#effective(timeout, request);
    const shorter = { ...call, given: { ...call.given, timeout: effective } };
    const message = await this.#openRead(`receive ${port}`, request, (signal) =>
      run(shorter, context, { signal }),
    );
    const ticket = this.#tickets.give(request.caller.id, undefined, []);
    if (!message) {
      noteCut(request, timeout, effective);
      return present.presentNoDirect(port, effective, ticket, request.notes);
    }
    this.#follow(request, message);
    const { from, origin, body } = message;
    const title = present.directTitle(from, origin, port);
    const text = present.presentDirect(title, body, ticket, request.notes);
    if (present.fits(text)) return text;
    const about = { ticket, mailbox: undefined, from };
    return this.#firstPart(body, about, title, request.notes);
  }

  async #post(call: CallOf<'post'>, context: AppContext, request: ToolRequest): Promise<string> {
    const { to, from } = call.given;
    const result = await this.#store(call, context, request, await context.broker(call.given));
    return present.presentPost(to, from ?? context.name, result, request.notes);
  }

  async #ask({ given }: CallOf<'ask'>, context: AppContext, request: ToolRequest): Promise<string> {
    const { post, waitFor } = askInParts(given, context.name);
    const broker = await context.broker(given);
    const stored = await this.#store({ operation: 'post', given: post }, context, request, broker);
    const call = { operation: 'wait', given: waitFor } as const;
    const waiting = this.#wait(call, context, request, broker, stored.id);
    const { deliveries } = await answerTo(stored, waiting);
    const box = { broker: broker.name, mailbox: waitFor.mailbox };
    const ticket = this.#hand(context, request, box, deliveries);
    if (deliveries.length === 0) request.notes.push(`the question is stored as #${stored.number}`);
    return this.#presentRead(call, deliveries, 0, ticket, request);
  }

  /** What the ticket of a post names is answered, and settled in the same step. */
  async #store(
    call: CallOf<'post'>,
    context: AppContext,
    request: ToolRequest,
    { name, mail }: BrokerSession,
  ): Promise<PostResult> {
    const { after } = call.given;
    const plan = this.#tickets.begin(request.caller, after, undefined);
    this.#noteTicket(request, plan, after);
    const own = plan.settles.filter((batch) => batch.broker === name);
    const others = plan.settles.filter((batch) => batch.broker !== name);
    const settles = own.flatMap(({ deliveries }) => deliveries);
    const answers = own.length > 0 ? plan.answers : undefined;
    let result: PostResult;
    try {
      result = await run(call, context, { mail, signal: request.signal, settles, answers });
    } catch (error) {
      await this.#unsettled(context, plan.settles);
      throw error;
    }
    this.#tickets.settled(own);
    noteNotHeld(request, result.notHeld);
    try {
      await this.#settle(context, request, others);
    } catch (error) {
      await this.#unsettled(context, others);
      if (!(error instanceof IpcError)) throw error;
      // The post is stored all the same.
      const what = `the messages of "${after}" were not settled`;
      request.notes.push(`${what} (${error.code}): name it again`);
    }
    return result;
  }

  async #plain(call: PlainCall, context: AppContext, request: ToolRequest): Promise<string> {
    const { notes, signal } = request;
    switch (call.operation) {
      case 'send': {
        const { host, from, timeout } = call.given;
        const given = { ...call.given, timeout: this.#effective(timeout, request) };
        await run({ ...call, given }, context, { signal });
        return present.presentSend(host, from ?? context.name, notes);
      }
      case 'ping': {
        const given = { ...call.given, timeout: this.#effective(call.given.timeout, request) };
        const { ms } = await run({ ...call, given }, context, { signal });
        return present.presentPing(call.given.host, ms, notes);
      }
      case 'broker_start': {
        const { port, mail } = await context.broker(call.given);
        return present.presentStart(port, await run(call, context, { mail, signal }), notes);
      }
      case 'broker_stop': {
        const { port, mail } = await context.broker(call.given);
        return present.presentStop(port, await run(call, context, { mail, signal }), notes);
      }
      case 'broker_status': {
        const { mail } = await context.broker(call.given);
        return present.presentStatus(await run(call, context, { mail, signal }), Date.now(), notes);
      }
    }
  }

  /** What the call's ticket and the call itself end. */
  async #before(
    context: AppContext,
    request: ToolRequest,
    after: string | undefined,
    reads?: BrokerMailbox,
  ): Promise<Plan> {
    const plan = this.#tickets.begin(request.caller, after, reads);
    this.#noteTicket(request, plan, after);
    try {
      await this.#settle(context, request, plan.settles);
    } catch (error) {
      await this.#unsettled(context, plan.settles);
      throw error;
    }
    return plan;
  }

  #noteTicket({ notes }: ToolRequest, plan: Plan, after: string | undefined): void {
    if (plan.isUnknown) notes.push(`ticket "${after}" is not of this session and was ignored`);
    if (plan.part) notes.push(`"${after}" is the ticket of a part and settles nothing`);
  }

  async #settle(
    context: AppContext,
    request: ToolRequest,
    batches: readonly Batch[],
  ): Promise<void> {
    for (const batch of batches) {
      const mail = context.mailOf(batch.broker);
      noteNotHeld(request, await mail.settle(batch.deliveries));
      this.#tickets.settled([batch]);
    }
  }

  async #unsettled(context: AppContext, batches: readonly Batch[]): Promise<void> {
    for (const release of this.#tickets.unsettled(batches)) await this.#release(context, release);
  }

  /** Gives what was read a ticket, which follows the result on its way. */
  #hand(
    context: AppContext,
    { id, caller }: ToolRequest,
    box: BrokerMailbox,
    deliveries: readonly Delivery[],
  ): string {
    const ticket = this.#tickets.give(caller.id, box, deliveries);
    if (deliveries.length === 0) return ticket;
    this.#transport.watch(id, {
      writing: () => this.#tickets.writing(ticket),
      written: () => this.#tickets.written(ticket, performance.now()),
      gone: () => {
        const release = this.#tickets.gone(ticket);
        if (release) void this.#release(context, release);
      },
    });
    return ticket;
  }

  /** The client keeps at it until the broker has answered; an end of the session releases as well. */
  async #release(context: AppContext, { broker, deliveries, unread }: ReleaseBatch): Promise<void> {
    const mail = context.mailOf(broker);
    await mail.release(deliveries, { unread }).catch(() => {});
  }

  /** Its sender hears of it when the result is written; when that cannot be, he may try again. */
  #follow({ id }: ToolRequest, message: ReceivedMessage): void {
    this.#received.add(message);
    this.#transport.watch(id, {
      writing: () => {},
      written: () => {
        this.#received.delete(message);
        const told = message.confirm().catch(() => {});
        const done = told.finally(() => this.#unconfirmed.delete(done));
        this.#unconfirmed.add(done);
      },
      gone: () => {
        this.#received.delete(message);
        message.refuse();
      },
    });
  }

  /** Runs a call that may block for long. One that a newer call replaces was dropped by its host. */
  async #openRead<T>(
    where: string,
    { caller, signal }: ToolRequest,
    read: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (caller.drops) {
      this.#endReads((open) => open.caller === caller.id && open.place === where);
    }
    const ended = new AbortController();
    const open = { caller: caller.id, place: where, end: () => ended.abort() };
    this.#reads.add(open);
    try {
      return await read(AbortSignal.any([signal, ended.signal]));
    } finally {
      this.#reads.delete(open);
    }
  }

  #endReads(which: (read: OpenRead) => boolean): void {
    for (const read of this.#reads) if (which(read)) read.end();
  }

  #effective(asked: number, { host }: ToolRequest): number {
    return effectiveSeconds(asked, host, this.#env);
  }

  async #firstPart(
    body: Buffer,
    about: present.About,
    title: string,
    notes: present.Notes,
  ): Promise<string> {
    assert(this.#context);
    this.#overflow ??= new OverflowFiles(this.#context.home);
    const kept = await this.#overflow.keep(about.ticket, body, about);
    const text = present.presentPart(kept, 1, title, notes);
    assert(text !== undefined && text.length <= resultCharactersMax);
    return text;
  }

  async #part({ ticket, number }: Part): Promise<string> {
    const kept = await this.#overflow?.find(ticket);
    const text = kept && present.presentPart(kept, number, `Message of ticket "${ticket}"`, []);
    if (text !== undefined) return text;
    throw new IpcError(
      'bad_parameter',
      `after names part ${number} of "${ticket}", which is not kept`,
    );
  }

  #startProgress({ mcpReq }: ServerContext, host: HostProfile | undefined): () => void {
    const progressToken = mcpReq._meta?.progressToken;
    if (progressToken === undefined || host?.wantsProgress === false) return () => {};
    let progress = 0;
    const timer = setInterval(() => {
      const params = { progressToken, progress: ++progress };
      mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
    }, progressEveryMs);
    return () => clearInterval(timer);
  }
}

type PlainCall = Exclude<
  OperationCall,
  { operation: 'wait' | 'fetch' | 'receive' | 'post' | 'ask' }
>;

/** Bytes are never fewer than characters, so that little of what is fetched goes back unread. */
const fetchLimits = { bytesMax: resultCharactersMax, messagesMax: 200 };

function textResult(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] };
}

function isAmong({ envelope }: Delivery, batch: Batch | undefined): boolean {
  return batch?.deliveries.some((other) => other.envelope.id === envelope.id) ?? false;
}

/** One note for all of them: a ticket may name more than a result has room for. */
function noteNotHeld({ notes }: ToolRequest, [first, ...others]: readonly Held[]): void {
  if (!first) return;
  const one = `#${first.envelope.number} was not settled: another session holds it by now`;
  const all = `${others.length + 1} messages were not settled: other sessions hold them by now`;
  notes.push(others.length === 0 ? one : all);
}

/** A host that gives up on calls before their time gets its answer earlier. */
function noteCut({ notes }: ToolRequest, asked: number, effective: number | undefined): void {
  if (effective === undefined || effective === asked) return;
  notes.push(`asked for ${asked} s, but this host allows ${effective} s`);
}
