// The goals: each row compares two contenders of a figure.
import { median, print, rounded } from '../support/measure.ts';
import type { Values } from './rounds.ts';

interface Goal {
  readonly what: string;
  readonly figure: string;
  readonly measured: string;
  readonly baseline: string;
  readonly goal: number;
  /** Whether the goal is the least value, as for rates, or the largest. */
  readonly isLeast?: boolean;
  /** Megabytes above the baseline, instead of a ratio. */
  readonly isDifference?: boolean;
}

export interface Row extends Goal {
  /** Of the comparisons within a round; undefined if one of the two was missing. */
  readonly result:
    | { readonly median: number; readonly lowest: number; readonly highest: number }
    | undefined;
}

const handover = { figure: 'handover_256B_1in_flight', measured: 'ipc' };
const post = { figure: 'post_256B_1in_flight', measured: 'ipc' };
const posts = { figure: 'post_256B_256in_flight', measured: 'ipc', isLeast: true };
const takes = { figure: 'take_settle_256B_256in_flight', measured: 'ipc', isLeast: true };
const start = { figure: 'process_start_to_exit', baseline: 'node_e_0' };
const mcpCall = { figure: 'mcp_call_256B_1in_flight', baseline: 'noop_tool' };
const large = { figure: 'post_1MB_4in_flight', measured: 'ipc', isLeast: true };

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
    goal: 2,
  },
  {
    ...mcpCall,
    what: 'post to "stored" through them / the same',
    measured: 'ipc_post_to_stored',
    goal: 2.5,
  },
  {
    ...handover,
    what: 'hand-over with 10,000 waits parked / with 1',
    measured: 'ipc_10000waits',
    baseline: 'ipc',
    goal: 1.2,
  },
  {
    ...large,
    what: '1 MB posts, stored, 4 in flight, bytes/s / bare 1 MB writes, each synced',
    baseline: 'bare_sync_pool',
    goal: 0.7,
  },
];

/** `figures`: those that were measured; of others there are no rows. */
export function compare(figures: ReadonlyMap<string, Values>): Row[] {
  return goals
    .filter(({ figure }) => figures.has(figure))
    .map((goal) => ({ ...goal, result: resultOf(goal, figures.get(goal.figure)) }));
}

/** A line for each row. */
export function printRows(rows: readonly Row[]): void {
  for (const { figure, measured, baseline, result, goal, isLeast, isDifference } of rows) {
    const kind = isDifference ? 'minus' : 'over';
    const bound = isLeast ? { atLeast: goal } : { atMost: goal };
    print(`${figure}_${measured}_${kind}_${baseline}`, { ...(result ?? { missing: true }), bound });
  }
}

/** A table in Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ what, result, goal, isLeast }) => {
    const cells = result
      ? [`${result.median}`, `${result.lowest} to ${result.highest}`]
      : ['missing', ''];
    return `| ${[what, ...cells, `${isLeast ? '>=' : '<='} ${goal}`].join(' | ')} |`;
  });
  return ['| figure | median | rounds | goal |', '|---|---|---|---|', ...lines, ''].join('\n');
}

function resultOf({ measured, baseline, isDifference }: Goal, values: Values | undefined) {
  const [ones, others] = [values?.get(measured), values?.get(baseline)];
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
