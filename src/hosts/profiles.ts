// The programs that run agents: how long a call may take in each, and how it ends calls. Measured, or read in
// their sources and documents, in November 2026.
import { type Environment, maxWaitIn } from '../app/environment.ts';

export interface HostProfile {
  /** How long a call may take; undefined: longer than any wait. */
  readonly secondsMax: number | undefined;
  /** It drops calls without a notification, so a written result may never have been seen. */
  readonly drops: boolean;
  /** It makes one call at a time, so a new call means that older ones were dropped. */
  readonly isSerial: boolean;
  /** It gives a call more time for each progress notification, if the call asked for them. */
  readonly wantsProgress: boolean;
}

const patient: HostProfile = {
  secondsMax: undefined,
  drops: false,
  isSerial: false,
  wantsProgress: false,
};

/** Keyed by the beginning of the name that the host sends. */
const hosts: readonly (readonly [name: string, host: HostProfile])[] = [
  ['claude-code', patient],
  ['claude-ai', { ...patient, secondsMax: 230 }],
  ['codex-mcp-client', { ...patient, secondsMax: 290, drops: true, isSerial: true }],
  ['gemini-cli-mcp-client', { ...patient, drops: true }],
  ['opencode', { ...patient, secondsMax: 55, wantsProgress: true }],
];

/** An unknown host may give up after 60 s, as the SDK does; one that asks for more knows its own limit. */
const unknownSeconds = 55;
const unknownSecondsDefault = 60;

export function findProfile(name: string | undefined): HostProfile | undefined {
  return hosts.find(([start]) => name?.startsWith(start))?.[1];
}

/** How long a call that asks for `asked` seconds may block, in seconds. */
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
