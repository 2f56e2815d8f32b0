// The calls that post: post and ask. The message that the call's ticket names, or without one the only message held
// from the recipient, is settled in the same step as the post is stored, and is what the post answers.

import type { BrokerSession } from '../app/context.ts';
import {
  answerMailbox,
  answerTo,
  type OperationParameters,
  operations,
} from '../app/operations.ts';
import { pausedAhead } from '../app/pause-words.ts';
import { sameTextNotes } from '../app/receipt-words.ts';
import { IpcError } from '../base/errors.ts';
import { taskInlineMs } from '../base/limits.ts';
import type { PostResult } from '../model/mail-service.ts';
import type { MailboxList, MessageId, Name } from '../model/message.ts';
import type { OwnPosts } from './own-posts.ts';
import { brokerOf, noteCut, type Reads } from './reads.ts';
import { nextAfterPost, presentPost } from './result-text.ts';
import { againNote, type Settlement, type ToolRequest } from './settlement.ts';
import type { TaskCall } from './task-id.ts';
import { secondsLeft, secondsTaken, type TaskAnswer } from './tasks.ts';

export class Writes {
  readonly #settlement: Settlement;
  readonly #reads: Reads;
  readonly #own: OwnPosts;

  constructor(settlement: Settlement, reads: Reads, own: OwnPosts) {
    this.#settlement = settlement;
    this.#reads = reads;
    this.#own = own;
  }

  async post(given: OperationParameters<'post'>, request: ToolRequest): Promise<string> {
    const { context, notes } = request;
    const { result, workFrom } = await this.#store(given, request, await context.broker(given));
    const from = given.from ?? context.name;
    const next = nextAfterPost(given.message, from, workFrom);
    return presentPost(given.to, from, result, next, notes);
  }

  async ask(given: OperationParameters<'ask'>, request: ToolRequest): Promise<string | TaskAnswer> {
    const { context, notes } = request;
    const mailbox = answerMailbox(given, context);
    const broker = await context.broker(given);
    const { result: stored } = await this.#store({ ...given, from: mailbox }, request, broker);
    const { id, number } = stored;
    const { host, port } = broker;
    const { timeout } = given;
    const names = [mailbox, id, `${number}`];
    const task = request.offerTask({ operation: 'ask', host, port, names }, timeout);
    const seconds = task ? taskInlineMs / 1_000 : timeout;
    const waiting = this.#reads.waitFor([mailbox], seconds, request, broker, { answers: id });
    const waited = await answerTo(stored, waiting);
    const [to] = given.to;
    const pause = stored.paused ? [pausedAhead(to)] : [];
    if (!waited.delivery && task) return task.begin([...notes, ...pause, ...sameTextNotes(stored)]);
    const took = waited.delivery ? seconds : noteCut(request, timeout);
    if (!waited.delivery) notes.push(storedNote(number), ...pause);
    notes.push(...sameTextNotes(stored));
    return this.#reads.presentWait([mailbox], waited, took, request, broker);
  }

  async askAsTask(call: TaskCall, request: ToolRequest): Promise<string> {
    const [mailbox, id, number] = call.names as [Name, MessageId, string];
    const stored = { number: Number(number) };
    const broker = await brokerOf(call, request);
    const seconds = secondsLeft(call);
    const waiting = this.#reads.waitFor([mailbox], seconds, request, broker, { answers: id });
    const waited = await answerTo(stored, waiting);
    if (!waited.delivery) request.notes.push(storedNote(stored.number));
    return this.#reads.presentWait([mailbox], waited, secondsTaken(call), request, broker);
  }

  async #store(
    given: OperationParameters<'post'>,
    request: ToolRequest,
    { name, mail }: BrokerSession,
  ): Promise<{ result: PostResult; workFrom: MailboxList | undefined }> {
    const { after = [] } = given;
    const { context, signal, notes } = request;
    const [mailbox, ...others] = given.to;
    const target = others.length === 0 ? { posts: { broker: name, mailbox } } : {};
    const plan = this.#settlement.plan(request, after, target);
    const own = plan.settles.filter((batch) => batch.broker === name);
    const elsewhere = plan.settles.filter((batch) => batch.broker !== name);
    const settles = own.flatMap(({ deliveries }) => deliveries);
    const answered = own.length > 0 ? plan.answers : undefined;
    const answers = answered?.id;
    let result: PostResult;
    try {
      result = await operations.post.run(given, context, { mail, signal, settles, answers });
    } catch (error) {
      await this.#settlement.unsettled(request, plan.settles);
      throw error;
    }
    this.#settlement.settled(request, own, result.notHeld);
    this.#own.add([result, ...result.also], given.message);
    this.#followResult(request, name, result);
    try {
      await this.#settlement.settle(request, elsewhere);
    } catch (error) {
      if (!(error instanceof IpcError)) throw error;
      // The post is stored all the same.
      notes.push(againNote(after, `were not settled (${error.code})`));
    }
    return { result: this.#own.withoutSeen(name, result), workFrom: answered?.mailboxes };
  }

  /** A host that drops calls silently may have dropped this one: its model has to learn of a post that it repeats. */
  #followResult({ caller, watch }: ToolRequest, broker: string, result: PostResult): void {
    if (caller.dropsCalls) return;
    const written = () => this.#own.seen(broker, [result, ...result.also]);
    watch({ writing: () => {}, written, gone: () => {} });
  }
}

function storedNote(number: number): string {
  return `the question is stored as #${number}`;
}
