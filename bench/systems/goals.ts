// The goals: each row compares two contenders of a figure.
import { median, print, rounded } from '../support/measure.ts';
import type { Values } from './rounds.ts';
import { queuedMailboxes, queuedMessages, takeoverMessages } from './scale.ts';

interface Goal {
  readonly what: string;
  readonly figure: string;
  readonly measured: string;
  /** Without one, the value itself has the goal. */
  readonly baseline?: string;
  readonly goal: number;
  /** Whether the goal is the least value, as for rates, or the largest. */
  readonly isLeast?: boolean;
  /** Megabytes above the baseline, instead of a ratio. */
  readonly isDifference?: boolean;
  /** The system that does the least that a program in Node can do for the same: see docs/internals/benchmarks.md. */
  readonly limit?: string;
}

interface Result {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

export interface Row extends Goal {
  /** Of the comparisons within a round; undefined if one of those compared was missing. */
  readonly result: Result | undefined;
  /** The same comparison, of the limit. */
  readonly limitResult: Result | undefined;
}

const limit = 'bare_queue';
const handover = { figure: 'handover_256B_1in_flight', measured: 'ipc', limit };
const post = { figure: 'post_256B_1in_flight', measured: 'ipc', limit };
const rate = { measured: 'ipc', isLeast: true, limit };
const posts = { figure: 'post_256B_256in_flight', ...rate };
const takes = { figure: 'take_settle_256B_256in_flight', ...rate };
const start = { figure: 'process_start_to_exit', baseline: 'node_e_0' };
const mcpCall = { figure: 'mcp_call_256B_1in_flight', baseline: 'noop_tool' };
const large = { figure: 'post_1MB_4in_flight', ...rate };

const goals: readonly Goal[] = [
  {
    ...handover,
    what: 'hand-over, post to a parked wait / Redis BLPOP in memory',
    baseline: 'redis_memory',
    goal: 1.3,
  },
  {
    ...handover,
    what: 'hand-over / bare TCP echo of two Node processes',
    baseline: 'tcp_echo',
    goal: 1.5,
  },
  {
    ...post,
    what: 'one stored post at a time / Redis RPUSH, `appendfsync always`',
    baseline: 'redis_aof_always',
    goal: 1.2,
  },
  {
    ...post,
    what: 'one stored post / bare write + fdatasync on the pool',
    baseline: 'bare_sync_pool',
    goal: 2,
  },
  {
    ...post,
    what: 'the same / bare write + fdatasync on the loop',
    baseline: 'bare_sync_loop',
    goal: 2,
  },
  {
    ...posts,
    what: 'stored posts a second, 256 in flight / Redis `always`',
    baseline: 'redis_aof_always',
    goal: 1,
  },
  {
    ...posts,
    what: 'the same / JetStream as shipped (lazy sync)',
    baseline: 'jetstream_lazy_sync',
    goal: 4,
  },
  { ...posts, what: 'the same / beanstalkd `-f0`', baseline: 'beanstalkd_f0', goal: 15 },
  {
    ...takes,
    what: 'take + settle a second, 256 in flight / Redis BLPOP, `always`',
    baseline: 'redis_aof_always',
    goal: 0.8,
  },
  {
    ...start,
    what: '`ipc post`, broker alive, whole process / `node -e 0`',
    measured: 'ipc_post_broker_alive',
    goal: 1.6,
  },
  {
    ...start,
    what: '`ipc post`, no broker alive / `node -e 0`',
    measured: 'ipc_post_no_broker',
    goal: 2,
  },
  {
    what: '`ipc mcp` to the answer of tools/list / an MCP server whose one tool does nothing',
    figure: 'mcp_start_to_tools_list',
    measured: 'ipc_mcp',
    baseline: 'noop_server',
    goal: 1.1,
  },
  {
    what: 'its idle memory above that server, MB',
    figure: 'mcp_idle_memory',
    measured: 'ipc_mcp',
    baseline: 'noop_server',
    goal: 6,
    isDifference: true,
  },
  {
    ...mcpCall,
    what: 'post to wait through three MCP processes / one call of that no-op tool',
    measured: 'ipc_post_to_wait',
    limit: 'bare_post_to_wait',
    goal: 2,
  },
  {
    ...mcpCall,
    what: 'post to "stored" through them / the same',
    measured: 'ipc_post_to_stored',
    limit: 'bare_post_to_stored',
    goal: 2.5,
  },
  {
    figure: handover.figure,
    what: 'hand-over with 10,000 waits parked / with 1',
    measured: 'ipc_10000waits',
    baseline: 'ipc',
    goal: 1.2,
  },
  {
    figure: post.figure,
    what: `post with ${countOf(queuedMessages)} messages queued in ${countOf(queuedMailboxes)} mailboxes / empty`,
    measured: `ipc_${queuedMessages}queued`,
    baseline: 'ipc',
    goal: 1.2,
  },
  {
    what: `memory for each of ${countOf(queuedMessages)} queued messages, beside its body, bytes`,
    figure: `memory_${queuedMessages}queued`,
    measured: 'ipc',
    goal: 400,
  },
  {
    what: 'memory for each of 10,000 parked waits, all on one mailbox, bytes',
    figure: 'memory_10000waits',
    measured: 'ipc_1mailbox',
    goal: 200,
  },
  {
    what: 'the same, each on a mailbox of its own',
    figure: 'memory_10000waits',
    measured: 'ipc',
    goal: 200,
  },
  {
    what: `restart with ${countOf(queuedMessages)} queued messages / Redis loading the same from its append-only file`,
    figure: `restart_256B_${queuedMessages}queued`,
    measured: 'ipc',
    baseline: 'redis_aof',
    goal: 2,
  },
  {
    what: `takeover with ${countOf(takeoverMessages)} queued, kill -9 of the owner to the first hand-over, ms`,
    figure: `takeover_256B_${takeoverMessages}queued`,
    measured: 'ipc',
    goal: 1_000,
  },
  {
    ...large,
    what: '1 MB posts, stored, 4 in flight, bytes/s / bare 1 MB writes at the end of a file, each synced',
    baseline: 'bare_append_sync_pool',
    goal: 0.7,
  },
  {
    ...large,
    what: 'the same / bare 1 MB writes over the same bytes again and again, each synced',
    baseline: 'bare_sync_pool',
    goal: 0.7,
  },
];

/** `figures`: those that were measured; of others there are no rows. */
export function compare(figures: ReadonlyMap<string, Values>): Row[] {
  return goals
    .filter(({ figure }) => figures.has(figure))
    .map((goal) => {
      const values = figures.get(goal.figure);
      const { measured, limit } = goal;
      const limitResult = limit === undefined ? undefined : resultOf(goal, values, limit);
      return { ...goal, result: resultOf(goal, values, measured), limitResult };
    });
}

/** A line for each row. */
export function printRows(rows: readonly Row[]): void {
  for (const row of rows) {
    const { figure, measured, baseline, result, goal, isLeast, isDifference, limitResult } = row;
    const kind = isDifference ? 'minus' : 'over';
    const bound = isLeast ? { atLeast: goal } : { atMost: goal };
    const compared = baseline === undefined ? 'goal' : `${kind}_${baseline}`;
    print(`${figure}_${measured}_${compared}`, {
      ...(result ?? { missing: true }),
      bound,
      ...(limitResult && { limit: limitResult.median }),
    });
  }
}

/** A table in Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ what, result, goal, isLeast, limitResult }) => {
    const cells = result
      ? [`${result.median}`, `${result.lowest} to ${result.highest}`]
      : ['missing', ''];
    const bound = `${isLeast ? '>=' : '<='} ${goal}`;
    return `| ${[what, ...cells, bound, limitResult?.median ?? ''].join(' | ')} |`;
  });
  const head = ['| figure | median | rounds | goal | limit |', '|---|---|---|---|---|'];
  return [...head, ...lines, ''].join('\n');
}

function resultOf(
  { baseline, isDifference }: Goal,
  values: Values | undefined,
  measured: string,
): Result | undefined {
  const ones = values?.get(measured);
  const others = baseline === undefined ? ones?.map(() => 1) : values?.get(baseline);
  if (ones === undefined || others === undefined) return undefined;
  const compared = ones.map((one, round) => {
    const other = others[round] ?? Number.NaN;
    return isDifference ? one - other : one / other;
  });
  return {
    median: rounded(median(compared)),
    lowest: rounded(Math.min(...compared)),
    highest: rounded(Math.max(...compared)),
  };
}

function countOf(count: number): string {
  return count.toLocaleString('en-US');
}
