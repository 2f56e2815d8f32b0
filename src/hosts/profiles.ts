// What is known of the programs that run agents: how long a call may take there, and how calls end.
// Measured, or read in their sources and documents, in November 2026.
import { type Environment, maxWaitIn } from '../app/environment.ts';

export interface HostProfile {
  /** How long a call may take, in seconds; undefined: longer than any wait. */
  readonly secondsMax: number | undefined;
  /** It drops calls without a word: a result that was written may never have been seen. */
  readonly drops: boolean;
  /** One call at a time: a new one says that the older are dropped. */
  readonly isSerial: boolean;
  /** Progress gives a call more time, where the call asks for it. */
  readonly wantsProgress: boolean;
}

const patient: HostProfile = {
  secondsMax: undefined,
  drops: false,
  isSerial: false,
  wantsProgress: false,
};

/** By the beginning of the name that the host gives itself. */
const hosts: readonly (readonly [name: string, host: HostProfile])[] = [
  ['claude-code', patient],
  ['claude-ai', { ...patient, secondsMax: 230 }],
  ['codex-mcp-client', { ...patient, secondsMax: 290, drops: true, isSerial: true }],
  ['gemini-cli-mcp-client', { ...patient, drops: true }],
  ['opencode', { ...patient, secondsMax: 55, wantsProgress: true }],
];

/** An unknown host may give up at 60 s, as its SDK does; one that asks for more knows its limit. */
const unknownSeconds = 55;
const unknownSecondsDefault = 60;

export function findProfile(name: string | undefined): HostProfile | undefined {
  return hosts.find(([start]) => name?.startsWith(start))?.[1];
}

/** How long a call that asks for so many seconds may really take. */
export function effectiveSeconds(
  asked: number,
  host: HostProfile | undefined,
  env: Environment,
): number {
  const given = maxWaitIn(env);
  if (given !== undefined) return Math.min(asked, given);
  if (host) return Math.min(asked, host.secondsMax ?? asked);
  return asked > unknownSecondsDefault ? asked : Math.min(asked, unknownSeconds);
}
