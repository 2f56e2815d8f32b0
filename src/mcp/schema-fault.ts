// The error of a request that does not fit the schemas of MCP, as a sentence. The SDK writes the list of its validator
// there, as JSON.

/** One thing that is wrong, as the validator reports it. */
interface Issue {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** The type that it must have. */
  readonly expected?: string;
}

const typeWords: Readonly<Record<string, string>> = {
  record: 'an object',
  object: 'an object',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
};
/** Of a request that fits in nothing. */
const issuesShown = 5;
const remedy =
  'write the request as MCP defines it; params of a tools/call are {"name":"ipc","arguments":{"operation":"broker_status"}}';

/** Any other message stays as it is. */
export function schemaFaultWords(message: string): string {
  const begins = message.indexOf('[\n');
  const issues = begins < 0 ? [] : issuesIn(message.slice(begins));
  if (issues.length === 0) return message;
  const more = issues.length - issuesShown;
  const all = issues.slice(0, issuesShown).map(issueWords);
  if (more > 0) all.push(`and ${more} more`);
  return `${message.slice(0, begins)}${all.join('; ')}. To do: ${remedy}.`;
}

function issuesIn(text: string): readonly Issue[] {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every(isIssue) ? list : [];
  } catch {
    return [];
  }
}

function isIssue(value: unknown): value is Issue {
  const { path, message } = (value ?? {}) as Partial<Record<keyof Issue, unknown>>;
  return Array.isArray(path) && typeof message === 'string';
}

function issueWords({ path, message, expected = '' }: Issue): string {
  const where = path.length === 0 ? 'it' : path.join('.');
  const type = typeWords[expected];
  return type === undefined ? `${where}: ${message}` : `${where} must be ${type}`;
}
